"""A task that does nothing, run by Celery at least once: acknowledged when it has ended."""

import os

from celery import Celery

app = Celery("tasks", broker=os.environ["BROKER"])
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    task_default_queue="idle",
    # More than the 4 of the default: acknowledgements and fetches overlap with the work.
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
    worker_enable_remote_control=True,
    broker_connection_retry_on_startup=True,
)


@app.task
def noop(order_id):
    pass

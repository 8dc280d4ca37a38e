"""Measures Celery: `BROKER=redis+socket:///path python measure.py JOBS`.

The worker is up and the jobs are enqueued before the clock starts. It stops when the last one is acknowledged, which is
when Redis has neither a waiting nor an unacknowledged message.
"""

import json
import os
import subprocess
import sys
import time

import celery
import redis

from tasks import app, noop

QUEUE = "noops"
WITHIN = 120


def until(what, reached, within=WITHIN):
    deadline = time.monotonic() + within
    while not reached():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {within} s")


def main():
    jobs = int(sys.argv[1])
    broker = redis.Redis(unix_socket_path=os.environ["BROKER"].removeprefix("redis+socket://"))
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool=prefork", "--concurrency=2"]
        + ["--queues=idle", "--loglevel=ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"],
        stdout=sys.stderr,
    )
    try:
        until("the worker's start", lambda: app.control.ping(timeout=0.5))
        with app.producer_pool.acquire() as producer:
            for order_id in range(jobs):
                noop.apply_async((order_id,), queue=QUEUE, producer=producer)
        start = time.monotonic()
        app.control.add_consumer(QUEUE)

        def done():
            time.sleep(0.005)
            return broker.llen(QUEUE) == 0 and broker.hlen("unacked") == 0

        until("the jobs' end", done)
        seconds = time.monotonic() - start
    finally:
        worker.terminate()
        worker.wait()
    print(json.dumps({"jobs": jobs, "seconds": seconds, "version": f"Celery {celery.__version__}"}))


if __name__ == "__main__":
    main()

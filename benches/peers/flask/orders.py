"""Orders on Flask, SQLAlchemy and gunicorn, with their official instrumentation.

`SAMPLED` is the share of the traces that are recorded; without it nothing is instrumented. Spans are batched to nowhere.
No task follows an order here.
"""

import os
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation

from flask import Blueprint, Flask, abort, jsonify, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event

db = SQLAlchemy()
pages = Blueprint("pages", __name__)
orders = Blueprint("orders", __name__, url_prefix="/api/orders")


def now():
    return datetime.now(timezone.utc)


class Order(db.Model):
    __tablename__ = "orders"

    id = db.Column(db.Integer, primary_key=True)
    product_name = db.Column(db.String(200), nullable=False)
    amount = db.Column(db.Numeric(10, 2), nullable=False)
    status = db.Column(db.String(50), nullable=False, default="pending", index=True)
    created_at = db.Column(db.DateTime, nullable=False, default=now)
    updated_at = db.Column(db.DateTime, nullable=False, default=now, onupdate=now)

    def shown(self):
        return {
            "id": self.id,
            "product_name": self.product_name,
            "amount": str(self.amount),
            "status": self.status,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }


@pages.get("/hello")
def hello():
    return "Hello, world!"


@orders.get("/<int:order_id>")
def show(order_id):
    order = db.session.get(Order, order_id)
    if order is None:
        abort(404)
    return jsonify(order.shown())


@orders.post("/")
def create():
    draft = request.get_json()
    name = draft.get("product_name", "")
    try:
        amount = Decimal(draft.get("amount", ""))
    except InvalidOperation:
        abort(422)
    if not 1 <= len(name) <= 200 or amount < 0:
        abort(422)
    order = Order(product_name=name, amount=amount)
    db.session.add(order)
    db.session.commit()
    return jsonify(order.shown()), 201


def as_durable_as_ours(connection, _record):
    cursor = connection.cursor()
    for pragma in ("busy_timeout = 5000", "journal_mode = WAL", "synchronous = NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def instrument(app, sampled):
    from opentelemetry import trace
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    class Nowhere(SpanExporter):
        def export(self, spans):
            return SpanExportResult.SUCCESS

    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(sampled))
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    trace.set_tracer_provider(provider)
    FlaskInstrumentor().instrument_app(app)
    with app.app_context():
        SQLAlchemyInstrumentor().instrument(engine=db.engine)


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + os.environ["DATABASE"]
    db.init_app(app)
    app.register_blueprint(pages)
    app.register_blueprint(orders)
    with app.app_context():
        event.listen(db.engine, "connect", as_durable_as_ours)
        db.create_all()
    if "SAMPLED" in os.environ:
        instrument(app, float(os.environ["SAMPLED"]))
    return app

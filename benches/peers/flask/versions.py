"""Prints what the service is made of."""

from importlib.metadata import version

NAMES = ["Flask", "SQLAlchemy", "gunicorn", "opentelemetry-sdk", "opentelemetry-instrumentation-flask"]

if __name__ == "__main__":
    print(", ".join(f"{name} {version(name)}" for name in NAMES))

"""Logs for people or for machines, and the SDK's metrics for Prometheus."""

import json
import logging
import sys
from typing import Literal

from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from runtime.errors import SettingsError

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """One JSON object per record; what was given as `extra` becomes its own member."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def configure_logging(level: str, log_format: Literal["text", "json"] = "text") -> None:
    """Log to stderr, one line per record; `level` is a level's name. Repeatable."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%H:%M:%S")
        )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level != "DEBUG":
        # A line for each call to a participant says nothing that the saga doesn't.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)


def prometheus_runtime(bind_address: str | None) -> Runtime:
    """A runtime for `connect` that serves /metrics at `host:port`; None: without metrics.

    Raises SettingsError when nothing can be served there.
    """
    if bind_address is None:
        return Runtime.default()
    metrics = PrometheusConfig(
        bind_address=bind_address, durations_as_seconds=True, unit_suffix=True
    )
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=metrics))
    except (ValueError, RuntimeError) as error:
        raise SettingsError(
            f"metrics can't be served at {bind_address} ({error}): give IP:PORT, the port free"
        ) from error

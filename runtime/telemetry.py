"""Logs for people or for machines, and the SDK's metrics for Prometheus."""

import json
import logging
import sys
from collections.abc import Callable
from typing import Literal

from temporalio import activity, workflow
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from typing_extensions import override

from runtime.correlation import MEMBERS, NOTHING, current, of_run
from runtime.errors import SettingsError

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class CorrelationFilter(logging.Filter):
    """Lets every record pass, with what it belongs to as members; what a caller gives stays.

    For handlers: it asks in the task that logs.
    """

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Say in the record what the running task belongs to, or the run that it tells of."""
        correlation = current()
        if correlation is NOTHING:
            told = getattr(record, "temporal_workflow", {})
            correlation = of_run(told.get("run_id", ""))
            if correlation is NOTHING and "workflow_id" in told:
                record.saga_id = told["workflow_id"]
        for name, value in correlation.members.items():
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


class TextFormatter(logging.Formatter):
    """One line for people, which ends with the saga and the step that it is about."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%H:%M:%S")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without a traceback."""
        correlation_id, _, saga_id, step = (getattr(record, name, None) for name in MEMBERS)
        about = [str(it) for it in (saga_id, step) if it]
        if correlation_id not in (None, saga_id):
            about.append(f"correlation {correlation_id}")
        line = super().formatMessage(record)
        return f"{line} [{', '.join(about)}]" if about else line


class JsonFormatter(logging.Formatter):
    """One JSON object per record; what was given as `extra` becomes its own member."""

    @override
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
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    handler.addFilter(CorrelationFilter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The SDK would repeat in the message what the line's end, or the JSON, says.
    activity.logger.activity_info_on_message = False
    workflow.logger.workflow_info_on_message = False
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


def letter_counter(runtime: Runtime) -> Callable[[str, str], None]:
    """Counts a dead letter of a channel and a group; without metrics it does nothing."""
    counter = runtime.metric_meter.create_counter(
        "saga_dead_letters", "Messages that a consumer could not handle"
    )

    def count(channel: str, group: str) -> None:
        counter.add(1, {"channel": channel, "group": group})

    return count

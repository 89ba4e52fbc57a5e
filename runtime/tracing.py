"""Traces by OpenTelemetry: on when OTEL_EXPORTER_OTLP_ENDPOINT says where spans go."""

import os

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from temporalio.client import Plugin
from temporalio.contrib.opentelemetry import OpenTelemetryPlugin, create_tracer_provider
from typing_extensions import override

from runtime.correlation import current
from runtime.errors import SettingsError

_ATTRIBUTES = {
    "correlation_id": "saga.correlation_id",
    "causation_id": "saga.causation_id",
    "saga_id": "saga.id",
    "step": "saga.step",
}


class CorrelationProcessor(SpanProcessor):
    """Gives each span what the task belongs to that starts it, as `saga.*` attributes."""

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Set the attributes."""
        for name, value in current().members.items():
            span.set_attribute(_ATTRIBUTES[name], value)


def tracing_plugins() -> list[Plugin]:
    """The plugins for `connect` that trace workflows and activities; none where tracing is off.

    Raises SettingsError if spans are wanted and the exporter isn't installed.
    """
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return []
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set and the exporter is missing:"
            " pip install 'durable-saga[otlp]', or unset it"
        ) from error
    return [trace_to(OTLPSpanExporter())]


def trace_to(exporter: SpanExporter) -> OpenTelemetryPlugin:
    """Trace to an exporter from now on, in this whole process."""
    provider = create_tracer_provider()
    provider.add_span_processor(CorrelationProcessor())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return OpenTelemetryPlugin(add_temporal_spans=True)

"""A collector of traces: it takes spans by OTLP over HTTP, and keeps them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass
class Collector:
    """What has come, by the spans' names: the attributes of each."""

    url: str = ""
    spans: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator["Collector"]:
        """A collector that worker processes can send to."""
        collector = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        collector.url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            yield collector
        finally:
            server.shutdown()
            serving.join()
            server.server_close()

    def take(self, sent: ExportTraceServiceRequest) -> None:
        """Keep the spans of one request."""
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {it.key: it.value.string_value for it in span.attributes}
                    self.spans.setdefault(span.name, []).append(attributes)

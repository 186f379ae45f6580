"""A receiver of traces: OTLP over HTTP, on loopback, as a collector has it."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KINDS: Final = {2: "request", 3: "origin", 5: "job"}  # SpanKind of OTLP: SERVER, CLIENT, CONSUMER


@dataclass(frozen=True)
class Span:
    """What was sent of one step."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    failed: bool
    about: Mapping[str, Any]


class Collector:
    """`hang`: whether what is sent stays without an answer."""

    def __init__(self, *, hang: bool = False) -> None:
        self.spans: list[Span] = []
        self.resource: dict[str, Any] = {}
        self.asked = threading.Event()
        self._ending = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
                collector.asked.set()
                if hang:
                    collector._ending.wait(60)
                else:
                    collector._take(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Its address, for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def _take(self, body: bytes) -> None:
        sent = ExportTraceServiceRequest.FromString(body)
        for resource in sent.resource_spans:
            self.resource = _plain(resource.resource.attributes)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    kind = KINDS.get(span.kind, str(span.kind))
                    self.spans.append(Span(span.name, kind, *ids, span.status.code == 2, _plain(span.attributes)))

    def until(self, wanted: Callable[[Span], bool], seconds: float = 30.0) -> Span:
        """Wait for a span that is as wanted."""
        deadline = time.monotonic() + seconds
        while True:
            found = next((span for span in list(self.spans) if wanted(span)), None)
            if found is not None:
                return found
            assert time.monotonic() < deadline, self.spans
            time.sleep(0.02)


def _plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}

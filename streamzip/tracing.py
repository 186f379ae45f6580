"""Traces, by OpenTelemetry, where its own variables name who is to have them; else nothing of it is loaded.

A step is what OpenTelemetry calls a span: a request, an attempt at an origin, a job. None is made for a chunk, and no
origin is told of any. Without `begin` each costs a comparison.
"""

import os
import threading
from collections.abc import Mapping
from contextvars import Token
from typing import Any, Final, Literal, Protocol, Self
from urllib.parse import urlsplit

Kind = Literal["request", "origin", "job"]
Value = str | int | float | bool

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_ENDS_WITHIN: Final = 2.0  # seconds that a process gives to what is not sent yet


class UnavailableError(Exception):
    """Traces are asked for, and cannot be made; the message says why."""


class Step(Protocol):
    """Something that takes time. Within its context, steps that begin are parts of it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None: ...

    def tell(self, **about: Value | None) -> None:
        """Say more of it: `__` in a name stands for a dot."""

    def rename(self, name: str) -> None:
        """Call it otherwise: what it is was not known when it began."""

    def end(self, failed: str | None = None) -> None:
        """End it now; `failed`: the code of what went wrong."""


class _Nothing:
    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        pass

    def tell(self, **about: Value | None) -> None:
        """See Step."""

    def rename(self, name: str) -> None:
        """See Step."""

    def end(self, failed: str | None = None) -> None:
        """See Step."""


class _Traced:
    """A step that is told. Of an error the kind alone: its text may hold a secret."""

    def __init__(self, tracer: "_Tracer", span: Any) -> None:
        self._tracer = tracer
        self._span = span
        self._token: Token[Any] | None = None
        self._ended = False  # an answer may be closed twice

    def __enter__(self) -> Self:
        self._token = self._tracer.api.context.attach(self._tracer.api.trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._token is not None:
            self._tracer.api.context.detach(self._token)
        self.end(None if kind is None else str(getattr(error, "code", kind.__name__)))

    def tell(self, **about: Value | None) -> None:
        """See Step."""
        for name, value in about.items():
            if value is not None and not self._ended:
                self._span.set_attribute(name.replace("__", "."), value)

    def rename(self, name: str) -> None:
        """See Step."""
        self._span.update_name(name)

    def end(self, failed: str | None = None) -> None:
        """See Step."""
        if self._ended:
            return
        self._ended = True
        if failed is not None:
            self._span.set_attribute("error.type", failed)
            self._span.set_status(self._tracer.api.trace.StatusCode.ERROR)
        self._span.end()


class _Tracer:
    """Makes steps, and sends them in the background, in batches."""

    def __init__(self, version: str) -> None:
        from opentelemetry import context, trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.api = _Api(context, trace)
        ours = Resource({"service.name": "streamzip", "service.version": version})
        self._provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("streamzip", version)
        self._propagator = TraceContextTextMapPropagator()
        self._kinds = {
            "request": trace.SpanKind.SERVER,
            "origin": trace.SpanKind.CLIENT,
            "job": trace.SpanKind.CONSUMER,
        }

    def step(self, kind: Kind, name: str, told: Mapping[str, str] | None) -> _Traced:
        """Begin a step; `told`: the fields by which another program says what it is a part of."""
        within = None if told is None else self._propagator.extract(told, self.api.context.Context())
        return _Traced(self, self._tracer.start_span(name, context=within, kind=self._kinds[kind]))

    def end(self) -> None:
        """Send what is left, where somebody takes it in time."""
        sending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        sending.start()
        sending.join(_ENDS_WITHIN)


class _Api:
    """OpenTelemetry's modules, as they were loaded."""

    def __init__(self, context: Any, trace: Any) -> None:
        self.context = context
        self.trace = trace


NOTHING: Final = _Nothing()
_tracer: _Tracer | None = None


def begin(version: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Make traces from now on, where that is wanted, and return where they are sent. Raises UnavailableError."""
    global _tracer
    endpoint = wanted(environment)
    if endpoint is None:
        return None
    try:
        _tracer = _Tracer(version)
    except ImportError as error:
        raise UnavailableError(f"OpenTelemetry is not installed: install streamzip[otel] ({error})") from error
    except (ValueError, OSError) as error:  # a variable of its own that is none, a certificate that is not there
        raise UnavailableError(str(error)) from error
    return endpoint


def wanted(environment: Mapping[str, str]) -> str | None:
    """Return the address that the standard variables name for traces, without user and query; None where they are
    wanted nowhere. Raises UnavailableError where they cannot be sent there.
    """
    name = next((name for name in _ENDPOINTS if environment.get(name)), None)
    off = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    if name is None or off or environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    for protocol in (environment.get(each) for each in _PROTOCOLS):
        if protocol and protocol != "http/protobuf":
            raise UnavailableError(f"traces are sent as http/protobuf, and the protocol asked for is {protocol}")
    try:
        url = urlsplit(environment[name])
        host = url.hostname
        port = "" if url.port is None else f":{url.port}"
    except ValueError:
        host, port = None, ""
    if url.scheme not in ("http", "https") or not host:
        raise UnavailableError(f"{name} is no http or https URL, such as http://127.0.0.1:4318")
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}{port}{url.path}"


def end() -> None:
    """Make no more traces, and send what is left."""
    global _tracer
    if _tracer is not None:
        _tracer.end()
        _tracer = None


def traces() -> bool:
    """Return whether steps are told of: what costs something to find out need not be, otherwise."""
    return _tracer is not None


def step(kind: Kind, name: str, told: Mapping[str, str] | None = None) -> Step:
    """Begin a step of what is under way. `told`: the `traceparent` and `tracestate` of who asked, where it is to be
    believed; then what is under way here does not count.
    """
    return NOTHING if _tracer is None else _tracer.step(kind, name, told)

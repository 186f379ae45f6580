"""Traces reach who OpenTelemetry's own variables name: a step for each request, attempt at an origin, and job."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.collector import Collector
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Status

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@contextmanager
def traced(data: Path, origin: Origin, endpoint: str, **settings: str) -> Iterator[Gateway]:
    """A gateway whose environment names a collector, and that sends what it has at once."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        environment.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=tests")
        with Gateway(data, allow=[origin.authority], **settings) as gateway:
            yield gateway


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def gateway(collector: Collector, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data = tmp_path_factory.mktemp("traced") / "data"
    with traced(data, origin, collector.url, trusted_proxies="127.0.0.1", max_attempts="2") as gateway:
        yield gateway


def test_download_is_a_part_of_the_proxys_trace(gateway: Gateway, collector: Collector, origin: Origin) -> None:
    """The request, and each attempt at an origin below it; no origin learns of it, and no query is told."""
    url = origin.url("/traced/file?token=geheim")
    origin.serve("/traced/file", File(Pattern(300_000)), Status(500), File(Pattern(300_000)))
    hash = gateway.create(urls=[url])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    answer = gateway.get(hash, {"traceparent": TRACEPARENT, "tracestate": "a=b", "X-Request-Id": "asked-for"})
    assert answer.status_code == 200
    request = collector.until(lambda span: span.kind == "request" and span.trace == TRACE)
    assert (request.name, request.parent, request.failed) == ("GET /archive/get/{hash}.zip", PARENT, False)
    assert request.about["http.response.status_code"] == 200
    assert (request.about["streamzip.archive"], request.about["streamzip.request_id"]) == (hash, "asked-for")
    refused = collector.until(lambda span: span.trace == TRACE and span.kind == "origin" and span.failed)
    assert refused.about["error.type"] == "http_500"
    whole = collector.until(lambda span: span.trace == TRACE and span.kind == "origin" and not span.failed)
    assert (whole.about["http.response.status_code"], whole.about["streamzip.whole"]) == (200, True)
    assert whole.about["url.full"] == url.replace("token=geheim", "[redacted]")
    assert {refused.parent, whole.parent} == {request.id}
    told = [name for asked in origin.requests("/traced/file") for name in asked.fields]
    assert not {"traceparent", "tracestate", "baggage"} & set(told)
    assert "geheim" not in str(collector.spans)
    assert not [line for line in gateway.log if line["logger"].startswith("opentelemetry")]  # as of a step ended twice
    assert collector.resource["service.name"] == "streamzip"
    assert collector.resource["deployment.environment.name"] == "tests"


def test_job_is_a_trace_of_its_own(gateway: Gateway, collector: Collector, origin: Origin) -> None:
    """Nobody waits for a prefetch: it is no part of the create that queued it; its attempts are parts of it."""
    origin.serve("/traced/job", File(b"job"))
    hash = gateway.create(urls=[origin.url("/traced/job")], prefetch=True)["archive_hash"]
    gateway.until(hash)
    job = collector.until(lambda span: span.kind == "job" and span.about.get("streamzip.archive") == hash)
    assert (job.name, job.parent) == ("prefetches", "")
    attempts = [span for span in collector.spans if span.trace == job.trace and span.kind == "origin"]
    assert [attempt.parent for attempt in attempts] == [job.id]
    created = collector.until(lambda span: span.about.get("streamzip.archive") == hash and span.name.startswith("POST"))
    assert created.trace != job.trace
    assert "/healthz" not in str(collector.spans)
    assert "/readyz" not in str(collector.spans)


def test_chunks_are_no_steps(gateway: Gateway, collector: Collector, origin: Origin) -> None:
    """A hundred times the bytes are as many steps."""
    origin.serve("/traced/large", File(Pattern(5_000_000)))
    hash = gateway.create(urls=[origin.url("/traced/large")])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    trace = "1" + TRACE[1:]
    gateway.get(hash, {"traceparent": TRACEPARENT.replace(TRACE, trace)})
    collector.until(lambda span: span.trace == trace and span.kind == "request")
    assert len([span for span in collector.spans if span.trace == trace]) <= 3


def test_strangers_trace_is_not_taken_over(collector: Collector, origin: Origin, tmp_path: Path) -> None:
    """Else every client could write into the traces of others, and choose what is sampled; also where two say it."""
    with traced(tmp_path / "data", origin, collector.url) as gateway:
        origin.serve("/traced/stranger", File(b"a"))
        before = len(collector.spans)
        stranger = TRACEPARENT.replace(TRACE, "2" + TRACE[1:])
        assert gateway.client.get("/api/archive/status/none", headers={"traceparent": stranger}).status_code == 404
        gateway.stop()
        requests = [span for span in collector.spans[before:] if span.kind == "request"]
        assert [span.about["http.response.status_code"] for span in requests] == [404]
        assert requests[0].trace != "2" + TRACE[1:]
        assert requests[0].parent == ""


@pytest.mark.parametrize("away", ["hangs", "refuses"])
def test_collector_that_is_away_costs_nobody_anything(origin: Origin, tmp_path: Path, away: str) -> None:
    """Requests are answered, and the end is not put off for what nobody takes."""
    origin.serve("/traced/away", File(b"a"))
    with Collector(hang=True) as collector:
        endpoint = collector.url if away == "hangs" else "http://127.0.0.1:9"
        with traced(tmp_path / "data", origin, endpoint) as gateway:
            hash = gateway.create(urls=[origin.url("/traced/away")])["archive_hash"]
            assert gateway.get(hash).status_code == 200
            assert away == "refuses" or collector.asked.wait(20)
            assert gateway.stop() == 0
            assert gateway.logged("traces_sent")["url"].startswith(endpoint)
            assert not [line for line in gateway.log if "trace" in line or line["event"] == "not JSON"]

"""Made-up bodies, right and wrong in every way: the answer is the client's mistake or an archive, never a 5xx."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from tests.support.gateway import Gateway
from tests.support.hostile_names import hostile_names
from tests.support.hostile_urls import hostile_urls

GOOD = "http://fuzz.invalid/a"  # RFC 6761: no name server knows it
FIELDS = ["url", "name", "id", "size", "crc32", "mtime", "headers"]
OPTIONS = ["filename", "compression", "on_error", "prefetch", "refresh", "webhook", "expires_in", "urls", "entries"]

numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, -1, 2**31, 2**53 + 1, 2**63, 2**64, 10**400, 1e308, -0.0]),
)
texts = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.sampled_from([*hostile_names(), *hostile_urls()]),
    st.sampled_from(
        [GOOD, "upload:a.txt", "upload:../x", "2026-05-01T10:00:00Z", "0a1b2c3d", "store", "skip", "\ud800"]
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)
entries = st.dictionaries(st.sampled_from(FIELDS), values, max_size=5).map(lambda entry: {"url": GOOD} | entry)
bodies = st.one_of(
    values,
    st.fixed_dictionaries({}, optional=dict.fromkeys(OPTIONS, values)),
    st.fixed_dictionaries(
        {"entries": st.lists(st.one_of(entries, values), max_size=4)}, optional=dict.fromkeys(OPTIONS[:-2], values)
    ),
)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that gives up soon on what cannot be had."""
    patience = {"max_attempts": "1", "connect_timeout": "1", "probe_wait": "2"}
    with Gateway(tmp_path_factory.mktemp("fuzzed") / "data", **patience) as gateway:
        yield gateway


PATHS = ["/api/archive/create", "/api/archive/download", "/archive_img", "/download"]


def check(gateway: Gateway, path: str, content: bytes, content_type: str = "application/json") -> httpx.Response:
    """What is answered to these bytes: an archive, or a problem that says whose mistake it is."""
    response = gateway.client.post(path, content=content, headers={"Content-Type": content_type})
    # A right list of files that cannot be had is answered 502 where the archive itself was asked for.
    unavailable = path == "/api/archive/download" and response.status_code in (502, 503)
    assert response.status_code < 500 or unavailable, (path, content[:500], response.text)
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["status"] == response.status_code
    return response


fuzzed = settings(
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.mark.parametrize("examples", [150, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_no_json_makes_the_gateway_fail(gateway: Gateway, examples: int) -> None:
    """Values of every type in every place, hostile names and URLs among them."""

    @settings(fuzzed, max_examples=examples)
    @given(st.sampled_from(PATHS), bodies)
    def fuzz(path: str, body: Any) -> None:
        check(gateway, path, json.dumps(body).encode())

    fuzz()
    assert not [line for line in gateway.log if line.get("level") == "error"]


@pytest.mark.parametrize("examples", [150, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_no_bytes_make_the_gateway_fail(gateway: Gateway, examples: int) -> None:
    """What is no JSON, and JSON with a byte changed, cut out or put in, under any Content-Type."""
    right = json.dumps(
        {"entries": [{"url": GOOD, "name": "é\ud83d\ude00", "size": 5, "mtime": "2026-05-01T10:00:00Z"}]}
    )
    texts = st.sampled_from(
        [right.encode(), json.dumps(json.loads(right), ensure_ascii=False).encode(errors="replace")]
    )

    @settings(fuzzed, max_examples=examples)
    @given(
        st.sampled_from(PATHS),
        texts,
        st.integers(0, 120),
        st.integers(0, 4),
        st.binary(max_size=6),
        st.text(max_size=9),
    )
    @example(PATHS[0], b"\xef\xbb\xbf" + right.encode(), 0, 0, b"", "")
    def fuzz(path: str, text: bytes, at: int, cut: int, put: bytes, kind: str) -> None:
        changed = text[:at] + put + text[at + cut :]
        check(gateway, path, changed, quote_field(kind))
        check(gateway, path, put)

    fuzz()
    assert not [line for line in gateway.log if line.get("level") == "error"]


def quote_field(text: str) -> str:
    """What of the text may stand in a header field's value."""
    return "".join(letter for letter in text if " " < letter < "\x7f") or "application/json"


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"urls":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"entries":[{"url":"http://a.invalid/","headers":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}",
        b'{"urls":["' + b"\\u0000" * 10_000 + b'"]}',
        b'{"urls":["http://a.invalid/\\ud800"]}',
        b'{"entries":[{"url":"http://a.invalid/","name":"\\udc00\\ud800"}]}',
        b'{"\\ud800":1}',
        b'{"urls":[' + b"1" * 100_000 + b"]}",
        b'{"entries":[{"url":"http://a.invalid/","size":' + b"9" * 5000 + b"}]}",
        b'{"entries":[{"url":"http://a.invalid/","size":1e999999}]}',
        b'{"expires_in":1e400,"urls":["http://a.invalid/"]}',
        b'{"urls":["http://a.invalid/"],' + b",".join(b'"%d":1' % n for n in range(10_000)) + b"}",
        b'{"urls":["http://a.invalid/\xff"]}',
        b"\x00" * 1000,
        b'"' + b"a" * 1_000_000 + b'"',
    ],
    ids=lambda body: f"{body[:24]!r} {len(body)}",
)
@pytest.mark.parametrize("path", PATHS)
def test_no_body_that_is_built_to_break_parsers_breaks_this_one(gateway: Gateway, path: str, body: bytes) -> None:
    """Deep, long, half a surrogate pair, numbers beyond any type: refused as the client's mistake."""
    response = check(gateway, path, body)
    assert 400 <= response.status_code < 500
    assert gateway.client.get("/healthz").status_code == 200

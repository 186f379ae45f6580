"""What a probe learns of a file, from origins of every kind."""

import pytest

from streamzip.errors import OriginError
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Validator
from tests.support.origin import Answer, File, HangUp, Origin, Pattern, Raw, Reply, Request, Silence, Status, redirect

V1 = Validator('"v1"', strong=True)
MTIME = 1_780_308_000  # Mon, 01 Jun 2026 10:00:00 GMT


async def test_probe_learns_everything_from_one_byte(origin: Origin, source: HttpSource) -> None:
    """A 206 gives the size, and proves the ranges; its byte is read, so that the connection stays."""
    origin.serve("/a", File(b"0123456789", fields=(("Content-Type", "text/x"),)))
    for _ in range(2):
        facts = await source.probe(origin.url("/a"))
    assert (facts.size, facts.validator, facts.ranges, facts.mtime) == (10, V1, True, MTIME)
    assert (facts.content_type, facts.body) == ("text/x", None)
    assert origin.requests("/a")[0].fields["range"] == "bytes=0-0"
    await origin.reached(lambda origin: origin.sent("/a") == 2)  # which it counts when its kernel has them
    assert origin.connections == 1


async def test_probe_tells_the_origin_nothing_but_the_wish(origin: Origin, source: HttpSource) -> None:
    """Own name, identity, the range: no other field."""
    origin.serve("/a", File(b"0123456789"))
    await source.probe(origin.url("/a"))
    assert origin.requests("/a")[0].fields == {
        "host": origin.authority,
        "user-agent": "streamzip/test",
        "accept": "*/*",
        "accept-encoding": "identity",
        "range": "bytes=0-0",
    }
    assert origin.requests("/a")[0].method == "GET"


async def test_probe_leaves_at_once_when_the_whole_file_comes(origin: Origin, source: HttpSource) -> None:
    """An origin without ranges tells the size by its length; the file is not downloaded for that."""
    origin.serve("/big", File(Pattern(1 << 30), ranges=False))
    facts = await source.probe(origin.url("/big"), keep=65536)
    assert (facts.size, facts.ranges, facts.body) == (1 << 30, False, None)
    await origin.reached(lambda origin: origin.live == 0)
    assert origin.sent("/big") < 64 << 20


async def test_probe_knows_no_size_when_none_is_said(origin: Origin, source: HttpSource) -> None:
    """Chunked and without ranges: the size is unknown, and is not guessed."""
    origin.serve("/a", File(b"0123456789", ranges=False, chunked=True, etag=None, modified=None))
    facts = await source.probe(origin.url("/a"), keep=100)
    assert (facts.size, facts.validator, facts.mtime, facts.body) == (None, None, None, None)


async def test_probe_knows_ranges_without_a_size(origin: Origin, source: HttpSource) -> None:
    """`Content-Range: bytes 0-0/*` proves ranges alone."""
    origin.serve("/a", File(b"0123456789", content_range="bytes 0-0/*"))
    facts = await source.probe(origin.url("/a"))
    assert (facts.size, facts.ranges) == (None, True)


@pytest.mark.parametrize("ranges", [True, False])
async def test_probe_brings_the_body_when_it_may_be_kept(origin: Origin, source: HttpSource, ranges: bool) -> None:
    """A small file costs one request in all, whether or not its origin has ranges."""
    origin.serve("/a", File(b"0123456789", ranges=ranges))
    facts = await source.probe(origin.url("/a"), keep=10)
    assert (facts.size, facts.body, facts.ranges) == (10, b"0123456789", ranges)
    assert [request.fields["range"] for request in origin.requests("/a")] == ["bytes=0-10"]


async def test_probe_brings_no_body_when_it_is_larger_than_may_be_kept(origin: Origin, source: HttpSource) -> None:
    """A part of a file is no body."""
    origin.serve("/a", File(b"0123456789"))
    facts = await source.probe(origin.url("/a"), keep=9)
    assert (facts.size, facts.body) == (10, None)


async def test_probe_brings_no_body_when_the_origin_capped_the_part(origin: Origin, source: HttpSource) -> None:
    """An origin may give less than was asked; what it gave tells the size all the same."""
    origin.serve("/a", Status(206, (("Content-Range", "bytes 0-3/10"),), b"0123"))
    facts = await source.probe(origin.url("/a"), keep=100)
    assert (facts.size, facts.body) == (10, None)


@pytest.mark.parametrize("ranges", [True, False], ids=["416", "200"])
async def test_probe_finds_an_empty_file(origin: Origin, source: HttpSource, ranges: bool) -> None:
    """There is no byte 0 to give: S3 and Starlette answer 416, and a plain GET confirms the emptiness."""
    origin.serve("/empty", File(b"", ranges=ranges))
    facts = await source.probe(origin.url("/empty"))
    assert (facts.size, facts.body, facts.validator) == (0, b"", V1)


REFUSALS = [Status(code) for code in (400, 403, 405, 406, 412, 416, 501)]
GARBLED = [
    "bytes=0-0/n",
    "bytes 0-0",
    "bytes 1-1/4",
    "bytes 0-1/4",
    "bytes 0-9/10",
    "bytes 0-0/0",
    "bytes */10",
    "1/10",
]


@pytest.mark.parametrize(
    "answer",
    [*REFUSALS, *(Status(206, (("Content-Range", said),), b"0") for said in GARBLED), Status(206, (), b"0")],
    ids=[*(f"{each.code}" for each in REFUSALS), *GARBLED, "says nothing"],
)
async def test_probe_asks_plainly_when_a_range_is_refused_or_garbled(
    origin: Origin, source: HttpSource, answer: Answer
) -> None:
    """The file may be there, and its origin confused; from then on that is asked for no range."""
    origin.serve("/a", answer, File(b"0123456789"))
    origin.serve("/b", File(b"01234"))
    facts = [await source.probe(origin.url(path)) for path in ("/a", "/b")]
    assert [(each.size, each.ranges) for each in facts] == [(10, False), (5, False)]
    assert ["range" in asked.fields for asked in origin.requests()] == [True, False, False]


async def test_probe_takes_the_whole_file_as_a_part_of_itself(origin: Origin, source: HttpSource) -> None:
    """A 206 that brings everything is the file, whatever was asked for."""
    origin.serve("/a", Status(206, (("Content-Range", "bytes 0-9/10"),), b"0123456789"))
    assert (await source.probe(origin.url("/a"))).size == 10
    async with source.open(origin.url("/a")) as opened:
        assert b"".join([bytes(chunk) async for chunk in opened.chunks]) == b"0123456789"


@pytest.mark.parametrize("keep", [0, 4])
@pytest.mark.parametrize(
    ("status", "said"),
    [(200, None), (200, "bytes 0-{last}/10"), (200, "bytes 0-{last}/{length}"), (206, "bytes 0-{last}/{length}")],
)
async def test_probe_asks_plainly_when_the_answer_may_be_a_slice(
    origin: Origin, source: HttpSource, status: int, said: str | None, keep: int
) -> None:
    """As many bytes as were asked for, and no more in all: only the file itself tells its size."""
    slice = b"0123456789"[: keep + 1]
    fields = () if said is None else (("Content-Range", said.format(last=len(slice) - 1, length=len(slice))),)
    origin.serve("/a", Status(status, fields, slice), File(b"0123456789"))
    facts = await source.probe(origin.url("/a"), keep=keep)
    assert (facts.size, facts.ranges, facts.body) == (10, False, None)
    assert "range" not in origin.requests("/a")[1].fields


@pytest.mark.parametrize(("size", "keep"), [(1, 1), (9, 10), (10, 10), (12, 10), (2, 0), (10, 0)])
@pytest.mark.parametrize("ranges", [True, False])
async def test_probe_asks_once_when_the_answer_proves_the_size(
    origin: Origin, source: HttpSource, size: int, keep: int, ranges: bool
) -> None:
    """A file that ends before what was asked for, or goes on behind it, costs one request."""
    origin.serve("/a", File(b"0123456789ab"[:size], ranges=ranges))
    facts = await source.probe(origin.url("/a"), keep=keep)
    assert (facts.size, facts.body is None, facts.ranges) == (size, size > keep, ranges)
    assert len(origin.requests("/a")) == 1


@pytest.mark.parametrize(
    ("answer", "code", "transient"),
    [
        pytest.param(Status(404), "http_404", False, id="404"),
        pytest.param(Status(503), "http_503", True, id="503"),
        pytest.param(Status(416), "http_416", False, id="416 twice"),
        pytest.param(Status(302), "http_302", False, id="redirect to nowhere"),
        pytest.param(HangUp(), "unreachable", True, id="hangs up"),
        pytest.param(Silence(), "timed_out", True, id="silent"),
        pytest.param(Raw(b"SSH-2.0-x\r\n"), "bad_answer", True, id="not HTTP"),
        pytest.param(Status(206, (), b"0"), "bad_answer", True, id="a part, to all"),
        pytest.param(File(b"0123", encoding="gzip"), "content_encoded", False, id="gzip"),
    ],
)
async def test_probe_names_what_is_wrong(
    origin: Origin, source: HttpSource, answer: Answer, code: str, transient: bool
) -> None:
    """Each failure has its code, and says whether another attempt is worth it."""
    origin.serve("/a", answer)
    with pytest.raises(OriginError) as caught:
        await source.probe(origin.url("/a"))
    assert (caught.value.code, caught.value.transient) == (code, transient)


async def test_probe_fails_when_a_body_to_keep_is_cut(origin: Origin, source: HttpSource) -> None:
    """Half a body is not kept as if it were whole."""
    origin.serve("/a", File(b"0123456789", cut_at=5))
    with pytest.raises(OriginError) as caught:
        await source.probe(origin.url("/a"), keep=100)
    assert (caught.value.code, caught.value.transient) == ("truncated", True)


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("Thu, 01 Jan 1970 00:00:09 GMT", 9.0), ("86400", 60.0), ("soon", None)]
)
async def test_probe_hands_on_how_long_to_wait(
    origin: Origin, source: HttpSource, value: str, seconds: float | None
) -> None:
    """Retry-After as seconds or as a date by the given clock, capped."""
    origin.serve("/a", Status(503, (("Retry-After", value),)))
    with pytest.raises(OriginError) as caught:
        await source.probe(origin.url("/a"))
    assert caught.value.retry_after == seconds


async def test_probe_follows_redirects_up_to_five(origin: Origin, source: HttpSource) -> None:
    """The fifth redirect may lead to the file; relative and absolute ones, of every kind."""
    origin.serve("/0", redirect("/1", 301))
    origin.serve("/1", redirect("2", 302))
    origin.serve("/2", redirect(origin.url("/3"), 303))
    origin.serve("/3", redirect(f"//{origin.authority}/4", 307))
    origin.serve("/4", redirect("/5", 308))
    origin.serve("/5", File(b"0123456789"))
    assert (await source.probe(origin.url("/0"))).size == 10
    assert [request.fields["range"] for request in origin.requests()] == ["bytes=0-0"] * 6
    assert origin.connections == 1


async def test_probe_gives_up_when_redirects_do_not_end(origin: Origin, source: HttpSource) -> None:
    """A loop costs six requests, once."""
    origin.serve("/loop", redirect("/loop"))
    with pytest.raises(OriginError) as caught:
        await source.probe(origin.url("/loop"))
    assert (caught.value.code, caught.value.transient) == ("too_many_redirects", False)
    assert len(origin.requests("/loop")) == 6


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.1:1/", "blocked_address"),
        ("http://localhost:{port}/private", "blocked_address"),
        ("http://[::ffff:127.0.0.1]:{port}/private", "blocked_address"),
        ("http://[64:ff9b::7f00:1]/", "blocked_address"),
        ("http://169.254.169.254/latest/meta-data/", "blocked_address"),
        ("http://2130706433/", "unsafe_url"),
        ("http://user:pw@127.0.0.1:{port}/private", "unsafe_url"),
        ("ftp://files.example/", "unsafe_url"),
        ("file:///etc/passwd", "unsafe_url"),
        ("http://[", "unsafe_url"),
        ("\\\\127.0.0.1\\private", "unsafe_url"),
    ],
)
async def test_probe_follows_no_redirect_to_where_it_may_not_go(
    origin: Origin, source: HttpSource, location: str, code: str
) -> None:
    """Every hop goes through the door that the first one did, although somebody listens behind."""
    origin.serve("/a", redirect(location.format(port=origin.port)))
    origin.serve("/private", File(b"secret"))
    with pytest.raises(OriginError) as caught:
        await source.probe(origin.url("/a"))
    assert (caught.value.code, caught.value.transient) == (code, False)
    assert origin.requests("/private") == []
    assert origin.connections == 1


async def test_probe_follows_a_redirect_in_bare_utf8(origin: Origin, source: HttpSource) -> None:
    """Many origins do not escape what they redirect to; browsers follow, and so does this."""
    origin.serve("/a", redirect("/grün und blau"))
    origin.serve("/gr%C3%BCn%20und%20blau", File(b"0123456789"))
    assert (await source.probe(origin.url("/a"))).size == 10


async def test_probe_follows_a_redirect_in_any_charset(origin: Origin, source: HttpSource) -> None:
    """Bytes of Latin-1, and letters that no URI has, go out escaped as they came."""
    fields = b"Connection: close\r\nContent-Length: 0\r\n\r\n"
    origin.serve("/a", Raw(b'HTTP/1.1 302 Found\r\nLocation: /gr\xfcn/{|}?\xe9=<1>^`"\r\n' + fields))
    origin.serve("/gr%FCn/%7B%7C%7D", File(b"0123456789"))
    assert (await source.probe(origin.url("/a"))).size == 10
    assert origin.requests()[-1].target == "/gr%FCn/%7B%7C%7D?%E9=%3C1%3E%5E%60%22"


async def test_probe_gives_a_cookie_back_within_its_redirects(origin: Origin, source: HttpSource) -> None:
    """A server that redirects until it gets its cookie gives the file; the next request begins without."""

    def guarded(request: Request) -> Answer:
        known = "seen=yes" in request.fields.get("cookie", "")
        return File(b"0123456789") if known else Status(302, (("Location", "/a"), ("Set-Cookie", "seen=yes; Path=/")))

    origin.serve("/a", Reply(guarded))
    for _ in range(2):
        assert (await source.probe(origin.url("/a"))).size == 10
    assert ["cookie" in asked.fields for asked in origin.requests("/a")] == [False, True] * 2


async def test_probe_escapes_what_a_url_may_not_hold(origin: Origin, source: HttpSource) -> None:
    """A client's URL may hold letters that HTTP does not; what is escaped already stays as it is."""
    origin.serve("/gr%C3%BCn%2f", File(b"0123456789"))
    assert (await source.probe(origin.url("/grün%2f"))).size == 10


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::1]/", "http://10.0.0.1/"])
async def test_probe_refuses_a_private_url(source: HttpSource, url: str) -> None:
    """Also the first URL is judged here, whatever judged it before."""
    with pytest.raises(OriginError) as caught:
        await source.probe(url)
    assert (caught.value.code, caught.value.transient) == ("blocked_address", False)

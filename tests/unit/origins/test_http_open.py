"""The bytes of a file, or a reason why not: never bytes of another place, length or version."""

import contextlib
from typing import Any

import pytest

from streamzip.errors import OriginError, UnusableRange
from streamzip.net.addresses import DialGuard
from streamzip.net.transport import OriginTransport
from streamzip.origins.fetch import Fetcher
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Opened, Validator
from tests.support.origin import Answer, File, HangUp, Origin, Pattern, Raw, Status, redirect

V1 = Validator('"v1"', strong=True)
TEN = b"0123456789"


async def read(opened: Opened) -> bytes:
    """All that is left of the exchange."""
    return b"".join([chunk async for chunk in opened.chunks])


async def failure(source: HttpSource, url: str, **wanted: Any) -> OriginError:
    """Why it cannot be read to its end."""
    with pytest.raises(OriginError) as caught:
        async with source.open(url, **wanted) as opened:
            await read(opened)
    return caught.value


async def test_open_gives_the_whole_file(origin: Origin, source: HttpSource) -> None:
    """Nothing but the file is asked for: no range, so no condition either."""
    origin.serve("/a", File(TEN))
    async with source.open(origin.url("/a"), pin=V1) as opened:
        assert (opened.start, opened.facts.size, opened.facts.validator) == (0, 10, V1)
        assert opened.facts.ranges
        assert await read(opened) == TEN
    assert not {"range", "if-range"} & origin.requests("/a")[0].fields.keys()


@pytest.mark.parametrize(
    ("start", "stop", "asked", "expected"),
    [
        (3, None, "bytes=3-", b"3456789"),
        (3, 5, "bytes=3-4", b"34"),
        (0, 1, "bytes=0-0", b"0"),
        (8, 99, "bytes=8-98", b"89"),
    ],
)
async def test_open_gives_a_part(
    origin: Origin, source: HttpSource, start: int, stop: int | None, asked: str, expected: bytes
) -> None:
    """Half-open in code, inclusive on the wire, and conditional on the pinned version."""
    origin.serve("/a", File(TEN))
    async with source.open(origin.url("/a"), start=start, stop=stop, pin=V1) as opened:
        assert opened.start == start
        assert opened.facts.size == (10 if stop in (1, 5) else None)  # where a part ends is no proof of the file's end
        assert await read(opened) == expected
    fields = origin.requests("/a")[0].fields
    assert (fields["range"], fields["if-range"]) == (asked, '"v1"')


async def test_open_sends_no_condition_when_the_pin_is_weak(origin: Origin, source: HttpSource) -> None:
    """If-Range needs a strong validator (RFC 9110, 13.1.5); who holds a weak one checks otherwise."""
    origin.serve("/a", File(TEN, etag='W/"v1"'))
    async with source.open(origin.url("/a"), start=3, pin=Validator('W/"v1"', strong=False)) as opened:
        assert await read(opened) == TEN[3:]
    assert "if-range" not in origin.requests("/a")[0].fields


async def test_open_starts_over_when_the_file_changed(origin: Origin, source: HttpSource) -> None:
    """If-Range turns a part of another version into the whole of it, which says so."""
    origin.serve("/a", File(b"another one", etag='"v2"'))
    async with source.open(origin.url("/a"), start=3, pin=V1) as opened:
        assert (opened.start, opened.facts.validator) == (0, Validator('"v2"', strong=True))
        assert await read(opened) == b"another one"


async def test_open_starts_over_when_the_origin_has_no_ranges(origin: Origin, source: HttpSource) -> None:
    """A range is a wish: the whole file is an answer to it."""
    origin.serve("/a", File(TEN, ranges=False))
    async with source.open(origin.url("/a"), start=3, stop=5, pin=V1) as opened:
        assert (opened.start, opened.facts.ranges) == (0, False)
        assert await read(opened) == TEN


@pytest.mark.parametrize("etag", ['"v2"', 'W/"v1"', None])
async def test_open_refuses_a_part_of_another_version(origin: Origin, source: HttpSource, etag: str | None) -> None:
    """An origin that ignores If-Range does not get two versions spliced."""
    origin.serve("/a", File(TEN, etag=etag, if_range=False))
    error = await failure(source, origin.url("/a"), start=3, pin=V1)
    assert (error.code, error.transient) == ("changed", True)


async def test_open_says_changed_when_the_file_ends_before_the_part(origin: Origin, source: HttpSource) -> None:
    """A 416 in the middle of a file means that it has become shorter."""
    origin.serve("/a", File(b"0"))
    error = await failure(source, origin.url("/a"), start=3, pin=V1)
    assert (error.code, error.transient) == ("changed", True)


@pytest.mark.parametrize("said", ["bytes 2-9/10", "bytes 4-9/10", "bytes 3-99/10", "bytes 3-9", ""])
async def test_open_refuses_another_part(origin: Origin, source: HttpSource, said: str) -> None:
    """A part that lies elsewhere than asked, or nowhere, is not used."""
    origin.serve("/a", File(TEN, content_range=said or " "))
    error = await failure(source, origin.url("/a"), start=3, pin=V1)
    assert (error.code, error.transient) == ("bad_answer", True)


async def test_open_refuses_a_part_when_the_whole_was_asked_for(origin: Origin, source: HttpSource) -> None:
    """A 206 without a range is the answer to somebody else's question."""
    origin.serve("/a", Status(206, (("Content-Range", "bytes 0-3/10"),), b"0123"))
    error = await failure(source, origin.url("/a"))
    assert (error.code, error.transient) == ("bad_answer", True)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"cut_at": 5}, "truncated"),
        ({"reset_at": 5}, "truncated"),
        ({"hold_at": 5}, "timed_out"),
        ({"claims": 12}, "truncated"),
        ({"chunked": True, "cut_at": 5}, "truncated"),
        ({"close": True, "reset_at": 5}, "truncated"),
    ],
    ids=str,
)
async def test_open_raises_when_the_body_ends_early(
    origin: Origin, source: HttpSource, fault: dict[str, Any], code: str
) -> None:
    """What was promised and did not come is told, after the bytes that did come."""
    origin.serve("/a", File(TEN, **fault))
    received = b""
    with pytest.raises(OriginError) as caught:
        async with source.open(origin.url("/a")) as opened:
            async for chunk in opened.chunks:
                received += chunk
    assert (caught.value.code, caught.value.transient) == (code, True)
    assert TEN.startswith(received)


async def test_open_tells_where_a_part_ends_that_is_shorter_than_asked(origin: Origin, source: HttpSource) -> None:
    """An origin may cap its parts: so the rest can be asked for. A small piece of what was asked for is refused."""
    body = Pattern(100_000)
    origin.serve("/a", File(body, cap=20_000))
    for stop in (None, 90_000):
        async with source.open(origin.url("/a"), start=3, stop=stop, pin=V1) as opened:
            assert opened.ends == 20_003
            assert await read(opened) == body[3:20_003]
    async with source.open(origin.url("/a"), start=3, stop=9_000, pin=V1) as opened:
        assert opened.ends is None
    origin.serve("/b", File(body, cap=9_000))
    error = await failure(source, origin.url("/b"), start=3, pin=V1)
    assert isinstance(error, UnusableRange)


@pytest.mark.parametrize(("body", "code"), [(b"34567", "too_long"), (b"34", "truncated")])
async def test_open_counts_a_part_whose_framing_has_no_length(
    origin: Origin, source: HttpSource, body: bytes, code: str
) -> None:
    """Chunked, a part can be of another length than its Content-Range says."""
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    head = b'HTTP/1.1 206 P\r\nContent-Range: bytes 3-5/10\r\nETag: "v1"\r\nTransfer-Encoding: chunked\r\n\r\n'
    origin.serve("/a", Raw(head + chunk))
    error = await failure(source, origin.url("/a"), start=3, stop=6, pin=V1)
    assert error.code == code


async def test_open_ends_with_the_connection_when_no_length_was_said(origin: Origin, source: HttpSource) -> None:
    """Then the end proves nothing, and the facts say so: no size."""
    origin.serve("/a", File(TEN, close=True))
    async with source.open(origin.url("/a")) as opened:
        assert opened.facts.size is None
        assert await read(opened) == TEN


async def test_open_frees_the_connection_when_left_early(origin: Origin, source: HttpSource) -> None:
    """Where nobody reads, nothing is pulled."""
    origin.serve("/big", File(Pattern(1 << 30)))
    async with source.open(origin.url("/big")) as opened:
        await anext(opened.chunks)
    await origin.reached(lambda origin: origin.live == 0)
    assert origin.sent("/big") < 64 << 20


async def test_open_uses_the_connection_again_when_read_to_the_end(origin: Origin, source: HttpSource) -> None:
    """Files and refusals alike leave a connection that goes on."""
    origin.serve("/a", File(TEN))
    origin.serve("/gone", Status(404, body=b"not here"))
    for _ in range(2):
        async with source.open(origin.url("/a")) as opened:
            await read(opened)
        assert (await failure(source, origin.url("/gone"))).code == "http_404"
    assert origin.connections == 1


async def test_open_gives_large_bodies_byte_for_byte(origin: Origin, source: HttpSource) -> None:
    """Every byte in its place, through every buffer."""
    body = Pattern(5_000_003)
    origin.serve("/a", File(body))
    async with source.open(origin.url("/a")) as opened:
        assert await read(opened) == body[:]
    async with source.open(origin.url("/a"), start=1_000_001, stop=4_999_999, pin=V1) as opened:
        assert await read(opened) == body[1_000_001:4_999_999]


async def test_open_stays_with_the_mirror_that_gave_the_pinned_version(origin: Origin, source: HttpSource) -> None:
    """A redirector that picks another mirror each time, whose tag for the file is another one."""
    mirrors = ["/m1", "/m2", "/m3"]
    origin.serve("/a", *map(redirect, mirrors))
    for number, mirror in enumerate(mirrors):
        origin.serve(mirror, File(TEN, etag=f'"{number}"'))
    pin = (await source.probe(origin.url("/a"))).validator
    for start in (3, 5):
        async with source.open(origin.url("/a"), start=start, pin=pin) as opened:
            assert (opened.start, opened.facts.validator) == (start, pin)
            assert await read(opened) == TEN[start:]
    assert len(origin.requests("/a")) == 1


@pytest.mark.parametrize("gone", [Status(404), Status(503), HangUp(), File(TEN, etag='"other"')])
async def test_open_goes_back_to_the_url_when_the_mirror_fails(
    gone: Answer, origin: Origin, source: HttpSource
) -> None:
    """A link that was good for a while, a mirror that went away or has another version now."""
    origin.serve("/a", redirect("/m1"), redirect("/m2"))
    origin.serve("/m1", File(TEN), gone)
    origin.serve("/m2", File(TEN))
    pin = (await source.probe(origin.url("/a"))).validator
    async with source.open(origin.url("/a"), start=3, pin=pin) as opened:
        assert (opened.facts.validator, await read(opened)) == (pin, TEN[3:])


async def test_open_tells_the_mirror_nothing_of_the_entrys_own(origin: Origin) -> None:
    """A mirror elsewhere is asked again without the fields that are for the URL's own origin."""
    async with Origin() as elsewhere:
        allow = frozenset({origin.authority, elsewhere.authority})
        transport = OriginTransport(DialGuard(allow), connect_timeout=5, read_timeout=0.5)
        async with contextlib.aclosing(transport):
            source = HttpSource(Fetcher(transport, allow=allow)).with_fields((("Authorization", "Bearer x"),))
            origin.serve("/a", redirect(elsewhere.url("/m")))
            elsewhere.serve("/m", File(TEN))
            pin = (await source.probe(origin.url("/a"))).validator
            async with source.open(origin.url("/a"), start=3, pin=pin) as opened:
                assert await read(opened) == TEN[3:]
        assert ["authorization" in asked.fields for asked in elsewhere.requests()] == [False, False]
        assert ["authorization" in asked.fields for asked in origin.requests()] == [True]

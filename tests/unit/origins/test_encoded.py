"""Bodies that an origin compressed although it was asked not to."""

import gzip
import sys
import zlib
from collections.abc import AsyncIterator

import brotli
import pytest

from streamzip.errors import OriginError
from streamzip.origins.encoded import AT_ONCE, DECODABLE, DecodedBody, DecodedChunks, decoded
from streamzip.spans import Data

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TEXT = b"".join(b"line %d of the file\n" % number for number in range(20_000))
_RAW = zlib.compressobj(wbits=-15)
ENCODED = [
    ("gzip", gzip.compress(TEXT)),
    ("x-gzip", gzip.compress(TEXT)),
    ("deflate", zlib.compress(TEXT)),
    ("deflate", _RAW.compress(TEXT) + _RAW.flush()),
    ("br", brotli.compress(TEXT, quality=5)),
    ("zstd", zstd.compress(TEXT)),
    ("gzip", gzip.compress(TEXT[:999]) + gzip.compress(b"") + gzip.compress(TEXT[999:])),
    ("zstd", zstd.compress(TEXT[:999]) + zstd.compress(TEXT[999:])),
]
codings = pytest.mark.parametrize(("coding", "body"), ENCODED)


async def received(coding: str, body: bytes, cut: int) -> bytes:
    """What is made of the body that comes in chunks of so many bytes."""

    async def chunks() -> AsyncIterator[Data]:
        for at in range(0, len(body), cut):
            yield memoryview(body)[at : at + cut]

    return b"".join([chunk async for chunk in DecodedChunks(chunks(), coding)])


async def code_of(coding: str, body: bytes) -> str:
    with pytest.raises(OriginError) as failed:
        await received(coding, body, 1000)
    return failed.value.code


@codings
@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
async def test_body_is_decoded_however_it_was_cut(coding: str, body: bytes, cut: int) -> None:
    """Byte for byte, and whatever lies behind the end of a first stream."""
    assert await received(coding, body, cut) == TEXT


@codings
async def test_body_that_ends_early_is_truncated(coding: str, body: bytes) -> None:
    """Its last bytes may be a checksum alone; without them nothing says that it is whole."""
    assert await code_of(coding, body[:-1]) == "truncated"
    assert await code_of(coding, body[:1]) == "truncated"


@codings
async def test_body_with_more_behind_its_end_is_refused(coding: str, body: bytes) -> None:
    assert await code_of(coding, body + b"surplus") == "content_encoded"


@pytest.mark.parametrize("coding", sorted(DECODABLE))
async def test_body_of_another_kind_is_refused(coding: str) -> None:
    """A plain file that is said to be compressed."""
    assert await code_of(coding, b"<html>" * 10) == "content_encoded"


async def test_empty_body_is_an_empty_file() -> None:
    assert await received("gzip", b"", 1) == b""


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(bytes(16 << 20), 1)),
        ("deflate", zlib.compress(bytes(16 << 20), 1)),
        ("br", brotli.compress(bytes(16 << 20), quality=1)),
        ("zstd", zstd.compress(bytes(16 << 20), 1)),
    ],
)
def test_little_is_made_at_once_of_a_body_that_grows(coding: str, body: bytes) -> None:
    """16 MiB of zeros are some kilobytes on the wire."""
    coded, made = DecodedBody(coding), 0
    coded.feed(body)
    while piece := coded.read():
        assert len(piece) <= 2 * AT_ONCE
        made += len(piece)
    assert (made, coded.whole) == (16 << 20, True)


def test_zstd_of_a_window_over_what_the_web_has_is_refused() -> None:
    """It would have a decoder hold as much as its origin chooses."""
    head, empty = b"\x28\xb5\x2f\xfd\x00", b"\x01\x00\x00"  # RFC 8878 §3.1.1
    assert decoded(head + b"\x50" + empty, "zstd", most=1000) == b""  # of 1 MiB
    with pytest.raises(OriginError, match="say otherwise"):
        decoded(head + b"\x98" + empty, "zstd", most=1000)  # of 512 MiB


def test_decoded_ends_where_enough_has_come() -> None:
    """A page of a gigabyte of zeros is a megabyte on the wire: no more of it is made than may be read."""
    assert len(decoded(gzip.compress(b"\0" * (1 << 20)), "gzip", most=1000)) <= 1001


@codings
def test_decoded_gives_what_came_of_a_body_that_was_cut(coding: str, body: bytes) -> None:
    """As browsers show it."""
    came = decoded(body[:-8], coding, most=1 << 20)
    assert TEXT.startswith(came)
    assert len(came) > 1000 or coding == "zstd"

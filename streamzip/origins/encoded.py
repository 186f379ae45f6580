"""Bodies that an origin compressed although it was asked not to (RFC 9110 §8.4.1), decoded within bounds.

For web pages, and for files whose entry says so: otherwise a file's bytes are its own, and its length and ranges are
counted in them. However much a body grows to, little of it is made at once. A decoder holds as much as its window has:
at most 16 MiB (br), 8 MiB (zstd, RFC 9659), 32 KiB (gzip, deflate).
"""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Final, Protocol

from streamzip.errors import OriginError
from streamzip.spans import Data

DECODABLE: Final = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})
AT_ONCE: Final = 256 << 10  # decoded bytes
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's window bits; some servers send "deflate" without zlib's head
_ONE_STREAM: Final = frozenset({"deflate", "br"})  # the others may be several, one behind the other


class _Stream(Protocol):
    """Decodes one stream."""

    def decode(self, data: Data, most: int) -> tuple[bytes, Data]:
        """Return about `most` decoded bytes, and what of `data` is to be given again; nothing: there are no more.

        Raises ValueError for what is no such stream.
        """

    @property
    def ended(self) -> bool:
        """Return whether it has come to its end; what was left then is of another one."""


class _Inflated:
    def __init__(self, bits: int) -> None:
        self._inflater = zlib.decompressobj(bits)

    def decode(self, data: Data, most: int) -> tuple[bytes, Data]:
        try:
            decoded = self._inflater.decompress(data, most)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        return decoded, self._inflater.unused_data if self.ended else self._inflater.unconsumed_tail

    @property
    def ended(self) -> bool:
        return self._inflater.eof


class DecodedBody:
    """A body of one coding: fed as it comes, read in pieces of bounded size."""

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._stream: _Stream | None = None
        self._has_ended = False
        self._given: Data = b""  # and not decoded yet

    @property
    def whole(self) -> bool:
        """Return whether the body may end here."""
        return self._stream is None and not self._given

    def feed(self, data: Data) -> None:
        """Take more of the body; `read` must have given nothing before."""
        self._given = bytes(self._given) + bytes(data) if self._given else data

    def read(self, most: int = AT_ONCE) -> bytes:
        """Return about `most` decoded bytes at most; nothing: more of the body is needed.

        Raises OriginError (`content_encoded`) where it is not of that coding.
        """
        try:
            while self._stream is not None or self._begin():
                assert self._stream is not None  # noqa: S101
                decoded, self._given = self._stream.decode(self._given, most)
                if self._stream.ended:
                    self._stream, self._has_ended = None, True
                if decoded:
                    return decoded
                if not self._given:
                    break
        except ValueError as error:
            raise _unlike() from error
        return b""

    def _begin(self) -> bool:
        """Begin a stream, as soon as there is enough of it to tell what it is."""
        if len(self._given) < 2:
            return False
        if self._has_ended and self._coding in _ONE_STREAM:
            raise _unlike()
        if self._coding in ("br", "zstd"):
            from streamzip.origins.decoders import Brotli, Zstd

            self._stream = Brotli() if self._coding == "br" else Zstd()
        else:
            self._stream = _Inflated(self._window())
        return True

    def _window(self) -> int:
        if self._coding != "deflate":
            return _GZIP
        method, check = self._given[0], self._given[0] << 8 | self._given[1]
        return _ZLIB if method & 15 == 8 and check % 31 == 0 else _RAW  # RFC 1950 §2.2


class DecodedChunks(AsyncIterator[Data]):
    """The decoded chunks of an answer's body. Raises OriginError: `content_encoded`, `truncated`, and theirs."""

    def __init__(self, chunks: AsyncIterator[Data], coding: str) -> None:
        self._chunks = chunks
        self._decoding = DecodedBody(coding)

    async def __anext__(self) -> Data:
        while not (decoded := self._decoding.read()):
            try:
                self._decoding.feed(await anext(self._chunks))
            except StopAsyncIteration:
                if not self._decoding.whole:
                    raise OriginError("truncated", "the origin ended the file early", transient=True) from None
                raise
        if len(decoded) >= AT_ONCE:
            await asyncio.sleep(0)  # a kilobyte may become a megabyte: the others have their turn
        return decoded


def decoded(body: bytes, coding: str, *, most: int) -> bytes:
    """Return at least the first `most` bytes of what the body holds, and hardly more, whatever it would grow to.

    Raises OriginError (`content_encoded`) where it is not of that coding.
    """
    decoding, whole = DecodedBody(coding), bytearray()
    decoding.feed(body)
    while len(whole) <= most and (piece := decoding.read(most + 1 - len(whole))):
        whole += piece
    return bytes(whole)


def _unlike() -> OriginError:
    return OriginError("content_encoded", "the origin says that it compressed this, and its bytes say otherwise")

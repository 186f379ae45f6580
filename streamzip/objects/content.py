"""Describes what an object holds, block by block: any range can be compared before a byte of it is given out."""

import json
import struct
from array import array
from dataclasses import asdict, dataclass, field
from typing import Final, Self

from isal import isal_zlib

from streamzip.manifest.model import Format
from streamzip.spans import Data, Span

SMALLEST_BLOCK: Final = 256 << 10  # bytes
MOST_BLOCKS: Final = 1 << 20  # of one object: a list of 4 MiB


def block_of(size: int) -> int:
    """Return how long the blocks of an object of `size` bytes are: a power of two, so that there are not too many."""
    block = SMALLEST_BLOCK
    while block * MOST_BLOCKS < size:
        block *= 2
    return block


@dataclass(slots=True)
class Checksums:
    """The CRCs of an object's blocks, as its bytes come in order, in runs of any length."""

    block: int
    crcs: "array[int]" = field(default_factory=lambda: array("I"))
    _crc: int = 0
    _filled: int = 0

    def add(self, run: Data) -> None:
        """Take up the next bytes."""
        view = memoryview(run)
        while view:
            part = view[: self.block - self._filled]
            self._crc = isal_zlib.crc32(part, self._crc)
            self._filled += len(part)
            view = view[len(part) :]
            if self._filled == self.block:
                self._end()

    def _end(self) -> None:
        self.crcs.append(self._crc)
        self._crc = self._filled = 0

    def finish(self) -> bytes:
        """Return them all, each as four bytes, the lowest first; the last block may be a short one."""
        if self._filled:
            self._end()
        return struct.pack(f"<{len(self.crcs)}I", *self.crcs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """The content of the object under `key`: `size` bytes, in blocks of `block` bytes with the CRCs `crcs`."""

    key: str
    size: int
    block: int
    crcs: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Return it as it is stored: a line of JSON, then the CRCs."""
        head = asdict(self)
        del head["crcs"]
        return json.dumps(head).encode() + b"\n" + self.crcs

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Return what was stored so."""
        head, _, crcs = body.partition(b"\n")
        return cls(**json.loads(head), crcs=crcs)

    def around(self, start: int, length: int) -> Span:
        """Return the whole blocks that hold `[start, start + length)`, or as many of them as are no more than that."""
        first = start - start % self.block
        blocks = max(1, (start + length - first) // self.block)
        return Span(first, min(self.size, first + blocks * self.block))

    def agrees(self, span: Span, data: Data) -> bool:
        """Return whether these are the bytes of those whole blocks."""
        if len(data) != span.length:
            return False
        view = memoryview(data)
        for number, start in enumerate(range(0, span.length, self.block), span.start // self.block):
            (crc,) = struct.unpack_from("<I", self.crcs, 4 * number)
            if isal_zlib.crc32(view[start : start + self.block]) != crc:
                return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Content(Blocks):
    """The content of an archive's object. `frozen_at`: when its layout was (epoch s). `provable`: its origins can prove
    that they give the same bytes again.
    """

    frozen_at: int
    provable: bool
    container: Format

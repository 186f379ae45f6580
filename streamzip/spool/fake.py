"""The least that is a spool: bytes and records in this process's memory, shared by all who are given the same ones."""

from collections.abc import Iterable, Sequence
from zlib import crc32

from streamzip.spans import Data
from streamzip.spool.journal import ArchiveRecord, Extent


class FakeSpool:
    """A spool for tests. Those made by `another` of one stand for other processes' opens of the same copy."""

    ahead = 1 << 62
    removed = False

    def __init__(self, name: str = "fake") -> None:
        self.name = name
        self.sealed = False
        self.content = bytearray()
        self.journal: list[ArchiveRecord] = []
        self._claimed: dict[int, FakeSpool] = {}
        self._seen = 0
        self._added: list[ArchiveRecord] = []
        self._given_back: set[int] = set()

    def another(self) -> "FakeSpool":
        """Return one more open of the same copy."""
        other = FakeSpool(self.name)
        other.content, other.journal, other._claimed = self.content, self.journal, self._claimed
        return other

    def write(self, offset: int, data: Data) -> None:
        """Put archive bytes in their place."""
        self.content.extend(bytes(max(0, offset - len(self.content))))
        self.content[offset : offset + len(data)] = data

    def write_around(self, pieces: Iterable[tuple[int, Data]]) -> None:
        """Put what stands around a member's bytes in its place, unless the copy is finished."""
        if not self.sealed:
            for offset, data in pieces:
                self.write(offset, data)

    def read_now(self, offset: int, length: int) -> bytes:
        """Return up to `length` archive bytes."""
        return bytes(self.content[offset : offset + length])

    read = read_now

    def disagrees(self, extents: Sequence[Extent], at: int) -> Extent | None:
        """Return the first extent whose bytes have another CRC."""
        found = (each for each in extents if crc32(self.content[at + each.start : at + each.stop]) != each.crc)
        return next(found, None)

    def unseal(self) -> None:
        """Take the copy for proven no longer."""
        self.sealed = False

    def replay(self) -> Iterable[ArchiveRecord]:
        """Return what is listed."""
        return self.follow()

    def follow(self) -> Iterable[ArchiveRecord]:
        """Return what was listed since."""
        news, self._seen = self.journal[self._seen :], len(self.journal)
        return news

    def add(self, record: ArchiveRecord) -> None:
        """List a record with the next `flush`."""
        self._added.append(record)

    def flush(self) -> None:
        """List what was added, and free what was given back."""
        self.journal.extend(self._added)
        self._added.clear()
        for part in self._given_back:
            self._claimed.pop(part, None)
        self._given_back.clear()

    def claim(self, part: int) -> bool:
        """Keep others from pulling the part."""
        self._given_back.discard(part)
        return self._claimed.setdefault(part, self) is self

    def give_back(self, part: int) -> None:
        """Let others pull the part, from the next `flush` on."""
        self._given_back.add(part)

    async def room(self, offset: int) -> None:
        """There is always room."""

    def allow_ahead(self, size: int) -> None:
        """Bound nothing."""

    def passed(self, offset: int) -> None:
        """Drop nothing: what a reader has taken stays."""

"""What the sources' answers have settled of a Zip."""

from dataclasses import dataclass

from streamzip.archives.planning import EntryError
from streamzip.assembly.kept import KeptBodies
from streamzip.zip.layout import Layout
from streamzip.zip.offsets import Offsets


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry that is not in the archive; `code` is stable (`http_404`, `unreadable`, …)."""

    index: int
    name: str
    code: str
    message: str

    @classmethod
    def of(cls, error: EntryError) -> "LeftOut":
        """Return why the entry is not there."""
        return cls(error.index, error.name, error.code, error.message)

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


@dataclass(slots=True)
class Planned:
    """What the sources' answers have settled."""

    layout: Layout
    left_out: tuple[LeftOut, ...]
    bodies: KeptBodies
    offsets: Offsets

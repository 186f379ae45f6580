"""Where an archive stands, as far as its row says, and what may become of it."""

from enum import Enum, auto
from typing import Final

from sqlalchemy import ColumnElement, case

from streamzip.errors import Stale
from streamzip.store.tables import archives

# Why there is no layout of an archive: its origins are asked again by whoever wants it next.
NO_ENTRIES: Final = "no_entries"
ENTRY_FAILED: Final = "entry_failed"
ARCHIVE_TOO_LARGE: Final = "archive_too_large"
UNBUILDABLE: Final = frozenset({NO_ENTRIES, ENTRY_FAILED, ARCHIVE_TOO_LARGE})

FINAL: Final = Stale.code  # the one failure that is never over


class ArchiveState(Enum):
    """What the store knows of an archive's making."""

    STANDING = auto()  # nothing has failed
    FAILED = auto()  # a pull has; the next reader tries again
    UNBUILDABLE = auto()  # there is nothing to be laid out, as far as its origins have said
    COMPLETED = auto()  # a full pass was made, whatever failed after it
    STALE = auto()  # for ever


SETTLED: Final = frozenset({ArchiveState.COMPLETED, ArchiveState.STALE})  # no origin is needed for what it says


def state_of(code: str | None, completed_at: float | None) -> ArchiveState:
    """Return the state of an archive that failed with this code, if any, and was first completed then, if ever."""
    if code == FINAL:
        return ArchiveState.STALE
    if completed_at is not None:
        return ArchiveState.COMPLETED
    if code is None:
        return ArchiveState.STANDING
    return ArchiveState.UNBUILDABLE if code in UNBUILDABLE else ArchiveState.FAILED


def is_unbuildable() -> ColumnElement[bool]:
    """Return whether a row's archive had nothing to be laid out, which a layout ends."""
    return archives.c.code.in_(UNBUILDABLE)


def code_after(new: str | None) -> ColumnElement[str | None]:
    """Return what a row's code becomes where the archive failed with `new`, or all is well again (None): what is final
    stays.
    """
    return case((archives.c.code == FINAL, FINAL), else_=new)

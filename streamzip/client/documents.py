"""The gateway's documents as values. A newer gateway may say more: what is not known here stays in `document`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from streamzip.client.errors import BadAnswer

T = TypeVar("T")

MOST_COUNTED = (1 << 63) - 1  # bytes, or entries
FINAL = frozenset({"completed", "failed"})


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An entry that is not in the archive; `code` is stable (`http_404`, `timed_out`, …)."""

    index: int
    name: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of the archive is there: bytes of how many (None: not known yet), entries of how many."""

    bytes: int
    total_bytes: int | None
    entries: int
    total_entries: int


@dataclass(frozen=True, slots=True)
class Created:
    """What create answers. The link `url` works at once, whatever `status` is."""

    archive_hash: str
    status: str
    url: str
    entries: int
    delete_token: str | None
    renamed: tuple[tuple[str, str], ...]
    """Pairs of the name that was asked for and the name that the file has in the archive."""
    document: dict[str, Any] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """Read create's answer. Raises BadAnswer."""
        try:
            return cls(
                archive_hash=_of(str, document, "archive_hash"),
                status=_of(str, document, "status"),
                url=_of(str, document, "url"),
                entries=_of(int, document, "entries"),
                delete_token=_maybe(str, document, "delete_token"),
                renamed=tuple(
                    (_of(str, row, "requested"), _of(str, row, "name")) for row in document.get("renamed", ())
                ),
                document=document,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise BadAnswer(f"create answered without {error}, and so not as a gateway does") from error


@dataclass(frozen=True, slots=True)
class Status:
    """How an archive stands: `pending`, `in-progress`, `completed` or `failed` (then with a `code`)."""

    archive_hash: str
    status: str
    url: str | None
    progress: Progress
    left_out: tuple[LeftOut, ...]
    left_out_total: int
    """All that were left out; `left_out` may have the first of them only."""
    size: int | None
    code: str | None
    cached: bool
    document: dict[str, Any] = field(repr=False, compare=False)

    @property
    def final(self) -> bool:
        """Tell whether the archive is completed or has failed."""
        return self.status in FINAL

    @classmethod
    def parse(cls, document: dict[str, Any]) -> Self:
        """Read a status document. Raises BadAnswer."""
        try:
            done, rows = document["progress"], document.get("errors", ())
            total = _maybe(int, document, "errors_total")
            return cls(
                archive_hash=_of(str, document, "archive_hash"),
                status=_of(str, document, "status"),
                url=_maybe(str, document, "url"),
                progress=Progress(
                    _maybe(int, done, "bytes") or 0,
                    _maybe(int, done, "total_bytes"),
                    _of(int, done, "entries"),
                    _of(int, done, "total_entries"),
                ),
                left_out=tuple(
                    LeftOut(_of(int, row, "index"), *(_of(str, row, name) for name in ("name", "code", "message")))
                    for row in rows
                ),
                left_out_total=len(rows) if total is None else total,
                size=_maybe(int, document, "size"),
                code=_maybe(str, document, "code"),
                cached=bool(document.get("cached")),
                document=document,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise BadAnswer(f"the status has no {error}, and is so no gateway's") from error


def _of(kind: type[T], document: Mapping[str, Any], name: str) -> T:
    """Return a value of this kind. Raises KeyError where there is none, TypeError where the document is none."""
    value = document[name]
    if not isinstance(value, kind) or (isinstance(value, int) and not 0 <= value <= MOST_COUNTED):
        raise KeyError(name)
    return value


def _maybe(kind: type[T], document: Mapping[str, Any], name: str) -> T | None:
    """Return a value of this kind, or None where it is not told."""
    return None if document.get(name) is None else _of(kind, document, name)

"""The gateway's documents as values. A newer gateway may say more: what is not known here stays in `document`."""

from dataclasses import dataclass, field
from typing import Any, Self

from streamzip.client.errors import BadAnswer

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
                archive_hash=document["archive_hash"],
                status=document["status"],
                url=document["url"],
                entries=document["entries"],
                delete_token=document.get("delete_token"),
                renamed=tuple((row["requested"], row["name"]) for row in document.get("renamed", ())),
                document=document,
            )
        except (KeyError, TypeError) as error:
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
            done = document["progress"]
            rows = document.get("errors", ())
            return cls(
                archive_hash=document["archive_hash"],
                status=document["status"],
                url=document.get("url"),
                progress=Progress(done["bytes"] or 0, done["total_bytes"], done["entries"], done["total_entries"]),
                left_out=tuple(LeftOut(row["index"], row["name"], row["code"], row["message"]) for row in rows),
                left_out_total=document.get("errors_total", len(rows)),
                size=document.get("size"),
                code=document.get("code"),
                cached=bool(document.get("cached")),
                document=document,
            )
        except (KeyError, TypeError) as error:
            raise BadAnswer(f"the status has no {error}, and is so no gateway's") from error

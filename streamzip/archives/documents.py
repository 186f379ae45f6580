"""The status document: what is known of an archive's making, from its row and from what is on disk.

It is as long as an archive has entries that were left out, so its lists are cut, and go on where they are asked to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, NotRequired, cast
from urllib.parse import urlsplit

from pydantic import Field
from typing_extensions import TypedDict

from streamzip.access.links import LinksDocument
from streamzip.archives.answers import (
    Delivery,
    DeliveryState,
    EntryFault,
    EntryWarning,
    Hash,
    Member,
    MemberState,
    Prefetch,
    Progress,
    Renamed,
    RenamedDocument,
    State,
    Time,
    WaitingFor,
)
from streamzip.assembly.assembly import Assembly
from streamzip.assembly.ledger import Ledger
from streamzip.clock import rfc3339
from streamzip.manifest.model import Manifest
from streamzip.manifest.parse import Rename
from streamzip.origins.gate import Waiting
from streamzip.store.nodes import Holding
from streamzip.store.queues import QUEUED
from streamzip.store.rows import ArchiveRow, DeliveryRow, JobRow
from streamzip.store.states import ArchiveState

MOST_LISTED: Final = 1000  # items of a list in one document
MOST_TEXT: Final = 128 << 10  # characters of one list in one document: URLs may be long
MOST_OF_NAME: Final = 1000  # characters of a name in a list: each may have 64 KiB


class ArchiveDocument(TypedDict):
    """An archive's state, as its receivers are told it; links come beside."""

    archive_hash: Annotated[str, Hash]
    filename: Annotated[str, Field(description="The archive's own file name.")]
    status: State
    active: Annotated[bool, Field(description="Whether somebody reads it, or a prefetch is queued.")]
    cached: Annotated[bool, Field(description="Whether the finished copy is on disk now.")]
    progress: Progress
    errors: Annotated[list[EntryFault], Field(description="The entries left out, by index; a page of them.")]
    errors_total: Annotated[int, Field(description="How many entries were left out.")]
    warnings: Annotated[
        list[EntryWarning], Field(description="What is odd about entries that are there; the first 100.")
    ]
    errors_next: NotRequired[
        Annotated[int, Field(description="Only where there are more: what `errors_from` goes on with.")]
    ]
    waiting_for: Annotated[
        list[WaitingFor], Field(description="The origins that are waited for because they throttle.")
    ]
    created_at: Annotated[str, Time]
    expires_at: Annotated[str | None, Time]
    code: NotRequired[
        Annotated[str, Field(description="Only with `failed`: the problem's code.", examples=["origin_changed"])]
    ]
    copy_stopped: NotRequired[
        Annotated[
            str,
            Field(
                description="Only while the disk takes no more of its copy: downloads go on without.",
                examples=["disk_full"],
            ),
        ]
    ]
    size: NotRequired[Annotated[int, Field(description="The archive's length in bytes, once it is known.")]]
    completed_at: NotRequired[Annotated[str, Field(description="When it was first completed; RFC 3339.")]]
    members: NotRequired[Annotated[list[Member], Field(description="Only with `?entries=1`; a page of them.")]]
    members_next: NotRequired[
        Annotated[int, Field(description="Only where there are more: what `members_from` goes on with.")]
    ]


class StatusDocument(ArchiveDocument):
    """An archive's status, without links."""

    prefetch: Annotated[
        Prefetch | None, Field(description="The build in the background; null where there is none, or it is done.")
    ]
    webhooks: list[Delivery]


class ArchiveStatus(StatusDocument, LinksDocument):
    """An archive's status."""


class SummaryDocument(TypedDict):
    """An archive in a list, without links."""

    archive_hash: Annotated[str, Hash]
    status: State
    filename: str
    entries: Annotated[int, Field(description="How many files.")]
    size: Annotated[int | None, Field(description="The archive's length in bytes, once it was completed.")]
    created_at: Annotated[str, Time]
    completed_at: Annotated[str | None, Time]
    expires_at: Annotated[str | None, Time]


class ArchiveSummary(SummaryDocument, LinksDocument):
    """An archive in a list."""


class ArchivePage(TypedDict):
    """Some of a key's archives."""

    archives: list[ArchiveSummary]
    next: Annotated[str | None, Field(description="The URL of the next page; null at the end.")]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Entries that were left out: how many in all, and the records of some of them, by index.

    `next`: the index from which on there are more. `warnings`: what is odd about entries that were not.
    """

    total: int = 0
    records: Sequence[EntryFault] = ()
    next: int | None = None
    warnings: Sequence[EntryWarning] = ()

    @classmethod
    def cut(
        cls,
        total: int,
        records: Sequence[Mapping[str, Any]],
        *,
        most: int = MOST_LISTED,
        warnings: Sequence[Mapping[str, Any]] = (),
    ) -> "LeftOut":
        """Take as many of the records as one document may hold, and at least one. The list of records is longer than
        `most`, or holds all that there are. Records and warnings come from the store as they were kept.
        """
        kept, odd, text = cast(Sequence[EntryFault], records), cast(Sequence[EntryWarning], warnings), 0
        for count, record in enumerate(records):
            text += sum(len(value) for value in record.values() if isinstance(value, str))
            if count == most or (count and text > MOST_TEXT):
                return cls(total, kept[:count], record["index"], odd)
        return cls(total, kept, None, odd)


@dataclass(frozen=True, slots=True)
class Members:
    """The entries `[start, stop)` of an archive, and which of them are there."""

    manifest: Manifest
    start: int
    stop: int
    done: frozenset[int]
    left_out: frozenset[int]
    placed: Mapping[int, tuple[str, int]]  # names in the archive and sizes (-1: not known), where that is decided


def status_document(
    row: ArchiveRow,
    assembly: Assembly | None,
    *,
    left_out: LeftOut,
    active: bool,
    cached: bool,
    entries_done: int = 0,
    members: Members | None = None,
    waiting: Sequence[Waiting] = (),
) -> ArchiveDocument:
    """Return the document without its URLs. `assembly`: what is there, where anything is, and `entries_done` of it;
    `members`: those whose state is asked for; `waiting`: the origins that are waited for because they throttle.
    """
    ledger = None if assembly is None else assembly.ledger
    state = _state(row, ledger, active=active)
    document: ArchiveDocument = {
        "archive_hash": row.hash,
        "filename": row.filename,
        "status": state,
        "active": active,
        "cached": cached,
        "progress": _progress(row, ledger, entries_done, skipped=left_out.total),
        "errors": list(left_out.records),
        "errors_total": left_out.total,
        "warnings": list(left_out.warnings),
        "waiting_for": [{"origin": each.origin, "until": rfc3339(each.until), "why": each.why} for each in waiting],
        "created_at": rfc3339(row.created_at),
        "expires_at": None if row.expires_at is None else rfc3339(row.expires_at),
    }
    if left_out.next is not None:
        document["errors_next"] = left_out.next
    if state == "failed" and row.code is not None:
        document["code"] = row.code
    if assembly is not None and assembly.wants.disk_full and not cached:
        document["copy_stopped"] = "disk_full"
    if row.completed_at is not None:
        document["completed_at"] = rfc3339(row.completed_at)
        if row.size is not None:
            document["size"] = row.size
    elif ledger is not None and ledger.layout.exact and ledger.length is not None:
        document["size"] = ledger.length
    if members is not None:
        document["members"] = _members(row, members)
        if members.stop < row.entries:
            document["members_next"] = members.stop
    return document


def with_others(document: ArchiveDocument, held: Sequence[Holding]) -> ArchiveDocument:
    """Return the document with the progress of another node, where one is further than this one."""
    furthest = max(held, key=lambda each: each.bytes, default=None)
    before = document["progress"]
    if document["status"] == "completed" or furthest is None or furthest.bytes <= before["bytes"]:
        return document
    entries, total = min(furthest.entries, before["total_entries"]), furthest.total
    document["progress"] = {**before, "bytes": furthest.bytes, "entries": entries, "total_bytes": total}
    if total is not None:
        document["size"] = total
    if document["status"] == "pending":
        document["status"] = "in-progress"
    return document


def summary(row: ArchiveRow, *, active: bool, begun: bool) -> SummaryDocument:
    """Return the archive as it stands in a list of many: what its row says. `begun`: something of it is on disk."""
    state = _state(row, None, active=active)
    return {
        "archive_hash": row.hash,
        "status": "in-progress" if state == "pending" and begun else state,
        "filename": row.filename,
        "entries": row.entries,
        "size": row.size,
        "created_at": rfc3339(row.created_at),
        "completed_at": None if row.completed_at is None else rfc3339(row.completed_at),
        "expires_at": None if row.expires_at is None else rfc3339(row.expires_at),
    }


def _state(row: ArchiveRow, ledger: Ledger | None, *, active: bool) -> State:
    if row.state is ArchiveState.STALE:
        return "failed"
    if row.completed_at is not None:
        return "completed"
    if active:
        return "in-progress"
    if row.code is not None:
        return "failed"
    return "in-progress" if ledger is not None and ledger.extents.present else "pending"


def _progress(row: ArchiveRow, ledger: Ledger | None, entries_done: int, *, skipped: int) -> Progress:
    done, total, entries = 0, row.size, 0
    if row.completed_at is not None:
        done, entries = row.size or 0, row.entries - skipped
    elif ledger is not None:
        total, entries = ledger.length, entries_done
        done = total if total is not None and ledger.extents.missing == 0 else ledger.extents.present
    return {"bytes": done, "total_bytes": total, "entries": entries, "total_entries": row.entries}


def _members(row: ArchiveRow, members: Members) -> list[Member]:
    frozen = row.state is not ArchiveState.UNBUILDABLE

    def state(index: int) -> MemberState:
        if index in members.left_out:
            return "skipped" if frozen else "failed"
        return "completed" if row.completed_at is not None or index in members.done else "pending"

    def member(index: int) -> Member:
        entry = members.manifest.entries[index]
        name, size = members.placed.get(index, (entry.name, -1 if entry.size is None else entry.size))
        known = size if size >= 0 else None
        return {"index": index, "name": name[:MOST_OF_NAME], "size": known, "state": state(index)}

    return [member(index) for index in range(members.start, members.stop)]


def renamed_document(renamed: Sequence[Rename]) -> RenamedDocument:
    """Return which entries stand under other names than were asked for: some of them, and how many there are."""
    shown: list[Renamed] = [
        {"index": each.index, "requested": each.requested[:MOST_OF_NAME], "name": each.name[:MOST_OF_NAME]}
        for each in renamed[:MOST_LISTED]
    ]
    return {"renamed": shown, "renamed_total": len(renamed)}


def prefetch_document(job: JobRow | None, now: float) -> Prefetch | None:
    """Return how the build in the background stands; None where there is none, or it is done."""
    if job is None:
        return None
    if job.state != QUEUED:
        return {"state": "failed", "reason": job.reason, "attempts": job.attempts}
    if job.reason is None and job.not_before <= now:
        return {"state": "running", "attempts": job.attempts}
    document: Prefetch = {"state": "waiting", "reason": job.reason, "attempts": job.attempts}
    if job.not_before > now:
        document["next_attempt_at"] = rfc3339(job.not_before)
    return document


def webhooks_document(deliveries: Iterable[DeliveryRow], hooks: Iterable[str]) -> list[Delivery]:
    """Return every receiver of an archive, and what became of its events."""
    shown = [(delivery.url, _shown(delivery)) for delivery in deliveries]
    told = {url for url, _ in shown}
    waiting: list[Delivery] = [{"receiver": _receiver(url), "state": "waiting"} for url in hooks if url not in told]
    return [document for _, document in shown] + waiting


def _shown(delivery: DeliveryRow) -> Delivery:
    document: Delivery = {
        "receiver": "predefined" if delivery.predefined else _receiver(delivery.url),
        "state": cast(DeliveryState, delivery.state),
        "id": delivery.id,
        "type": delivery.type,
        "attempts": delivery.attempts,
        "outcome": delivery.outcome,
    }
    document["next_attempt_at" if delivery.state == QUEUED else "ended_at"] = rfc3339(delivery.not_before)
    return document


def _receiver(url: str) -> str:
    """Return as much of a receiver as others may see: many services put the secret into the path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"

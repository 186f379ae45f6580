"""The status document: what is known of an archive's making, from its row and from what is on disk."""

from collections.abc import Mapping, Sequence
from typing import Any

from streamzip.archive.filling import Filling
from streamzip.archive.loading import UNBUILDABLE
from streamzip.clock import rfc3339
from streamzip.errors import Stale
from streamzip.manifest.model import Manifest
from streamzip.store.rows import ArchiveRow


def status_document(
    row: ArchiveRow,
    filling: Filling | None,
    *,
    errors: Sequence[Mapping[str, Any]],
    active: bool,
    cached: bool,
    manifest: Manifest | None,
) -> dict[str, Any]:
    """The document without its URLs. `filling`: what is there, where anything is; with a `manifest`, every entry's
    state.
    """
    state = _state(row, filling, active=active)
    document: dict[str, Any] = {
        "archive_hash": row.hash,
        "filename": row.filename,
        "status": state,
        "active": active,
        "cached": cached,
        "progress": _progress(row, filling, skipped=len(errors)),
        "errors": list(errors),
        "created_at": rfc3339(row.created_at),
        "expires_at": None if row.expires_at is None else rfc3339(row.expires_at),
    }
    if state == "failed" and row.code is not None:
        document["code"] = row.code
    if filling is not None and filling.full and not cached:
        document["copy_stopped"] = "disk_full"
    if row.completed_at is not None:
        document |= {"completed_at": rfc3339(row.completed_at), "size": row.size}
    elif filling is not None and filling.layout.exact:
        document["size"] = filling.places.length
    if manifest is not None:
        document["members"] = _members(row, filling, errors, manifest)
    return document


def summary(row: ArchiveRow, *, active: bool, begun: bool) -> dict[str, Any]:
    """The archive in a list of many: what its row says. `begun`: something of it is on disk."""
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


def _state(row: ArchiveRow, filling: Filling | None, *, active: bool) -> str:
    if row.code == Stale.code:
        return "failed"
    if row.completed_at is not None:
        return "completed"
    if active:
        return "in-progress"
    if row.code is not None:
        return "failed"
    return "in-progress" if filling is not None and filling.extents.present else "pending"


def _progress(row: ArchiveRow, filling: Filling | None, *, skipped: int) -> dict[str, int | None]:
    progress = {"bytes": 0, "total_bytes": row.size, "entries": 0, "total_entries": row.entries}
    if row.completed_at is not None:
        return progress | {"bytes": row.size, "entries": row.entries - skipped}
    if filling is None:
        return progress
    total = filling.places.length if filling.places.complete else None
    done = total if total is not None and filling.extents.missing == 0 else filling.extents.present
    return progress | {"bytes": done, "total_bytes": total, "entries": filling.entries_done}


def _members(
    row: ArchiveRow, filling: Filling | None, errors: Sequence[Mapping[str, Any]], manifest: Manifest
) -> list[dict[str, Any]]:
    failed = {error["index"] for error in errors}
    frozen = row.code not in UNBUILDABLE
    done: dict[int, bool] = {}
    if filling is not None:
        done = {entry: filling.done(member) for member, entry in enumerate(filling.layout.entries)}

    def state(index: int) -> str:
        if index in failed:
            return "skipped" if frozen else "failed"
        return "completed" if row.completed_at is not None or done.get(index) else "pending"

    return [{"index": index, "name": entry.name, "state": state(index)} for index, entry in enumerate(manifest.entries)]

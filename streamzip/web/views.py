"""What a page shows of an archive, from its status document. PURE."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

MEMBERS_EACH = 200  # files on one page

# The texts of a problem, by its code: `problem_…` says what is wrong, `do_…` what to do.
_BY_CODE = {
    "not_found": "not_found",
    "forbidden": "forbidden",
    "link_expired": "forbidden",
    "origin_changed": "origin_changed",
    "no_room": "no_room",
}
_BY_STATUS = {401: "forbidden", 403: "forbidden", 404: "not_found", 410: "not_found", 429: "unavailable",
              502: "origins", 503: "unavailable", 507: "no_room"}  # fmt: skip


def kind_of(status: int, code: str) -> str:
    """Return the key of the texts that say what is wrong and what to do."""
    return _BY_CODE.get(code) or _BY_STATUS.get(status, "other")


class Links(NamedTuple):
    """Where an archive's parts are to be had, relative to its page; `absolute`: its download, as it is passed on."""

    download: str
    absolute: str
    events: str
    files: str
    build: str
    again: str
    delete: str


class ArchiveView(NamedTuple):
    """An archive as its page shows it."""

    hash: str
    filename: str
    state: str
    size: int | None
    done: int
    total: int | None
    entries: int
    total_entries: int
    packed: int
    expires_at: str | None
    expires_in: tuple[str, int]
    left_out: Sequence[Mapping[str, Any]]
    more_left_out: int
    waiting: Sequence[Mapping[str, Any]]
    copy_stopped: bool
    problem: str | None
    running: bool
    live: bool
    retryable: bool
    may_build: bool
    may_make_again: bool
    may_delete: bool
    link: str
    events: str
    files: str
    build: str
    again: str
    delete: str
    commands: Sequence[str]
    qr: str


def archive_view(
    document: Mapping[str, Any], links: Links, *, qr: str, may_build: bool, mine: bool, now: datetime
) -> ArchiveView:
    """Return what the page of an archive shows. `document`: its status document; `mine`: it is the reader's own."""
    progress, state, code = document["progress"], document["status"], document.get("code")
    errors, filename = document["errors"], document["filename"]
    final = state in ("completed", "failed")
    return ArchiveView(
        hash=document["archive_hash"],
        filename=filename,
        state=state,
        size=document.get("size"),
        done=progress["bytes"] or 0,
        total=progress["total_bytes"],
        entries=progress["entries"],
        total_entries=progress["total_entries"],
        packed=progress["total_entries"] - document["errors_total"],
        expires_at=document["expires_at"],
        expires_in=time_left(document["expires_at"], now),
        left_out=errors[:100],
        more_left_out=max(0, document["errors_total"] - len(errors[:100])),
        waiting=document.get("waiting_for", ()),
        copy_stopped="copy_stopped" in document,
        problem=None if code is None else kind_of(0, code) if code in _BY_CODE else "origins",
        running=bool(document["active"]) and not final,
        live=not final,
        retryable=state == "failed" and code != "origin_changed",
        may_build=may_build and not final and not document["active"],
        may_make_again=mine and (code == "origin_changed" or (bool(errors) and state != "failed")),
        may_delete=mine,
        link=links.download,
        events=links.events,
        files=links.files,
        build=links.build,
        again=links.again,
        delete=links.delete,
        commands=commands(links.absolute, filename),
        qr=qr,
    )


def time_left(until: str | None, now: datetime) -> tuple[str, int]:
    """Return how long it is until an RFC 3339 instant: a unit, and how many of it, at least two."""
    left = 0.0 if until is None else (datetime.fromisoformat(until) - now).total_seconds()
    for unit, seconds in (("days", 86400), ("hours", 3600)):
        if left >= 2 * seconds:
            return unit, round(left / seconds)
    return "soon", 0


def commands(link: str, filename: str) -> Sequence[str]:
    """Return the shell commands that download an archive and go on where they ended."""
    url, name = shlex.quote(link), shlex.quote(filename)
    return (
        f"curl -C - -o {name} {url}",
        f"wget -c -O {name} {url}",
        f"aria2c -x4 -o {name} {url}",
        f"streamzip get {url} -o {name}",
    )


class Files(NamedTuple):
    """One page of an archive's files; `previous` and `following` are links, None where there is no such page."""

    rows: Sequence[Mapping[str, Any]]
    previous: str | None
    following: str | None
    each: int = MEMBERS_EACH


def pages_of(count: int) -> int:
    """Return how many pages so many files take; an archive without files has one."""
    return max(1, -(-count // MEMBERS_EACH))

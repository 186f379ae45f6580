"""What a gateway can be asked for, as flows of steps: create, status, wait, events, list, delete."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from streamzip.client.documents import Created, Status
from streamzip.client.errors import ArchiveFailed, BadAnswer, Busy, Unreachable, problem
from streamzip.client.http import LONGEST_ANSWER
from streamzip.client.steps import Answer, Ask, Flow, Pause, Tell, ask, read

_LINK = re.compile(r"(?:.*/)?(?P<hash>[0-9a-f]{32})(?:\.zip)?(?P<query>\?expires=[0-9]+&signature=[0-9a-f]+)?")

FIRST_LOOK, LAST_LOOK = 0.2, 3.0  # seconds between two looks at a status; each wait is half as long again


def document(answer: Answer, server: str) -> dict[str, Any]:
    """Return the answer's JSON object. Raises a ProblemError for a problem, BadAnswer for anything else."""
    try:
        content = json.loads(answer.content)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not (answer.ok or "code" in content):
        raise BadAnswer(f"{server} answered {answer.status}, and not as a gateway does")
    if answer.ok:
        return content
    raise problem(answer.status, content, retry_after(answer))


def retry_after(answer: Answer) -> float | None:
    """Return the seconds that a Retry-After field asks for (RFC 9110 §10.2.3); a gateway never sends a date."""
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 7 else None


def request_body(entries: Iterable[str | Mapping[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return create's body: the plain form where only URLs are given, else the full one."""
    rows = list(entries)
    urls = [row for row in rows if isinstance(row, str)]
    if len(urls) == len(rows):
        return {"urls": urls, **options}
    return {"entries": [{"url": row} if isinstance(row, str) else dict(row) for row in rows], **options}


def create(server: str, body: Mapping[str, Any]) -> Flow[Created]:
    """Create an archive."""
    answer = yield from ask(Ask("POST", "/api/archive/create", body=dict(body)))
    return Created.parse(document(answer, server))


def status(server: str, archive_hash: str) -> Flow[Status]:
    """Ask how the archive stands."""
    answer = yield from ask(Ask("GET", _path("status", archive_hash)))
    return Status.parse(document(answer, server))


def prefetch(server: str, archive_hash: str) -> Flow[Status]:
    """Have the archive built in the background."""
    answer = yield from ask(Ask("POST", _path("prefetch", archive_hash)))
    return Status.parse(document(answer, server))


def delete(server: str, archive_hash: str, token: str | None) -> Flow[None]:
    """Delete the archive, by the client's key or the token that create gave."""
    headers = {} if token is None else {"X-Delete-Token": token}
    answer = yield from ask(Ask("DELETE", f"/api/archive/{quote(archive_hash, safe='')}", headers=headers))
    if not answer.ok:
        document(answer, server)


def archives(server: str, page: Any = "/api/archive?limit=200") -> Flow[None]:
    """Tell each archive of the client's key, the newest first; or of another list, by its first `page`."""
    while page:
        answer = yield from ask(Ask("GET", page))
        listing = document(answer, server)
        rows, following = listing.get("archives"), listing.get("next")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadAnswer(f"{server} listed no archives, and so not as a gateway does")
        if following and (not isinstance(following, str) or not rows or following == page):
            raise BadAnswer(f"{server} sent a list without an end")
        for row in rows:
            yield Tell(row)
        page = following


def wait(server: str, archive_hash: str, *, build: bool, away_for: float) -> Flow[Status]:
    """Wait until the archive is completed, telling each status; `build`: have it built. Raises ArchiveFailed.

    For `away_for` seconds no answer may come: a gateway may be started again meanwhile.
    """
    question = prefetch if build else status
    pause, silent = FIRST_LOOK, 0.0
    while True:
        try:
            current = yield from question(server, archive_hash)
        except Unreachable:
            if silent >= away_for:
                raise
            silent += pause
        except Busy as busy:
            if silent >= away_for:
                raise
            silent += pause
            pause = max(pause, min(busy.retry_after or 0.0, LAST_LOOK))
        else:
            question, silent = status, 0.0
            yield Tell(current)
            if current.status == "failed":
                raise ArchiveFailed(current.code or "unknown", tuple(map(str, current.left_out)))
            if current.final:
                return current
        yield Pause(pause)
        pause = min(LAST_LOOK, pause * 1.5)


def events(server: str, archive_hash: str, *, away_for: float) -> Flow[None]:
    """Tell the archive's status whenever it changes, until it is completed or has failed.

    A stream that breaks is asked for again from the last event on (WHATWG HTML §9.2).
    """
    last_id, pause, silent = "", FIRST_LOOK, 0.0
    while True:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        try:
            answer = yield from ask(Ask("GET", _path("events", archive_hash), headers=headers, stream=True))
            if answer.status == 204:
                return
            if not answer.ok:
                document(Answer(answer.status, answer.headers, (yield from whole_body())), server)
            rest = b""
            while data := (yield from read()):
                pause, silent = FIRST_LOOK, 0.0
                *blocks, rest = (rest + data).split(b"\n\n")
                if len(rest) > LONGEST_ANSWER:
                    raise BadAnswer(f"{server} sent an event without an end")
                for block in blocks:
                    last_id, current = _event(block, last_id)
                    if current is not None:
                        yield Tell(current)
                        if current.final:
                            return
        except Unreachable:
            if silent >= away_for:
                raise
        silent += pause
        yield Pause(pause)
        pause = min(LAST_LOOK, pause * 1.5)


def whole_body() -> Flow[bytes]:
    """Read a streamed answer to its end; a problem document is short."""
    body = bytearray()
    while data := (yield from read()):
        body += data
        if len(body) > LONGEST_ANSWER:
            raise BadAnswer("an answer without an end")
    return bytes(body)


def _event(block: bytes, last_id: str) -> tuple[str, Status | None]:
    data: list[str] = []
    for line in block.decode(errors="replace").splitlines():
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            last_id = value
        elif name == "data":
            data.append(value)
    if not data:
        return last_id, None
    try:
        content = json.loads("\n".join(data))
    except (ValueError, RecursionError) as error:
        raise BadAnswer("an event is not JSON") from error
    return last_id, Status.parse(content)


def _path(verb: str, archive: str) -> str:
    """Return the path of a verb on an archive, by its hash or a link of it; a link's signature goes along."""
    link = _LINK.fullmatch(archive)
    if link is None:
        return f"/api/archive/{verb}/{quote(archive, safe='')}"
    return f"/api/archive/{verb}/{link['hash']}{link['query'] or ''}"

"""A GET of a file's URL, along its redirects to the answer at their end.

Every hop goes through the same door: judged as a URL here, and as an address when it is dialled.
"""

import asyncio
import contextlib
import copy
import logging
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import quote, urljoin

from streamzip import metrics, tracing
from streamzip.errors import OriginError
from streamzip.logs import event, redact
from streamzip.manifest.fields import Fields
from streamzip.net.addresses import BlockedAddressError
from streamzip.net.errors import NotHttp, NotReached, TimedOut, TransportError
from streamzip.net.port import Stream, Transport
from streamzip.net.retry import retry_after
from streamzip.net.throttle import START
from streamzip.origins.answers import Head, bad_answer
from streamzip.origins.cookies import Cookies
from streamzip.origins.gate import Gate
from streamzip.origins.recent import Recent
from streamzip.urls.addresses import Exempt
from streamzip.urls.urls import check_url, origin_of, target_of
from streamzip.version import VERSION

logger = logging.getLogger(__name__)

MAX_REDIRECTS: Final = 5

# Those of Content-Encoding that origins are seen to say of stored bytes; any other text of theirs is in no log.
_KNOWN_CODINGS: Final = frozenset({"aws-chunked", "utf-8", "none", "binary", "base64"})
CHAIN: Final = 50.0  # seconds from the first redirect to the file's answer

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_LETTERS = "A-Za-z0-9\\-._~:/?#\\[\\]@!$&'()*+,;=%"  # of a URI (RFC 3986 §2)
_RFC_3986 = re.compile(f"[{_LETTERS}]*")
_AUTHORITY = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//[^/?#]*", re.IGNORECASE)
_OTHERS = re.compile(f"[^{_LETTERS}\\\\]+")

# A body nobody wants is read to its end where it is small and comes at once: that is cheaper than a new connection.
_SMALL = 65 << 10
_TOLD_AGAIN = 600.0  # seconds until the same is said of an origin in the log
_AT_ONCE = 1.0

Hop = tuple[Head, Stream, tracing.Step]  # an answer, whose step ends with its body
Explain = Callable[[OriginError, Head, bytes], OriginError]  # a refusal, its head, and its body's beginning


@dataclass(slots=True)
class Fetched:
    """An answer, where it was found, and whether the way there left the URL's own origin; `aclose` it.

    `waited`: seconds that the request waited for its turn.
    """

    url: str
    head: Head
    stream: Stream
    left_home: bool
    waited: float = 0.0
    turn: "tuple[Gate, str] | None" = None
    step: tracing.Step = tracing.NOTHING

    async def aclose(self) -> None:
        """Drop the connection, unless the whole body has come, and give the turn back."""
        try:
            await self.stream.aclose()
        finally:
            if tracing.traces():
                self.step.tell(streamzip__whole=self.stream.whole)
            self.step.end()
            if self.turn is not None:
                (gate, origin), self.turn = self.turn, None
                gate.leave(origin)

    async def discard(self) -> None:
        """Be done with a body that nobody wants."""
        try:
            await discard(self.head, self.stream)
        finally:
            await self.aclose()


class Fetcher:
    """Requests of one kind, each in its turn. `allow`: origins and networks that may have private addresses; `wall`:
    epoch seconds; `chain`: seconds that redirects may take; `redirects`: that are followed; where none is, a redirect
    is a refusal; `explain`: makes the error of a refusal's body, where the origin's kind is known.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        allow: Exempt,
        user_agent: str | None = None,
        wall: Callable[[], float] = time.time,
        gate: Gate | None = None,
        chain: float = CHAIN,
        explain: Explain | None = None,
        redirects: int = MAX_REDIRECTS,
    ) -> None:
        self._transport = transport
        self._chain = chain
        self.gate: Gate = Gate(START) if gate is None else gate
        self._allow = allow
        self._wall = wall
        self._explain = explain
        self._redirects = redirects
        # All that an origin is told. Of the client that asked for the archive it learns nothing.
        self._fields: Fields = (
            ("User-Agent", user_agent or own_name()),
            ("Accept", "*/*"),
            ("Accept-Encoding", "identity"),
        )
        self.decodable: frozenset[str] = frozenset()
        self._told: Recent[str, bool] = Recent(1024, _TOLD_AGAIN)  # origins of codings that were ignored
        self.at_home: Fields = self._fields  # what the URL's own origin is told, and none that it redirects to

    def with_fields(self, fields: Fields, *, decodable: frozenset[str] = frozenset()) -> "Fetcher":
        """Return a fetcher for one entry, whose header fields go to its own origin. `decodable`: codings that its
        caller undoes.
        """
        bound = copy.copy(self)
        bound.decodable = decodable
        names = {name.lower() for name, _ in fields}
        bound.at_home = (*(each for each in self._fields if each[0].lower() not in names), *fields)
        return bound

    async def fetch(
        self,
        url: str,
        *fields: tuple[str, str],
        away: bool = False,
        within: float | None = None,
        patient: bool = True,
    ) -> Fetched:
        """Follow the redirects to the file's answer, in turn. The answer is closed by the caller. Raises OriginError.

        `away`: `url` was redirected to from elsewhere, and is told no entry's own fields. `within`: seconds from its
        turn on; None: as long as the transport waits for one answer, and as redirects may take. `patient`: see
        `Gate.through`. Cookies live as long as this call, each for the host that set it.
        """
        self._check(url)
        origin = origin_of(url)
        if within is None:  # most requests: no timer is made for them
            ask = partial(self._follow, self._chain, url, fields, away=away)
        else:
            ask = partial(self._follow_within, within, url, fields, away=away)
        fetched, waited = await self.gate.through(origin, url, ask, patient=patient)
        fetched.waited, fetched.turn = waited, (self.gate, origin)
        return fetched

    async def _follow_within(self, within: float, url: str, fields: Fields, *, away: bool) -> Fetched:
        try:
            async with asyncio.timeout(max(0.0, within)):
                return await self._follow(None, url, fields, away=away)
        except TimeoutError as error:
            raise _timed_out() from error

    async def _follow(self, chain: float | None, url: str, fields: Fields, *, away: bool) -> Fetched:
        """Ask at `url`, judged already, and where that redirects to, within `chain` seconds from there on."""
        told = self._fields if away else self.at_home
        hop = await self._hop(url, (*told, *fields))
        if hop[0].status in _REDIRECTS and self._redirects:
            try:
                async with asyncio.timeout(chain):
                    url, hop, away = await self._redirected(url, hop, fields, away=away)
            except TimeoutError as error:
                raise _timed_out() from error
        return await self._judged(url, hop, away=away)

    async def _redirected(self, url: str, hop: Hop, fields: Fields, *, away: bool) -> tuple[str, Hop, bool]:
        """Return where the redirects lead, the answer there, and whether the way left the URL's own origin."""
        home, cookies = url, Cookies()
        head, stream, step = hop
        for _ in range(self._redirects):
            cookies.take(url, head.all(b"set-cookie"))
            step.end()
            await discard(head, stream)
            url = _redirected(url, head)
            # For good: also where it redirects back.
            away = away or not _same_origin(home, url)
            self._check(url)
            told = self._fields if away else self.at_home
            head, stream, step = await self._hop(url, cookies.added(url, (*told, *fields)))
            if head.status not in _REDIRECTS:
                return url, (head, stream, step), away
        step.end("too_many_redirects")
        await discard(head, stream)
        raise OriginError("too_many_redirects", f"the origin redirected more than {self._redirects} times")

    async def _judged(self, url: str, hop: Hop, *, away: bool) -> Fetched:
        """Return the answer, where it is a file's. Raises OriginError."""
        head, stream, step = hop
        try:
            head.check_file(self.decodable)
        except OriginError as error:
            step.end(error.code)
            error.retry_after = self._asked_wait(head)
            if self._explain is not None:
                raise self._explain(error, head, await _beginning(stream)) from error
            await discard(head, stream)
            raise
        if head.codings:
            self._tell_ignored(url, head)
        return Fetched(url, head, stream, away, step=step)

    async def _hop(self, url: str, fields: Fields) -> Hop:
        """Ask once. The step ends with the body, by the caller."""
        began, step = time.monotonic(), _step(url, fields) if tracing.traces() else tracing.NOTHING
        try:
            answer = await self._transport.get(written(url), fields)
        except asyncio.CancelledError:
            step.end("cancelled")
            raise
        except (TransportError, BlockedAddressError) as failure:
            error = _as_origin_error(failure)
            step.end(error.code)
            metrics.ORIGIN_REQUESTS.add(error.code)
            _log_asked(url, fields, began, code=error.code, detail=error.message)
            raise error from failure
        metrics.ORIGIN_REQUESTS.add(str(answer.status))
        _log_asked(url, fields, began, status=answer.status)
        step.tell(http__response__status_code=answer.status)
        return Head(answer.status, answer.fields), answer.stream, step

    def _check(self, url: str) -> None:
        try:
            check_url(url, self._allow)
        except ValueError as error:
            raise OriginError("blocked_address" if _is_well_formed(url) else "unsafe_url", str(error)) from error

    def _tell_ignored(self, url: str, head: Head) -> None:
        """Say once in a while for each origin which of its codings are taken for nothing."""
        found = [coding for coding in head.codings if coding not in {"identity", "", *head.compressions}]
        ignored = ", ".join(coding if coding in _KNOWN_CODINGS else "another" for coding in found)
        origin = origin_of(url)
        if ignored and not self._told.get(origin):
            self._told.put(origin, True)
            event(logger, logging.INFO, "origin_coding_ignored", url=url, codings=ignored)

    def _asked_wait(self, head: Head) -> float | None:
        text = head.field(b"retry-after")
        return None if text is None else retry_after(text, self._wall())


def _timed_out() -> OriginError:
    return OriginError("timed_out", "the origin did not answer in time", transient=True)


def _as_origin_error(failure: TransportError | BlockedAddressError) -> OriginError:
    match failure:
        case BlockedAddressError():
            return OriginError("blocked_address", str(failure))
        case NotHttp():
            return bad_answer("it is not HTTP, or its head is too large")
        case TimedOut():
            return OriginError("timed_out", str(failure), transient=True)
        case NotReached() if isinstance(failure.__cause__, ssl.SSLCertVerificationError):
            return OriginError("unreachable", "the origin's certificate is not trusted")
        case _:
            return OriginError("unreachable", str(failure), transient=True)


def own_name() -> str:
    """Return the gateway's User-Agent."""
    return f"streamzip/{VERSION}"


def _step(url: str, fields: Fields) -> tracing.Step:
    """Begin the step of a request. Nothing of it is told to the origin, which is somebody else's."""
    step = tracing.step("origin", "GET")
    try:
        target = target_of(url)
    except ValueError:  # it is refused
        return step
    step.tell(
        http__request__method="GET",
        url__full=redact(url),
        server__address=target.host,
        server__port=target.port,
        streamzip__range=next((value for name, value in fields if name == "Range"), None),
    )
    return step


def _log_asked(url: str, fields: Fields, began: float, **outcome: object) -> None:
    if logger.isEnabledFor(logging.DEBUG):
        asked = next((value for name, value in fields if name == "Range"), None)
        seconds = round(time.monotonic() - began, 4)
        event(logger, logging.DEBUG, "origin_asked", url=url, range=asked, seconds=seconds, **outcome)


def _is_well_formed(url: str) -> bool:
    try:
        origin_of(url)
    except ValueError:
        return False
    return True


def _same_origin(one: str, other: str) -> bool:
    """Of the same scheme too: what is sent over TLS is not sent in the clear."""
    try:
        return origin_of(one) == origin_of(other) and one.partition(":")[0].lower() == other.partition(":")[0].lower()
    except ValueError:
        return False


def _redirected(url: str, head: Head) -> str:
    """Return where a redirect leads; its letters are judged by the next hop."""
    location = head.field(b"location")
    if location is None:
        raise OriginError(f"http_{head.status}", f"the origin answered {head.status} without saying where to")
    named = location.encode("latin-1")
    authority = _AUTHORITY.match(location)
    host = b"" if authority is None else named[: authority.end()]
    # Escaped byte by byte, in whichever charset they were written: so browsers do it (URL standard, "percent-encode").
    rest = _OTHERS.sub(lambda found: quote(found[0], safe="", encoding="latin-1"), location[len(host) :])
    try:
        return urljoin(url, host.decode("utf-8", "replace") + rest)
    except ValueError as error:
        raise OriginError("unsafe_url", "the origin redirected to something that is not a URL") from error


def written(url: str) -> str:
    """Return the URL in RFC 3986's letters, the others escaped as UTF-8 (URL standard, "UTF-8 percent-encode").

    One that has no others stays as it is: a signature may cover each of them. Raises ValueError where it is no URL.
    """
    if _RFC_3986.fullmatch(url):
        return url
    target = target_of(url)
    host = f"[{target.host}]" if ":" in target.host else target.host
    path = _OTHERS.sub(lambda found: quote(found[0], safe=""), target.path)
    return f"{target.scheme}://{host}:{target.port}{path}"


async def _beginning(stream: Stream) -> bytes:
    """Return what comes at once of a body that tells of a refusal, and be done with it."""
    body = bytearray()
    try:
        with contextlib.suppress(TransportError, TimeoutError):
            async with asyncio.timeout(_AT_ONCE):
                async for chunk in stream:
                    body += chunk
                    if len(body) > _SMALL:
                        break
    finally:
        await stream.aclose()
    return bytes(body)


async def discard(head: Head, stream: Stream) -> None:
    """Be done with a body that nobody wants."""
    try:
        if not stream.whole and head.length is not None and head.length <= _SMALL:
            with contextlib.suppress(TransportError, TimeoutError):
                async with asyncio.timeout(_AT_ONCE):
                    async for _ in stream:
                        pass
    finally:
        await stream.aclose()

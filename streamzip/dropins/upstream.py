"""The gateway as a proxy that makes zips of its upstream's lists, as evanmiller/mod_zip does within nginx, and
Esri/zipstream before an application.

A GET or HEAD of a path that is none of the gateway's own goes to the upstream. An answer with `X-Archive-Files: zip` or
`X-Zip-Stream` is a list: its archive is sent instead. Any other answer passes as it is.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from streamzip.api.interface import Interface
from streamzip.dropins import esri, mod_zip
from streamzip.edge.problems import on_problem, on_unexpected
from streamzip.edge.sending import StreamedResponse
from streamzip.errors import BuildFailed, OriginError, Problem
from streamzip.logs import event
from streamzip.manifest.dispositions import filename, parameters
from streamzip.manifest.fields import Fields, read_fields
from streamzip.manifest.model import Entry, Manifest
from streamzip.manifest.names import clean_filename
from streamzip.manifest.parse import CreateRequest, named
from streamzip.net.addresses import BlockedAddressError
from streamzip.net.errors import TransportError
from streamzip.net.port import Stream, Transport
from streamzip.origins.answers import Head
from streamzip.origins.counting import CountedChunks, Pace
from streamzip.origins.fetch import written
from streamzip.origins.rewritten import Address, Rewriter
from streamzip.spans import Data
from streamzip.urls.urls import origin_of

logger = logging.getLogger(__name__)

MOST: Final = 16 << 20  # bytes of a list: 100,000 lines
AT_ONCE: Final = 8  # lists in memory, in one process

# Never Range, If-* or Accept-Encoding: they are about the zip, and the upstream is asked for its list.
_PASSED: Final = ("accept", "accept-language", "authorization", "cookie", "referer", "user-agent")
# Of one connection (RFC 9110 §7.6.1), or said by this server itself.
_OUR_OWN: Final = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"date", b"server"}
)
_NO_BODY: Final = frozenset({204, 304})
_MOST_FIELDS: Final = 16 << 20  # bytes of the client's own fields, which are kept with each file


class Listed(Protocol):
    """What a kind of list says."""

    def request_fields(self) -> Fields:
        """Return what the upstream is told, so that it answers with lists of this kind."""

    def is_list(self, head: Head) -> bool:
        """Return whether the answer is one."""

    def read(self, head: Head, body: bytes, most: int) -> tuple[str | None, list[Entry]]:
        """Return the archive's file name, where the list says it, and at most `most` entries. Raises ListError."""


@dataclass(frozen=True, slots=True)
class ModZip:
    """Lists of mod_zip. `sized`: sizes are as they stand there."""

    sized: bool

    def request_fields(self) -> Fields:
        """Return nothing: it is not asked for."""
        return ()

    def is_list(self, head: Head) -> bool:
        """Return whether the answer is a list."""
        return head.status == 200 and (head.field(b"x-archive-files") or "").startswith("zip")

    def read(self, head: Head, body: bytes, most: int) -> tuple[str | None, list[Entry]]:
        """Return no file name, and the entries. Raises ListError."""
        names = mod_zip.Names.of(head.field(b"x-archive-charset"), head.field(b"x-archive-name-sep"))
        return None, list(mod_zip.read(body, names, most=most, sized=self.sized))


@dataclass(frozen=True, slots=True)
class Esri:
    """Manifests of Esri/zipstream. `via`: what the upstream is told."""

    via: str = field(repr=False)

    def request_fields(self) -> Fields:
        """Return the field by which the upstream knows that a manifest is wanted."""
        return (("X-Via-Zip-Stream", self.via),)

    def is_list(self, head: Head) -> bool:
        """Return whether the answer is a manifest."""
        return head.status == 200 and head.field(b"x-zip-stream") is not None

    def read(self, head: Head, body: bytes, most: int) -> tuple[str | None, list[Entry]]:
        """Return the file name and the entries. Raises ListError."""
        return esri.read(body, most=most)


@dataclass(frozen=True, slots=True)
class ListedObjects:
    """The rewriter of `upstream-s3:` URLs. `objects`: of the operator's buckets."""

    objects: Rewriter

    def origin(self, url: str) -> str:
        """Return the `host:port` of the object's bucket."""
        return self.objects.origin(url.removeprefix("upstream-"))

    async def address(self, url: str) -> Address:
        """Return where the object lies, and its signature."""
        return await self.objects.address(url.removeprefix("upstream-"))


@dataclass(frozen=True, slots=True)
class FileServer:
    """The rewriter of `upstream:` URLs. `base`: what each location is put behind."""

    base: str

    def origin(self, url: str) -> str:
        """Return the `host:port` of the file server."""
        return origin_of(self.base)

    async def address(self, url: str) -> Address:
        """Return the file's URL on the operator's file server."""
        return Address(self.base + url.removeprefix(mod_zip.SCHEME))


@dataclass(frozen=True, slots=True)
class Upstream:
    """What the operator set. `base`: scheme and host of the upstream, which `transport` may dial; `kinds`: of lists."""

    base: str
    transport: Transport
    pace: Pace
    kinds: Sequence[Listed]

    def over(self, app: ASGIApp, interface: Interface) -> ASGIApp:
        """Return the app behind this interface."""
        return _Layer(self, app, interface)


def _bad_list(why: str) -> BuildFailed:
    return BuildFailed(why, code="bad_list")


class _Layer:
    def __init__(self, own: Upstream, app: ASGIApp, interface: Interface) -> None:
        self._own = own
        self._app = app
        self._interface = interface
        self._lists = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and scope["raw_path"].startswith(b"/")
        if not asked or self._interface.is_own(scope):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Problem as problem:
            response = await on_problem(request, problem)
        except ClientDisconnect:
            return
        except Exception as error:
            response = await on_unexpected(request, error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        head, stream = await self._ask(request)
        kind = next((kind for kind in self._own.kinds if kind.is_list(head)), None)
        if kind is None:
            return self._passed(request, head, stream)
        try:
            async with self._lists:
                archive_hash = await self._kept(request, kind, head, await self._list(head, stream))
        finally:
            await stream.aclose()
        return await self._interface.downloads.send(request, archive_hash)

    async def _ask(self, request: Request) -> tuple[Head, Stream]:
        scope = request.scope
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        try:
            answer = await self._own.transport.get(written(self._own.base + path), self._fields(request))
        except (TransportError, BlockedAddressError, ValueError) as error:
            event(logger, logging.WARNING, "upstream_failed", error=str(error))
            raise BuildFailed("the upstream gave no answer", code="upstream_failed") from error
        return Head(answer.status, answer.fields), answer.stream

    def _fields(self, request: Request) -> Fields:
        given = request.headers
        fields = [(name, value) for name in _PASSED for value in given.getlist(name)]
        fields += [field for kind in self._own.kinds for field in kind.request_fields()]
        fields += [("Accept-Encoding", "identity"), ("X-Forwarded-Proto", request.scope["scheme"])]
        if "host" in given:
            fields.append(("X-Forwarded-Host", given["host"]))
        if request.client is not None:
            fields.append(("X-Forwarded-For", request.client.host))
        return tuple(fields)

    def _passed(self, request: Request, head: Head, stream: Stream) -> Response:
        """Return the upstream's answer as it is."""
        empty = request.method == "HEAD" or head.status in _NO_BODY
        settings = self._interface.archives.settings
        response = StreamedResponse(_chunks(stream, empty), head.status, {}, write_timeout=settings.write_timeout)
        response.raw_headers = [field for field in head.lines if field[0] not in _OUR_OWN]
        return response

    async def _list(self, head: Head, stream: Stream) -> bytes:
        """Return the list. Raises BuildFailed."""
        body = bytearray()
        if set(head.codings) - {"identity"}:
            raise _bad_list("the upstream's list is encoded, which it was asked not to be")
        try:
            async for chunk in CountedChunks(stream, head.length, self._own.pace):
                body += chunk
                if len(body) > MOST:
                    raise _bad_list(f"the upstream's list is longer than {MOST >> 20} MiB")
        except OriginError as error:
            raise BuildFailed("the upstream's list did not come whole", code="upstream_failed") from error
        return bytes(body)

    async def _kept(self, request: Request, kind: Listed, head: Head, body: bytes) -> str:
        """Keep the list's archive, and return its hash. Raises BuildFailed."""
        archives = self._interface.archives
        try:
            made = partial(_asked, kind, head, body, _kept_fields(request, head), archives.settings.max_entries)
            asked = await archives.aside(made, len(body))
        except mod_zip.ListError as error:
            raise _bad_list(f"the upstream's list cannot be read: {error}") from error
        return (await archives.store(asked, prefetch=False)).row.hash


def _asked(kind: Listed, head: Head, body: bytes, fields: Fields, most: int) -> CreateRequest:
    told, wished = kind.read(head, body, most)
    if not wished:
        raise mod_zip.ListError("it has no entries")
    if sum(len(name) + len(value) for name, value in fields) * len(wished) > len(body) + _MOST_FIELDS:
        raise mod_zip.ListError("X-Archive-Pass-Headers names too much for so many files")
    if fields:
        wished = [entry if entry.is_folder else replace(entry, headers=fields) for entry in wished]
    entries, renamed = named(wished)
    name = filename(parameters(head.field(b"content-disposition") or "")) or told or ""
    manifest = Manifest(entries, filename=clean_filename(name), compression="store", on_error="fail")
    return CreateRequest(manifest, renamed, prefetch=False, plain=False)


def _kept_fields(request: Request, head: Head) -> Fields:
    """Return the client's fields that X-Archive-Pass-Headers names: the files are asked for with them."""
    names = (head.field(b"x-archive-pass-headers") or "").split(":")
    given = {name.strip(): request.headers[name.strip()] for name in names if name.strip() in request.headers}
    try:
        return read_fields(given)
    except ValueError as error:
        raise _bad_list(f"X-Archive-Pass-Headers: {error}") from error


async def _chunks(stream: Stream, empty: bool) -> AsyncGenerator[Data, None]:
    try:
        if not empty:
            async for chunk in stream:
                yield chunk
    except TransportError as error:
        raise OSError("the upstream broke off") from error
    finally:
        await stream.aclose()

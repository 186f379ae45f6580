"""Uploads: one file at a time, as a form or as a bare body; the list; downloads with ranges; deletion; the page."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from streamzip.clock import Clock
from streamzip.config import Settings
from streamzip.edge.bodies import READ_OVER, body_limit, chunks_of, read_body
from streamzip.edge.disposition import attachment
from streamzip.edge.fields import NO_STORE
from streamzip.edge.forms import FIELD, FileForm, pieces, urlencoded
from streamzip.edge.problem_document import respond as told
from streamzip.edge.representation import Representation, respond
from streamzip.errors import FieldError, InvalidRequest, Problem, TooLarge, Unsupported
from streamzip.gateway import Gateway
from streamzip.guards.auth import Auth
from streamzip.guards.links import Links
from streamzip.guards.login_page import PROOF
from streamzip.manifest.uploads import is_allowed, upload_name
from streamzip.spans import Data
from streamzip.uploads.answers import Uploaded, UploadedFile
from streamzip.uploads.page import Row, upload_page
from streamzip.uploads.port import Receiving, Upload, Uploads
from streamzip.uploads.source import content_type, strong_etag
from streamzip.web.frame import is_browser
from streamzip.web.told import upload_problem

SILENT_FOR = 60.0  # seconds that a body may bring nothing
MOST_FIELDS = 16
FORM_ROOM = 64 << 10  # bytes of a form beside its file


@dataclass(frozen=True, slots=True)
class UploadDoor:
    """The handlers."""

    uploads: Uploads
    gateway: Gateway
    settings: Settings
    links: Links
    auth: Auth
    clock: Clock

    async def page(self, request: Request) -> Response:
        """GET | HEAD /upload"""
        uploads = await self.uploads.listing()
        rows = [
            Row(upload, self.links.relative(_path(upload)), f"upload/{quote(upload.name, safe='')}/delete")
            for upload in uploads
        ]
        most = int(self.settings.upload_max_bytes)
        return upload_page(request, rows, self.settings.upload_extensions, most, self.auth.shown(request))

    async def listing(self, request: Request) -> Response:
        """GET | HEAD /download"""
        self.links.base(request)  # a Host that is none is refused though there are no files
        uploads = await self.uploads.listing()
        return JSONResponse([self._document(request, upload) for upload in uploads], headers=NO_STORE)

    async def download(self, request: Request) -> Response:
        """GET | HEAD /download/{name}"""
        upload = await self.uploads.find(request.path_params["name"])
        etag = strong_etag(upload)
        selected = Representation(
            noun="file",
            headers={
                "Content-Type": content_type(upload.name),
                "Content-Disposition": attachment(upload.name),
                "X-Content-Type-Options": "nosniff",
                # Another file may come to have this name.
                "Cache-Control": "private, no-cache, no-transform",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "ETag": etag,
                "Last-Modified": formatdate(upload.created_at, usegmt=True),
                "Accept-Ranges": "bytes",
                "X-Accel-Buffering": "no",
            },
            length=upload.size,
            etag=etag,
            last_modified=upload.created_at,
            read=partial(self._read, upload),
            date_is_strong=False,
        )
        async with contextlib.AsyncExitStack() as stack:
            return await respond(
                request, selected, stack, now=self.clock.wall(), write_timeout=self.settings.write_timeout
            )

    def _read(self, upload: Upload, start: int, stop: int | None) -> AsyncGenerator[Data, None]:
        return self.uploads.read(upload, start, upload.size if stop is None else stop)

    async def delete(self, request: Request) -> Response:
        """DELETE /upload/{name}"""
        await self.uploads.delete(request.path_params["name"], self.gateway.statuses.is_unfinished)
        return Response(status_code=204)

    async def delete_by_form(self, request: Request) -> Response:
        """POST /upload/{name}/delete: the page's form; 303 back to it, or why the file stays."""
        body = await read_body(request, body_limit(request))
        self.auth.check_form(request, urlencoded(body, MOST_FIELDS).get(PROOF, [None])[-1])
        try:
            await self.uploads.delete(request.path_params["name"], self.gateway.statuses.is_unfinished)
        except Problem as problem:
            if not is_browser(request):
                raise
            return upload_problem(request, problem, "upload_not_deleted")
        return RedirectResponse("../../upload", 303)

    # -- taking a file -----------------------------------------------------------------------------------

    async def form(self, request: Request) -> Response:
        """POST /upload: multipart/form-data with a `file`. A browser goes back to the page, or is shown what to do."""
        try:
            self.links.base(request)  # a Host that is none is refused before anything is stored
            upload = await self._from_form(request)
        except Problem as problem:
            return _refused(
                request, upload_problem(request, problem, "upload_refused") if is_browser(request) else told(problem)
            )
        if is_browser(request):
            return RedirectResponse("upload", 303)
        return self._created(request, upload)

    async def raw(self, request: Request) -> Response:
        """POST /upload/{name}: the body is the file, whatever its Content-Type."""
        try:
            self.links.base(request)
            upload = await self._from_body(request, self._name(request.path_params["name"], "/name"))
        except Problem as problem:
            return _refused(request, told(problem))
        return self._created(request, upload)

    async def _from_form(self, request: Request) -> Upload:
        form = FileForm(request.headers.get("content-type", ""))
        async with contextlib.AsyncExitStack() as stack:
            arriving: Receiving | None = None
            async for chunk in self._body(request, FORM_ROOM):
                for number, piece in enumerate(pieces(chunk)):
                    if number:
                        await asyncio.sleep(0)  # then others have their turn
                    for part in form.feed(piece):
                        if isinstance(part, str):
                            self.auth.check_form(request, form.fields.get(PROOF))
                            name = self._name(part, f"/{FIELD}")
                            arriving = await stack.enter_async_context(await self.uploads.receive(name))
                        elif arriving is not None:
                            await arriving.add(part)
            form.finish()
            if arriving is None:
                raise InvalidRequest([FieldError(f"/{FIELD}", "the form has no file; choose a file")])
            return await arriving.keep(now=self.clock.wall())

    async def _from_body(self, request: Request, name: str) -> Upload:
        async with await self.uploads.receive(name) as arriving:
            async for chunk in self._body(request, 0):
                await arriving.add(chunk)
            return await arriving.keep(now=self.clock.wall())

    def _name(self, wished: str, pointer: str) -> str:
        """Return the name that the file gets. Raises InvalidRequest, Unsupported."""
        try:
            name = upload_name(wished)
            allowed = is_allowed(name, self.settings.upload_extensions)
        except ValueError as error:
            raise InvalidRequest([FieldError(pointer, str(error))]) from error
        if not allowed:
            taken = ", ".join(self.settings.upload_extensions)
            raise Unsupported(f"files of this type are not taken; these are: {taken}")
        return name

    async def _body(self, request: Request, room: int) -> AsyncGenerator[bytes, None]:
        """Yield the body's chunks; `room`: bytes that it may have beside the file. Raises Unsupported, TooLarge,
        Stalled.
        """
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Unsupported("send the file as it is, without a Content-Encoding", code="body_encoded")
        most, received = self.settings.upload_max_bytes + room, 0
        if (_declared(request) or 0) > most:
            raise self._too_large()
        async with contextlib.aclosing(chunks_of(request, silent_for=SILENT_FOR, noun="file")) as chunks:
            async for chunk in chunks:
                received += len(chunk)
                if received > most:
                    raise self._too_large()
                yield chunk

    def _document(self, request: Request, upload: Upload) -> UploadedFile:
        return {"filename": upload.name, "url": self.links.signed(request, _path(upload))}

    def _created(self, request: Request, upload: Upload) -> Response:
        document: Uploaded = {**self._document(request, upload), "size": upload.size, "sha256": upload.sha256}
        return JSONResponse(document, 201, NO_STORE | {"Location": document["url"]})

    def _too_large(self) -> TooLarge:
        most = self.settings.upload_max_bytes
        return TooLarge(f"a file may have at most {most} bytes (STREAMZIP_UPLOAD_MAX_BYTES)", code="file_too_large")


def _declared(request: Request) -> int | None:
    """Return the body's length, where the request says it."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _refused(request: Request, response: Response) -> Response:
    """Return the answer to a request whose body was not read to its end: what is left is read over, unless it is too
    much.
    """
    declared = _declared(request)
    if declared is None or declared > READ_OVER:
        response.headers["Connection"] = "close"
    return response


def _path(upload: Upload) -> str:
    return f"/download/{quote(upload.name, safe='')}"

"""The pages: a new archive from pasted links, and an archive as its people see it.

They call what the interface calls.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streamzip.api.archives import Archives
from streamzip.archives.create import Created
from streamzip.archives.status import Asked
from streamzip.clock import Clock
from streamzip.config import Settings
from streamzip.edge.bodies import body_limit
from streamzip.edge.fields import NO_STORE
from streamzip.edge.forms import urlencoded
from streamzip.edge.request_log import about
from streamzip.errors import FieldError, InvalidRequest, NotFound, Problem
from streamzip.gateway import Gateway
from streamzip.guards.auth import DELETE_COOKIE, Auth, owner_of
from streamzip.guards.login_page import PROOF
from streamzip.guards.rates import client_of
from streamzip.manifest.lists import ListError, parse
from streamzip.manifest.parse import Limits, parse_page
from streamzip.web import assets
from streamzip.web.frame import is_browser, render
from streamzip.web.told import said_page
from streamzip.web.views import MEMBERS_EACH, Files, Links, archive_view, pages_of

REMEMBERED = 30 * 86400  # seconds
MOST_FIELDS = 2000
MOST_SHOWN = 64 << 10  # characters of a field that is shown again
MOST_FAULTS = 20
MOST_NAMED = 200  # characters of a link that is wrong
OPTIONS = ("filename", "on_error", "compression", "expires_in")
FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


class Pages(Protocol):
    """Collects the images of web pages."""

    async def add(self, url: str, *, owner: str | None) -> str:
        """Have the page's images made into an archive, and return the id under which it is had."""


@dataclass(frozen=True, slots=True)
class Site:
    """The handlers."""

    archives: Archives
    gateway: Gateway
    webpages: Pages
    auth: Auth
    settings: Settings
    clock: Clock

    async def home(self, request: Request) -> Response:
        """GET | HEAD /: the form for a new archive."""
        return self._form(request, {})

    async def asset(self, request: Request) -> Response:
        """GET | HEAD /assets/{name}"""
        asset = assets.find(request.path_params["name"])
        if asset is None:
            raise NotFound("there is no such file; load the page again")
        return Response(asset.body, headers=FOREVER, media_type=asset.media_type)

    async def new(self, request: Request) -> Response:
        """POST /new: `links`, `upload` or `page`; 303 to the archive's page, or the form with what is wrong."""
        fields = await self._fields(request)
        try:
            if fields.get("page"):
                return await self._collect(request, fields["page"][-1].strip())
            created = await self._create(request, fields)
        except Problem as problem:
            if not is_browser(request):
                raise
            return self._form(request, fields, problem)
        return self._made(request, created, depth=0)

    async def archive(self, request: Request) -> Response:
        """GET | HEAD /a/{hash}: the archive's page; to a program its status document."""
        if not is_browser(request):
            return await self.archives.told(request, Asked(request.path_params["hash"]))
        return await self._page(request, None)

    async def files(self, request: Request) -> Response:
        """GET | HEAD /a/{hash}/files/{page}: the same page, with some of the archive's files."""
        number = request.path_params["page"]
        if not re.fullmatch("[0-9]{1,9}", number):
            raise NotFound("the archive has no such page of files")
        return await self._page(request, int(number))

    async def build(self, request: Request) -> Response:
        """POST /a/{hash}/build: have it built, and go back to its page."""
        self.auth.check_form(request, (await self._fields(request)).get(PROOF, [None])[-1])
        await self.gateway.builds.prefetch(request.path_params["hash"])
        return self._back(request)

    async def again(self, request: Request) -> Response:
        """POST /a/{hash}/again: make the next snapshot of the same list, and lead to its page."""
        self.auth.check_form(request, (await self._fields(request)).get(PROOF, [None])[-1])
        asked = await self.gateway.creates.again(request.path_params["hash"])
        self.archives.entries.check(client_of(request), len(asked.manifest.entries))
        return self._made(request, await self.archives.store(asked), depth=2)

    async def delete(self, request: Request) -> Response:
        """POST /a/{hash}/delete: delete it, and say so."""
        self.auth.check_form(request, (await self._fields(request)).get(PROOF, [None])[-1])
        await self.gateway.removal.delete(request.path_params["hash"])
        return said_page(request, "deleted_title", "deleted_lead", depth=2)

    # -- the form ----------------------------------------------------------------------------------------

    async def _fields(self, request: Request) -> dict[str, list[str]]:
        async with self.archives.bodies.read(request, body_limit(request)) as body:
            fields = await self.archives.aside(partial(urlencoded, body, MOST_FIELDS), len(body))
        self.auth.check_form(request, fields.get(PROOF, [None])[-1])
        return fields

    def _form(self, request: Request, fields: Mapping[str, list[str]], problem: Problem | None = None) -> Response:
        """Return the form, with what was written into it, and what is wrong with that."""
        # What is longer is not shown again: it would be sent five times as long, to who may not even read it.
        written = {name: fields.get(name, [""])[-1][:MOST_SHOWN] for name in ("links", "filename", "page")}
        values = {
            "session": self.auth.shown(request),
            "faults": () if problem is None else _faults(problem),
            "opened": bool(written["filename"]),
            "lifetime": self.settings.default_ttl,
            "images": self.settings.page_images,
        }
        status = 200 if problem is None else problem.status
        return render(request, "new.html", values | written, status=status)

    async def _create(self, request: Request, fields: Mapping[str, list[str]]) -> Created:
        links = fields.get("links", [""])[-1]
        entries = await self.archives.aside(partial(_entries_of, fields, self.settings.max_entries), len(links))
        body = await self.archives.aside(partial(_body_of, fields, entries), len(links))
        try:
            asked = await self.archives.read(request, body)
        except InvalidRequest as problem:
            raise InvalidRequest([_named(error, entries) for error in problem.errors]) from problem
        created = await self.archives.store(asked)
        about(request.scope, created.row.hash)
        return created

    def _made(self, request: Request, created: Created, *, depth: int) -> Response:
        """Lead to a new archive's page. `depth`: of this path, as `render` counts it."""
        path = f"/a/{created.row.hash}"
        response = RedirectResponse(f"{'../' * depth}{self.archives.links.relative(path)}", 303, NO_STORE)
        if not self.auth.keys:
            self._remember(request, response, path, created.delete_token)
        return response

    async def _collect(self, request: Request, page: str) -> Response:
        self.archives.links.base(request)  # without a Host it is refused before anything is stored
        url = parse_page(json.dumps({"url": page}).encode(), Limits(max_entries=1), allow=self.settings.exempt)
        self.archives.entries.check(client_of(request), self.settings.page_images)
        number = await self.webpages.add(url, owner=owner_of(request))
        return RedirectResponse(self.archives.links.relative(f"/download/{number}"), 303, NO_STORE)

    def _remember(self, request: Request, response: Response, path: str, token: str) -> None:
        """Let this browser alone delete the archive: no script reads the token, and no other page is sent it."""
        base = self.archives.links.base(request)
        prefix = base.partition("://")[2].partition("/")[2]
        response.set_cookie(
            *(DELETE_COOKIE, token, REMEMBERED),
            path=f"{f'/{prefix}' if prefix else ''}{path}",
            secure=base.startswith("https:"),
            httponly=True,
            samesite="strict",
        )

    # -- an archive --------------------------------------------------------------------------------------

    def _back(self, request: Request) -> Response:
        path = f"/a/{request.path_params['hash']}"
        return RedirectResponse(f"../../{self.archives.links.relative(path)}", 303, NO_STORE)

    async def _page(self, request: Request, number: int | None) -> Response:
        archive_hash, depth = request.path_params["hash"], 1 if number is None else 3
        await self.auth.recognise(request)
        asked = Asked(archive_hash, members_from=None if number is None else max(0, number - 1) * MEMBERS_EACH)
        document = (await self.gateway.statuses.look(asked)).document
        mine = await self.auth.is_own(request, archive_hash)
        links = self._links(request, archive_hash, depth)
        shown = archive_view(
            document,
            links,
            qr=_qr_code(links.absolute),
            may_build=mine or not (self.auth.keys or self.auth.signed),
            mine=mine,
            now=datetime.fromtimestamp(self.clock.wall(), UTC),
        )
        files = None if number is None else self._members(request, document, number)
        values = {"session": self.auth.shown(request), "archive": shown, "files": files}
        return render(request, "archive.html", values, depth=depth)

    def _links(self, request: Request, archive_hash: str, depth: int) -> Links:
        """Return the page's links: those that are signed end when the page's own does."""
        up, signed = "../" * depth, self.archives.links
        until = request.query_params.get("expires")
        download = f"/archive/get/{archive_hash}.zip"
        return Links(
            download=f"{up}{signed.relative(download, until)}",
            absolute=f"{signed.base(request)}/{signed.relative(download, until)}",
            events=f"{up}{signed.relative(f'/api/archive/events/{archive_hash}', until)}",
            files=f"{up}{signed.relative(f'/a/{archive_hash}/files/1', until)}",
            build=f"{up}a/{archive_hash}/build",
            again=f"{up}a/{archive_hash}/again",
            delete=f"{up}a/{archive_hash}/delete",
        )

    def _members(self, request: Request, document: Mapping[str, Any], number: int) -> Files:
        pages = pages_of(document["progress"]["total_entries"])
        if not 1 <= number <= pages:
            raise NotFound("the archive has no such page of files")
        until = request.query_params.get("expires")

        def link(page: int) -> str | None:
            if not 1 <= page <= pages:
                return None
            path = f"/a/{document['archive_hash']}/files/{page}"
            return f"../../../{self.archives.links.relative(path, until)}"

        return Files(document["members"][:MEMBERS_EACH], link(number - 1), link(number + 1))


def _faults(problem: Problem) -> list[str]:
    """Return a sentence for each thing that is wrong."""
    if isinstance(problem, InvalidRequest):
        return [error.detail for error in problem.errors[:MOST_FAULTS]]
    return [problem.detail]


def _named(error: FieldError, entries: Sequence[Mapping[str, Any]]) -> FieldError:
    """Return the error with the link that it is about, as the person wrote it, without its query; else with the
    field.
    """
    found = re.match(r"/entries/([0-9]+)(?:/|$)", error.pointer)
    place = error.pointer.lstrip("/")
    if found is not None:
        place = str(entries[int(found[1])].get("url", place)).partition("?")[0][:MOST_NAMED]
    return FieldError(error.pointer, f"{place}: {error.detail}")


def _entries_of(fields: Mapping[str, list[str]], most: int) -> list[dict[str, Any]]:
    """Return the entries that a form's fields name. Raises InvalidRequest."""
    try:
        entries = parse(fields.get("links", [""])[-1], most)
    except ListError as error:
        raise InvalidRequest([FieldError("/links", str(error))]) from error
    entries += [{"url": f"upload:{quote(name)}"} for name in fields.get("upload", ())]
    if not entries:
        raise InvalidRequest([FieldError("/links", "there is no link in it")])
    return entries


def _body_of(fields: Mapping[str, list[str]], entries: Sequence[Mapping[str, Any]]) -> bytearray:
    """Return create's body for a form's fields and the entries that they name."""
    options: dict[str, Any] = {name: fields[name][-1] for name in OPTIONS if fields.get(name, [""])[-1]}
    if re.fullmatch("[0-9]{1,12}", options.get("expires_in", "")):
        options["expires_in"] = int(options["expires_in"])
    return bytearray(json.dumps({"entries": list(entries), **options}, ensure_ascii=False).encode(errors="replace"))


def _qr_code(link: str) -> str:
    """Return the link as a picture, in a data URI."""
    import segno  # here: programs look at no page

    return segno.make(link, error="l").svg_data_uri(scale=4, border=0)

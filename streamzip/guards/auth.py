"""Who may do what: holds every request to its operation's row, before anything else is done for it.

Whose an archive is, is asked here alone: by the verbs that touch it, and before a signed link to it is given out. To a
page's own requests a session counts as its key; to nothing else, so that a cookie can do no more than the pages' forms.
"""

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from streamzip.access.api_keys import ApiKeys
from streamzip.access.sessions import Sessions, expiry
from streamzip.access.signed_links import SignedLinks, signature_in
from streamzip.clock import Clock
from streamzip.errors import Forbidden, Unauthorized
from streamzip.guards.access import Access
from streamzip.guards.login_page import Session, login_page
from streamzip.web.frame import is_browser

Check = Callable[[Request], Awaitable[None]]  # raises a Problem

OWNER = "owner"

COOKIE = "streamzip_session"
DELETE_COOKIE = "streamzip_delete"  # the delete token, sent back to its archive's page alone
SESSION = "session"
UNTIL = "until"  # in a request's state: when the signed link ends that it came with


def owner_of(request: Request) -> str | None:
    """Return the name of the key that this request came with; None where no keys are set."""
    owner: str | None = request.scope.get("state", {}).get(OWNER)
    return owner


def session_of(request: Request) -> str | None:
    """Return the session that this request came with instead of a key."""
    session: str | None = request.scope.get("state", {}).get(SESSION)
    return session


def until_of(request: Request) -> str | None:
    """Return when the signed link ends that this request came with (epoch seconds); None where it had none."""
    until: str | None = request.scope.get("state", {}).get(UNTIL)
    return until


class Owners(Protocol):
    """Tells whose an archive is."""

    async def owner(self, hash: str) -> str | None:
        """Return the name of the key that created the archive; None where no keys were set then. Raises NotFound."""

    def is_delete_token(self, hash: str, token: str) -> bool:
        """Return whether create gave this token out for the archive."""


class Ended(Protocol):
    """The sessions that people ended."""

    async def end(self, session: str, *, expires_at: float, now: float) -> None:
        """Note that the session is over."""

    async def is_over(self, session: str) -> bool:
        """Return whether somebody ended the session."""


def cookie_name(base: str) -> str:
    """Return the name of the session's cookie at a gateway that is reached at this base URL.

    Under https with a prefix by which browsers take no such cookie from a neighbour's site or a plain connection
    (RFC 6265bis §4.1.3): `__Host-` wherever the gateway has the whole host.
    """
    scheme, _, rest = base.partition("://")
    if scheme != "https":
        return COOKIE
    return f"__Secure-{COOKIE}" if "/" in rest else f"__Host-{COOKIE}"


def cookie_of(request: Request, wanted: str) -> str | None:
    """Return the value of a cookie of ours, the last where it came more than once.

    Read here, because `Request.cookies` undoes quotes with Python's http.cookies, which up to 3.11.9 and 3.12.5 takes
    time in the square of the backslashes (CVE-2024-7592): 64 KiB of them stopped everybody for eight seconds. Ours
    have no quotes.
    """
    found = None
    for field in request.headers.getlist("cookie"):
        for pair in field.split(";"):
            name, _, value = pair.partition("=")
            if name.strip(" \t") == wanted:
                found = value.strip(" \t")
    return found


class Auth:
    """`signed`: None where links need no signature. `admins`: the keys of operators, who are no owners."""

    def __init__(
        self,
        keys: ApiKeys,
        signed: SignedLinks | None,
        sessions: Sessions,
        clock: Clock,
        owners: Owners,
        ended: Ended,
        *,
        admins: ApiKeys | None = None,
        public_url: str | None = None,
    ) -> None:
        self.keys = keys
        self._admins = admins or ApiKeys()
        self.signed = signed
        self.sessions = sessions
        self._clock = clock
        self._owners = owners
        self._ended = ended
        self._public_url = public_url

    def guarded(self, app: ASGIApp, access: Access) -> ASGIApp:
        """Return the app for those alone who may."""
        check = self._check_for(access)
        if check is None:
            return app
        return _Guard(app, check, asks=access in (Access.PAGE, Access.PAGE_OWNER, Access.PAGE_DELETER))

    async def check(self, request: Request, access: Access) -> None:
        """Hold a request to a kind of access. Raises Unauthorized, Forbidden."""
        check = self._check_for(access)
        if check is not None:
            await check(request)

    def _check_for(self, access: Access) -> Check | None:
        match access:
            case Access.LINK if self.signed is not None:
                return partial(self._check_link, self.signed)
            case Access.STATUS if self.signed is not None:
                return partial(self._check_status, self.signed)
            case Access.PAGE if self.keys:
                return self._check_page
            case Access.ADMIN:
                return self._check_admin
            case Access.KEY if self.keys:
                return self._check_key
            case Access.OWNER | Access.DELETER if self.keys:
                return self._check_owner
            case Access.PAGE_OWNER | Access.PAGE_DELETER if self.keys:
                return self._check_page_owner
            case Access.DELETER:
                return self._check_delete_token
            case Access.PAGE_OWNER if self.signed is not None:
                return self._check_delete_cookie  # it leads back by a signed link, and a hash is no right to one
            case Access.PAGE_DELETER:
                return self._check_delete_cookie
        return None

    async def entitles(self, request: Request, hash: str) -> bool:
        """Return whether whoever asks may be given a signed link to the archive. Raises NotFound.

        A hash alone is no right to one: everybody who ever had a link, also an expired one, knows it.
        """
        owner = await self._owners.owner(hash)
        if self.keys:
            presented = _presented(request)
            name = None if presented is None else self.keys.name_of(presented)
            return name is not None and owner in (None, name)
        return self._has_delete_token(request, hash)

    def _has_delete_token(self, request: Request, hash: str) -> bool:
        token = request.headers.get("x-delete-token")
        return token is not None and self._owners.is_delete_token(hash, token)

    async def _check_owner(self, request: Request) -> None:
        await self._check_key(request)
        if not await self.entitles(request, request.path_params["hash"]):
            raise Forbidden("this archive was created with another API key")

    async def _check_delete_token(self, request: Request) -> None:
        if not await self.entitles(request, request.path_params["hash"]):
            raise Forbidden("deleting needs the X-Delete-Token that create gave out")

    async def _check_key(self, request: Request) -> None:
        presented = _presented(request)
        if presented is None:
            raise Unauthorized("an API key is needed; send it as `Authorization: Bearer …`")
        name = self.keys.name_of(presented)
        if name is None:
            raise Unauthorized("this API key is not known here")
        request.scope.setdefault("state", {})[OWNER] = name

    async def _check_admin(self, request: Request) -> None:
        if not self._admins:
            raise Forbidden("this gateway has no admin keys, so nobody may")
        presented = _presented(request)
        if presented is None or self._admins.name_of(presented) is None:
            raise Unauthorized("an admin key is needed; send it as `Authorization: Bearer …`")

    def session_cookie(self, request: Request) -> str | None:
        """Return the value of the session's cookie, of the name that it has where the gateway is reached so."""
        return cookie_of(request, cookie_name(self._public_url or f"{request.scope['scheme']}://"))

    async def session_owner(self, session: str) -> str | None:
        """Return whose session it is; None for one that is over, was ended, or is not ours."""
        name = self.sessions.owner(session, now=self._clock.wall())
        return None if name is None or await self._ended.is_over(session) else name

    async def end_session(self, session: str) -> None:
        """End a session of ours, wherever copies of its cookie are."""
        await self._ended.end(session, expires_at=expiry(session), now=self._clock.wall())

    async def _check_page(self, request: Request) -> None:
        session = self.session_cookie(request)
        name = None if session is None else await self.session_owner(session)
        if name is None or "authorization" in request.headers:
            await self._check_key(request)
        else:
            request.scope.setdefault("state", {}).update({OWNER: name, SESSION: session})

    async def _check_page_owner(self, request: Request) -> None:
        await self._check_page(request)
        if not await self.is_own(request, request.path_params["hash"]):
            raise Forbidden("this archive was created with another API key")

    async def _check_delete_cookie(self, request: Request) -> None:
        if not await self.is_own(request, request.path_params["hash"]):
            raise Forbidden("this archive was not created in this browser; only there it can be built or deleted")

    async def recognise(self, request: Request) -> None:
        """Note who looks at a page that everybody may see, where a session or a key tells."""
        with contextlib.suppress(Unauthorized):
            if self.keys:
                await self._check_page(request)

    async def is_own(self, request: Request, hash: str) -> bool:
        """Return whether whoever looks at a page created the archive: by key or session, else by this browser's
        token. Raises NotFound.
        """
        owner = await self._owners.owner(hash)
        if self.keys:
            return owner_of(request) is not None and owner in (None, owner_of(request))
        token = cookie_of(request, DELETE_COOKIE)
        return token is not None and self._owners.is_delete_token(hash, token)

    def check_form(self, request: Request, token: str | None) -> None:
        """Raise Forbidden where a session's form does not hold the token of its pages. A key needs none."""
        session = session_of(request)
        if session is not None and (token is None or not self.sessions.is_form_token(session, token)):
            raise Forbidden("this form is not of your session; load the page again, and send it from there")

    def shown(self, request: Request) -> Session | None:
        """Return what a page needs to know of the session that it is given to."""
        session, owner = session_of(request), owner_of(request)
        return None if session is None or owner is None else Session(owner, self.sessions.form_token(session))

    async def _check_link(self, signed: SignedLinks, request: Request) -> None:
        scope = request.scope
        until = signed.check(request.method, scope["raw_path"], scope["query_string"], now=self._clock.wall())
        scope.setdefault("state", {})[UNTIL] = until

    async def _check_status(self, signed: SignedLinks, request: Request) -> None:
        scope, hash = request.scope, request.path_params["hash"]
        presented = _presented(request)
        proves = presented is not None and self.keys.name_of(presented) is not None
        # Nothing is looked up for who proves nothing: an unknown archive looks like a known one.
        if (proves if self.keys else self._has_delete_token(request, hash)) and await self.entitles(request, hash):
            return
        query = signature_in(scope["query_string"])
        if not query:
            raise Forbidden("this needs the archive's signed link, or the key or token of who created it")
        # Who may have an archive may know how it stands.
        archive = f"/archive/get/{hash}.zip".encode()
        until = signed.check(request.method, scope["raw_path"], query, now=self._clock.wall(), instead=archive)
        scope.setdefault("state", {})[UNTIL] = until


class _Guard:
    """An ASGI app behind a check that raises a Problem. `asks`: a person without a key is asked for it."""

    def __init__(self, app: ASGIApp, check: Check, *, asks: bool = False) -> None:
        self._app = app
        self._check = check
        self._asks = asks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        app = self._app
        try:
            await self._check(request)
        except Unauthorized:
            if not (self._asks and is_browser(request)):
                raise
            app = login_page(request, 401)
        await app(scope, receive, send)


def _presented(request: Request) -> str | None:
    fields = request.headers.getlist("authorization")
    if len(fields) != 1:
        return None
    scheme, _, key = fields[0].partition(" ")
    return key.strip(" ") if scheme.lower() == "bearer" else None

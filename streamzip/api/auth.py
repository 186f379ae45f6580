"""Who may do what: API keys for everything that creates, uploads, deletes or lists; signed links for what is read.

A path that is in neither of the first two lists below asks for a key, where keys are set. To a page's own requests a
session counts as its key; to nothing else, so that a cookie can do no more than the pages' forms.
"""

from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from streamzip.api.pages import Session, is_browser, login_page
from streamzip.clock import Clock
from streamzip.errors import Forbidden, Unauthorized
from streamzip.manifest.api_keys import ApiKeys
from streamzip.manifest.sessions import Sessions
from streamzip.manifest.signed_links import SignedLinks

OWNER = "owner"

# Whoever knows these paths may read what is there, without an API key; all the others need one, where keys are set.
OPEN = frozenset(
    {
        "/",
        "/api/archive/events/{hash}",
        "/api/archive/status/{hash}",
        "/docs",
        "/docs/style.css",
        "/healthz",
        "/login",
        "/logout",
        "/openapi.json",
        "/readyz",
        "/health_check",
    }
)
# And these too, unless links are to be signed.
LINKED = frozenset(
    {
        "/archive/get/{hash}.zip",
        "/archive/{folder}",
        "/archive/{folder}/",
        "/archive_img/{key}",
        "/download/{id:uuid}",
        "/download/{name}",
    }
)
# The pages, which a person may open without a key: it is asked for.
PAGES = frozenset({"/upload"})

COOKIE = "streamzip_session"
SESSION = "session"


def owner_of(request: Request) -> str | None:
    """The name of the key that this request came with; None where no keys are set."""
    owner: str | None = request.scope.get("state", {}).get(OWNER)
    return owner


def session_of(request: Request) -> str | None:
    """The session that this request came with instead of a key."""
    session: str | None = request.scope.get("state", {}).get(SESSION)
    return session


class Auth:
    """`signed`: None where links need no signature."""

    def __init__(self, keys: ApiKeys, signed: SignedLinks | None, sessions: Sessions, clock: Clock) -> None:
        self.keys = keys
        self.signed = signed
        self.sessions = sessions
        self._clock = clock

    def keyed(self, route: Route) -> Route:
        """The route, for requests with a key alone."""
        if self.keys:
            page = route.path in PAGES
            route.app = _Guard(route.app, self._check_page if page else self._check_key, asks=page)
        return route

    def linked(self, route: Route) -> Route:
        """The route, for signed links alone."""
        if self.signed is not None:
            route.app = _Guard(route.app, partial(self._check_link, self.signed))
        return route

    def trusts(self, request: Request, owner: str | None) -> bool:
        """Whether whoever asks may be given links to an archive of this owner: a hash alone is no right to them."""
        if not self.keys:
            return True
        presented = _presented(request)
        name = None if presented is None else self.keys.name_of(presented)
        return name is not None and owner in (None, name)

    def _check_key(self, request: Request) -> None:
        presented = _presented(request)
        if presented is None:
            raise Unauthorized("an API key is needed; send it as `Authorization: Bearer …`")
        name = self.keys.name_of(presented)
        if name is None:
            raise Unauthorized("this API key is not known here")
        request.scope.setdefault("state", {})[OWNER] = name

    def _check_page(self, request: Request) -> None:
        session = request.cookies.get(COOKIE)
        name = None if session is None else self.sessions.owner(session, now=self._clock.wall())
        if name is None or "authorization" in request.headers:
            self._check_key(request)
        else:
            request.scope.setdefault("state", {}).update({OWNER: name, SESSION: session})

    def check_form(self, request: Request, token: str | None) -> None:
        """Raise Forbidden where a session's form does not hold the token of its pages. A key needs none."""
        session = session_of(request)
        if session is not None and (token is None or not self.sessions.is_form_token(session, token)):
            raise Forbidden("this form is not of your session; load the page again, and send it from there")

    def shown(self, request: Request) -> Session | None:
        """What a page needs to know of the session that it is given to."""
        session, owner = session_of(request), owner_of(request)
        return None if session is None or owner is None else Session(owner, self.sessions.form_token(session))

    def _check_link(self, signed: SignedLinks, request: Request) -> None:
        scope = request.scope
        signed.check(request.method, scope["raw_path"], scope["query_string"], now=self._clock.wall())


class _Guard:
    """An ASGI app behind a check that raises a Problem. `asks`: a person without a key is asked for it."""

    def __init__(self, app: ASGIApp, check: Callable[[Request], None], *, asks: bool = False) -> None:
        self._app = app
        self._check = check
        self._asks = asks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        app = self._app
        try:
            self._check(request)
        except Unauthorized:
            if not (self._asks and is_browser(request)):
                raise
            app = login_page(status=401)
        await app(scope, receive, send)


def _presented(request: Request) -> str | None:
    fields = request.headers.getlist("authorization")
    if len(fields) != 1:
        return None
    scheme, _, key = fields[0].partition(" ")
    return key.strip(" ") if scheme.lower() == "bearer" else None

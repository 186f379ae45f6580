"""Who may do what: API keys for everything that creates, uploads, deletes or lists; signed links for what is read.

A path that is in neither of the two lists below asks for a key, where keys are set.
"""

from collections.abc import Callable
from functools import partial

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from streamzip.clock import Clock
from streamzip.errors import Unauthorized
from streamzip.manifest.api_keys import ApiKeys
from streamzip.manifest.signed_links import SignedLinks

OWNER = "owner"

# Whoever knows these paths may read what is there, without an API key; all the others need one, where keys are set.
OPEN = frozenset(
    {
        "/",
        "/api/archive/status/{hash}",
        "/docs",
        "/docs/style.css",
        "/download/{id:uuid}",
        "/download/{name}",
        "/healthz",
        "/openapi.json",
        "/readyz",
        "/health_check",
    }
)
# And these too, unless links are to be signed.
LINKED = frozenset({"/archive/get/{hash}.zip", "/archive/{folder}", "/archive/{folder}/", "/archive_img/{key}"})


def owner_of(request: Request) -> str | None:
    """The name of the key that this request came with; None where no keys are set."""
    owner: str | None = request.scope.get("state", {}).get(OWNER)
    return owner


class Auth:
    """`signed`: None where links need no signature."""

    def __init__(self, keys: ApiKeys, signed: SignedLinks | None, clock: Clock) -> None:
        self.keys = keys
        self.signed = signed
        self._clock = clock

    def keyed(self, route: Route) -> Route:
        """The route, for requests with a key alone."""
        if self.keys:
            route.app = _Guard(route.app, self._check_key)
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

    def _check_link(self, signed: SignedLinks, request: Request) -> None:
        scope = request.scope
        signed.check(request.method, scope["raw_path"], scope["query_string"], now=self._clock.wall())


class _Guard:
    """An ASGI app behind a check that raises a Problem."""

    def __init__(self, app: ASGIApp, check: Callable[[Request], None]) -> None:
        self._app = app
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._check(Request(scope))
        await self._app(scope, receive, send)


def _presented(request: Request) -> str | None:
    fields = request.headers.getlist("authorization")
    if len(fields) != 1:
        return None
    scheme, _, key = fields[0].partition(" ")
    return key.strip(" ") if scheme.lower() == "bearer" else None

"""A person's way in: the API key is asked for once, and a session is given for it, which ends by itself."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from streamzip.access.sessions import LIFETIME
from streamzip.clock import Clock
from streamzip.edge.bodies import body_limit, read_body
from streamzip.edge.sites import Sites
from streamzip.errors import BadForm, FieldError, Forbidden, InvalidRequest, TooLarge, Unauthorized
from streamzip.guards.auth import SESSION, Auth, cookie_name
from streamzip.guards.links import Links
from streamzip.guards.login_page import PROOF, login_page
from streamzip.web.frame import is_browser

HOME = "."
BACK_TO = frozenset({HOME, "upload"})  # the pages that ask for a key, relative to /login
TO = "to"  # the form's field that says which of them did


@dataclass(frozen=True, slots=True)
class Login:
    """The handlers."""

    auth: Auth
    links: Links
    sites: Sites
    clock: Clock

    async def page(self, request: Request) -> Response:
        """GET | HEAD /login: the form, where there are keys to be asked for."""
        return login_page(request, 200) if self.auth.keys else RedirectResponse(HOME, 303)

    async def enter(self, request: Request) -> Response:
        """POST /login: a form with the `key`; 303 to the pages, with a session."""
        self._check_origin(request)
        fields = await _fields(request)
        key, to = _field(fields, "key"), fields.get(TO, [HOME])[-1]
        if not self.auth.keys:
            return RedirectResponse(HOME, 303)
        session = self.auth.sessions.begin(key.strip(), now=self.clock.wall())
        if session is None:
            if is_browser(request):
                return login_page(request, 401, refused=True)
            raise Unauthorized("this API key is not known here")
        return self._redirect(request, session, LIFETIME, to if to in BACK_TO else HOME)

    async def leave(self, request: Request) -> Response:
        """POST /logout: the session is over, and forgotten by its browser."""
        token = _field(await _fields(request), PROOF)
        session = self.auth.session_cookie(request)
        if session is not None and await self.auth.session_owner(session) is not None:
            request.scope.setdefault("state", {})[SESSION] = session
            self.auth.check_form(request, token)
            await self.auth.end_session(session)
        return self._redirect(request, "", 0, HOME)

    def _redirect(self, request: Request, session: str, lifetime: int, to: str) -> Response:
        """To the pages, with the cookie set so that no script, no other site and no plain connection has it."""
        base = urlsplit(self.links.base(request))
        response = RedirectResponse(to, 303, {"Cache-Control": "no-store"})
        response.set_cookie(
            *(cookie_name(self.links.base(request)), session, lifetime),
            path=f"{base.path}/",
            secure=base.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    def _check_origin(self, request: Request) -> None:
        """Raise Forbidden for another site's form, which would log its visitor in as somebody else; also where CORS
        lets that site in.
        """
        if not self.sites.is_own(request.headers):
            raise Forbidden("this form came from another site; open the gateway's own page")


async def _fields(request: Request) -> dict[str, list[str]]:
    """Read the fields of a small form. Raises TooLarge, BadForm."""
    try:
        body = await read_body(request, body_limit(request))
    except TooLarge as error:
        raise TooLarge(f"this form has at most {body_limit(request)} bytes", code=error.code) from error
    try:
        return parse_qs(body.decode("latin-1"), keep_blank_values=True, max_num_fields=16)
    except ValueError as error:
        raise BadForm("the form has more fields than it may") from error


def _field(fields: dict[str, list[str]], name: str) -> str:
    """Return a required field. Raises InvalidRequest."""
    if name not in fields:
        raise InvalidRequest([FieldError(f"/{name}", f"`{name}` is required")])
    return fields[name][-1]

"""A request's head, judged first: its target, its Host, the site that it comes from, what its proxies tell."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from streamzip.edge.accel import ANNOUNCED_KEY, announces
from streamzip.edge.hosts import Hosts
from streamzip.edge.problem_document import respond
from streamzip.edge.proxies import Proxies, is_local, parsed
from streamzip.edge.sites import Sites
from streamzip.errors import BadTarget, NotFound, Problem


class Heads:
    """An ASGI layer. Behind it `scheme` and `client` are what the trusted proxies tell, and the Host is one."""

    def __init__(self, app: ASGIApp, hosts: Hosts, proxies: Proxies, sites: Sites) -> None:
        self._app = app
        self._hosts = hosts
        self._proxies = proxies
        self._sites = sites

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                self._judge(scope)
            except Problem as problem:
                await respond(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _judge(self, scope: Scope) -> None:
        # Nothing stored holds a NUL: PostgreSQL takes none in a text, not even to look for it. Names of folders and
        # uploads are not looked for there, and their doors say what is wrong with them.
        if scope["path"].startswith("/api/") and "\0" in scope["path"]:
            raise NotFound("no name holds a NUL")
        if b"%00" in scope["query_string"]:
            raise BadTarget("the query holds a NUL")
        fields = Headers(scope=scope)
        self._hosts.check([value for name, value in fields.raw if name == b"host"], scope["http_version"])
        self._sites.check(scope["method"], fields)
        peer = None if scope["client"] is None else parsed(scope["client"][0])
        local = is_local(scope)
        scope[ANNOUNCED_KEY] = announces(fields) and (local or self._proxies.trusts(peer))
        forwarded = fields.getlist("x-forwarded-proto")
        scope["scheme"] = self._proxies.scheme(peer, scope["scheme"], forwarded, local=local)
        client = self._proxies.client(peer, fields.getlist("x-forwarded-for"), local=local)
        port = scope["client"][1] if client == peer and scope["client"] is not None else 0
        scope["client"] = None if client is None else (str(client), port)

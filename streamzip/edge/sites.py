"""Which site a request comes from: those of other sites' pages that change something are refused.

A browser sends a page's simple POST anywhere without asking (Fetch standard, CORS protocol), with what the visitor's
place in the network allows. It says from where: by Sec-Fetch-Site (Fetch Metadata), else by Origin. Programs send
neither.
"""

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers

from streamzip.edge.hosts import Authority, authority, authority_of
from streamzip.errors import Forbidden

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 §9.2.1

_OWN: Final = frozenset({"same-origin", "none"})  # none: a person's own doing, as in the address bar


class Sites:
    """`public`: host and port of the gateway as its clients see it, where that is set; `shared`: the origins that CORS
    lets in, `*` for all.
    """

    def __init__(self, public: Authority | None, shared: Collection[str]) -> None:
        self._public = public
        self._shared = frozenset(shared)

    def check(self, method: str, fields: Headers) -> None:
        """Raise Forbidden for a request of another site's page that would change something, and that CORS does not
        allow.
        """
        if method in SAFE or "*" in self._shared or self.is_own(fields):
            return
        origins = fields.getlist("origin")
        if not origins or not self._shared.issuperset(origins):
            raise Forbidden(
                "this request came from another site's page; name that site in STREAMZIP_CORS_ORIGINS to let it in",
                code="cross_site",
            )

    def is_own(self, fields: Headers) -> bool:
        """Return whether the request is of the gateway's own pages, or of no page at all.

        Hosts are compared, and not schemes: a proxy may not have told that it was https.
        """
        told = fields.getlist("sec-fetch-site")
        if told:
            return _OWN.issuperset(told)
        own = {self._public, authority(fields.get("host", ""))} - {None}
        return all(authority_of(origin) in own for origin in fields.getlist("origin"))

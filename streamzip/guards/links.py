"""Absolute URLs of the gateway itself: from the configured base, else from the request's scheme and its Host."""

from typing import Final

from starlette.requests import Request

from streamzip.access.links import ArchiveLinks, LinksDocument
from streamzip.errors import BadHost

PREFIX: Final = "streamzip.prefix"  # in the scope: where the interface is mounted in another application


class Links:
    """The links that answers hold."""

    def __init__(self, links: ArchiveLinks) -> None:
        self._links = links

    def base(self, request: Request) -> str:
        """Return scheme and authority (and path prefix) for the URLs in this answer. Raises BadHost where a request of
        HTTP/1.0 named no host.
        """
        if self._links.public_url is not None:
            return self._links.public_url
        host = request.headers.get("host")
        if host is None:
            raise BadHost("the request has no Host header, and the answer has links")
        return f"{request.scope['scheme']}://{host}{request.scope.get(PREFIX, '')}"

    def signed(self, request: Request, path: str) -> str:
        """Return the URL of a path; see ArchiveLinks.signed."""
        return self._links.signed(self.base(request), path)

    def relative(self, path: str, until: str | None = None) -> str:
        """Return the same relative to the gateway's base, for its pages, which may stand behind a prefix.

        `until`: the expiry of the link that the page itself was opened with, beyond which it gives out none.
        """
        return self._links.signed("", path, until=until).removeprefix("/")

    def archive(self, request: Request, hash: str, *, entitled: bool, until: str | None = None) -> LinksDocument:
        """Return the links of one archive; see ArchiveLinks.of."""
        return self._links.of(self.base(request), hash, entitled=entitled, until=until)

"""Absolute URLs of the gateway itself: from the configured base, else from the request's scheme and validated Host."""

import re

from starlette.requests import Request

from streamzip.errors import FieldError, InvalidRequest
from streamzip.manifest.links import ArchiveLinks

_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII
)


class Links:
    """The links that answers hold."""

    def __init__(self, links: ArchiveLinks) -> None:
        self._links = links

    def base(self, request: Request) -> str:
        """Scheme and authority (and path prefix) for the URLs in this answer. Raises InvalidRequest for a Host that is
        none.
        """
        if self._links.public_url is not None:
            return self._links.public_url
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            raise InvalidRequest([FieldError("", "the Host header names no host")])
        return f"{request.url.scheme}://{host}"

    def signed(self, request: Request, path: str) -> str:
        """The URL of a path; see ArchiveLinks.signed."""
        return self._links.signed(self.base(request), path)

    def relative(self, path: str) -> str:
        """The same relative to the gateway's base, for its pages, which may stand behind a prefix."""
        return self._links.signed("", path).removeprefix("/")

    def archive(self, request: Request, hash: str, *, entitled: bool) -> dict[str, str]:
        """The links of one archive; see ArchiveLinks.of."""
        return self._links.of(self.base(request), hash, entitled=entitled)

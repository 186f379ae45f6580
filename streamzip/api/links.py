"""Absolute URLs of the gateway itself: from the configured base, else from the request's scheme and validated Host."""

import re

from starlette.requests import Request

from streamzip.errors import FieldError, InvalidRequest

_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.ASCII
)


class Links:
    """`public_url`: the base that clients see, without a slash at its end; None: each request's own."""

    def __init__(self, public_url: str | None) -> None:
        self._public_url = public_url

    def base(self, request: Request) -> str:
        """Scheme and authority (and path prefix) for the URLs in this answer. Raises InvalidRequest for a Host that is
        none.
        """
        if self._public_url is not None:
            return self._public_url
        host = request.headers.get("host", "")
        if not _HOST.fullmatch(host):
            raise InvalidRequest([FieldError("", "the Host header names no host")])
        return f"{request.url.scheme}://{host}"

    def archive(self, request: Request, hash: str) -> dict[str, str]:
        """The links of one archive."""
        base = self.base(request)
        return {"url": f"{base}/archive/get/{hash}.zip", "status_url": f"{base}/api/archive/status/{hash}"}

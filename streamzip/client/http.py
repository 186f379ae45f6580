"""How a client's requests are sent, with httpx: the same settings and errors for `Client` and `AsyncClient`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from streamzip.client.errors import Unreachable
from streamzip.client.steps import Answer, Ask
from streamzip.httpx_ import httpx

ANSWERS_WITHIN = 90.0  # seconds without a byte; a gateway holds its answer back for the probe, and says so after 60
CONNECTS_WITHIN = 20.0


class Sender:
    """One gateway's address and key; makes requests for it, and reads its answers' heads."""

    def __init__(self, server: str, key: str | None) -> None:
        address = urlsplit(server)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"{server!r} is no gateway's address; it begins with http:// or https://")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise ValueError("the API key has letters that no key has; was it copied whole?")
        self.server = server.rstrip("/")
        self._origin = (address.scheme, address.netloc)
        self._authorization = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.timeout = httpx.Timeout(ANSWERS_WITHIN, connect=CONNECTS_WITHIN)

    def arguments(self, request: Ask) -> dict[str, Any]:
        """Return what httpx's build_request takes. The key goes to the gateway alone, wherever a link may lead."""
        url = request.target if "://" in request.target else f"{self.server}{request.target}"
        address = urlsplit(url)
        own = (address.scheme, address.netloc) == self._origin
        headers = {"Accept": "application/json"} | (self._authorization if own else {}) | dict(request.headers)
        if request.stream or request.method == "HEAD":
            headers["Accept-Encoding"] = "identity"  # the bytes themselves: they are counted, and gone on from
        return {"method": request.method, "url": url, "json": request.body, "headers": headers}

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn httpx's errors into Unreachable."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"{self.server} cannot be reached: {reason}") from error


def head(response: httpx.Response, content: bytes = b"") -> Answer:
    """Return the response as the flows see it."""
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, content)

"""How a client's requests are sent, with httpx: the same settings and errors for `Client` and `AsyncClient`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from streamzip.client.errors import BadAnswer, Unreachable
from streamzip.client.steps import Answer, Ask
from streamzip.httpx_ import httpx

ANSWERS_WITHIN = 90.0  # seconds without a byte; a gateway holds its answer back for the probe, and says so after 60
CONNECTS_WITHIN = 20.0
LONGEST_ANSWER = 64 << 20  # bytes of a document


class Sender:
    """One gateway's address and key; makes requests for it, and reads its answers' heads."""

    def __init__(self, server: str, key: str | None) -> None:
        try:
            address = urlsplit(server)
        except ValueError as error:
            raise ValueError(f"{server!r} is no gateway's address: {error}") from error
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"{server!r} is no gateway's address; it begins with http:// or https://")
        if key is not None and not (key and key.isascii() and key.isprintable()):
            raise ValueError("the API key is empty, or has letters that no key has; was it copied whole?")
        self.server: str = server.rstrip("/")
        self._origin = (address.scheme, address.netloc)
        self._authorization = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.timeout: httpx.Timeout = httpx.Timeout(ANSWERS_WITHIN, connect=CONNECTS_WITHIN)

    def arguments(self, request: Ask) -> dict[str, Any]:
        """Return what httpx's build_request takes. The key goes to the gateway alone, wherever a link may lead."""
        url = request.target if "://" in request.target else f"{self.server}{request.target}"
        address = urlsplit(url)
        own = (address.scheme, address.netloc) == self._origin
        # The bytes themselves: a download's are counted and gone on from, a document's are bounded.
        always = {"Accept": "application/json", "Accept-Encoding": "identity"}
        headers = always | (self._authorization if own else {}) | dict(request.headers)
        return {"method": request.method, "url": url, "json": request.body, "headers": headers}

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn httpx's errors into Unreachable."""
        try:
            yield
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(f"{self.server} cannot be reached: {reason}") from error


class Content:
    """A whole answer's body, as it comes: a gateway's documents are short, and what is not is no gateway's."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._bytes = bytearray()

    def add(self, data: bytes) -> None:
        """Append bytes. Raises BadAnswer beyond LONGEST_ANSWER."""
        self._bytes += data
        if len(self._bytes) > LONGEST_ANSWER:
            raise BadAnswer(f"{self._server} sent an answer without an end")

    def whole(self) -> bytes:
        """Return all of it."""
        return bytes(self._bytes)


def head(response: httpx.Response) -> Answer:
    """Return the response as the flows see it. Raises BadAnswer where its bytes are encoded, which nobody asked for."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise BadAnswer(f"{response.url.host} encodes what it sends, so that its bytes cannot be counted")
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()})

"""A client of httpx as a transport: its proxies, certificates, protocols and time limits are its own.

It dials by itself, so no dial guard lies beneath: which addresses may be reached is the client's affair, or that of
its proxy.
"""

import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streamzip.httpx_ import httpx
from streamzip.net.errors import HungUp, NotHttp, NotReached, TimedOut
from streamzip.net.port import Answer
from streamzip.spans import Data

KEPT_IDLE: Final = 128  # connections to the proxy that may wait for another request
_AS_IT_IS: Final = ("Accept-Encoding", "identity")


class HttpxTransport:
    """Requests through `client`, which stays open unless it is `own`. Raises as Transport says."""

    def __init__(self, client: httpx.AsyncClient, *, own: bool = False) -> None:
        self._client = client
        self._own = own

    async def get(self, url: str, fields: Iterable[tuple[str, str]]) -> Answer:
        """Send a GET; see Transport."""
        return await self._exchange("GET", url, fields, None)

    async def post(self, url: str, fields: Iterable[tuple[str, str]], content: bytes) -> Answer:
        """Send a POST of `content`; see Transport."""
        return await self._exchange("POST", url, (*fields, _AS_IT_IS), content)

    async def _exchange(
        self, method: str, url: str, fields: Iterable[tuple[str, str]], content: bytes | None
    ) -> Answer:
        with _translated():
            request = httpx.Request(method, url, headers=list(fields), content=content)
            response = await self._client.send(request, stream=True, follow_redirects=False)
        named = tuple((name.lower(), value) for name, value in response.headers.raw)
        return Answer(response.status_code, named, _Body(response))

    async def aclose(self) -> None:
        """Close the client, where it is the transport's own."""
        if self._own:
            await self._client.aclose()


def through_proxy(proxy: str, *, connect_timeout: float, read_timeout: float, ca_file: Path | None) -> HttpxTransport:
    """Return a transport whose every request goes through the proxy at this URL: http:, https: or socks5:.

    Nothing of the environment reaches it, as nothing reaches the fast transport. Who calls counts the connections.
    """
    client = httpx.AsyncClient(
        proxy=proxy,
        trust_env=False,
        verify=ssl.create_default_context(cafile=ca_file),
        timeout=httpx.Timeout(read_timeout, connect=connect_timeout),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_IDLE, keepalive_expiry=4.0),
    )
    return HttpxTransport(client, own=True)


class _Body(AsyncIterator[Data]):
    """A response's body, as it came."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        # A transport may have read all of it: those that stand for hosts in tests do.
        self._chunks = response.aiter_bytes() if response.is_stream_consumed else response.aiter_raw()
        self._ended = False

    async def __anext__(self) -> Data:
        with _translated():
            try:
                return await anext(self._chunks)
            except StopAsyncIteration:
                self._ended = True
                raise

    async def aclose(self) -> None:
        """Drop the connection, unless the whole body has come."""
        with _translated():
            await self._response.aclose()

    @property
    def whole(self) -> bool:
        """Return whether all of it has come."""
        return self._ended


@contextmanager
def _translated() -> Iterator[None]:
    """Raise the errors that Transport names, for httpx's."""
    try:
        yield
    except (httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise TimedOut("the origin could not be reached in time") from error
    except httpx.TimeoutException as error:
        raise TimedOut("the origin fell silent") from error
    except httpx.ConnectError as error:
        raise NotReached("the origin could not be reached") from _refused_by_tls(error)
    except httpx.ProxyError as error:
        raise NotReached("the proxy did not let the request through") from error
    except httpx.RemoteProtocolError as error:
        raise NotHttp("the origin's answer is not HTTP, or its head is too large") from error
    except (httpx.NetworkError, httpx.StreamError) as error:
        raise HungUp("the connection to the origin broke") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NotHttp("the request cannot be sent to this origin") from error


def _refused_by_tls(error: BaseException) -> BaseException:
    """Return what TLS said, somewhere beneath the error; else the error."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return error if cause is None else cause

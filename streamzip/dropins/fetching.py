"""Lists that lie elsewhere, fetched whole and within bounds."""

import asyncio
from typing import Final

from streamzip.errors import OriginError, TooLarge
from streamzip.origins.http import HttpSource

MOST: Final = 8 << 20  # bytes of a list
AT_ONCE: Final = 4  # lists that may be in memory while they come
WITHIN: Final = 60.0  # seconds for a list


class Lists:
    """Fetches lists. `http`: its transport judges what may be dialled."""

    def __init__(self, http: HttpSource) -> None:
        self._http = http
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, url: str) -> bytes:
        """Return what lies at `url`. Raises OriginError; TooLarge for more than `MOST` bytes."""
        try:
            async with self._turns, asyncio.timeout(WITHIN):
                body = (await self._http.page(url, most=MOST)).body
        except TimeoutError as error:
            raise OriginError("timed_out", f"the list did not come within {WITHIN:g} s") from error
        except ValueError as error:  # what a URL cannot be
            raise OriginError("unsafe_url", str(error)) from error
        if len(body) > MOST:
            raise TooLarge(f"the list is longer than {MOST >> 20} MiB", code="list_too_large")
        return body

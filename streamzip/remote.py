"""A gateway as its clients see it: what the command line asks of one that runs elsewhere."""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

ANSWERS_WITHIN = 60.0  # seconds
FIRST_LOOK, LAST_LOOK = 0.2, 3.0  # seconds between two looks at a status; each wait is half as long again
AWAY_FOR = 60.0  # seconds for which no answer may come while an archive is built: a gateway may be started again


class RemoteError(Exception):
    """The gateway cannot be reached, or refuses; the message says why. `code` is that of its problem document."""

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class Remote:
    """The gateway at a base URL; `key`: an API key of it. To be left as a context manager."""

    def __init__(self, server: str, key: str | None) -> None:
        self._server = server.rstrip("/")
        headers = {"Accept": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})
        self._client = httpx.Client(headers=headers, timeout=ANSWERS_WITHIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def create(self, urls: Sequence[str]) -> dict[str, Any]:
        """What create answers. Raises RemoteError."""
        return self._ask("POST", "/api/archive/create", {"urls": list(urls)})

    def completed(self, hash: str, watch: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Have the archive built, and wait for it; its last status. `watch` is shown every status.

        Raises RemoteError, also where the archive failed, and with the code no_cache where it cannot be built ahead.
        """
        question = ("POST", f"/api/archive/prefetch/{hash}")
        wait, answered = FIRST_LOOK, time.monotonic()
        while True:
            try:
                status = self._ask(*question)
            except RemoteError as error:
                if error.code is not None or time.monotonic() - answered > AWAY_FOR:
                    raise
            else:
                question, answered = ("GET", f"/api/archive/status/{hash}"), time.monotonic()
                watch(status)
                if status["status"] == "completed":
                    return status
                if status["status"] == "failed":
                    raise RemoteError(_why(status), status.get("code"))
            time.sleep(wait)
            wait = min(LAST_LOOK, wait * 1.5)

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        try:
            response = self._client.request(method, f"{self._server}{path}", json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise RemoteError(f"{self._server} cannot be reached: {error}") from error
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise RemoteError(f"{self._server} answered {response.status_code}, and not as a gateway does")
        if response.is_success:
            return document
        faults = [f"{fault['pointer']}: {fault['detail']}" for fault in document.get("errors", ())]
        said = "; ".join(faults) or document.get("detail", response.reason_phrase)
        raise RemoteError(f"{response.status_code}: {said}", str(document.get("code", "unknown")))


def left_out(status: dict[str, Any]) -> list[str]:
    """A sentence for each entry that is not in the archive."""
    return [f"{error['name']}: {error['message']}" for error in status["errors"]]


def _why(status: dict[str, Any]) -> str:
    return "; ".join([f"the archive failed ({status.get('code', 'unknown')})", *left_out(status)])

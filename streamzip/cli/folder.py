"""A data folder as its operator sees it, with or without a gateway that runs on it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import TypeVar

from streamzip.app import made
from streamzip.archives.oversight import Oversight
from streamzip.archives.oversight_answers import AdminStatus, AdminSummary, AdminWork, PulledArchive
from streamzip.config import Settings, SetupError
from streamzip.process.descriptors import shared_out

T = TypeVar("T")


class Folder:
    """See cli.oversight.Overseen. It takes part in the folder as a further process of the gateway would."""

    def __init__(self, settings: Settings) -> None:
        if settings.secret_keys is None and not (settings.data_dir / "secret.keys").exists():
            raise SetupError(f"there is no gateway's secret in {settings.data_dir}: name its data folder with --data")
        self._settings = settings

    def all_archives(self, *, limit: int, owner: str | None = None) -> Iterator[AdminSummary]:
        """Yield archives of all owners, or of one, the newest first."""
        found, _ = self._do(lambda oversight: oversight.page(limit=limit, owner=owner))
        yield from found

    def pulled(self) -> Sequence[PulledArchive]:
        """Return the archives that files are pulled for now."""
        return self._do(lambda oversight: oversight.pulled())

    def show(self, archive_hash: str) -> AdminStatus:
        """Return an archive's status, with what only an operator is told."""
        return self._do(lambda oversight: oversight.show(archive_hash))

    def queue(self, *, limit: int) -> tuple[int, Sequence[AdminWork]]:
        """Return how much work is queued or was given up, and the first of it."""
        return self._do(lambda oversight: oversight.queue(limit=limit))

    def evict(self, archive_hash: str) -> None:
        """Remove an archive's copy alone."""
        self._do(lambda oversight: oversight.evict(archive_hash))

    def remove(self, archive_hash: str) -> None:
        """Delete an archive, whoever created it."""
        self._do(lambda oversight: oversight.delete(archive_hash))

    def retry(self, work: str) -> list[str]:
        """Have queued or given-up work tried now, by an archive's hash or a page's id; return in which queues."""
        return self._do(lambda oversight: oversight.retry(work))

    def _do(self, ask: Callable[[Oversight], Awaitable[T]]) -> T:
        logging.disable(logging.WARNING)  # what its parts say while they are made is for the gateway's log
        try:
            return asyncio.run(self._asked(ask))
        finally:
            logging.disable(logging.NOTSET)

    async def _asked(self, ask: Callable[[Oversight], Awaitable[T]]) -> T:
        parts = await made(self._settings, shared_out(), alone=False)
        try:
            return await ask(parts.gateway.oversight)
        finally:
            await parts.close()

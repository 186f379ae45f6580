"""Scrub: finished copies compared with their CRCs, one after another, a little each day. A disk loses bytes silently,
and a copy that nobody reads for months is found so before somebody does. What is damaged goes, and is pulled again.
"""

import asyncio
import logging
import threading
from pathlib import Path
from typing import Final, Protocol

from streamzip import metrics
from streamzip.archives.remove import Removal
from streamzip.assembly.verifying import verify_copy
from streamzip.errors import NotReady, Problem
from streamzip.files.locks import LockFile
from streamzip.files.private import private
from streamzip.jobs.queue import leading
from streamzip.logs import event
from streamzip.spool.shelf import Shelf
from streamzip.store.repository import CRCS, LAYOUT, Repository
from streamzip.store.vault import Vault
from streamzip.zip.layout import Layout

logger = logging.getLogger(__name__)

TURN: Final = 5  # the byte of the jobs' lock file that says which process scrubs
DAY: Final = 86_400.0
RATE: Final = 64 << 20  # bytes a second, at most: a disk has other things to do
LEAST_PAUSE: Final = 1.0  # seconds between two copies
IDLE: Final = 600.0  # seconds, where there is nothing to compare


class Queues(Protocol):
    """Has copies made."""

    async def prefetch(self, archive_hash: str) -> bool:
        """Have the archive's copy made in the background."""


class _Stopped(Exception):
    """Whoever wanted the comparison has gone."""


class Scrub:
    """Runs until cancelled, in one of several processes. `per_day`: bytes that are compared in a day. `notes`: the file
    that holds which copy was compared last, and when the next one is due, so that a restart begins nothing anew.
    """

    def __init__(
        self,
        repository: Repository,
        vault: Vault,
        shelf: Shelf,
        removal: Removal,
        builds: Queues,
        *,
        per_day: int,
        notes: Path,
        leader: LockFile,
    ) -> None:
        self._repository = repository
        self._vault = vault
        self._shelf = shelf
        self._removal = removal
        self._builds = builds
        self._clock = repository.clock
        self._per_day = per_day
        self._notes = notes
        self._leader = leader
        self._left: list[str] = []  # of this round, the next one last

    async def run(self) -> None:
        """Work until cancelled, where anything is to be compared."""
        if not self._per_day:
            self._leader.close()
            return
        async with leading(self._leader, TURN):
            await asyncio.sleep(await asyncio.to_thread(self._due))
            while True:
                pause = IDLE
                try:
                    pause = await self.once()
                except (Problem, OSError) as error:
                    event(logger, logging.WARNING, "scrub_failed", error=str(error))
                except Exception:
                    logger.exception("the scrub failed unexpectedly")
                await asyncio.sleep(pause)

    async def once(self) -> float:
        """Compare the next copy; return the seconds after which the one behind it is due."""
        if not self._left:
            self._left = await asyncio.to_thread(self._round)
        if not self._left:
            return IDLE
        name = self._left.pop()
        compared = await self._compare(name)
        metrics.SCRUBBED.add(amount=compared)
        pause = max(LEAST_PAUSE, compared * DAY / self._per_day)
        await asyncio.to_thread(self._note, name, self._clock.wall() + pause)
        return pause

    def _round(self) -> list[str]:
        """Return the finished copies, in the order of their names from the one compared last on, reversed."""
        last, _ = self._noted()
        names = sorted(each.name for each in self._shelf.held() if each.finished)
        later = [name for name in names if name > last]
        return (later or names)[::-1]

    async def _compare(self, name: str) -> int:
        """Compare a copy; return how many bytes that were."""
        row = await self._repository.get(name)
        stored = await self._repository.documents(name, LAYOUT, CRCS)
        if row is None or row.completed_at is None or stored.layout is None or stored.crcs is None:
            return 0
        sealed, learned = stored.layout, self._vault.unseal("learned", name, stored.crcs)
        going, done = threading.Event(), 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if going.wait(count / RATE):
                raise _Stopped

        def compare() -> str | None:
            layout = Layout.decode(self._vault.unseal("layout", name, sealed))
            try:
                return verify_copy(self._shelf.paths(name), layout, learned, advance)
            except OSError as error:
                return f"it cannot be read: {error.strerror}"
            except _Stopped:
                return None

        try:
            wrong = await asyncio.to_thread(compare)
        finally:
            going.set()
        if wrong is not None:
            await self._replace(name, wrong)
        return done

    async def _replace(self, name: str, wrong: str) -> None:
        """Remove a damaged copy, cut whoever reads it, and have it pulled again."""
        event(logger, logging.ERROR, "scrub_damaged", archive=name, detail=wrong)
        metrics.SCRUB_DAMAGED.add()
        told = NotReady("the archive's copy was damaged, and is made anew", code="copy_damaged", retry_after=1)
        if not await self._removal.remove_damaged(name, told):
            return
        try:
            await self._builds.prefetch(name)
        except Problem as problem:  # it is pulled again when somebody wants it
            event(logger, logging.WARNING, "scrub_not_queued", archive=name, code=problem.code)

    def _noted(self) -> tuple[str, float]:
        try:
            last, _, due = self._notes.read_text().partition(" ")
            return last, float(due)
        except (OSError, ValueError):
            return "", 0.0

    def _due(self) -> float:
        """Return the seconds until the next copy is due; a clock that was set back puts that off by a day at most."""
        return min(DAY, max(0.0, self._noted()[1] - self._clock.wall()))

    def _note(self, name: str, due: float) -> None:
        try:
            with open(self._notes, "w", opener=private) as notes:  # a hash is what opens an archive
                notes.write(f"{name} {due}\n")
        except OSError as error:  # of no weight: the next start begins the round anew
            event(logger, logging.DEBUG, "scrub_not_noted", error=error.strerror)

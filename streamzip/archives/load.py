"""From a hash to all that opening takes: the verified manifest, and the layout, frozen once the origins have been
asked.

Planning runs once for an archive in this process, whoever waits for it; its outcome is stored, and where two processes
come to one at the same time, the first layout stored is the archive's.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from streamzip import metrics
from streamzip.archives.aside import aside
from streamzip.archives.events import Events
from streamzip.archives.opening import MeasuredLayout, StoredArchive, measure
from streamzip.archives.planning import Planning
from streamzip.assembly.kept import KeptBodies
from streamzip.assembly.pulling import Pulling
from streamzip.errors import BuildFailed, NotFound, NotReady, Stale
from streamzip.files.aside import in_long_thread
from streamzip.manifest.model import Manifest
from streamzip.origins.gate import Waiting
from streamzip.origins.kinds import may_pass
from streamzip.origins.pull import too_long
from streamzip.store.repository import CRCS, LAYOUT, Repository
from streamzip.store.rows import ArchiveRow, Sealed
from streamzip.store.states import ARCHIVE_TOO_LARGE, ENTRY_FAILED, NO_ENTRIES, SETTLED, ArchiveState
from streamzip.store.vault import Vault
from streamzip.zip.layout import Layout
from streamzip.zip.offsets import is_longer

BACKGROUND_PLANS = 16  # archives whose origins are asked at once while nobody waits
MOST_EARLY, MOST_EARLY_ENTRIES = 64, 200_000  # archives whose origins are asked before anybody wants them
MOST_PLANNED_ENTRIES = 1_000_000  # of all archives whose origins are being asked, each of 1 kB and more
MOST_KEPT_ENTRIES, MOST_KEPT_BYTES = 50_000, 64 << 20  # of all archives that are kept for a reader who comes soon
LONG_DOCUMENT = 64 << 10  # bytes; some thousand entries
STALE = "an origin's file changed after bytes of this archive were given out; create it anew"

T = TypeVar("T")


@dataclass(slots=True)
class _Plan:
    planning: Planning
    waiting: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class _Frozen:
    """What was learned of an archive, as it is in memory when its layout has been stored in the form `body`."""

    manifest: Manifest
    layout: Layout
    measured: MeasuredLayout
    body: bytes
    bodies: KeptBodies


class Loader:
    """`probe_wait`: seconds that a reader waits for the origins' answers before it is told to come again."""

    def __init__(
        self,
        repository: Repository,
        vault: Vault,
        pulling: Pulling,
        events: Events,
        *,
        probe_wait: float,
    ) -> None:
        self._events = events
        self._repository = repository
        self._vault = vault
        self._pulling = pulling
        self._probe_wait = probe_wait
        self._plans: dict[str, _Plan] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._frozen: dict[str, _Frozen] = {}  # for the reader who comes soon
        self._background = asyncio.Semaphore(BACKGROUND_PLANS)

    async def close(self) -> None:
        """Stop asking."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def row(self, hash: str) -> ArchiveRow:
        """Return the archive's facts. Raises NotFound."""
        row = await self._repository.get(hash)
        if row is None or (row.expires_at is not None and row.expires_at <= self._pulling.clock.wall()):
            raise NotFound("there is no archive of this name")
        return row

    async def manifest(self, hash: str) -> Manifest:
        """Return the archive's manifest, its signature verified. Raises NotFound, Damaged."""
        return await self._unsealed(hash, await self._repository.manifest(hash))

    async def layout(self, hash: str) -> Layout | None:
        """Return the archive's layout, its signature verified; None where it is not frozen yet. Raises Damaged."""
        sealed = (await self._repository.documents(hash, LAYOUT)).layout
        if sealed is None:
            return None
        return await _aside(len(sealed.body), lambda: Layout.decode(self._vault.unseal("layout", hash, sealed)))

    def throttling(self) -> tuple[Waiting, ...]:
        """Return all origins that requests of this process wait for, because they refuse some."""
        return tuple(self._pulling.registry.waiting())

    def is_planning(self, archive_hash: str) -> bool:
        """Return whether the archive's origins are being asked."""
        return archive_hash in self._plans

    async def waiting_for(self, row: ArchiveRow) -> list[Waiting]:
        """Return those of the archive's origins that requests of this process wait for, because they refuse some."""
        waiting = self.throttling()
        if not waiting or row.state in SETTLED:
            return []
        plan, origin = self._plans.get(row.hash), self._pulling.registry.origin
        manifest = await self.manifest(row.hash) if plan is None else plan.planning.manifest
        mine = await aside(manifest, lambda: {origin(entry.url) for entry in manifest.entries if entry.url})
        return [each for each in waiting if each.origin in mine]

    async def _unsealed(self, hash: str, sealed: Sealed | None) -> Manifest:
        if sealed is None:
            raise NotFound("there is no archive of this name")
        await self._vault.ready()
        return await _aside(len(sealed.body), lambda: self._vault.unseal_manifest(hash, sealed))

    async def load(self, row: ArchiveRow, *, foreign: bool) -> StoredArchive:
        """Everything that opening takes; `foreign`: see StoredArchive. Raises NotFound, NotReady (the origins have not
        answered), Stale, BuildFailed, Damaged.
        """
        hash = row.hash
        if row.state is ArchiveState.STALE:
            raise Stale(STALE)
        stored = await self._repository.documents(hash)
        if stored.layout is None:
            await self._planned(row, await self._unsealed(hash, stored.manifest))
            learned_now = await self._repository.documents(hash, LAYOUT, CRCS)
            stored = replace(learned_now, manifest=stored.manifest)
            if stored.layout is None:
                raise NotReady("the archive's origins have not answered yet", retry_after=2)
        sealed = stored.layout
        frozen, measured = self._frozen.pop(hash, None), None
        if frozen is not None and frozen.body == sealed.body:
            manifest, layout, bodies = frozen.manifest, frozen.layout, frozen.bodies
            measured = frozen.measured if stored.crcs is None else None
        else:
            manifest, bodies = await self._unsealed(hash, stored.manifest), KeptBodies(self._pulling.kept)
            layout = await _aside(len(sealed.body), lambda: Layout.decode(self._vault.unseal("layout", hash, sealed)))
        learned = None if stored.crcs is None else self._vault.unseal("learned", hash, stored.crcs)
        return StoredArchive(
            hash, manifest, layout, learned, row.released, row.created_at, bodies, foreign=foreign, measured=measured
        )

    def begin(self, hash: str, manifest: Manifest) -> None:
        """Ask the origins of a new archive in the background. Where many are being asked already, its first reader
        will: lists stay in memory until their slowest origin has answered.
        """
        if len(self._plans) < MOST_EARLY and self._has_room(manifest, MOST_EARLY_ENTRIES):
            self._plan(hash, manifest, new=True, rounds=0)

    def _has_room(self, manifest: Manifest, most: int) -> bool:
        """Return whether this list and those whose origins are being asked have at most so many entries; one may."""
        planned = sum(len(plan.planning.manifest.entries) for plan in self._plans.values())
        return not planned or planned + len(manifest.entries) <= most

    def forget(self, archive_hash: str) -> None:
        """Let go of what was learned for the archive's last layout: its origins are to be asked anew."""
        self._frozen.pop(archive_hash, None)

    def _plan(self, hash: str, manifest: Manifest, *, new: bool, rounds: int) -> "asyncio.Task[None]":
        if hash not in self._tasks:
            plan = self._plans[hash] = _Plan(Planning(manifest, self._pulling, rounds))
            task = self._tasks[hash] = asyncio.create_task(self._run(hash, plan, new=new))
            task.add_done_callback(_retrieve)
        return self._tasks[hash]

    async def _planned(self, row: ArchiveRow, manifest: Manifest) -> None:
        hash = row.hash
        if hash not in self._plans and not self._has_room(manifest, MOST_PLANNED_ENTRIES):
            raise NotReady("too many long archives are being prepared; ask again", code="too_busy", retry_after=5)
        task = self._plan(hash, manifest, new=False, rounds=row.rounds)
        plan = self._plans[hash]
        plan.planning.waited_for()
        plan.waiting.set()
        try:
            async with asyncio.timeout(self._probe_wait):
                await asyncio.shield(task)
        except TimeoutError as error:
            raise NotReady("the archive's origins are still being asked; try again", retry_after=2) from error

    async def _run(self, hash: str, plan: _Plan, *, new: bool) -> None:
        try:
            # Between the moment that a reader found no layout and this one, the background or another process may have
            # frozen it: asked again, an origin could answer otherwise, and its entry would be said to be left out.
            if not new and await self._repository.has_layout(hash):
                return
            if not await self._in_background(plan) and not plan.waiting.is_set():
                return
            while not await plan.planning.probe():
                pass
            await self._freeze(hash, plan.planning, new=new)
        finally:
            del self._plans[hash], self._tasks[hash]

    async def _in_background(self, plan: _Plan) -> bool:
        """Ask in the background's turn; a reader that comes meanwhile need not wait for that turn."""
        waiting, turn = asyncio.create_task(plan.waiting.wait()), asyncio.create_task(self._background.acquire())
        try:
            await asyncio.wait((waiting, turn), return_when=asyncio.FIRST_COMPLETED)
            return await plan.planning.probe()
        finally:
            waiting.cancel()
            if turn.done() and not turn.cancelled():
                self._background.release()
            else:
                turn.cancel()

    async def _freeze(self, hash: str, planning: Planning, *, new: bool) -> None:
        errors, refused = [error.document() for error in planning.errors()], planning.refused()
        for error in errors:
            metrics.LEFT_OUT.add(str(error["code"]))
        if refused is not None:
            refusal = f"entry {refused.index} ({refused.name}): {refused.message}"
            raise await self._unbuildable(hash, errors, BuildFailed(refusal, code=ENTRY_FAILED))
        # Becomes Last-Modified, which may not lie after Date (RFC 9110 §8.8.2.1), and Date may be a second old.
        now = int(self._pulling.clock.wall()) - 1
        layout = await aside(planning.manifest, lambda: planning.freeze(now=now))
        if not layout.members:
            of = (
                f"none of the {len(errors):,} entries can be had; the first one"
                if errors[1:]
                else "the only entry cannot be had"
            )
            refusal = f"{of}: {errors[0]['message']}"
            raise await self._unbuildable(hash, errors, BuildFailed(refusal, code=NO_ENTRIES))
        most = self._pulling.bounds.archive
        if await aside(planning.manifest, lambda: is_longer(layout, most)):
            raise await self._unbuildable(hash, errors, BuildFailed(too_long(most), code=ARCHIVE_TOO_LARGE))
        body = layout.encode()
        sealed, warnings = self._vault.seal("layout", hash, body), planning.warnings()
        if new and not errors and not warnings:  # nothing was said of it yet
            frozen = self._repository.set_layout(hash, sealed)
        else:
            frozen = self._repository.set_layout(hash, sealed, errors=errors, warnings=warnings, rounds=layout.rounds)
        # Counted while the disk is waited for: the first reader need not.
        winner, measured = await asyncio.gather(frozen, aside(planning.manifest, partial(measure, layout)))
        if winner.body == body:
            self._keep(hash, _Frozen(planning.manifest, layout, measured, body, planning.bodies_in(layout)))

    def _keep(self, hash: str, frozen: _Frozen) -> None:
        """Keep what was learned for a reader who comes soon, where all that is kept is not too much; one may be."""
        kept = [*self._frozen.values(), frozen]
        entries = sum(len(each.manifest.entries) for each in kept)
        size = sum(each.bodies.size for each in kept)
        if len(kept) == 1 or (entries <= MOST_KEPT_ENTRIES and size <= MOST_KEPT_BYTES):
            self._frozen[hash] = frozen
            asyncio.get_running_loop().call_later(self._probe_wait, self._let_go, hash, frozen)

    def _let_go(self, hash: str, frozen: _Frozen) -> None:
        if self._frozen.get(hash) is frozen:
            del self._frozen[hash]

    async def _unbuildable(self, hash: str, errors: Sequence[Mapping[str, Any]], why: BuildFailed) -> BuildFailed:
        await self._repository.set_errors(hash, errors)
        for_good = not any(may_pass(str(error["code"])) for error in errors)
        why.lasting = for_good
        await self._events.failed(hash, why.code, for_good=for_good)
        return why


async def _aside(size: int, work: Callable[[], T]) -> T:
    """Do the work; in a thread where the document is long enough to keep other readers waiting."""
    return work() if size < LONG_DOCUMENT else await in_long_thread(work)


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Retrieve a failure, so that asyncio logs none: who waits is told of it, and with nobody waiting the next one asks
    anew.
    """
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()

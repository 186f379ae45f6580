"""The facts that must survive: archives, their signed documents, what was learned of them, and jobs.

A method that writes returns once its change is durable (fsynced); writers at the same time share the fsync (writer.py).
Every method may raise errors.NotReady (`store_unavailable`: disk full, locked) and errors.Damaged (`store_damaged`).
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Row, TextClause, bindparam, delete, select, update
from sqlalchemy.exc import DBAPIError

from streamzip.access.keyring import KeyRing
from streamzip.clock import Clock, SystemClock
from streamzip.config import SetupError
from streamzip.errors import NotFound, NotReady, Problem
from streamzip.store import taken
from streamzip.store.catalogue import Catalogue
from streamzip.store.deliveries import Deliveries
from streamzip.store.dialects import READERS, Dialect
from streamzip.store.dialects.sqlite import Sqlite
from streamzip.store.ended_sessions import EndedSessions
from streamzip.store.facts import forget_facts
from streamzip.store.faults import public_fault
from streamzip.store.fingerprints import agree
from streamzip.store.hiding import Hiding
from streamzip.store.jobs import Jobs
from streamzip.store.links import Links
from streamzip.store.migrations import migrate
from streamzip.store.nodes import Nodes
from streamzip.store.notices import NoNotices, Notices
from streamzip.store.objects import Objects
from streamzip.store.oversight import Oversight
from streamzip.store.overview import Overview
from streamzip.store.reading import Reads
from streamzip.store.rounds import Rounds, is_of
from streamzip.store.rows import ArchiveRow, Documents, Event, Sealed
from streamzip.store.server_clock import ServerClock
from streamzip.store.statements import InsertAbsent, changed, put
from streamzip.store.states import FINAL, code_after, is_unbuildable
from streamzip.store.tables import archives, documents, plans
from streamzip.store.uploads import StoredUploads, note_needs
from streamzip.store.wakes import NoWakes, Wakes
from streamzip.store.webpages import Webpages
from streamzip.store.writer import Writer

MANIFEST = "manifest"
LAYOUT = "layout"
CRCS = "crcs"

NO_WAKES = NoWakes()
NO_NOTICES = NoNotices()

ASK_TIME_EVERY = 15.0  # seconds; a server that was promoted may have another clock than the one before

_ARCHIVE_COLUMNS = [archives.c[field.name] for field in dataclasses.fields(ArchiveRow)]
_add_archive = InsertAbsent(archives)
_add_document = InsertAbsent(documents)

# What every create and every download asks, put together once: for SQLAlchemy that is most of a small query's work.
_archive = select(*_ARCHIVE_COLUMNS).where(archives.c.hash == bindparam("hash"))
_newest = select(*_ARCHIVE_COLUMNS).where(archives.c.manifest_key == bindparam("key"))
_newest = _newest.order_by(archives.c.generation.desc()).limit(1)
_of_kinds = documents.c.kind.in_(bindparam("kinds", expanding=True))
_documents = select(documents).where(documents.c.hash == bindparam("hash"), _of_kinds)
_has_document = select(documents.c.hash).where(documents.c.hash == bindparam("hash"), _of_kinds)
_buildable = update(archives).where(archives.c.hash == bindparam("of"), is_unbuildable()).values(code=None)


class Repository:
    """One store; `jobs` is its queue of work, `deliveries` what its archives' receivers are still to be told,
    `webpages` whose images are wanted, `overview` what statuses are made of, `ended_sessions` the sessions of people
    who left, `links` short-lived names of archives, `objects` which copies are in the bucket, `uploads` which uploaded
    files, `nodes` the gateways that share it, `clock` the time that they agree on.

    Made by `await Repository.open(path)` or `connect(dialect)`, ended by `close()`.
    """

    def __init__(
        self,
        reads: Reads,
        writer: Writer,
        engines: Sequence[Engine],
        clock: Clock,
        keys: KeyRing | None = None,
        wakes: Wakes = NO_WAKES,
        notices: Notices = NO_NOTICES,
    ) -> None:
        self._reads = reads
        self._writer = writer
        self._engines = engines
        self._following: asyncio.Task[None] | None = None
        self.clock = clock
        self.jobs = Jobs(reads, writer, wakes)
        hiding = Hiding(keys)
        self.deliveries = Deliveries(reads, writer, hiding, wakes)
        self.catalogue = Catalogue(reads, writer, Oversight(reads, writer, wakes), notices)
        self.webpages = Webpages(reads, writer, hiding, wakes)
        self.overview = Overview(reads)
        self.rounds = Rounds(writer, notices)
        self.nodes = Nodes(reads, writer, notices)
        self.ended_sessions = EndedSessions(reads, writer)
        self.links = Links(reads, writer)
        self.objects = Objects(reads, writer)
        self.uploads = StoredUploads(reads, writer)

    @classmethod
    async def open(cls, path: Path, keys: KeyRing | None = None) -> Self:
        """Open the SQLite file `path`, made where it is missing; see `connect`."""
        return await cls.connect(Sqlite(path), keys)

    @classmethod
    async def connect(
        cls,
        dialect: Dialect,
        keys: KeyRing | None = None,
        *,
        fingerprints: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
        local: Clock | None = None,
        wakes: Wakes = NO_WAKES,
    ) -> Self:
        """Open the store and bring its schema up to date.

        `keys`: what others' secrets are encrypted with; see Hiding. `fingerprints`: by setting, those of the secrets
        that must be the same on every gateway of the store. `local`: this machine's clock. `wakes`: whoever works on
        the queues. Raises
        migrations.SchemaTooNewError, config.SetupError, errors.NotReady (locked, full, away), errors.Damaged, and the
        file system's OSError.
        """
        clock = local or SystemClock()
        readers, writer = engines = dialect.open(READERS)
        try:
            async with dialect.alone():
                await asyncio.to_thread(_prepare, dialect, writer, fingerprints, clock, wakes)
            availability = dialect.availability()
            reads = Reads(readers, READERS, availability)
            if dialect.now is None:
                return cls(reads, Writer(writer, availability), engines, clock, keys, wakes)
            notices = dialect.notices()
            server = ServerClock(clock)
            await _ask_time(reads, dialect.now, server)
            repository = cls(reads, Writer(writer, availability), engines, server, keys, wakes, notices)
            repository._following = asyncio.create_task(_follow_time(reads, dialect.now, server))
        except BaseException as error:
            for engine in engines:
                engine.dispose()
            if isinstance(error, DBAPIError):
                fault = public_fault(error)
                raise (fault if isinstance(fault, Problem) else SetupError(dialect.refusal(error))) from error
            raise
        return repository

    async def close(self) -> None:
        """Finish the accepted writes and let the database go."""
        if self._following is not None:
            self._following.cancel()
        await self._writer.close()
        self._reads.close()
        for engine in self._engines:
            engine.dispose()

    # Archives

    async def create(
        self, archive: ArchiveRow, manifest: Sealed, *, build: bool = False, uploads: Collection[str] = ()
    ) -> bool:
        """Keep a new archive with its manifest, and with `build` queue its prefetch; False where the hash exists.

        `uploads`: the uploaded files in the bucket that it needs, by their ids. Raises NotFound where one is gone.
        """

        def change(connection: Connection) -> bool:
            if not _add_archive(connection, dataclasses.asdict(archive)):
                return False
            _add_document(connection, _document(archive.hash, MANIFEST, manifest))
            note_needs(connection, archive.hash, uploads)
            if build:
                self.jobs.add_within(connection, archive.hash, archive.created_at)
            return True

        return await self._writer.apply(change)

    async def get(self, hash: str) -> ArchiveRow | None:
        """Return the archive's facts: one small row, whatever the size of its manifest."""
        return _to_archive(await self._reads.rows(_archive, hash=hash))

    async def latest(self, manifest_key: str) -> ArchiveRow | None:
        """Return the newest generation of a manifest."""
        return _to_archive(await self._reads.rows(_newest, key=manifest_key))

    async def manifest(self, hash: str) -> Sealed | None:
        """Return the stored manifest, to be verified by the caller."""
        return (await self.documents(hash, MANIFEST)).manifest

    async def replace_manifest(self, hash: str, manifest: Sealed) -> bool:
        """Put newer URLs in place of the old (entries with an `id`); False where the archive is gone."""
        where = (documents.c.hash == hash) & (documents.c.kind == MANIFEST)

        def change(connection: Connection) -> bool:
            before = taken.document_size(connection, hash, MANIFEST)
            if not changed(connection, update(documents).where(where).values(**_sealed(manifest))):
                return False
            taken.add(connection, hash, len(manifest.body) - before)
            return True

        return await self._writer.apply(change)

    async def delete(self, hash: str) -> bool:
        """Remove the archive, its documents, plan and jobs; False where it was gone already."""

        def change(connection: Connection) -> bool:
            if not changed(connection, delete(archives).where(archives.c.hash == hash)):
                return False
            self.nodes.notices.tell(connection, hash)
            return True

        return await self._writer.apply(change)

    async def set_code(self, hash: str, code: str | None, *, event: Event | None = None) -> bool:
        """Return why the archive failed; None takes it back, for a fresh try. False where the archive is gone, or
        stale, which it is for ever, whatever other readers and processes come to.

        `event`: what its receivers are told of it, where it failed for good.
        """

        def change(connection: Connection) -> bool:
            where = (archives.c.hash == hash) & archives.c.code.is_distinct_from(FINAL)
            if not changed(connection, update(archives).where(where).values(code=code_after(code))):
                return False
            if event is not None:
                self.deliveries.queue_event(connection, hash, event)
            if code == FINAL:
                self.nodes.notices.tell(connection, hash)
            return True

        return await self._writer.apply(change)

    async def set_completed(
        self,
        hash: str,
        *,
        at: float,
        size: int,
        crcs: Sealed | None = None,
        event: Event | None = None,
        rounds: int = 0,
        offloads: Jobs | None = None,
        by: str | None = None,
    ) -> bool:
        """Return a full pass was made and its copy is durable: `at` (epoch s), `size` in bytes; any failure is over.
        `offloads`: where its copy is queued, to be put into the bucket.

        A later pass leaves the first one's time, and only the first one is told (`event`). `by`: see
        Rounds.mark_released. False where the archive is gone, another layout than the one of that round stands, or its
        bytes are another node's.
        """

        def change(connection: Connection) -> bool:
            where = (archives.c.hash == hash) & (archives.c.rounds == rounds) & is_of(by)
            # Locked before the receivers are read: one that is added meanwhile waits, and then sees the completion.
            before = connection.execute(select(archives.c.completed_at).where(where).with_for_update()).first()
            if before is None:
                return False
            first = at if before.completed_at is None else before.completed_at
            values = {"completed_at": first, "size": size, "code": code_after(None)}
            if by is not None:
                values["released_by"] = by
            connection.execute(update(archives).where(where).values(values))
            forget_facts(connection, hash)
            if crcs is not None:
                put(connection, documents, {"hash": hash, "kind": CRCS}, _sealed(crcs))
            if event is not None and before.completed_at is None:
                self.deliveries.queue_event(connection, hash, event)
            if offloads is not None:
                offloads.add_within(connection, hash, at)
            return True

        return await self._writer.apply(change)

    # Plans

    async def documents(self, hash: str, *kinds: str) -> Documents:
        """Return the archive's documents, or those of these kinds, to be verified by the caller."""
        rows = await self._reads.rows(_documents, hash=hash, kinds=kinds or (MANIFEST, LAYOUT, CRCS))
        found = {row.kind: _to_sealed(row) for row in rows}
        return Documents(found.get(MANIFEST), found.get(LAYOUT), found.get(CRCS))

    async def has_layout(self, hash: str) -> bool:
        """Return whether the archive's layout is frozen; its bytes are not read."""
        return bool(await self._reads.rows(_has_document, hash=hash, kinds=[LAYOUT]))

    async def set_layout(
        self,
        hash: str,
        layout: Sealed,
        *,
        errors: Sequence[Mapping[str, Any]] | None = None,
        warnings: Sequence[Mapping[str, Any]] = (),
        rounds: int = 0,
    ) -> Sealed:
        """Freeze the layout, once: returns the one that stands, the first to come. Raises NotFound: archive gone;
        NotReady where the origins are asked anew, and this is not the layout of that round.

        Where it is this one, `errors` are kept as by `set_errors` (None: there are none, and nothing was said of the
        archive before) with the `warnings` about other entries; and an archive that could not be built now can.
        """

        def change(connection: Connection) -> Sealed:
            row = connection.execute(select(archives.c.rounds).where(archives.c.hash == hash).with_for_update()).first()
            if row is not None and row.rounds != rounds:
                raise NotReady("the archive's origins are being asked anew", retry_after=1)
            if not _add_document(connection, _document(hash, LAYOUT, layout)):
                standing = connection.execute(_documents, {"hash": hash, "kinds": [LAYOUT]}).first()
                if standing is None:  # deleted between the two statements
                    raise NotFound("No such archive.")
                return _to_sealed(standing)
            taken.add(connection, hash, len(layout.body))
            if errors is not None:
                _put_errors(connection, hash, errors, warnings)
                connection.execute(_buildable, {"of": hash})
            return layout

        return await self._writer.apply(change)

    async def set_errors(self, hash: str, errors: Sequence[Mapping[str, Any]]) -> None:
        """Keep these entry errors (JSON values) in place of those kept before. Raises NotFound: archive gone."""
        await self._writer.apply(lambda connection: _put_errors(connection, hash, errors))


def _prepare(
    dialect: Dialect, writer: Engine, fingerprints: Mapping[str, Mapping[str, str]], clock: Clock, wakes: Wakes
) -> None:
    with writer.begin() as connection:
        dialect.prepare(connection)
        migrate(connection)
        wakes.prepare(connection)
        dialect.check(connection)
        now = clock.wall() if dialect.now is None else connection.execute(dialect.now).scalar_one()
        for setting, own in fingerprints.items():
            agree(connection, setting, own, now=now)


async def _follow_time(reads: Reads, now: TextClause, clock: ServerClock) -> None:
    while True:
        await asyncio.sleep(ASK_TIME_EVERY)
        with contextlib.suppress(Problem):  # it is away: the time goes on by the monotonic clock
            await _ask_time(reads, now, clock)


async def _ask_time(reads: Reads, now: TextClause, clock: ServerClock) -> None:
    asked = clock.monotonic()
    told = await reads.rows(now)
    clock.learn(told[0][0], asked, clock.monotonic())


def _put_errors(
    connection: Connection, hash: str, errors: Sequence[Mapping[str, Any]], warnings: Sequence[Mapping[str, Any]] = ()
) -> None:
    told = {"errors": [dict(error) for error in errors], "warnings": [dict(warning) for warning in warnings]}
    before = taken.plan_size(connection, hash)
    put(connection, plans, {"hash": hash}, told)
    taken.add(connection, hash, taken.plan_size(connection, hash) - before)


def _to_archive(rows: Sequence[Row[Any]]) -> ArchiveRow | None:
    return ArchiveRow(**rows[0]._mapping) if rows else None


def _sealed(sealed: Sealed) -> dict[str, Any]:
    return {"body": sealed.body, "key_id": sealed.key_id, "signature": sealed.signature}


def _document(hash: str, kind: str, sealed: Sealed) -> dict[str, Any]:
    return {"hash": hash, "kind": kind, **_sealed(sealed)}


def _to_sealed(row: Row[Any]) -> Sealed:
    return Sealed(body=row.body, key_id=row.key_id, signature=row.signature)

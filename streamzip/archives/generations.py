"""Which archive a create is given: the newest generation of its manifest, or the next one.

An archive is a snapshot: one hash never changes its bytes. What changed at the origins is another generation of the
same manifest, with a hash of its own.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final

from streamzip.access.keyring import KeyRing
from streamzip.archives.aside import aside
from streamzip.archives.budget import Budget
from streamzip.archives.remove import Removal
from streamzip.clock import Clock
from streamzip.manifest.model import Manifest
from streamzip.manifest.parse import CreateRequest
from streamzip.origins.kinds import may_pass
from streamzip.origins.registry import Registry
from streamzip.store.repository import Repository
from streamzip.store.rows import ArchiveRow
from streamzip.store.states import ArchiveState
from streamzip.store.vault import Vault

SAMPLE: Final = 64  # entries whose origins are looked at: of 100,000 that would take half a second


class Generations:
    """The generations of manifests. `registry`: knows the origin of each file."""

    def __init__(
        self,
        repository: Repository,
        vault: Vault,
        keys: KeyRing,
        clock: Clock,
        budget: Budget,
        removal: Removal,
        registry: Registry,
    ) -> None:
        self._repository = repository
        self._vault = vault
        self._keys = keys
        self._clock = clock
        self._budget = budget
        self._removal = removal
        self._registry = registry

    async def of(self, request: CreateRequest, until: float | None) -> tuple[Manifest, ArchiveRow, bool]:
        """Return the manifest in its generation, its archive's row, and whether that stands already: then `until`
        (epoch s) at least, and with the URLs that this request names.
        """
        manifest = request.manifest
        keys = await aside(manifest, partial(self._keys.hashes_for, manifest))
        row = await self._standing(keys, until)
        if row is None:
            return manifest, self._new(manifest, keys[0], keys[0], until), False
        if request.refresh or await self._outlived(row):
            manifest = manifest.of_generation(row.generation + 1)
            hash = await aside(manifest, partial(self._keys.archive_hash, manifest))
            return manifest, self._new(manifest, hash, keys[0], until), False
        manifest = manifest.of_generation(row.generation)
        if any(entry.id is not None for entry in manifest.entries):
            await self._vault.ready()
            sealed = await aside(manifest, partial(self._vault.seal_manifest, row.hash, manifest))
            await self._budget.take_more(row.owner, max(0, len(sealed.body) - row.stored))
            await self._repository.replace_manifest(row.hash, sealed)
        return manifest, row, True

    def _new(self, manifest: Manifest, hash: str, key: str, until: float | None) -> ArchiveRow:
        return ArchiveRow(
            hash=hash,
            manifest_key=key,
            generation=manifest.generation,
            filename=manifest.filename,
            entries=len(manifest.entries),
            prefetch=False,
            created_at=self._clock.wall(),
            owner=manifest.owner,
            expires_at=self._budget.unread_until() if until is None else until,
            lapses=until is None and self._budget.keeping.unread is not None,
            origin=main_origin(manifest, self._registry),
        )

    async def _standing(self, keys: Sequence[str], until: float | None) -> ArchiveRow | None:
        """Return the newest generation of the manifest of these keys, which now stands `until` (epoch s) at least."""
        while (row := await self._newest(keys)) is not None and row.state is not ArchiveState.STALE:
            now, unread = self._clock.wall(), self._budget.unread_until()
            if await self._repository.catalogue.extend(row.hash, until, now=now, unread_until=unread):
                return await self._repository.get(row.hash)
            await self._repository.catalogue.delete_expired(row.hash, self._clock.wall())
            await self._removal.remove_copy(row.hash)
        return row

    async def _outlived(self, row: ArchiveRow) -> bool:
        """Return whether a new create gets another snapshot: this one is stale, or lacks entries that may be there by
        now.
        """
        if row.state is ArchiveState.STALE:
            return True
        codes = await self._repository.overview.codes(row.hash)
        # Without a layout nothing is decided yet: the origins are asked again under the same hash.
        return any(may_pass(code) for code in codes) and await self._repository.has_layout(row.hash)

    async def _newest(self, keys: Sequence[str]) -> ArchiveRow | None:
        """Return the newest generation of the manifest, under whichever secret it was first created."""
        for key in keys:
            row = await self._repository.latest(key)
            if row is not None:
                return row
        return None


def main_origin(manifest: Manifest, registry: Registry) -> str | None:
    """Return the origin (`host:port`) of most files, of a sample of them; None where most come over no network.

    An object of a bucket counts at the bucket's endpoint, a location of an upstream's list at its file server.
    """
    files = [entry.url for entry in manifest.entries if not entry.is_folder]
    origins = Counter(registry.origin(url) for url in files[:: max(1, -(-len(files) // SAMPLE))])
    origin = origins.most_common(1)[0][0] if origins else ""
    return None if origin == "" or origin.endswith(":") else origin

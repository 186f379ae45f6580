"""Which copies are in the bucket: one for an archive, and none by whoever was overtaken."""

import pytest

from streamzip.store.repository import Repository
from tests.contract.store.conftest import Place
from tests.unit.store.builders import an_archive, sealed

HASH = "a" * 32

B = "b" * 32


@pytest.fixture
async def archive(repository: Repository) -> str:
    await repository.create(an_archive(), sealed())
    return HASH


async def test_object_is_found_once_it_is_shared(repository: Repository, archive: str) -> None:
    """Its document, its key, and that it is there: not before, and then no other one is begun."""
    objects = repository.objects
    assert await objects.begin(archive, "key/1", now=1.0)
    assert await objects.document(archive) is None
    assert await objects.shared([archive, B]) == set()

    assert await objects.share(archive, "key/1", sealed(b"blocks"), now=2.0)
    assert await objects.document(archive) == sealed(b"blocks")
    assert await objects.shared([archive, B]) == {archive}
    assert await objects.key(archive) == "key/1"
    assert not await objects.begin(archive, "key/2", now=3.0)


async def test_object_of_whoever_was_overtaken_is_never_shared(repository: Repository, archive: str) -> None:
    """A process that was stopped and comes back finds another key begun; the sweep then knows the newer one alone."""
    objects = repository.objects
    assert await objects.begin(archive, "key/1", now=1.0)
    assert await objects.begin(archive, "key/2", now=2.0)
    assert not await objects.share(archive, "key/1", sealed(b"late"), now=3.0)
    assert await objects.document(archive) is None
    assert await objects.known(["key/1", "key/2"]) == {"key/2"}
    assert await objects.share(archive, "key/2", sealed(b"blocks"), now=4.0)


async def test_object_is_forgotten_by_its_own_key_alone(repository: Repository, archive: str) -> None:
    """Whoever found an old one damaged takes nothing from the new one; then a copy may be put there anew."""
    objects = repository.objects
    await objects.begin(archive, "key/1", now=1.0)
    await objects.share(archive, "key/1", sealed(b"blocks"), now=2.0)
    assert not await objects.forget(archive, "key/0")
    assert await objects.document(archive) is not None
    assert await objects.forget(archive, "key/1")
    assert await objects.document(archive) is None
    assert await objects.begin(archive, "key/2", now=3.0)


async def test_objects_go_with_their_archive(repository: Repository, archive: str) -> None:
    """A copy that was put there meanwhile is nobody's: it is told so, and can be deleted."""
    objects = repository.objects
    await objects.begin(archive, "key/1", now=1.0)
    await repository.delete(archive)
    assert not await objects.share(archive, "key/1", sealed(b"blocks"), now=2.0)
    assert not await objects.begin(archive, "key/2", now=3.0)
    assert await objects.known(["key/1", "key/2"]) == set()


async def test_sharing_ends_what_other_nodes_were_to_do(repository: Repository, archive: str) -> None:
    """One copy is enough; a prefetch of the archive stays queued."""
    one, two = (repository.jobs.of_kind(f"offload@{node}", f"offloads@{node}") for node in ("one", "two"))
    await repository.set_completed(archive, at=1.0, size=9, offloads=one)
    await repository.set_completed(archive, at=1.0, size=9, offloads=two)
    await repository.jobs.add(archive, now=1.0)
    assert await one.pending(archive) is not None
    await repository.objects.begin(archive, "key/1", now=1.0)
    await repository.objects.share(archive, "key/1", sealed(b"blocks"), now=2.0)
    assert [await queue.pending(archive) for queue in (one, two)] == [None, None]
    assert await repository.jobs.pending(archive) is not None


async def test_store_has_one_name_on_all_its_gateways(place: Place) -> None:
    """Two that ask at the same time get the same one."""
    one, other = await place.open(), await place.open()
    assert await one.objects.store_id(now=1.0) == await other.objects.store_id(now=2.0)

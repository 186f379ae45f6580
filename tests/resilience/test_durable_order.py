"""What `kill -9` cannot show and a power loss would: the disk has it before anybody is told. Seen with strace."""

from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.syscalls import READS, SYNCS, WRITES, Call, calls, strace

pytestmark = pytest.mark.needs("strace")

FILES = {
    "large.png": File(Pattern(2 << 20)),
    "weak.png": File(Pattern(2 << 20), etag=None),  # what of it was given out, only the copy can prove
    "small.png": File(b"small"),
    "text.csv": File(b"1,2,3\n" * 200_000),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a gateway that has done some of everything, under strace."""
    return tmp_path_factory.mktemp("strace") / "parent" / "data"


@pytest.fixture(scope="module")
def seen(origin: Origin, data: Path) -> list[Call]:
    """Its calls: creates, downloads and prefetches of exact archives and open ones, an upload, a deletion."""
    trace = data.parent.parent / "trace"
    for name, file in FILES.items():
        origin.serve(f"/durable/{name}", file)
    urls = [origin.url(f"/durable/{name}") for name in FILES]
    with Gateway(data, allow=[origin.authority], under=strace(trace)) as gateway:
        for compression in ("store", "deflate"):
            hash = gateway.create(urls=urls, compression=compression)["archive_hash"]
            gateway.download(hash)
            gateway.until(hash)
            created = gateway.create(urls=urls, compression=compression, filename="prefetched", prefetch=True)
            gateway.until(created["archive_hash"])
            created = gateway.create(urls=urls, compression=compression, filename="later")
            assert gateway.client.post(f"/api/archive/prefetch/{created['archive_hash']}").status_code == 202
            gateway.until(created["archive_hash"])
        assert gateway.client.post("/upload/notes.txt", content=b"notes").status_code == 201
        created = gateway.create(urls=urls[:1])
        token = {"X-Delete-Token": created["delete_token"]}
        assert gateway.client.delete(f"/api/archive/{created['archive_hash']}", headers=token).status_code == 204
        assert gateway.stop() == 0
    return calls(trace)


def exchanges(seen: list[Call], method: str, path: str, status: str) -> list[tuple[int, int]]:
    """For each request for a path that begins so: where it was read, and where its answer begins."""
    found = []
    for asked, call in enumerate(seen):
        if call.name in READS and call.text.startswith(f"{method} {path}"):
            answer = next(
                index
                for index in range(asked, len(seen))
                if seen[index].path == call.path and seen[index].text.startswith("HTTP/1.1 ")
            )
            if seen[answer].text.startswith(f"HTTP/1.1 {status}"):
                found.append((asked, answer))
    return found


def made_durable(seen: list[Call], first: int, stop: int, path: str) -> bool:
    """Whether the file was written, and then synced, between these places."""
    written = next((index for index in range(first, stop) if is_write(seen[index], path)), stop)
    return is_synced(seen, written, stop, path)


def is_write(call: Call, path: str) -> bool:
    """Whether the call puts bytes into this file."""
    return call.path == path and call.name in WRITES


def is_synced(seen: list[Call], first: int, stop: int, path: str) -> bool:
    """Whether the file was made durable between these places."""
    return any(call.name in SYNCS and call.path == path for call in seen[first:stop])


@pytest.mark.parametrize(
    ("method", "path", "status", "count"),
    [
        ("POST", "/api/archive/create", "201 Created", 7),
        ("POST", "/api/archive/prefetch/", "202 Accepted", 2),
        ("DELETE", "/api/archive/", "204 No Content", 1),
    ],
)
def test_the_store_is_durable_before_a_change_is_acknowledged(
    seen: list[Call], data: Path, method: str, path: str, status: str, count: int
) -> None:
    """Between a create, a prefetch or a deletion and its answer, the store's journal is written and synced."""
    found = exchanges(seen, method, path, status)
    assert len(found) == count
    for asked, answer in found:
        assert made_durable(seen, asked, answer, f"{data}/streamzip.db-wal")


def test_every_copy_is_durable_before_its_name_is_and_before_it_is_completed(seen: list[Call], data: Path) -> None:
    """fsync of the file, after its last byte; the rename; the seal, synced, and fsync of the folder; only then is it
    noted as completed.
    """
    renames = [index for index, call in enumerate(seen) if call.name == "rename" and call.path.endswith(".part")]
    assert len(renames) == 6
    for rename in renames:
        part, folder = seen[rename].path, str(Path(seen[rename].path).parent)
        journal = part.replace(".part", ".journal")
        written = max(index for index in range(rename) if is_write(seen[index], part))
        assert is_synced(seen, written, rename, part)
        assert not any(call.path == part for call in seen[rename + 1 :])
        noted = next(index for index in range(rename, len(seen)) if is_write(seen[index], f"{data}/streamzip.db-wal"))
        assert made_durable(seen, rename, noted, journal)
        assert is_synced(seen, rename, noted, folder)


def test_a_release_is_durable_before_the_first_byte_is_sent(seen: list[Call], data: Path) -> None:
    """That bytes without a strong validator were given out must survive: else a later life could go on with others."""
    found = exchanges(seen, "GET", "/archive/get/", "200 OK")
    assert len(found) == 2
    for asked, answer in found:
        sent = next(
            index
            for index in range(answer, len(seen))
            if seen[index].path == seen[answer].path and "PK\\3\\4" in seen[index].text
        )
        assert made_durable(seen, asked, sent, f"{data}/streamzip.db-wal")


def test_an_upload_is_durable_before_it_is_acknowledged(seen: list[Call]) -> None:
    """Content and description, then the folder that holds them; then, in its place, the folder above; then 201."""
    ((asked, answer),) = exchanges(seen, "POST", "/upload/", "201 Created")
    rename = next(index for index in range(asked, answer) if seen[index].name == "rename")
    aside, place = seen[rename].path, seen[rename].text
    for name in ("content", "about.json"):
        assert made_durable(seen, asked, rename, f"{aside}/{name}")
    assert is_synced(seen, asked, rename, aside)
    assert is_synced(seen, rename, answer, str(Path(place).parent))


def test_the_secret_and_the_folder_of_all_are_durable_before_anything_is_promised(seen: list[Call], data: Path) -> None:
    """Without the secret every stored archive would be refused, and without its folder there is nothing at all."""
    asked, _ = exchanges(seen, "POST", "/api/archive/create", "201 Created")[0]
    linked = next(index for index, call in enumerate(seen) if call.text == f"{data}/secret.keys")
    assert made_durable(seen, 0, linked, seen[linked].path)
    assert is_synced(seen, linked, asked, str(data))
    for folder in (data, data.parent):
        made = next(index for index, call in enumerate(seen) if call.name == "mkdir" and call.path == str(folder))
        assert is_synced(seen, made, asked, str(folder.parent))

"""kill -9 and restart: what was accepted is there, goes on from the spool by itself, and gives the same bytes."""

import io
import sqlite3
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest

from streamzip.spool.journal import Begun, Extent, decode, encode
from tests.support.fixtures import Launch
from tests.support.origin import File, Origin, Pattern

PART = 8 << 20
MIB = 1 << 20
SECRET = "test:0123456789abcdef0123456789abcdef"


def body_bytes(origin: Origin, paths: Iterable[str]) -> int:
    """Body bytes that the origin has written for these paths."""
    return sum(origin.sent(path) for path in paths)


def undisturbed(launch: Launch, body: dict[str, object]) -> bytes:
    """The same archive as another gateway with the same secret builds it, nobody disturbing."""
    other = launch("undisturbed", secret_keys=SECRET)
    return other.download(other.create(**body)["archive_hash"])


def test_a_prefetch_goes_on_after_a_kill_and_gives_the_same_bytes(launch: Launch, origin: Origin) -> None:
    """Killed in the middle of a prefetch: after the restart it completes by itself, byte-identical with an undisturbed
    build, and pulls again no more than the parts that were in flight.
    """
    sizes = {"small": 5000, "first": 3 * PART, "held": 2 * PART + 77, "last": 3 * MIB, "tail": 100}
    files = {name: File(Pattern(size)) for name, size in sizes.items()}
    for name, file in files.items():
        origin.serve(f"/killed/{name}", file)
    paths = [f"/killed/{name}" for name in files]
    body: dict[str, object] = {"urls": [origin.url(path) for path in paths]}
    expected = undisturbed(launch, body)

    gateway = launch(secret_keys=SECRET)
    # Parts of `held` stay away; all other files come whole.
    origin.serve("/killed/held", *[File(Pattern(sizes["held"]), hold_at=MIB)] * 9)
    hash = gateway.create(**body, prefetch=True)["archive_hash"]
    gateway.until(hash, lambda status: status["progress"]["entries"] == len(files) - 1)
    before = body_bytes(origin, paths)
    asked = {path: len(origin.requests(path)) for path in paths}
    present = gateway.status(hash)["progress"]["bytes"]
    gateway.kill()
    origin.release("/killed/held")

    gateway.start()
    gateway.until(hash)
    again = body_bytes(origin, paths) - before
    assert gateway.download(hash) == expected
    # Of a part in flight an extent is journalled when it ends: those of `held`, and what had not been pulled at all.
    assert again <= sizes["held"] + (sum(sizes.values()) - present)
    for name in ("small", "first", "last", "tail"):
        assert len(origin.requests(f"/killed/{name}")) == asked[f"/killed/{name}"]
    assert gateway.status(hash)["errors"] == []


@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_a_compressed_prefetch_goes_on_after_a_kill(launch: Launch, origin: Origin, compression: str) -> None:
    """An archive whose places appear as it is written resumes with the members that had ended, and ends the same."""
    prefix = f"/killed-{compression}"
    text = b"".join(b"line %d\n" % number for number in range(300_000))
    for name in ("a.txt", "b.txt", "c.txt"):
        origin.serve(f"{prefix}/{name}", File(text, chunked=True, ranges=False))
    paths = [f"{prefix}/{name}" for name in ("a.txt", "b.txt", "c.txt")]
    body: dict[str, object] = {"urls": [origin.url(path) for path in paths], "compression": compression}
    expected = undisturbed(launch, body)

    gateway = launch(secret_keys=SECRET)
    origin.serve(paths[1], *[File(text, chunked=True, ranges=False, hold_at=2 * MIB)] * 9)
    hash = gateway.create(**body, prefetch=True)["archive_hash"]
    gateway.until(hash, lambda status: status["progress"]["entries"] == 1)
    origin.until(lambda origin: origin.sent(paths[1]) >= 2 * MIB)
    gateway.kill()
    origin.release(paths[1])
    asked = len(origin.requests(paths[0]))

    gateway.start()
    gateway.until(hash)
    assert gateway.download(hash) == expected
    assert len(origin.requests(paths[0])) == asked


def listed(journal: Path) -> int:
    """Bytes that a journal lists, each once."""
    return sum(record.stop - record.start for record in decode(journal.read_bytes())[0] if isinstance(record, Extent))


@pytest.mark.parametrize("damaged", ["nothing", "bytes", "record"])
@pytest.mark.parametrize("name", ["text.csv", "unsized.png"])
def test_an_open_member_that_a_kill_broke_off_is_made_again_to_the_same_bytes(
    launch: Launch, origin: Origin, name: str, damaged: str
) -> None:
    """What is there of it is proven, and compared with what its origin gives now; what was damaged is put right."""
    path = f"/broken-off/{damaged}/{name}"
    text = b"".join(b"%d,%x\n" % (number, number * 2654435761 % 4294967296) for number in range(520_000))
    file = File(text, chunked=name != "text.csv", ranges=False)
    origin.serve(path, *[file] * 9)
    body: dict[str, object] = {"urls": [origin.url(path)], "compression": "deflate" if name == "text.csv" else "store"}
    expected = undisturbed(launch, body)

    gateway = launch(secret_keys=SECRET)
    hash = gateway.create(**body)["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    origin.serve(path, *[replace(file, hold_at=6 * MIB, pause=0.004)] * 30)
    assert gateway.client.post(f"/api/archive/prefetch/{hash}").status_code == 202
    part, journal = (gateway.copy(hash).with_suffix(kind) for kind in (".part", ".journal"))
    gateway.until(hash, lambda _: listed(journal) >= MIB)
    asked = len(origin.requests(path))
    gateway.kill()
    assert part.read_bytes()[:MIB] == expected[:MIB]
    if damaged == "bytes":
        with part.open("r+b") as copy:
            copy.seek(MIB // 2)
            copy.write(b"damage")
    elif damaged == "record":  # that it has begun is lost, and its bytes are listed
        lines = journal.read_bytes()
        (begun,) = (encode(record) for record in decode(lines)[0] if isinstance(record, Begun))
        journal.write_bytes(lines.replace(begun, bytes(len(begun))))

    origin.serve(path, *[replace(file, hold_at=1000)] * 30)
    gateway.start()
    origin.until(lambda origin: len(origin.requests(path)) > asked)  # the queue goes on by itself
    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(gateway.download, hash)
        gateway.until(hash, lambda status: status["active"])  # a reader that waits does not keep others from theirs
        origin.release(path)
        assert whole.result() == expected
    gateway.until(hash)
    assert len(origin.requests(path)) == asked + 1
    if damaged != "bytes":  # what was there was not written again
        assert listed(journal) == ZipFile(io.BytesIO(expected)).infolist()[0].compress_size


def test_a_broken_download_goes_on_after_a_kill_from_where_it_ended(launch: Launch, origin: Origin) -> None:
    """A client whose gateway was killed resumes by Range and If-Range, after the restart, and has the same bytes."""
    size = 6 * MIB
    origin.serve("/resumed/a", File(Pattern(size)))
    body: dict[str, object] = {"urls": [origin.url("/resumed/a")]}
    expected = undisturbed(launch, body)

    gateway = launch(secret_keys=SECRET)
    origin.serve("/resumed/a", *[File(Pattern(size), hold_at=4 * MIB)] * 9)
    hash = gateway.create(**body)["archive_hash"]
    with gateway.client.stream("GET", f"/archive/get/{hash}.zip") as response:
        etag = response.headers["etag"]
        received = bytearray()
        for block in response.iter_raw():
            received += block
            if len(received) >= 3 * MIB:
                break
        gateway.kill()
    origin.release("/resumed/a")
    assert received == expected[: len(received)]

    gateway.start()
    rest = gateway.get(hash, {"Range": f"bytes={len(received)}-", "If-Range": etag})
    assert rest.status_code == 206
    assert received + rest.content == expected


def test_an_accepted_create_is_there_after_a_kill(launch: Launch, origin: Origin) -> None:
    """What create acknowledged was durable: the hash, its link and its delete token work in the next life."""
    origin.serve("/accepted/a", File(b"accepted"))
    gateway = launch()
    created = [gateway.create(entries=[{"url": origin.url("/accepted/a"), "name": str(n)}]) for n in range(5)]
    gateway.kill()
    gateway.start()
    for document in created:
        assert gateway.status(document["archive_hash"])["status"] == "pending"
        assert gateway.get(document["archive_hash"]).status_code == 200
    again = gateway.create(entries=[{"url": origin.url("/accepted/a"), "name": "0"}])
    assert again["archive_hash"] == created[0]["archive_hash"]
    assert again["delete_token"] == created[0]["delete_token"]


@pytest.mark.alone
def test_a_copy_that_was_sealed_before_the_kill_is_completed_after_it(launch: Launch, origin: Origin) -> None:
    """Killed between the copy's rename and the store's note of it: `completed` is derived from what is on disk."""
    gateway = launch()
    origin.serve("/sealed/a", File(Pattern(2 * MIB)))
    origin.serve("/sealed/b", File(b"small"))
    hash = gateway.create(urls=[origin.url("/sealed/a"), origin.url("/sealed/b")])["archive_hash"]
    expected = gateway.download(hash)
    gateway.until(hash)
    gateway.kill()
    forget_completion(gateway.data, hash)
    asked = len(origin.requests())

    gateway.start()
    assert gateway.status(hash)["status"] != "pending"
    # 200 where the look for the status had it completed already.
    assert gateway.client.post(f"/api/archive/prefetch/{hash}").status_code in (200, 202)
    assert gateway.until(hash)["size"] == len(expected)
    assert gateway.download(hash) == expected
    assert len(origin.requests()) == asked


def forget_completion(data: Path, hash: str) -> None:
    """What the store says where the gateway died just before it noted that the archive is completed."""
    with closing(sqlite3.connect(data / "streamzip.db")) as store:
        store.execute("UPDATE archives SET completed_at = NULL, size = NULL WHERE hash = ?", (hash,))
        store.execute("DELETE FROM documents WHERE hash = ? AND kind = 'crcs'", (hash,))
        store.commit()


@pytest.mark.parametrize("at", [100, 60_000, 3 * MIB, -1], ids=["header", "first member", "large member", "directory"])
def test_damage_of_the_copy_is_never_served(launch: Launch, origin: Origin, at: int) -> None:
    """A byte of the finished copy flipped while the gateway was down: it is pulled again, once, for all readers."""
    gateway = launch()
    origin.serve("/damaged/a", File(Pattern(200_000)))
    origin.serve("/damaged/b", File(Pattern(4 * MIB)))
    hash = gateway.create(urls=[origin.url("/damaged/a"), origin.url("/damaged/b")])["archive_hash"]
    expected = gateway.download(hash)
    gateway.until(hash)
    gateway.kill()
    with gateway.copy(hash).open("r+b") as copy:
        offset = at % len(expected)
        copy.seek(offset)
        copy.write(bytes([expected[offset] ^ 0xFF]))

    gateway.start()
    with ThreadPoolExecutor(4) as pool:
        for response in [answer.result() for answer in [pool.submit(gateway.get, hash) for _ in range(4)]]:
            assert response.status_code == 200
            assert response.content == expected


def test_a_partial_copy_that_was_damaged_is_pulled_again(launch: Launch, origin: Origin) -> None:
    """Bytes that an earlier life left are compared with their CRC before they are used: what differs is pulled anew."""
    gateway = launch()
    size = 2 * PART
    origin.serve("/partial/a", File(Pattern(size)))
    origin.serve("/partial/b", File(Pattern(3 * MIB)), *[File(Pattern(3 * MIB), hold_at=MIB)] * 9)
    hash = gateway.create(urls=[origin.url("/partial/a"), origin.url("/partial/b")], prefetch=True)["archive_hash"]
    origin.until(lambda origin: origin.sent("/partial/b") >= MIB)
    gateway.until(hash, lambda status: status["progress"]["bytes"] >= size)
    gateway.kill()
    part = gateway.copy(hash).with_suffix(".part")
    with part.open("r+b") as copy:
        copy.seek(PART + 1000)
        copy.write(b"damage")
    origin.release("/partial/b")

    gateway.start()
    gateway.until(hash)
    body = gateway.download(hash)
    assert Pattern(size)[:] in body
    assert Pattern(3 * MIB)[:] in body

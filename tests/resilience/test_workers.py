"""Two worker processes over one store and one shelf: one upstream pass, and a death that costs only its own readers."""

import io
import json
import os
import signal
import socket
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.workers import connect, owner, workers

PART = 8 << 20
MIB = 1 << 20
BODY = bytes(Pattern(2 * PART + 99)[:])
TEXT = b"".join(b"%d,%x\n" % (number, number * 2654435761 % 4294967296) for number in range(200_000))  # 3 MB


@pytest.fixture(scope="module")
def gateway(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Two workers; one that a test kills is started again."""
    data = tmp_path_factory.mktemp("workers") / "data"
    with Gateway(data, allow=[origin.authority], workers="2", max_attempts="2") as gateway:
        workers(gateway)
        yield gateway


def ask(client: socket.socket, path: str, fields: str = "") -> None:
    """Send a GET, the last one on this connection."""
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n".encode())


def archive(hash: str) -> str:
    """Its path."""
    return f"/archive/get/{hash}.zip"


def answer(client: socket.socket, begun: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """The whole answer, of which `begun` has been read; a body that was cut is as long as it came."""
    received = bytearray(begun)
    with client:
        try:
            while block := client.recv(1 << 18):
                received += block
        except ConnectionResetError:
            pass
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if fields.get("transfer-encoding") == "chunked":
        body = dechunked(body)
    return int(lines[0].split()[1]) if head else 0, fields, body


def dechunked(body: bytes) -> bytes:
    """What the chunks hold; they must end as they should."""
    whole, stream = bytearray(), io.BytesIO(body)
    while length := int(stream.readline(), 16):
        whole += stream.read(length)
        assert stream.readline() == b"\r\n"
    return bytes(whole)


def get(gateway: Gateway, worker: int, path: str, fields: str = "") -> tuple[int, dict[str, str], bytes]:
    """One answer of this worker."""
    client = connect(gateway, worker)
    ask(client, path, fields)
    return answer(client)


def status(gateway: Gateway, worker: int, hash: str) -> dict[str, Any]:
    """What this worker says of the archive."""
    document: dict[str, Any] = json.loads(get(gateway, worker, f"/api/archive/status/{hash}")[2])
    return document


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The members' bytes, by name; every CRC was right."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def planned(gateway: Gateway, **body: Any) -> str:
    """An archive whose origins have been asked."""
    hash: str = gateway.create(**body)["archive_hash"]
    gateway.client.head(archive(hash))
    return hash


def test_readers_in_both_workers_make_one_upstream_pass(gateway: Gateway, origin: Origin) -> None:
    """A reader in each, from before the first byte on: both have the whole, and each part was pulled by one of them."""
    bodies = {"small.png": BODY[:100_000], "weak.png": BODY[: 3 * MIB], "parts.png": BODY, "last.png": BODY[:MIB]}
    for name, body in bodies.items():
        origin.serve(f"/both/{name}", File(body, etag=None if name == "weak.png" else '"v1"'))
    hash = planned(gateway, urls=[origin.url(f"/both/{name}") for name in bodies])
    probes = {name: origin.sent(f"/both/{name}") for name in bodies}
    origin.serve("/both/weak.png", *[File(BODY[: 3 * MIB], etag=None, hold_at=2 * MIB)] * 9)
    clients = [connect(gateway, worker) for worker in workers(gateway)]
    for client in clients:
        ask(client, archive(hash))
    origin.until(lambda origin: origin.sent("/both/weak.png") >= 2 * MIB)
    origin.release("/both/weak.png")
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(answer, clients))
    for code, _, whole in answers:
        assert code == 200
        assert unpacked(whole) == bodies
    for name, body in bodies.items():
        assert origin.sent(f"/both/{name}") - probes[name] == len(body), name
    gateway.until(hash)
    written = parsedate_to_datetime(answers[0][1]["last-modified"]).timestamp()
    assert gateway.copy(hash).stat().st_mtime == written
    ends = [get(gateway, worker, archive(hash), "Range: bytes=-1000\r\n")[2] for worker in workers(gateway)]
    assert ends == [answers[0][2][-1000:]] * 2
    assert gateway.copy(hash).stat().st_mtime == written


@pytest.mark.parametrize("etag", ['"v1"', None], ids=["strong", "weak"])
def test_a_worker_that_is_killed_leaves_its_parts_to_the_other(
    gateway: Gateway, origin: Origin, etag: str | None
) -> None:
    """kill -9 in the middle of a pull that readers in both workers follow: the survivor's ends whole, from one pull
    more; the dead one's client resumes.
    """
    path = f"/dies/{etag is None}.png"
    origin.serve(path, File(BODY[: 6 * MIB], etag=etag))
    hash = planned(gateway, urls=[origin.url(path)])
    origin.serve(path, *[File(BODY[: 6 * MIB], etag=etag, hold_at=3 * MIB)] * 9)
    dying, surviving = workers(gateway)
    first = connect(gateway, dying)
    ask(first, archive(hash))
    received = bytearray()
    while len(received) < 2 * MIB:
        received += first.recv(1 << 18)
    second = connect(gateway, surviving)
    ask(second, archive(hash))
    asked = len(origin.requests(path))
    with ThreadPoolExecutor(2) as pool:
        whole = pool.submit(answer, second)
        os.kill(dying, signal.SIGKILL)
        origin.until(lambda origin: len(origin.requests(path)) > asked)
        origin.release(path)
        code, _, body = whole.result()
    first.close()
    assert (code, unpacked(body)) == (200, {path.rpartition("/")[2]: BODY[: 6 * MIB]})
    have = bytes(received).partition(b"\r\n\r\n")[2]
    assert body.startswith(have)
    assert len(origin.requests(path)) == asked + 1
    for worker in workers(gateway):
        assert have + get(gateway, worker, archive(hash), f"Range: bytes={len(have)}-\r\n")[2] == body


def test_a_part_that_one_worker_pulls_is_followed_in_the_other_while_it_comes(gateway: Gateway, origin: Origin) -> None:
    """A reader in the other worker had nothing of it before its end: seconds, over a line that many parts share."""
    path = "/followed/file.png"
    origin.serve(path, File(BODY[:PART]))
    hash = planned(gateway, urls=[origin.url(path)])
    origin.serve(path, *[File(BODY[:PART], hold_at=3 * MIB)] * 9)
    pulling, following = (connect(gateway, worker) for worker in workers(gateway))
    ask(pulling, archive(hash))
    origin.until(lambda origin: origin.sent(path) >= 3 * MIB)
    ask(following, archive(hash))
    begun = b""
    while len(begun) < 3 * MIB:
        begun += following.recv(1 << 18)
    origin.release(path)
    with ThreadPoolExecutor(2) as pool:
        (_, _, whole), (_, _, other) = pool.map(answer, (pulling, following), (b"", begun))
    assert unpacked(whole) == {"file.png": BODY[:PART]}
    assert whole == other


def test_ranges_in_both_workers_fill_one_copy(gateway: Gateway, origin: Origin) -> None:
    """Every part is pulled by whichever needs it first, and read by both."""
    origin.serve("/shared/parts.png", File(BODY))
    hash = planned(gateway, urls=[origin.url("/shared/parts.png")])
    whole = unpacked(gateway.download(planned(gateway, urls=[origin.url("/shared/parts.png")], filename="other.zip")))
    assert whole == {"parts.png": BODY}
    before = origin.sent("/shared/parts.png")
    pids = workers(gateway)
    starts = [PART + MIB, 100, 2 * PART + 50, PART - 1000, 2 * PART - 10, 0]
    spans = [(start, pids[number % 2]) for number, start in enumerate(starts * 2)]
    bodies = [
        (start, get(gateway, pid, archive(hash), f"Range: bytes={start}-{start + 2000}\r\n")) for start, pid in spans
    ]
    _, _, all_of_it = get(gateway, pids[0], archive(hash))
    assert unpacked(all_of_it) == whole
    for start, (code, _, body) in bodies:
        assert (code, body) == (206, all_of_it[start : start + 2001])
    # A reader that leaves takes back what has not landed; what has is not pulled again.
    assert origin.sent("/shared/parts.png") - before < 2 * len(BODY)


def test_an_open_archive_is_filled_by_both_workers(gateway: Gateway, origin: Origin) -> None:
    """Compressed members are written at one frontier, whichever process has the next one: the same bytes for both."""
    names = ["a.csv", "b.csv", "c.csv"]
    for name in names:
        origin.serve(f"/open/{name}", File(TEXT))
    hash = planned(gateway, urls=[origin.url(f"/open/{name}") for name in names])
    before = {name: origin.sent(f"/open/{name}") for name in names}
    origin.serve("/open/b.csv", *[File(TEXT, hold_at=MIB)] * 9)
    clients = [connect(gateway, worker) for worker in workers(gateway)]
    for client in clients:
        ask(client, archive(hash))
    origin.until(lambda origin: origin.sent("/open/b.csv") >= MIB)
    origin.release("/open/b.csv")
    with ThreadPoolExecutor(2) as pool:
        (code, fields, one), (_, _, other) = pool.map(answer, clients)
    assert (code, fields["transfer-encoding"]) == (200, "chunked")
    assert one == other
    assert unpacked(one) == dict.fromkeys(names, TEXT)
    for name in names:
        assert origin.sent(f"/open/{name}") - before[name] == len(TEXT), name
    gateway.until(hash)
    for worker in workers(gateway):
        code, fields, body = get(gateway, worker, archive(hash), "Range: bytes=1000-1999\r\n")
        assert (code, body) == (206, one[1000:2000])


def test_an_open_archive_goes_on_in_the_other_worker_when_one_is_killed(gateway: Gateway, origin: Origin) -> None:
    """kill -9 in the middle of a compressed member: the survivor's reader, who waited for it, has the whole."""
    names = ["a.csv", "b.csv", "c.csv"]
    for name in names:
        origin.serve(f"/open dies/{name}".replace(" ", "-"), File(TEXT))
    urls = [origin.url(f"/open-dies/{name}") for name in names]
    hash = planned(gateway, urls=urls)
    origin.serve("/open-dies/b.csv", *[File(TEXT, hold_at=2 * MIB)] * 9)
    dying, surviving = workers(gateway)
    first = connect(gateway, dying)
    ask(first, archive(hash))
    origin.until(lambda origin: origin.sent("/open-dies/b.csv") >= 2 * MIB)
    second = connect(gateway, surviving)
    ask(second, archive(hash))
    while len(second.recv(1 << 16, socket.MSG_PEEK)) < 1000:
        pass
    asked = len(origin.requests("/open-dies/b.csv"))
    with ThreadPoolExecutor(1) as pool:
        whole = pool.submit(answer, second)
        os.kill(dying, signal.SIGKILL)
        first.close()
        origin.until(lambda origin: len(origin.requests("/open-dies/b.csv")) > asked)
        origin.release("/open-dies/b.csv")
        code, _, body = whole.result()
    assert (code, unpacked(body)) == (200, dict.fromkeys(names, TEXT))
    gateway.until(hash)
    assert gateway.download(hash) == body


LONG = b"".join(b"%d,%x\n" % (number, number * 2654435761 % 4294967296) for number in range(520_000))  # 8 MB

OPEN = pytest.mark.parametrize(
    "name, file",
    [
        ("strong.csv", File(LONG)),
        ("weak.csv", File(LONG, etag=None, ranges=False)),
        ("unsized.png", File(BODY[: 8 * MIB], chunked=True, ranges=False)),
        ("weak-unsized.png", File(BODY[: 8 * MIB], chunked=True, ranges=False, etag=None)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)


def held(origin: Origin, gateway: Gateway, path: str, file: File) -> str:
    """An archive of this file, whose origin is slow from now on, and falls silent at 6 MiB of it."""
    origin.serve(path, *[file] * 9)
    hash = planned(gateway, urls=[origin.url(path)])
    origin.serve(path, *[replace(file, hold_at=6 * MIB, pause=0.004)] * 9)
    return hash


def receive(client: socket.socket, length: int) -> bytes:
    """At least so many bytes, as they are on the wire."""
    received = bytearray()
    while len(received) < length:
        received += client.recv(1 << 16)
    return bytes(received)


@OPEN
def test_an_open_member_that_one_worker_pulls_is_followed_in_the_other_while_it_comes(
    gateway: Gateway, origin: Origin, name: str, file: File
) -> None:
    """Its end is not known, and its beginning is with the other worker's reader while its origin is silent."""
    path = f"/open-followed/{name}"
    hash = held(origin, gateway, path, file)
    asked = len(origin.requests(path))
    pulling, following = (connect(gateway, worker) for worker in workers(gateway))
    ask(pulling, archive(hash))
    origin.until(lambda origin: origin.sent(path) >= 6 * MIB)
    ask(following, archive(hash))
    begun = receive(following, MIB)
    origin.release(path)
    with ThreadPoolExecutor(2) as pool:
        (_, _, whole), (_, _, other) = pool.map(answer, (pulling, following), (b"", begun))
    assert unpacked(whole) == {name: file.body[:]}
    assert whole == other
    assert len(origin.requests(path)) == asked + 1


@OPEN
def test_a_reader_in_the_middle_of_an_open_member_goes_on_when_the_worker_that_pulls_it_is_killed(
    gateway: Gateway, origin: Origin, name: str, file: File
) -> None:
    """The survivor makes it again, and its reader, who has some of it, gets the rest: one pass more."""
    path = f"/open-survived/{name}"
    hash = held(origin, gateway, path, file)
    dying, surviving = workers(gateway)
    first, second = connect(gateway, dying), connect(gateway, surviving)
    asked = len(origin.requests(path)) + 1
    ask(first, archive(hash))
    # What the probes' connections took of the file was sent too.
    origin.until(lambda origin: len(origin.requests(path)) == asked and origin.sent(path) >= 6 * MIB)
    ask(second, archive(hash))
    begun = receive(second, MIB)
    os.kill(dying, signal.SIGKILL)
    first.close()
    origin.until(lambda origin: len(origin.requests(path)) > asked)
    origin.release(path)
    code, _, whole = answer(second, begun)
    assert (code, unpacked(whole)) == (200, {name: file.body[:]})
    assert len(origin.requests(path)) == asked + 1
    gateway.until(hash)
    for worker in workers(gateway):
        assert get(gateway, worker, archive(hash))[2] == whole


@OPEN
def test_an_open_member_is_never_spliced_when_it_changed_while_its_worker_was_killed(
    gateway: Gateway, origin: Origin, name: str, file: File
) -> None:
    """The survivor's reader has bytes of a file that is no more: it is cut, and the archive is stale for all."""
    path = f"/open-changed/{name}"
    hash = held(origin, gateway, path, file)
    dying, surviving = workers(gateway)
    first, second = connect(gateway, dying), connect(gateway, surviving)
    ask(first, archive(hash))
    origin.until(lambda origin: origin.sent(path) >= 6 * MIB)
    ask(second, archive(hash))
    begun = receive(second, MIB)
    other = bytearray(file.body[:])
    other[1000] ^= 1
    etag = file.etag and '"v2"'
    origin.serve(path, *[replace(file, body=bytes(other), etag=etag, modified="Tue, 02 Jun 2026 10:00:00 GMT")] * 30)
    os.kill(dying, signal.SIGKILL)
    first.close()
    with pytest.raises(ValueError, match="invalid literal"):  # no last chunk
        answer(second, begun)
    origin.release(path)
    for worker in workers(gateway):
        assert get(gateway, worker, archive(hash))[0] == 409


def test_what_one_worker_finds_changed_is_stale_in_both(gateway: Gateway, origin: Origin) -> None:
    """409 from the other too, though it has the archive open and a reader had it a moment ago."""
    path = "/stale/file.png"
    origin.serve(path, File(BODY[: 3 * MIB]))
    hash = planned(gateway, urls=[origin.url(path)])
    origin.serve(path, *[File(BODY[: 3 * MIB], hold_at=2 * MIB)] * 9)
    finding, other = workers(gateway)
    reader = connect(gateway, other)
    ask(reader, archive(hash), "Range: bytes=0-1999\r\n")
    assert answer(reader)[0] == 206
    gateway.until(hash, lambda document: not document["active"])
    origin.serve(path, *[File(BODY[::-1][: 3 * MIB], etag='"v2"')] * 20)
    origin.release(path)
    code, _, body = get(gateway, finding, archive(hash), "Range: bytes=2500000-2500099\r\n")
    assert code == 409, body
    for worker in (other, finding):
        assert get(gateway, worker, archive(hash), "Range: bytes=0-99\r\n")[0] == 409
        assert status(gateway, worker, hash)["code"] == "origin_changed"


def test_status_tells_of_the_other_workers_pulls(gateway: Gateway, origin: Origin) -> None:
    """Whichever worker is asked says how far the archive is, and that somebody reads it."""
    path = "/told/file.png"
    origin.serve(path, File(BODY, etag=None))
    hash = planned(gateway, urls=[origin.url(path)])
    origin.serve(path, *[File(BODY, etag=None, hold_at=PART + MIB)] * 9)
    reading, asked = workers(gateway)
    with closing(connect(gateway, reading)) as client:
        ask(client, archive(hash))
        while len(client.recv(1 << 20)) and origin.sent(path) < PART + MIB:
            pass
        while True:
            document = status(gateway, asked, hash)
            if document["progress"]["bytes"] >= PART:
                break
        assert document["status"] == "in-progress"
        assert document["active"], document
        assert status(gateway, reading, hash)["active"]
    origin.release(path)
    gateway.until(hash, lambda document: not document["active"])


def test_a_prefetch_goes_on_when_the_worker_that_ran_it_is_killed(gateway: Gateway, origin: Origin) -> None:
    """Another worker takes the queue over, and the pull up."""
    path = "/queued/file.png"
    origin.serve(path, File(BODY[: 3 * MIB]))
    hash = planned(gateway, urls=[origin.url(path)])
    origin.serve(path, *[File(BODY[: 3 * MIB], hold_at=MIB)] * 9)
    assert gateway.client.post(f"/api/archive/prefetch/{hash}").status_code == 202
    origin.until(lambda origin: origin.sent(path) >= MIB)
    os.kill(owner(gateway, origin.requests(path)[-1].port, origin.port), signal.SIGKILL)
    origin.release(path)
    gateway.until(hash)
    assert unpacked(gateway.download(hash)) == {"file.png": BODY[: 3 * MIB]}

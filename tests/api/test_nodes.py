"""Several gateways of one store, each with its own copies: the bytes are the same, and nothing wrong is given out."""

import contextlib
import io
import os
import subprocess
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.cluster import SECRETS, Cluster
from tests.support.gateway import COMMAND, POLL, Gateway
from tests.support.origin import File, Origin, Pattern

pytestmark = [pytest.mark.needs("postgresql"), pytest.mark.cluster]

MIB = 1 << 20


@pytest.fixture(scope="module")
def cluster(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three gateways of a new store."""
    with Cluster(tmp_path_factory.mktemp("cluster"), origin, nodes=3) as cluster:
        yield cluster


def until(node: Gateway, hash: str, wanted: Any, seconds: float = 10.0) -> dict[str, Any]:
    """Poll the status, which is a polled interface, until it is as wanted."""
    deadline = time.monotonic() + seconds
    while not wanted(document := node.status(hash)):
        assert time.monotonic() < deadline, document
        time.sleep(POLL)
    return document


def begin(node: Gateway, hash: str, stop: int) -> tuple[bytes, httpx.Headers]:
    """Download `stop` bytes from the node and hang up."""
    received = bytearray()
    with node.client.stream("GET", f"/archive/get/{hash}.zip") as response:
        assert response.status_code == 200
        for block in response.iter_raw():
            received += block
            if len(received) >= stop:
                break
    return bytes(received[:stop]), response.headers


def test_rest_of_a_download_comes_from_another_node(cluster: Cluster, origin: Origin) -> None:
    """The same ETag and the same bytes; what lies before the resume's offset is not pulled again, not even for the
    checksums that the directory needs.
    """
    a, b = cluster.nodes[:2]
    files = {"first": Pattern(300_000), "big": Pattern(24 * MIB), "last": Pattern(200_000)}
    for name, body in files.items():
        origin.serve(f"/rest/{name}", File(body, hold_at=100_000 if name == "last" else None))
    hash = a.create(urls=[origin.url(f"/rest/{name}") for name in files])["archive_hash"]
    first, headers = begin(a, hash, 17 * MIB)
    cluster.until_told(hash, {0, 1, 2})  # the first file, and two of the three parts of the second
    origin.release("/rest/last")
    before = {name: origin.sent(f"/rest/{name}") for name in files}
    rest = b.get(hash, {"Range": f"bytes={len(first)}-", "If-Range": headers["etag"]})
    assert (rest.status_code, rest.headers["etag"]) == (206, headers["etag"])
    again = {name: origin.sent(f"/rest/{name}") - before[name] for name in files}
    assert again["first"] == 0
    assert again["big"] <= 8 * MIB
    b.logged("foreign_pull")
    with zipfile.ZipFile(io.BytesIO(first + rest.content)) as archive:
        assert archive.testzip() is None
        assert archive.read("big") == files["big"][:]


def test_bytes_that_only_one_copy_proves_come_from_its_node_alone(cluster: Cluster, origin: Origin) -> None:
    """Without a validator nothing tells whether what another node pulls is the same: it gives out nothing while the
    first one fills in, and the first one's bytes once all their checksums are known.
    """
    a, b = cluster.nodes[:2]
    body = Pattern(3 * MIB)
    origin.serve("/weak/a", File(body, etag=None, modified=None, hold_at=2 * MIB))
    hash = a.create(urls=[origin.url("/weak/a")])["archive_hash"]
    first, headers = begin(a, hash, MIB)
    answer = b.get(hash, {"Range": f"bytes={len(first)}-", "If-Range": headers["etag"]})
    assert (answer.status_code, answer.json()["code"]) == (503, "elsewhere")
    assert answer.headers["retry-after"] == "5"
    # What that node pulls for itself is of another version by now, and is not taken for the archive's.
    origin.release("/weak/a")
    whole = a.get(hash)
    assert (whole.status_code, whole.content[: len(first)]) == (200, first)
    until(b, hash, lambda document: document["status"] == "completed")
    same = b.get(hash)
    assert (same.headers["etag"], same.content) == (headers["etag"], whole.content)


def test_what_only_one_node_proves_is_made_there_for_readers_of_another(cluster: Cluster, origin: Origin) -> None:
    """Its download broke off, and a balancer leads to another node from then on: that one has the first one finish the
    archive, and then gives out the same bytes.
    """
    a, b = cluster.nodes[:2]
    origin.serve("/wanted/a", File(Pattern(3 * MIB), etag=None, modified=None, hold_at=2 * MIB))
    hash = a.create(urls=[origin.url("/wanted/a")])["archive_hash"]
    first, headers = begin(a, hash, MIB)
    origin.release("/wanted/a")
    assert (b.get(hash).status_code, b.get(hash).json()["code"]) == (503, "elsewhere")
    a.until_logged(lambda line: line["event"] == "wanted_elsewhere" and line["archive"] == hash)
    until(b, hash, lambda document: document["status"] == "completed")
    same = b.get(hash)
    assert (same.headers["etag"], same.content[: len(first)]) == (headers["etag"], first)


def test_other_versions_of_a_file_are_not_taken_for_those_given_out(cluster: Cluster, origin: Origin) -> None:
    """A node that cannot make the archive any more, because its origin has another file, leaves that to the one which
    has the copy: the archive is not stale.
    """
    a, b = cluster.nodes[:2]
    origin.serve("/versions/a", File(b"o" * MIB, etag=None, modified=None))
    hash = a.create(urls=[origin.url("/versions/a")])["archive_hash"]
    whole = a.get(hash)
    until(b, hash, lambda document: document["cached"])
    origin.serve("/versions/a", File(b"n" * MIB, etag=None, modified=None))
    assert b.get(hash).status_code == 503
    assert a.get(hash).content == whole.content
    assert a.status(hash)["status"] == b.status(hash)["status"] == "completed"


def test_status_is_the_same_from_every_node(cluster: Cluster, origin: Origin) -> None:
    """Whoever asks whichever node sees how far the archive is, that it is read, and that its copy is there."""
    a, b = cluster.nodes[:2]
    origin.serve("/told/a", File(Pattern(4 * MIB), hold_at=2 * MIB))
    hash = a.create(urls=[origin.url("/told/a")])["archive_hash"]
    with a.client.stream("GET", f"/archive/get/{hash}.zip") as response:
        blocks = response.iter_raw()
        next(blocks)
        seen = until(b, hash, lambda document: document["progress"]["bytes"] >= 2 * MIB)
        assert (seen["status"], seen["active"]) == ("in-progress", True)
        assert seen["size"] == seen["progress"]["total_bytes"] == int(response.headers["content-length"])
        origin.release("/told/a")
        for _ in blocks:
            pass
    done = until(b, hash, lambda document: document["cached"] and not document["active"])
    assert done["status"] == "completed"


def test_events_of_one_node_tell_what_another_one_does(cluster: Cluster, origin: Origin) -> None:
    """A stream that is open on one node ends as the other one completes the archive."""
    a, b = cluster.nodes[:2]
    origin.serve("/events/a", File(b"a" * 1000))
    hash = a.create(urls=[origin.url("/events/a")])["archive_hash"]
    with b.client.stream("GET", f"/api/archive/events/{hash}") as stream:
        lines = stream.iter_lines()
        while not next(lines).startswith("data:"):
            pass
        assert a.get(hash).status_code == 200
        assert any('"status": "completed"' in line for line in lines)


def test_delete_on_one_node_cuts_the_readers_of_another(cluster: Cluster, origin: Origin) -> None:
    """What is deleted is given out no more, anywhere, and its copy is gone."""
    a, b = cluster.nodes[:2]
    origin.serve("/gone/a", File(Pattern(4 * MIB), hold_at=2 * MIB))
    created = a.create(urls=[origin.url("/gone/a")])
    hash = created["archive_hash"]
    with b.client.stream("GET", f"/archive/get/{hash}.zip") as response:
        blocks = response.iter_raw()
        next(blocks)
        deleted = a.client.delete(f"/api/archive/{hash}", headers={"X-Delete-Token": created["delete_token"]})
        assert deleted.status_code == 204
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in blocks:
                pass
    assert b.get(hash).status_code == 404
    assert not list((b.data / "spool").rglob(f"{hash}.part"))


def test_archive_that_is_stale_on_one_node_is_so_on_all(cluster: Cluster, origin: Origin) -> None:
    """Readers that another node still has are cut: what they get could not be resumed anywhere."""
    a, b = cluster.nodes[:2]
    held = File(b"1" * 4 * MIB, etag='"one"', hold_at=2 * MIB)
    origin.serve("/stale/a", held, held, File(b"2" * 4 * MIB, etag='"two"'))
    hash = a.create(urls=[origin.url("/stale/a")])["archive_hash"]
    assert a.client.head(f"/archive/get/{hash}.zip").status_code == 200
    with b.client.stream("GET", f"/archive/get/{hash}.zip") as response:
        blocks = response.iter_raw()
        next(blocks)
        assert a.get(hash).status_code == 409
        with pytest.raises(httpx.RemoteProtocolError):
            for _ in blocks:
                pass
    assert [node.get(hash).status_code for node in (a, b)] == [409, 409]


def test_copied_data_folder_is_refused_while_the_other_one_runs(cluster: Cluster, tmp_path: Path) -> None:
    """Two gateways of one id would take each other's bytes for their own: one sentence, and an exit status."""
    node = cluster.nodes[0]
    (tmp_path / "node").write_text((node.data / "node").read_text())
    settings = {**SECRETS, "public_url": "https://zip.example", "store_url": cluster.url}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")}
    environment |= {f"STREAMZIP_{name.upper()}": value for name, value in settings.items()}
    command = [str(COMMAND), "serve", "--port", "0", "--data", str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=40, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"streamzip: {tmp_path} seems to be a copy of the data folder of another gateway")


def test_one_of_two_first_readers_is_given_what_nothing_proves(cluster: Cluster, origin: Origin) -> None:
    """At two nodes at the same moment: one download goes on, the other one is told to ask again."""
    origin.serve("/two/a", File(Pattern(MIB), etag=None, modified=None, hold_at=MIB // 2))
    hash = cluster.nodes[0].create(urls=[origin.url("/two/a")])["archive_hash"]
    assert cluster.nodes[0].client.head(f"/archive/get/{hash}.zip").status_code == 200
    with ThreadPoolExecutor() as threads:
        gets = [threads.submit(node.get, hash) for node in cluster.nodes]
        origin.until(lambda seen: len(seen.requests("/two/a")) >= 2)
        origin.release("/two/a")
        answers = [get.result() for get in gets]
    given = [answer for answer in answers if answer.status_code == 200]
    refused = [answer.json()["code"] for answer in answers if answer.status_code != 200]
    assert {answer.content for answer in given} == {given[0].content}
    assert set(refused) <= {"elsewhere"}


@pytest.mark.needs("nginx")
def test_download_goes_on_through_the_balancer_when_its_node_is_killed(cluster: Cluster, origin: Origin) -> None:
    """All requests for an archive reach one gateway; killed in the middle of a download, another one takes it up, and
    the origin sends little more than the files have.
    """
    size = 24 * MIB
    origin.serve("/kill/a", File(Pattern(size)))
    origin.serve("/kill/last", File(Pattern(200_000), hold_at=100_000))  # so that the archive is not completed
    with cluster.balancer() as front, httpx.Client(base_url=front.base, trust_env=False, timeout=30) as client:
        created = client.post(
            "/api/archive/create", json={"urls": [origin.url("/kill/a"), origin.url("/kill/last")]}
        ).json()
        path = f"/archive/get/{created['archive_hash']}.zip"
        with client.stream("GET", path) as response:
            length, etag = int(response.headers["content-length"]), response.headers["etag"]
            received = bytearray()
            blocks = response.iter_raw()
            while len(received) < length // 2:
                received += next(blocks)
            cluster.until_told(created["archive_hash"], {0})  # the first of its three parts
            owner = cluster.owner(created["archive_hash"])
            owner.kill()
            with contextlib.suppress(httpx.RemoteProtocolError):  # what the kernel and nginx have still comes
                for block in blocks:
                    received += block
        assert len(received) < length
        origin.release("/kill/last")
        rest = client.get(path, headers={"Range": f"bytes={len(received)}-", "If-Range": etag})
        assert (rest.status_code, rest.headers["etag"]) == (206, etag)
        with zipfile.ZipFile(io.BytesIO(received + rest.content)) as archive:
            assert archive.read("a") == Pattern(size)[:]
        # What the dead gateway had told of is not pulled again; each of them may have asked for one byte first.
        assert origin.sent("/kill/a") <= 2 * size - 8 * MIB + len(cluster.nodes)

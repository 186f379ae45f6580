"""The flow on a running gateway: lazy pulls, live bytes, one upstream pass, readers that leave, and what stays."""

import io
import json
import socket
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway, manifest_of
from tests.support.origin import File, HangUp, Origin, Pattern, Silence, Status

PART = 8 << 20  # a large member is pulled in spans of this size
PROBED = 64 << 10  # what a probe asks for where somebody waits; else one byte


def unpacked(archive: bytes) -> dict[str, bytes]:
    """The members' bytes, by name; every CRC was right."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@contextmanager
def reading(gateway: Gateway, path: str, *, buffer: int | None = None) -> Iterator[socket.socket]:
    """A client's socket with a GET written to it; closed, unread, at the end."""
    with socket.socket() as client:
        if buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(20)
        client.connect(("127.0.0.1", gateway.port))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: {gateway.base[7:]}\r\n\r\n".encode())
        yield client


def receive(client: socket.socket, count: int) -> bytes:
    """At least this many bytes of the answer."""
    received = bytearray()
    while len(received) < count:
        block = client.recv(1 << 16)
        assert block, "the gateway ended the answer"
        received += block
    return bytes(received)


def pulls(origin: Origin, path: str) -> int:
    """Requests for the file, probes apart: of those that have a range, only pulls say of which version."""
    asked = (request.fields for request in origin.requests(path))
    return sum("range" not in fields or "if-range" in fields for fields in asked)


# -- nothing is pulled for nobody ------------------------------------------------------------------------


def test_create_pulls_nothing_by_default(gateway: Gateway, origin: Origin) -> None:
    """After create, the origins are asked for facts, one byte each; the archive is pending and its link is there."""
    origin.serve("/lazy/a", File(Pattern(3 << 20)))
    hash = gateway.create(urls=[origin.url("/lazy/a")])["archive_hash"]
    origin.until(lambda origin: len(origin.requests("/lazy/a")) == 1)
    head = gateway.client.head(f"/archive/get/{hash}.zip")
    assert head.status_code == 200
    assert int(head.headers["content-length"]) > 3 << 20
    assert pulls(origin, "/lazy/a") == 0
    assert origin.sent("/lazy/a") == 1
    document = gateway.status(hash)
    assert (document["status"], document["active"], document["cached"]) == ("pending", False, False)
    assert document["url"] == f"{gateway.base}/archive/get/{hash}.zip"
    assert document["progress"]["bytes"] == 0


def test_head_has_the_headers_of_get_before_anything_was_pulled(gateway: Gateway, origin: Origin) -> None:
    """HEAD of an archive that was never built gives the exact length and the strong ETag that GET has later."""
    paths = ["/head/a", "/head/b"]
    for path, size in zip(paths, (200_000, 2 << 20), strict=True):
        origin.serve(path, File(Pattern(size)))
    hash = gateway.create(urls=[origin.url(path) for path in paths])["archive_hash"]
    head = gateway.client.head(f"/archive/get/{hash}.zip")
    assert head.content == b""
    assert all(origin.sent(path) <= len(origin.requests(path)) * PROBED for path in paths)
    live = gateway.get(hash)
    gateway.until(hash)
    finished = gateway.get(hash)
    assert finished.content == live.content
    for field in ("content-length", "etag", "last-modified", "content-type", "content-disposition", "accept-ranges"):
        assert head.headers[field] == live.headers[field] == finished.headers[field]
    assert int(head.headers["content-length"]) == len(live.content)
    assert head.headers["etag"].startswith('"')
    assert live.headers["x-accel-buffering"] == "no"


# -- live ------------------------------------------------------------------------------------------------


def test_bytes_reach_the_client_while_later_files_are_still_pulled(launch: Launch, origin: Origin) -> None:
    """The first file is with the client before the last one's pull has begun, and while a middle one hangs."""
    gateway = launch(lookahead="1")
    body = Pattern(1 << 20)
    for name in ("first", "middle", "last"):
        origin.serve(f"/live/{name}", File(body, hold_at=500_000 if name == "middle" else None))
    hash = gateway.create(urls=[origin.url(f"/live/{name}") for name in ("first", "middle", "last")])["archive_hash"]
    with reading(gateway, f"/archive/get/{hash}.zip") as client:
        head = receive(client, 1 << 20)
        assert b"PK\x03\x04" in head
        assert pulls(origin, "/live/first") == 1
        assert pulls(origin, "/live/last") == 0
        assert gateway.status(hash)["status"] == "in-progress"
        origin.release("/live/middle")
        receive(client, 2 << 20)
    origin.release("/live/middle")


def test_bytes_of_a_file_reach_the_client_while_the_rest_of_it_is_on_the_way(gateway: Gateway, origin: Origin) -> None:
    """A large file is passed on chunk by chunk: its first half is with the client while its origin holds the second."""
    origin.serve("/chunks/a", File(Pattern(4 << 20), etag=None, hold_at=2 << 20))
    hash = gateway.create(urls=[origin.url("/chunks/a")])["archive_hash"]
    with reading(gateway, f"/archive/get/{hash}.zip") as client:
        receive(client, 2 << 20)
        origin.release("/chunks/a")
        receive(client, 2 << 20)


def test_two_gets_at_once_make_one_upstream_pass(gateway: Gateway, origin: Origin) -> None:
    """Two clients of one cold archive both get the whole of it, and every origin's file is pulled once."""
    files = {"small": Pattern(3000), "large": Pattern(2 * PART + 5), "slow": Pattern(3 << 20)}
    for name, body in files.items():
        origin.serve(f"/twice/{name}", File(body, hold_at=1 << 20 if name == "slow" else None))
    hash = gateway.create(urls=[origin.url(f"/twice/{name}") for name in files])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    probed = {name: len(origin.requests(f"/twice/{name}")) for name in files}
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(gateway.get, hash) for _ in range(2)]
        origin.until(lambda origin: pulls(origin, "/twice/slow") == 1)
        origin.release("/twice/slow")
        bodies = [answer.result().content for answer in answers]
    assert bodies[0] == bodies[1]
    assert unpacked(bodies[0]) == {name: body[:] for name, body in files.items()}
    for name, parts in (("small", 1), ("large", 3), ("slow", 1)):
        assert len(origin.requests(f"/twice/{name}")) - probed[name] <= parts
        assert origin.sent(f"/twice/{name}") <= len(files[name]) + probed[name] * PROBED


# -- readers that leave ----------------------------------------------------------------------------------


def test_a_client_that_leaves_frees_its_socket_and_the_origins(launch: Launch, origin: Origin) -> None:
    """When the only reader is gone nothing more is pulled, and the connections to the origin are closed."""
    gateway = launch()
    size = 400 << 20
    origin.serve("/left/a", File(Pattern(size), etag=None))
    hash = gateway.create(urls=[origin.url("/left/a")])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    idle = gateway.descriptors()

    with reading(gateway, f"/archive/get/{hash}.zip", buffer=1 << 16) as client:
        receive(client, 1 << 20)
        (pull,) = {request.connection for request in origin.requests("/left/a")[1:]}
    origin.until(lambda origin: pull not in origin.live_connections)
    assert origin.sent("/left/a") < size
    gateway.until(hash, lambda status: not status["active"])
    assert gateway.descriptors() <= idle + 3  # the archive itself stays open a little: its copy, journal and locks


def test_a_client_that_leaves_before_the_first_byte_frees_the_origins_socket(gateway: Gateway, origin: Origin) -> None:
    """A reader who waits for a silent origin and goes is noticed at once, not when the origin speaks or times out."""
    origin.serve("/silent/a", File(Pattern(100_000)), Silence())
    hash = gateway.create(urls=[origin.url("/silent/a")])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    with reading(gateway, f"/archive/get/{hash}.zip"):
        origin.until(lambda origin: len(origin.requests("/silent/a")) == 2)
        pull = origin.requests("/silent/a")[1].connection
    origin.until(lambda origin: pull not in origin.live_connections, seconds=5)
    gateway.until(hash, lambda status: not status["active"], seconds=5)


@pytest.mark.one_node("the origin's answers are in the order of one node's questions")
def test_a_later_get_takes_up_what_the_one_that_left_had_pulled(gateway: Gateway, origin: Origin) -> None:
    """What a broken download pulled stays: the next reader has it from the spool, and pulls only the rest."""
    body = Pattern(6 << 20)
    origin.serve("/takeup/a", File(body), File(body), File(body, hold_at=2 << 20), File(body))
    hash = gateway.create(urls=[origin.url("/takeup/a")])["archive_hash"]
    origin.until(lambda origin: len(origin.requests("/takeup/a")) == 1)
    origin.serve("/takeup/a", File(body, hold_at=4 << 20), File(body))
    with reading(gateway, f"/archive/get/{hash}.zip") as client:
        receive(client, 4 << 20)
    gateway.until(hash, lambda status: not status["active"])
    assert unpacked(gateway.download(hash)) == {"a": body[:]}
    last = origin.requests("/takeup/a")[-1]
    assert last.fields["if-range"] == '"v1"'
    assert last.fields["range"] == f"bytes={4 << 20}-"


# -- what cannot be had ----------------------------------------------------------------------------------


def test_an_entry_that_is_gone_is_left_out_and_reported(gateway: Gateway, origin: Origin) -> None:
    """A 404 leaves its entry out; the status and archive-report.json in the archive say so, without its query."""
    origin.serve("/gone/a", File(b"here"))
    urls = [origin.url("/gone/a"), origin.url("/gone/b?token=secret")]
    hash = gateway.create(urls=urls)["archive_hash"]
    members = unpacked(gateway.download(hash))
    document = gateway.until(hash)
    assert document["errors"] == [
        {
            "index": 1,
            "name": "b",
            "url": origin.url("/gone/b"),
            "code": "http_404",
            "message": document["errors"][0]["message"],
        }
    ]
    assert members.pop("a") == b"here"
    assert json.loads(members.pop("archive-report.json"))["skipped"] == document["errors"]
    assert not members


def test_a_name_of_a_private_address_becomes_its_entrys_error(gateway: Gateway, origin: Origin) -> None:
    """Names are judged where they are dialled: create takes it, no connection is made, and the entry is left out."""
    origin.serve("/dialled/a", File(b"public"))
    origin.serve("/dialled/b", File(b"private"))
    private = origin.url("/dialled/b", host="localhost")
    hash = gateway.create(urls=[private, origin.url("/dialled/a")])["archive_hash"]
    members = unpacked(gateway.download(hash))
    (error,) = gateway.until(hash)["errors"]
    assert (error["index"], error["code"], error["url"]) == (0, "blocked_address", private)
    assert "127.0.0.1" not in error["message"]
    assert json.loads(members["archive-report.json"])["skipped"] == [error]
    assert members["a"] == b"public"
    assert "b" not in members
    assert origin.requests("/dialled/b") == []


def test_an_archive_of_nothing_is_a_problem(gateway: Gateway, origin: Origin) -> None:
    """Where no entry can be had, GET is a problem with its code, before the first byte; the status says failed."""
    hash = gateway.create(urls=[origin.url("/nothing/a"), origin.url("/nothing/b")])["archive_hash"]
    response = gateway.get(hash)
    assert response.status_code == 502
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "no_entries"
    document = gateway.status(hash)
    assert (document["status"], document["code"]) == ("failed", "no_entries")
    assert [error["code"] for error in document["errors"]] == ["http_404", "http_404"]


def test_an_entry_that_breaks_for_good_after_its_first_byte_cuts_the_connection(launch: Launch, origin: Origin) -> None:
    """A download that cannot be completed never looks finished: fewer bytes than its length, and no directory."""
    gateway = launch(max_attempts="1")
    body = Pattern(4 << 20)
    origin.serve("/breaks/a", File(body), File(body, hold_at=1 << 20, cut_at=2 << 20), HangUp())
    hash = gateway.create(urls=[origin.url("/breaks/a")])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    received = bytearray()
    try:
        with gateway.client.stream("GET", f"/archive/get/{hash}.zip") as response:
            assert response.status_code == 200
            length = int(response.headers["content-length"])
            for block in response.iter_raw():
                received += block
                origin.release("/breaks/a")  # it breaks only once the first byte is out
    except (httpx.RemoteProtocolError, httpx.ReadError):
        pass
    else:
        raise AssertionError("the download looked finished")
    # How much arrived is the kernel's affair: a reset takes with it what its receiver had not read yet.
    assert 0 < len(received) < length
    assert b"PK\x05\x06" not in received
    document = gateway.status(hash)
    assert document["status"] == "failed"
    origin.serve("/breaks/a", *[File(body)] * 9)
    assert unpacked(gateway.download(hash)) == {"a": body[:]}
    assert gateway.until(hash)["status"] == "completed"


def test_an_origin_that_changed_after_bytes_were_given_out_makes_the_archive_stale(
    gateway: Gateway, origin: Origin
) -> None:
    """One hash, one sequence of bytes, or 409; the same create then gives the next generation."""
    old, new = Pattern(3 << 20), bytes(3 << 20)
    origin.serve("/changed/a", File(old), File(old, hold_at=1 << 20))
    body = {"urls": [origin.url("/changed/a")]}
    hash = gateway.create(**body)["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    with reading(gateway, f"/archive/get/{hash}.zip") as client:
        receive(client, 1 << 20)
    gateway.until(hash, lambda status: not status["active"])
    origin.serve("/changed/a", *[File(new, etag='"v2"')] * 12)
    # The first part of it is on disk: what was given out is given out again, and then the connection is cut.
    try:
        gateway.get(hash)
    except httpx.RemoteProtocolError:
        pass
    else:
        raise AssertionError("two versions were spliced")
    response = gateway.get(hash, {"Range": "bytes=0-9"})
    assert (response.status_code, response.json()["code"]) == (409, "origin_changed")
    assert gateway.status(hash)["code"] == "origin_changed"
    again = gateway.create(**body)["archive_hash"]
    assert again != hash
    assert unpacked(gateway.download(again)) == {"a": new}


# -- the other calls -------------------------------------------------------------------------------------


def test_post_download_answers_with_the_archive_itself(gateway: Gateway, origin: Origin) -> None:
    """POST /api/archive/download takes create's body, and streams the archive; a wrong body is create's problem."""
    origin.serve("/direct/a", File(b"one"))
    origin.serve("/direct/b", File(b"two"))
    body = manifest_of({"x/a": origin.url("/direct/a"), "x/b": origin.url("/direct/b")}, filename="at once.zip")
    response = gateway.client.post("/api/archive/download", json=body)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/zip"
    assert 'filename="at once.zip"' in response.headers["content-disposition"]
    assert unpacked(response.content) == {"x/a": b"one", "x/b": b"two"}
    refused = gateway.client.post("/api/archive/download", json={"urls": []})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/urls")


def test_delete_takes_the_token_of_create_and_leaves_nothing(gateway: Gateway, origin: Origin) -> None:
    """Without its token 403; with it 204, and from then on 404 everywhere, the copy gone from the disk."""
    origin.serve("/deleted/a", File(b"gone soon"))
    created = gateway.create(urls=[origin.url("/deleted/a")])
    hash = created["archive_hash"]
    gateway.download(hash)
    gateway.until(hash)
    assert gateway.copy(hash).exists()
    path = f"/api/archive/{hash}"
    assert gateway.client.delete(path).status_code == 403
    assert gateway.client.delete(path, headers={"X-Delete-Token": "0" * 64}).status_code == 403
    assert gateway.client.delete(path, headers={"X-Delete-Token": created["delete_token"]}).status_code == 204
    assert gateway.client.delete(path, headers={"X-Delete-Token": created["delete_token"]}).status_code == 404
    assert list(gateway.copy(hash).parent.glob(f"{hash}.*")) == []
    for response in (
        gateway.get(hash),
        gateway.client.get(f"/api/archive/status/{hash}"),
        gateway.client.post(f"/api/archive/prefetch/{hash}"),
        gateway.client.get(f"/api/archive/status/{'0' * 32}"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
        assert response.headers["content-type"] == "application/problem+json"


def test_delete_cuts_the_downloads_under_way(gateway: Gateway, origin: Origin) -> None:
    """A reader of a deleted archive is cut, and its origin's connection freed; the same create begins afresh."""
    origin.serve("/cut/a", File(Pattern(3 << 20), etag=None), File(Pattern(3 << 20), etag=None, hold_at=1 << 20))
    body = {"urls": [origin.url("/cut/a")]}
    created = gateway.create(**body)
    hash = created["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    with reading(gateway, f"/archive/get/{hash}.zip") as client:
        receive(client, 1 << 20)
        pull = origin.requests("/cut/a")[-1].connection
        token = {"X-Delete-Token": created["delete_token"]}
        assert gateway.client.delete(f"/api/archive/{hash}", headers=token).status_code == 204
        try:
            while client.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
    origin.until(lambda origin: pull not in origin.live_connections)
    origin.release("/cut/a")
    assert gateway.create(**body)["archive_hash"] == hash
    assert unpacked(gateway.download(hash)) == {"a": Pattern(3 << 20)[:]}


def test_prefetch_is_cancelled_by_delete_and_keeps_what_is_there(gateway: Gateway, origin: Origin) -> None:
    """DELETE of the prefetch stops the build and frees the origin; what was pulled is not pulled again."""
    body = Pattern(4 << 20)
    origin.serve("/stopped/a", File(body), File(body, hold_at=2 << 20), File(body))
    hash = gateway.create(urls=[origin.url("/stopped/a")])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    assert gateway.client.post(f"/api/archive/prefetch/{hash}").status_code == 202
    gateway.until(hash, lambda status: status["progress"]["bytes"] >= 2 << 20)
    pull = origin.requests("/stopped/a")[-1].connection
    assert gateway.client.delete(f"/api/archive/prefetch/{hash}").status_code == 204
    origin.until(lambda origin: pull not in origin.live_connections)
    document = gateway.until(hash, lambda status: not status["active"])
    assert document["status"] == "in-progress"
    assert unpacked(gateway.download(hash)) == {"a": body[:]}
    assert origin.requests("/stopped/a")[-1].fields["range"] == f"bytes={2 << 20}-"


def test_status_names_every_member_when_it_is_asked_to(gateway: Gateway, origin: Origin) -> None:
    """`?entries=1` adds each entry's name, size and state."""
    origin.serve("/members/a", File(b"a"))
    hash = gateway.create(urls=[origin.url("/members/a"), origin.url("/members/b")])["archive_hash"]
    gateway.download(hash)
    gateway.until(hash)
    assert gateway.status(hash, "?entries=1")["members"] == [
        {"index": 0, "name": "a", "size": 1, "state": "completed"},
        {"index": 1, "name": "b", "size": None, "state": "skipped"},
    ]


def test_health_is_told_in_three_forms(gateway: Gateway) -> None:
    """/healthz and /readyz answer in JSON, /health_check plainly; /healthz says which version runs."""
    assert gateway.client.get("/healthz").json() == {"status": "ok", "version": version("streamzip")}
    assert gateway.client.get("/readyz").json() == {"status": "ready"}
    assert gateway.client.get("/health_check").text == "OK"


def test_other_paths_and_methods_are_problems(gateway: Gateway) -> None:
    """What is not there, and a method that a path does not have, are told as problems too."""
    for response, status, code in (
        (gateway.client.get("/nowhere"), 404, "not_found"),
        (gateway.client.get("/api/archive/create"), 405, "method_not_allowed"),
        (gateway.client.post(f"/archive/get/{'0' * 32}.zip"), 405, "method_not_allowed"),
    ):
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.headers["content-type"] == "application/problem+json"


def test_the_archives_link_works_while_its_origin_asks_to_wait(gateway: Gateway, origin: Origin) -> None:
    """A 503 with Retry-After is waited for and asked again, as often as it takes; the archive is whole."""
    busy = Status(503, (("Retry-After", "0"),))
    origin.serve("/busy/a", busy, busy, File(b"at last"))
    hash = gateway.create(urls=[origin.url("/busy/a")])["archive_hash"]
    assert unpacked(gateway.download(hash)) == {"a": b"at last"}


@pytest.mark.parametrize("size", [400 << 20, 300_000], ids=["while it is pulled", "when all is handed over"])
def test_a_reader_that_takes_nothing_is_dropped_in_time(launch: Launch, origin: Origin, size: int) -> None:
    """A stalled client does not hold its socket for ever: the write timeout cuts it, and the origin is left."""
    gateway = launch(write_timeout="0.3")
    origin.serve(f"/stalled/{size}", File(Pattern(size), etag=None))
    hash = gateway.create(urls=[origin.url(f"/stalled/{size}")])["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    with reading(gateway, f"/archive/get/{hash}.zip", buffer=1 << 12):
        gateway.logged("download_cut")
        pull = origin.requests(f"/stalled/{size}")[-1].connection
        if size > 1 << 20:
            origin.until(lambda origin: pull not in origin.live_connections)
            assert origin.sent(f"/stalled/{size}") < size

"""The status as server-sent events: each change once, up to the end, and not beyond the process's own."""

import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from tests.support import postgresql
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Raw
from tests.support.throttled import Limits

MIB = 1 << 20


def events(gateway: Gateway, hash: str, after: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, status document) of each event, until the stream ends."""
    fields = {"Last-Event-ID": after} if after else {}
    with gateway.client.stream("GET", f"/api/archive/events/{hash}", headers=fields) as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        id = ""
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                id = value
            elif name == "data":
                yield id, json.loads(value)


def test_events_tell_each_change_until_the_archive_is_completed(launch: Launch, origin: Origin) -> None:
    """Pending, then what was pulled, then completed; the last event is the status document, and the stream ends."""
    gateway = launch()
    origin.serve("/told/a", File(Pattern(3 * MIB)), File(Pattern(3 * MIB), hold_at=2 * MIB))
    hash = gateway.create(urls=[origin.url("/told/a")])["archive_hash"]
    told = []
    for _, document in events(gateway, hash):
        told.append(document)
        if len(told) == 1:
            gateway.client.post(f"/api/archive/prefetch/{hash}")
        elif document["progress"]["bytes"] >= 2 * MIB:
            origin.release("/told/a")
    assert told[0]["status"] == "pending"
    assert [each for each in told if each["status"] == "in-progress"]
    assert told[-1] == gateway.client.get(f"/api/archive/status/{hash}").json()
    assert told[-1]["status"] == "completed"
    assert all(one != other for one, other in pairwise(told))


@pytest.mark.skipif(postgresql.chosen(), reason="it is SQLite's lock that holds the note of it up")
def test_status_right_after_a_download_says_that_it_is_completed(launch: Launch, origin: Origin) -> None:
    """The last byte goes out when the copy is durable; the store hears of it later, and the status waits for that."""
    origin.serve("/after.png", File(Pattern(3 << 20), hold_at=2 << 20))
    gateway = launch(allow=[origin.authority])
    hash = gateway.create(urls=[origin.url("/after.png")])["archive_hash"]
    with (
        gateway.client.stream("GET", f"/archive/get/{hash}.zip") as response,
        closing(sqlite3.connect(gateway.data / "streamzip.db", isolation_level=None, check_same_thread=False)) as store,
    ):
        blocks = response.iter_raw()
        next(blocks)
        store.execute("BEGIN IMMEDIATE")
        origin.release("/after.png")
        for _ in blocks:
            pass
        held = threading.Timer(0.3, store.execute, ["ROLLBACK"])
        held.start()
        status = gateway.status(hash)
        held.join()
    assert (status["status"], status["cached"]) == ("completed", True)


def test_events_tell_only_what_is_new_when_the_client_comes_back(launch: Launch, origin: Origin) -> None:
    """With the id of its last event a client gets those after it; 204 where none will follow, over a restart too."""
    gateway = launch()
    origin.serve("/told/b", File(b"bytes"))
    hash = gateway.create(urls=[origin.url("/told/b")])["archive_hash"]
    (pending, _) = next(events(gateway, hash))
    gateway.get(hash)
    gateway.until(hash)
    ((completed, document),) = events(gateway, hash, after=pending)
    assert document["status"] == "completed"
    gateway.stop()
    gateway.start()
    again = gateway.client.get(f"/api/archive/events/{hash}", headers={"Last-Event-ID": completed})
    assert (again.status_code, again.content) == (204, b"")


def test_events_end_when_the_archive_is_deleted(launch: Launch, origin: Origin) -> None:
    """And whoever asks again is told that there is none."""
    gateway = launch()
    origin.serve("/told/c", File(b"bytes"))
    created = gateway.create(urls=[origin.url("/told/c")])
    hash = created["archive_hash"]
    for _ in events(gateway, hash):
        gateway.client.delete(f"/api/archive/{hash}", headers={"X-Delete-Token": created["delete_token"]})
    assert gateway.client.get(f"/api/archive/events/{hash}").status_code == 404


def test_events_tell_for_whom_an_archive_waits(launch: Launch) -> None:
    """A host that throttles is named while it does, and not afterwards, though no byte comes meanwhile."""
    refusal = Raw(b"HTTP/1.1 429 No\r\nRetry-After: 2\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    with Origin() as origin:
        gateway = launch(allow=[origin.authority])
        limits = Limits(closed_for=1.0, refusal=lambda: refusal)
        for number in range(3):
            origin.serve(f"/{number}", limits.file(File(b"x" * 100)))
        entries = [{"url": origin.url(f"/{number}"), "size": 100} for number in range(3)]
        hash = gateway.create(entries=entries, prefetch=True)["archive_hash"]
        told = [document for _, document in events(gateway, hash)]
    waited = [each["origin"] for document in told for each in document["waiting_for"]]
    assert set(waited) == {origin.authority}
    assert (told[-1]["status"], told[-1]["waiting_for"]) == ("completed", [])


def test_events_do_not_hold_up_the_end_of_the_process(launch: Launch, origin: Origin) -> None:
    """A stream without an end would have SIGTERM wait for as long as a download may take."""
    gateway = launch()
    origin.serve("/told/d", File(b"bytes"))
    hash = gateway.create(urls=[origin.url("/told/d")])["archive_hash"]
    with ThreadPoolExecutor(1) as pool:
        stream = events(gateway, hash)
        next(stream)
        rest = pool.submit(list, stream)
        assert gateway.stop() == 0
        assert rest.result(5) == []


def test_events_need_http_1_1(launch: Launch, origin: Origin) -> None:
    """A client without chunks could not tell the end from a break; the proxy's setting is named, as for downloads."""
    gateway = launch()
    origin.serve("/told/e", File(b"bytes"))
    hash = gateway.create(urls=[origin.url("/told/e")])["archive_hash"]
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as old:
        old.sendall(f"GET /api/archive/events/{hash} HTTP/1.0\r\nHost: a\r\n\r\n".encode())
        refused = b"".join(iter(lambda: old.recv(4096), b""))
        assert b" 505 " in refused.partition(b"\r\n")[0]
        assert b"`proxy_http_version 1.1`" in refused

"""Many who watch or ask for one archive with very many entries left out: a look for all of them, not one for each."""

import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from statistics import median
from threading import Event
from typing import Any

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

MIB = 1 << 20
MANY = 3500


@contextmanager
def stream(gateway: Gateway, hash: str) -> Iterator[socket.socket]:
    """A client that has asked for the archive's events."""
    with socket.create_connection(("127.0.0.1", gateway.port), 30) as client:
        client.sendall(f"GET /api/archive/events/{hash} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        yield client


def slowest(gateway: Gateway, done: Event) -> float:
    """Ask /healthz until `done`, and then once more; the longest wait in seconds."""
    waits = []
    asking = HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    while True:
        over, begun = done.is_set(), time.monotonic()
        asking.request("GET", "/healthz")
        assert asking.getresponse().read()
        waits.append(time.monotonic() - begun)
        if over:
            asking.close()
            return max(waits)


def broken(launch: Launch, origin: Origin, many: int) -> tuple[Gateway, str]:
    """A gateway, and an archive of one good entry and so many that are left out without being asked for."""
    gateway = launch(max_entry_bytes="10")
    origin.serve("/watched/good", File(b"good"))
    entries: list[dict[str, Any]] = [
        {"url": f"https://files.example/{number:06}/with/a/longer/path.bin", "name": f"{number}.bin", "size": 11}
        for number in range(many)
    ]
    hash = gateway.create(entries=[{"url": origin.url("/watched/good")}, *entries])["archive_hash"]
    gateway.until(hash, lambda document: document["errors_total"] == many)
    return gateway, hash


def test_watchers_of_an_archive_share_one_bounded_document(launch: Launch, origin: Origin) -> None:
    """Forty that take nothing and forty that ask for the status, of 50,000 entries left out: less than 64 MiB, and
    others wait no half a second.
    """
    gateway, hash = broken(launch, origin, 50_000)
    before, waits = gateway.memory(), []
    for _ in range(3):
        done = Event()
        with ExitStack() as stack, ThreadPoolExecutor(5) as pool:
            waited = pool.submit(slowest, gateway, done)
            clients = [stack.enter_context(stream(gateway, hash)) for _ in range(40)]
            statuses = list(pool.map(lambda _: gateway.client.get(f"/api/archive/status/{hash}"), range(40)))
            heads = [client.recv(1000) for client in clients]
            done.set()
            waits.append(waited.result())
        assert all(head.startswith(b"HTTP/1.1 200") for head in heads)
        assert {response.status_code for response in statuses} == {200}
    assert median(waits) < 0.5
    assert gateway.peak_memory() - before < 64 * MIB


def test_lists_of_a_status_are_cut_and_paged(launch: Launch, origin: Origin) -> None:
    """Each page is short, says how many there are and where the next one begins; together they are the whole list."""
    gateway, hash = broken(launch, origin, MANY)
    left_out: list[int] = []
    following: int | None = 0
    while following is not None:
        response = gateway.client.get(f"/api/archive/status/{hash}?errors_from={following}")
        document = response.json()
        assert len(response.content) < MIB // 2
        assert document["errors_total"] == MANY
        assert document["progress"]["total_entries"] == MANY + 1
        left_out += [error["index"] for error in document["errors"]]
        following = document.get("errors_next")
    assert left_out == list(range(1, MANY + 1))

    page = gateway.status(hash, "?entries=1&members_from=500")
    assert [member["index"] for member in page["members"]] == list(range(500, 1500))
    assert {member["state"] for member in page["members"]} == {"skipped"}
    assert page["members_next"] == 1500
    last = gateway.status(hash, f"?entries=1&members_from={MANY}&errors_from={MANY + 1}")
    assert [member["index"] for member in last["members"]] == [MANY]
    assert (last["errors"], "members_next" in last) == ([], False)


def test_status_refuses_what_is_no_index(gateway: Gateway) -> None:
    """Rather than beginning anywhere."""
    hash = gateway.create(urls=["https://files.example/a"])["archive_hash"]
    for query in ("errors_from=-1", "errors_from=x", "entries=1&members_from=1e3", "errors_from=²"):
        response = gateway.client.get(f"/api/archive/status/{hash}?{query}")
        assert (response.status_code, response.json()["code"]) == (422, "invalid_request"), query


def test_client_may_not_watch_without_end(launch: Launch, origin: Origin) -> None:
    """The streams of one client, and of one archive, are bounded; the status is there still, and a place that becomes
    free is given again.
    """
    gateway = launch(max_watchers="3")
    origin.serve("/watched/one", File(b"bytes"))
    hash = gateway.create(urls=[origin.url("/watched/one")])["archive_hash"]
    with ExitStack() as stack:
        for _ in range(3):
            assert stack.enter_context(stream(gateway, hash)).recv(100).startswith(b"HTTP/1.1 200")
        refused = gateway.client.get(f"/api/archive/events/{hash}")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_watchers")
        assert refused.headers["retry-after"]
        assert gateway.status(hash)["status"] == "pending"
    deadline = time.monotonic() + 10
    while True:
        with stream(gateway, hash) as again:
            if again.recv(100).startswith(b"HTTP/1.1 200"):
                break
        assert time.monotonic() < deadline, "a place that became free was not given again"


def test_watchers_cost_next_to_nothing_while_nothing_changes(launch: Launch, origin: Origin) -> None:
    """A hundred archives, each watched: under a hundredth of a core."""
    gateway = launch()
    origin.serve("/watched/idle", File(b"bytes"))
    with ExitStack() as stack:
        for number in range(100):
            body = {"urls": [origin.url("/watched/idle")], "filename": f"{number}.zip"}
            client = stack.enter_context(stream(gateway, gateway.create(**body)["archive_hash"]))
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        time.sleep(2)  # what their first looks cost is not meant
        spent, begun = _cpu(gateway.pid), time.monotonic()
        time.sleep(4)
        share = (_cpu(gateway.pid) - spent) / (time.monotonic() - begun)
    assert share < 0.01, f"{share:.1%} of a core"


def _cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_status_agrees_with_a_download_that_just_ended(launch: Launch, origin: Origin) -> None:
    """Asked after the last byte it says `completed`, at once: it waits while the copy is made durable."""
    gateway = launch()
    for number in range(20):
        origin.serve(f"/watched/{number}", File(json.dumps(number).encode()))
        hash = gateway.create(urls=[origin.url(f"/watched/{number}")])["archive_hash"]
        gateway.download(hash)
        status = gateway.status(hash)
        assert (status["status"], status["cached"]) == ("completed", True)

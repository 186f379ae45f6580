"""An entry's header fields: for its own origin alone, covered by the hash, and nowhere to be read."""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Status, redirect
from tests.support.resuming import resume

CANARY = "canary-4f1c9a77b2"
SECRET = {"Authorization": f"Bearer {CANARY}", "X-Api-Key": f"key {CANARY}"}
LARGE = File(Pattern(2 << 20))


@pytest.fixture
def elsewhere() -> Iterator[Origin]:
    """Another origin: the same host, another port."""
    with Origin() as origin:
        yield origin


def entry(url: str, **more: object) -> list[dict[str, object]]:
    """One entry with the secret fields."""
    return [{"url": url, "name": "a.bin", "headers": SECRET, **more}]


def authorized(origin: Origin, path: str) -> list[str | None]:
    """The Authorization of each request."""
    return [request.fields.get("authorization") for request in origin.requests(path)]


def test_the_fields_go_with_every_request_for_their_entry_and_with_no_other(gateway: Gateway, origin: Origin) -> None:
    """With the probe, the pull and each resume; the entry beside it shares its connections, not its fields."""
    origin.serve("/fields/secret", LARGE, replace(LARGE, cut_at=1 << 20), LARGE)
    origin.serve("/fields/open", LARGE)
    entries = [*entry(origin.url("/fields/secret")), {"url": origin.url("/fields/open"), "name": "b.bin"}]
    hash = gateway.create(entries=entries)["archive_hash"]
    assert len(gateway.download(hash)) > 4 << 20
    assert authorized(origin, "/fields/secret") == [SECRET["Authorization"]] * 3
    assert set(authorized(origin, "/fields/open")) == {None}
    resumed = origin.requests("/fields/secret")[2]
    assert resumed.fields["x-api-key"] == SECRET["X-Api-Key"]
    assert resumed.fields["if-range"] == '"v1"'
    assert resumed.fields["accept-encoding"] == "identity"


def test_the_fields_follow_a_redirect_on_their_own_origin(gateway: Gateway, origin: Origin) -> None:
    """A server that moves a file within itself still wants to know who asks."""
    origin.serve("/fields/moved", redirect("/fields/here"))
    origin.serve("/fields/here", File(b"here"))
    gateway.download(gateway.create(entries=entry(origin.url("/fields/moved")))["archive_hash"])
    assert set(authorized(origin, "/fields/here")) == {SECRET["Authorization"]}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_the_fields_follow_no_redirect_to_another_origin(
    launch: Launch, origin: Origin, elsewhere: Origin, code: int
) -> None:
    """Not even back again: whoever is redirected to could ask for it."""
    gateway = launch(allow=[elsewhere.authority])
    origin.serve("/fields/out", redirect(elsewhere.url("/bounce"), code))
    elsewhere.serve("/bounce", redirect(origin.url("/fields/back"), code))
    origin.serve("/fields/back", File(b"back"))
    already = len(origin.requests("/fields/back"))
    gateway.download(gateway.create(entries=entry(origin.url("/fields/out"), id=str(code)))["archive_hash"])
    assert set(authorized(elsewhere, "/bounce")) == {None}
    assert set(authorized(origin, "/fields/back")[already:]) == {None}
    assert all(CANARY not in str(request.fields) for request in elsewhere.requests())


def test_an_own_field_takes_the_place_of_the_gateway_s(gateway: Gateway, origin: Origin) -> None:
    """Some origins serve a file only to the agent that they know; one field, not two."""
    origin.serve("/fields/agent", File(b"agent"))
    own = {"user-agent": "mine", "accept": "image/*"}
    entries = [{"url": origin.url("/fields/agent"), "name": "a", "headers": own}]
    gateway.download(gateway.create(entries=entries)["archive_hash"])
    for request in origin.requests("/fields/agent"):
        assert (request.fields["user-agent"], request.fields["accept"]) == ("mine", "image/*")


def test_other_fields_are_another_archive(gateway: Gateway, origin: Origin) -> None:
    """Whoever lacks the secret must not be given what was pulled with it."""
    url = origin.url("/fields/hash")
    origin.serve("/fields/hash", File(b"hash"))
    each: list[dict[str, str]] = [{}, {"A": "1", "B": "2"}, {"B": "2", "A": "1"}, {"A": "1", "B": "3"}]
    hashes = [gateway.create(entries=[{"url": url, "name": "a", "headers": fields}])["archive_hash"] for fields in each]
    assert hashes[1] == hashes[2]
    assert hashes[0] == gateway.create(entries=[{"url": url, "name": "a"}])["archive_hash"]
    assert len(set(hashes)) == 3


def test_the_fields_can_be_read_nowhere(launch: Launch, origin: Origin) -> None:
    """Not in answers, status, problems or logs, and not on the disk: the manifest is encrypted, and still works in the
    next life.
    """
    gateway = launch(log_level="debug", max_attempts="1")
    origin.serve("/fields/kept", LARGE, Status(500), LARGE)
    origin.serve("/fields/refused", Status(401))
    entries = [*entry(origin.url("/fields/kept")), *entry(origin.url("/fields/refused"), id=f"id-{os.getpid()}")]
    answer = gateway.client.post("/api/archive/create", json={"entries": entries})
    hash = answer.json()["archive_hash"]
    resume(gateway, hash, 0)
    status = gateway.status(hash, "?entries=1")
    refused = gateway.client.post("/api/archive/create", json={"entries": entry("http://10.0.0.1/")})
    bad = gateway.client.post(
        "/api/archive/create", json={"entries": [{"url": origin.url("/a"), "headers": {"X": f"{CANARY}\n"}}]}
    )
    assert (refused.status_code, bad.status_code) == (422, 422)
    said = [answer.text, json.dumps(status), refused.text, bad.text, gateway.get(hash).headers, json.dumps(gateway.log)]
    assert CANARY not in "".join(map(str, said))
    gateway.kill()
    for path in gateway.data.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path
    gateway.start()
    origin.serve("/fields/kept", LARGE)
    assert Pattern(2 << 20)[:] in gateway.download(hash)
    assert set(authorized(origin, "/fields/kept")) == {SECRET["Authorization"]}


@pytest.mark.alone
def test_an_encrypted_manifest_that_was_altered_is_refused(launch: Launch, origin: Origin) -> None:
    """It is signed as all others are."""

    origin.serve("/fields/altered", File(b"altered"))
    gateway = launch()
    hash = gateway.create(entries=entry(origin.url("/fields/altered")))["archive_hash"]
    gateway.stop()
    with closing(sqlite3.connect(gateway.data / "streamzip.db")) as store, store:
        (body,) = store.execute("SELECT body FROM documents WHERE kind = 'manifest'").fetchone()
        store.execute("UPDATE documents SET body = ? WHERE kind = 'manifest'", (body[:-1] + bytes([body[-1] ^ 1]),))
    gateway.start()
    answer = gateway.get(hash)
    assert (answer.status_code, answer.json()["code"]) == (500, "damaged")


@pytest.mark.parametrize("name", ["Range", "If-Range", "Accept-Encoding", "Host", "Content-Length", "Connection", "TE"])
def test_a_forbidden_field_is_refused_at_create(gateway: Gateway, name: str) -> None:
    """422 names it."""
    entries = [{"url": "https://example.com/a", "headers": {name: "x"}}]
    response = gateway.client.post("/api/archive/create", json={"entries": entries})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/entries/0/headers"

"""The operator's view, over HTTP with an admin key and by `streamzip admin`: all archives, the queue, stepping in."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner, Result

from streamzip.access.api_keys import new_key
from streamzip.api import answers
from streamzip.cli.commands import command_line
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

ANN, ANN_LINE = new_key("ann")
BOB, BOB_LINE = new_key("bob")
ADMIN, ADMIN_LINE = new_key("root")


@pytest.fixture(scope="module")
def overseen(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway for ann and bob, with an operator."""
    data = tmp_path_factory.mktemp("overseen") / "data"
    settings = {"api_keys": f"{ANN_LINE},{BOB_LINE}", "admin_keys": ADMIN_LINE, "max_attempts": "1"}
    with Gateway(data, allow=[origin.authority], **settings) as gateway:
        yield gateway


def create(gateway: Gateway, key: str, url: str, **options: object) -> str:
    body = {"urls": [url], **options}
    response = gateway.client.post("/api/archive/create", json=body, headers={"Authorization": f"Bearer {key}"})
    assert response.status_code == 201, response.text
    return str(response.json()["archive_hash"])


def ask(gateway: Gateway, method: str, path: str, key: str | None = ADMIN) -> httpx.Response:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return gateway.client.request(method, f"/api/admin/{path}", headers=headers)


def admin(gateway: Gateway, *arguments: str, by_folder: bool) -> Result:
    """Run `streamzip admin` on the gateway or its folder."""
    where = ["--data", str(gateway.data)] if by_folder else ["--server", gateway.base, "--key", ADMIN]
    return CliRunner().invoke(command_line(), ["admin", *arguments, *where])


def test_only_an_admin_key_is_let_in(overseen: Gateway, gateway: Gateway) -> None:
    """An API key is none, nor is an admin key an API key; where no admin key is set, nobody is let in."""
    for key in (None, ANN, "sz_wrong"):
        assert ask(overseen, "GET", "queue", key).json()["code"] == "unauthorized"
    listed = overseen.client.get("/api/archive", headers={"Authorization": f"Bearer {ADMIN}"})
    assert listed.json()["code"] == "unauthorized"
    assert ask(gateway, "GET", "archives").json()["code"] == "forbidden"


@pytest.mark.parametrize("by_folder", [False, pytest.param(True, marks=pytest.mark.alone)])
def test_operator_sees_and_manages_the_archives_of_all(overseen: Gateway, origin: Origin, by_folder: bool) -> None:
    """Whose they are, what each has on disk; a copy is removed, and an archive, whoever created it."""
    origin.serve(f"/overseen/{by_folder}", File(b"bytes" * 1000))
    url = origin.url(f"/overseen/{by_folder}")
    mine, theirs = create(overseen, ANN, url, filename="ann.zip"), create(overseen, BOB, f"{url}?b")
    body = overseen.download(mine)
    overseen.until(mine)
    listed = admin(overseen, "list", "--json", by_folder=by_folder)
    rows = {row["archive_hash"]: row for row in map(json.loads, listed.stdout.splitlines())}
    assert (rows[mine]["owner"], rows[mine]["cached"]) == ("ann", True)
    assert (rows[theirs]["owner"], rows[theirs]["disk_bytes"]) == ("bob", 0)
    assert rows[mine]["disk_bytes"] >= len(body)
    assert "ann.zip" in admin(overseen, "list", "--owner", "ann", by_folder=by_folder).stdout
    shown = json.loads(admin(overseen, "show", mine, "--json", by_folder=by_folder).stdout)
    assert (shown["owner"], shown["status"], shown["pulled"]) == ("ann", "completed", False)
    assert url not in json.dumps(shown)
    described: dict[str, Any] = {
        "archives?limit=1": answers.AdminPage,
        f"archives/{mine}": answers.AdminStatus,
        "pulled": answers.AdminPulled,
        "queue": answers.AdminQueue,
    }
    for path, model in described.items():
        TypeAdapter(model).validate_python(ask(overseen, "GET", path).json(), extra="forbid")
    # By the gateway in any case: it closes first what it holds open a while for the next reader.
    assert admin(overseen, "evict", mine, by_folder=False).exit_code == 0
    assert not overseen.copy(mine).exists()
    assert admin(overseen, "delete", theirs, by_folder=by_folder).exit_code == 0
    assert overseen.get(theirs).status_code == 404
    gone = admin(overseen, "delete", theirs, by_folder=by_folder)
    assert (gone.exit_code, "not_found" in gone.stderr or "no archive" in gone.stderr) == (1, True)


@pytest.mark.parametrize("by_folder", [False, pytest.param(True, marks=pytest.mark.alone)])
def test_operator_sees_what_is_pulled_and_the_queue_with_reasons(
    overseen: Gateway, origin: Origin, by_folder: bool
) -> None:
    """A prefetch under way with its owner; one that failed with its reason, which goes on when it is told to."""
    path = f"/overseen/pulled-{by_folder}"
    origin.serve(path, File(b"x" * 200_000, hold_at=100_000))
    pulled = create(overseen, ANN, origin.url(path), prefetch=True)
    failing = create(overseen, BOB, origin.url(f"{path}-missing"), prefetch=True)
    overseen.until(failing, lambda status: (status["prefetch"] or {}).get("attempts", 0) > 0)
    origin.until(lambda origin: origin.sent(path) > 0)
    while not (listed := admin(overseen, "list", "--pulled", by_folder=by_folder)).stdout:
        assert listed.exit_code == 0, listed.output
    assert pulled in listed.stdout
    assert "ann" in listed.stdout
    assert "prefetch" in listed.stdout
    origin.release(path)
    queued = admin(overseen, "queue", "--json", by_folder=by_folder)
    rows = {row["id"]: row for row in map(json.loads, queued.stdout.splitlines())}
    assert (rows[failing]["state"], rows[failing]["reason"], rows[failing]["owner"]) == ("failed", "no_entries", "bob")
    origin.serve(f"{path}-missing", File(b"there"))
    assert admin(overseen, "retry", failing, by_folder=by_folder).stdout.split() == ["prefetches"]
    if by_folder:  # the gateway looks after some seconds what others queued
        queued = admin(overseen, "queue", "--json", by_folder=by_folder)
        assert {row["id"]: row["state"] for row in map(json.loads, queued.stdout.splitlines())}[failing] == "running"
        return
    overseen.until(failing)
    assert admin(overseen, "retry", failing, by_folder=by_folder).exit_code == 1

"""API keys on a running gateway: who may create, upload, delete and list, and what stays open."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from streamzip.access.api_keys import new_key
from streamzip.api.operations import OPERATIONS
from streamzip.guards.access import Access
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

ANN, ANN_LINE = new_key("ann")
BOB, BOB_LINE = new_key("bob")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def keyed(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway for ann and bob."""
    data = tmp_path_factory.mktemp("keyed") / "data"
    settings = {"api_keys": f"{ANN_LINE},{BOB_LINE}", "signed_links": "on"}
    with Gateway(data, allow=[origin.authority], **settings) as gateway:
        yield gateway


def create(gateway: Gateway, origin: Origin, name: str, key: str) -> dict[str, Any]:
    origin.serve(f"/keyed/{name}", File(b"bytes"))
    body = {"urls": [origin.url(f"/keyed/{name}")]}
    response = gateway.client.post("/api/archive/create", json=body, headers=bearer(key))
    assert response.status_code in (200, 201), response.text
    document: dict[str, Any] = response.json()
    return document


NO_KEYS: list[Any] = [
    {},
    {"Authorization": "Bearer"},
    bearer("sz_wrong"),
    bearer(ANN[:-1]),
    bearer(ANN_LINE.partition(":")[2]),
    {"Authorization": ANN},
    {"Authorization": f"Basic {ANN}"},
    {"Cookie": f"key={ANN}"},
    [("Authorization", f"Bearer {ANN}"), ("Authorization", "Bearer sz_wrong")],
]


OPEN = (Access.OPEN, Access.LINK, Access.STATUS, Access.ADMIN)  # without an API key


def needing_keys() -> list[tuple[str, str]]:
    """Method and path of every operation of the interface that nobody declared open."""
    needing = [(each.method, each.path) for each in OPERATIONS if each.access not in OPEN]
    return [(method, path.replace("{name}", "a.txt").replace("{hash}", "0" * 32)) for method, path in needing]


def test_what_needs_a_key_is_what_creates_deletes_or_lists() -> None:
    """A path that is declared open by mistake is missed here."""
    assert {
        ("POST", "/api/archive/create"),
        ("POST", "/api/archive/download"),
        ("POST", f"/api/archive/prefetch/{'0' * 32}"),
        ("DELETE", f"/api/archive/prefetch/{'0' * 32}"),
        ("DELETE", f"/api/archive/{'0' * 32}"),
        ("GET", "/api/archive"),
        ("POST", "/archive_img"),
        ("POST", "/download"),
    } <= set(needing_keys())
    assert not [path for method, path in needing_keys() if method == "GET" and path.startswith("/archive/")]


@pytest.mark.parametrize(("method", "path"), needing_keys())
def test_nothing_is_created_deleted_or_listed_without_a_key(keyed: Gateway, method: str, path: str) -> None:
    """401 before anything else is looked at, whatever the body, and whatever stands in a key's place."""
    for headers in NO_KEYS:
        response = keyed.client.request(method, path, headers=headers, content=b"{")
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"


def test_archives_of_two_keys_are_two(keyed: Gateway, origin: Origin) -> None:
    """The key's name is part of what the hash covers: nobody can delete another's by asking for the same files."""
    first = create(keyed, origin, "same", ANN)
    assert create(keyed, origin, "same", ANN)["archive_hash"] == first["archive_hash"]
    assert create(keyed, origin, "same", BOB)["archive_hash"] != first["archive_hash"]


def test_archive_is_deleted_by_its_owner_alone(keyed: Gateway, origin: Origin) -> None:
    """Another key is not enough, and where keys are set the delete token is none."""
    document = create(keyed, origin, "deleted", ANN)
    path = f"/api/archive/{document['archive_hash']}"
    token = {"X-Delete-Token": document["delete_token"]}
    assert keyed.client.delete(path, headers=token).status_code == 401
    assert keyed.client.delete(path, headers=bearer(BOB) | token).status_code == 403
    assert keyed.client.delete(path, headers=bearer(ANN)).status_code == 204
    assert keyed.client.delete(path, headers=bearer(ANN)).status_code == 404


def test_list_holds_the_archives_of_the_key_page_by_page(keyed: Gateway, origin: Origin) -> None:
    """The newest first, each once; `next` leads on, and is null at the end."""
    made = [create(keyed, origin, f"listed/{number}", BOB)["archive_hash"] for number in range(5)]
    url, found, pages = "/api/archive?limit=2", [], 0
    while url:
        page = keyed.client.get(url, headers=bearer(BOB)).json()
        found += page["archives"]
        pages += 1
        url = page["next"]
    assert [each["archive_hash"] for each in found][:5] == made[::-1]
    assert pages == -(-len(found) // 2)
    assert {each["status"] for each in found[:5]} == {"pending"}
    assert keyed.client.get(found[0]["url"]).status_code == 200
    for query in ("limit=0", "limit=1001", "limit=x", "after=x", "after=nan_x"):
        response = keyed.client.get(f"/api/archive?{query}", headers=bearer(BOB))
        assert response.status_code == 422


def test_hash_alone_gives_no_fresh_link(keyed: Gateway, origin: Origin) -> None:
    """Whoever holds an expired link knows the hash; status and its signed links are for the archive's key alone."""
    document = create(keyed, origin, "linked", ANN)
    path = f"/api/archive/status/{document['archive_hash']}"
    for headers in ({}, bearer(BOB), bearer("sz_wrong")):
        assert keyed.client.get(path, headers=headers).status_code == 403
    own = keyed.client.get(path, headers=bearer(ANN)).json()["url"]
    assert keyed.client.get(own).status_code == 200


def test_health_stays_open_when_keys_are_set(keyed: Gateway) -> None:
    """What balancers ask needs no key."""
    assert {keyed.client.get(path).status_code for path in ("/healthz", "/readyz", "/health_check")} == {200}


def test_no_key_is_told_in_logs_or_answers(keyed: Gateway, origin: Origin) -> None:
    """Neither a right one nor a wrong one."""
    create(keyed, origin, "logged", ANN)
    response = keyed.client.post("/api/archive/create", headers=bearer("sz_wrong-but-close"))
    assert "sz_" not in response.text + str(keyed.log)


def test_list_needs_keys(gateway: Gateway) -> None:
    """Without any, nobody's archives are nobody's to list."""
    assert gateway.client.get("/api/archive").status_code == 403


def test_gateway_warns_when_it_is_open_to_all(launch: Launch) -> None:
    """Beyond loopback without a key: said once at the start."""
    gateway = launch(host="0.0.0.0")
    assert gateway.logged("open_to_all")["level"] == "warning"


def test_gateway_does_not_warn_when_only_this_machine_reaches_it(gateway: Gateway) -> None:
    """Loopback is the default, and needs no key."""
    assert not [line for line in gateway.log if line.get("event") == "open_to_all"]


def test_made_key_lets_in(launch: Launch) -> None:
    """`streamzip keys new` and the setting agree; two keys are never the same."""
    assert re.fullmatch(r"sz_[\w-]{43}", ANN)
    gateway = launch(api_keys=ANN_LINE)
    assert isinstance(gateway.client, httpx.Client)
    assert gateway.client.get("/api/archive", headers=bearer(ANN)).json() == {"archives": [], "next": None}

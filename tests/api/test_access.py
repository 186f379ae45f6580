"""Who may do what, as one table: every operation of the interface, and everybody who may ask for it.

The gateway here has keys and signs its links, so that every rule is at work; below it one that has no keys.
"""

import html
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from streamzip.access.api_keys import new_key
from streamzip.access.keyring import KeyRing
from streamzip.access.signed_links import SignedLinks
from streamzip.api.operations import OPERATIONS
from streamzip.web.assets import NAMES
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

ANN, ANN_LINE = new_key("ann")
BOB, BOB_LINE = new_key("bob")
ADMIN, ADMIN_LINE = new_key("root")
SECRET = "k:the secret of these tests"
LINKS = SignedLinks(KeyRing.parse(SECRET), lifetime=60)
FOLDER = "7kna5e8zq1"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ASKERS = ("owner", "other key", "no key", "link", "expired link", "admin")

# The statuses, in the order of ASKERS but the last: an admin key is no API key, and gets what ADMIN_GETS says.
# The path's archive, file or page is always the owner's.
ANY_KEY = (201, 201, 401, 401, 401)
BY_LINK = (403, 403, 403, 200, 403)
EVERYBODY = (200,) * 5
TABLE: dict[tuple[str, str], tuple[int, ...]] = {
    ("POST", "/api/archive/create"): ANY_KEY,
    ("POST", "/api/archive/download"): (200, 200, 401, 401, 401),
    ("GET", "/api/archive/status/{hash}"): (200, 403, 403, 200, 403),
    ("GET", "/api/archive/events/{hash}"): (200, 403, 403, 200, 403),
    ("POST", "/api/archive/prefetch/{hash}"): (202, 403, 401, 401, 401),
    ("DELETE", "/api/archive/prefetch/{hash}"): (204, 403, 401, 401, 401),
    ("GET", "/api/archive"): (200, 200, 401, 401, 401),
    ("DELETE", "/api/archive/{hash}"): (204, 403, 401, 401, 401),
    ("GET", "/archive/get/{hash}.zip"): BY_LINK,
    ("GET", "/archive/{folder}"): (403, 403, 403, 307, 403),
    ("GET", "/archive/{folder}/"): BY_LINK,
    ("POST", "/archive_img"): ANY_KEY,
    ("GET", "/archive_img/{key}"): BY_LINK,
    ("POST", "/download"): (202, 202, 401, 401, 401),
    ("GET", "/download/{id:uuid}"): BY_LINK,
    ("GET", "/"): (200, 200, 401, 401, 401),
    ("POST", "/new"): (303, 303, 401, 401, 401),
    ("GET", "/assets/{name}"): EVERYBODY,
    ("GET", "/a/{hash}"): BY_LINK,
    ("GET", "/a/{hash}/files/{page}"): BY_LINK,
    ("POST", "/a/{hash}/build"): (303, 403, 401, 401, 401),
    ("POST", "/a/{hash}/again"): (303, 403, 401, 401, 401),
    ("POST", "/a/{hash}/delete"): (200, 403, 401, 401, 401),
    ("GET", "/login"): EVERYBODY,
    ("POST", "/login"): (401,) * 5,  # the form's key counts, and here it is none
    ("POST", "/logout"): (303,) * 5,
    ("GET", "/upload"): (200, 200, 401, 401, 401),
    ("POST", "/upload"): ANY_KEY,
    ("POST", "/upload/{name}"): ANY_KEY,
    ("POST", "/upload/{name}/delete"): (303, 303, 401, 401, 401),
    ("DELETE", "/upload/{name}"): (204, 204, 401, 401, 401),  # files are all keys' alike
    ("GET", "/download"): (200, 200, 401, 401, 401),
    ("GET", "/download/{name}"): BY_LINK,
    ("GET", "/healthz"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("GET", "/health_check"): EVERYBODY,
    ("GET", "/openapi.json"): EVERYBODY,
    ("GET", "/docs"): EVERYBODY,
    ("GET", "/docs/"): (307,) * 5,
    ("GET", "/docs/style.css"): EVERYBODY,
}
ADMIN_GETS = {
    ("GET", "/api/admin/archives"): 200,
    ("GET", "/api/admin/archives/{hash}"): 200,
    ("DELETE", "/api/admin/archives/{hash}"): 204,
    ("DELETE", "/api/admin/copies/{hash}"): 204,
    ("GET", "/api/admin/pulled"): 200,
    ("GET", "/api/admin/queue"): 200,
    ("POST", "/api/admin/queue/{work}"): 404,  # there is no such work
}
TABLE |= dict.fromkeys(ADMIN_GETS, (401,) * 5)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass
class Scene:
    """A gateway, and things of ann's in it that can be asked for."""

    gateway: Gateway
    origin: Origin
    headers: Mapping[str, str]
    numbers: Iterator[int] = field(default_factory=count)
    page: str = ""

    def archive(self) -> dict[str, Any]:
        """Create an archive that nobody has touched yet."""
        body = {"urls": [self.url()]}
        response = self.gateway.client.post("/api/archive/create", json=body, headers=self.headers)
        assert response.status_code == 201
        document: dict[str, Any] = response.json()
        return document

    def url(self) -> str:
        """Return the URL of a file that no archive has yet."""
        return self.origin.url(f"/access/a.txt?{next(self.numbers)}")

    def file(self) -> str:
        """Upload a file; its name."""
        name = f"of-ann-{next(self.numbers)}.txt"
        response = self.gateway.client.post(f"/upload/{name}", content=b"text", headers=self.headers)
        assert response.status_code == 201
        return name

    def page_of(self) -> str:
        """Collect a page's images, once; the id."""
        if not self.page:
            posted = self.gateway.client.post(
                "/download", json={"url": self.origin.url("/access/page")}, headers=self.headers
            )
            self.page = posted.json()["download_id"]
            location = posted.headers["location"]
            while self.gateway.client.get(location).status_code == 202:
                time.sleep(0.01)
        return self.page

    def body(self, method: str, path: str) -> dict[str, Any]:
        """Return what a request of this operation sends."""
        if method != "POST":
            return {}
        if path in ("/api/archive/create", "/api/archive/download"):
            return {"json": {"urls": [self.url()]}}
        if path == "/archive_img":
            return {"json": {"filename": "a.txt", "url": self.url()}}
        if path == "/download":
            return {"json": {"url": self.origin.url("/access/page")}}
        if path == "/upload":
            return {"files": {"file": (f"form-{next(self.numbers)}.txt", b"text")}}
        if path == "/new":
            return {"data": {"links": self.url()}}
        return {"content": b"key=none&token=none" if path in ("/login", "/logout") else b"text"}


@pytest.fixture(scope="module")
def keyed(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("access")
    (folder / "root" / FOLDER).mkdir(parents=True)
    (folder / "root" / FOLDER / "a.txt").write_text("text")
    origin.serve("/access/a.txt", File(b"bytes"))
    origin.serve("/access/image.png", File(b"image"))
    origin.serve("/access/page", File(b"<img src=image.png>", fields=(("Content-Type", "text/html"),)))
    settings = {
        "secret_keys": SECRET,
        "signed_links": "on",
        "folders_dir": str(folder / "root"),
        "admin_keys": ADMIN_LINE,
    }
    with Gateway(folder / "data", allow=[origin.authority], api_keys=f"{ANN_LINE},{BOB_LINE}", **settings) as gateway:
        yield Scene(gateway, origin, bearer(ANN))


@pytest.fixture(scope="module")
def keyless(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    origin.serve("/access/a.txt", File(b"bytes"))
    data: Path = tmp_path_factory.mktemp("keyless") / "data"
    with Gateway(data, allow=[origin.authority], secret_keys=SECRET, signed_links="on") as gateway:
        yield Scene(gateway, origin, {})


def ask(gateway: Gateway, method: str, url: str, **sent: Any) -> tuple[int, str]:
    """Send a request; the status, and all that the answer says: of an event stream, the first event."""
    said = ""
    with gateway.client.stream(method, url, **sent) as response:
        streamed = response.headers.get("content-type", "").startswith("text/event-stream")
        for chunk in response.iter_bytes():
            said += chunk.decode("latin-1")
            if streamed and "\n\n" in said:
                break
    return response.status_code, said + str(response.headers)


KEYS = {"owner": ANN, "other key": BOB, "admin": ADMIN}


def as_asker(asker: str, path: str) -> tuple[str, dict[str, str]]:
    """Return the query and the header with which this one asks for the path."""
    if asker in KEYS:
        return "", bearer(KEYS[asker])
    if asker == "no key":
        return "", {}
    return f"?{LINKS.query(path, now=time.time() - (120 if asker == 'expired link' else 0))}", {}


def test_table_has_every_operation() -> None:
    """A route that is added is added here, with what each asker is to get; else this fails."""
    assert TABLE.keys() == {(operation.method, operation.path) for operation in OPERATIONS}


@pytest.mark.parametrize("operation", TABLE, ids=" ".join)
def test_operation_lets_in_whom_it_is_for(keyed: Scene, operation: tuple[str, str]) -> None:
    """Each gets the status of the table, by HEAD as by GET; a signed link to an archive its owner alone."""
    method, template = operation
    got: dict[str, list[int]] = {}
    for each in [method, "HEAD"] if method == "GET" else [method]:
        got[each] = []
        for asker in ASKERS:
            hash = keyed.archive()["archive_hash"] if "{hash}" in template or "{key}" in template else ""
            path = template.replace("{hash}", hash).replace("{key}", hash).replace("{folder}", FOLDER)
            path = path.replace("{page}", "1")
            if template == "/assets/{name}":
                path = f"/assets/{NAMES['app.js'].name}"
            if "{name}" in path:
                path = path.replace(
                    "{name}",
                    keyed.file()
                    if template != "/upload/{name}" or method != "POST"
                    else f"new-{next(keyed.numbers)}.txt",
                )
            if "{id:uuid}" in path:
                path = path.replace("{id:uuid}", keyed.page_of())
            query, headers = as_asker(asker, path)
            if template in ("/login", "/logout"):
                headers = headers | FORM
            status, said = ask(keyed.gateway, each, path + query, headers=headers, **keyed.body(each, template))
            got[each].append(status)
            if asker == "link" and template.startswith("/a/"):
                # A page's link opens its downloads too, and not a second longer than itself.
                expires = query.partition("expires=")[2].partition("&")[0]
                assert set(re.findall(r"\.zip\?expires=(\d+)", said)) <= {expires}
                for events in re.findall(r'data-events="(?:\.\./)*([^"]+)"', said):
                    assert ask(keyed.gateway, "GET", f"/{html.unescape(events)}")[0] == 200
            elif hash and asker != "owner":
                assert f"{hash}.zip?expires" not in said, asker
                assert not re.search(rf"/(a|archive_img)/{hash}\?expires", said), asker
    expected = [*TABLE[operation], ADMIN_GETS.get(operation, TABLE[operation][ASKERS.index("no key")])]
    assert got == dict.fromkeys(got, expected)


def test_other_key_can_neither_build_nor_stop_an_archive(keyed: Scene) -> None:
    """What is refused has had no effect: nothing is queued, and what was queued stays so."""
    client, hash = keyed.gateway.client, keyed.archive()["archive_hash"]
    path = f"/api/archive/prefetch/{hash}"
    refused = client.post(path, headers=bearer(BOB))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    status = f"/api/archive/status/{hash}"
    assert client.get(status, headers=bearer(ANN)).json()["active"] is False
    built = client.post(path, headers=bearer(ANN)).json()
    assert "signature=" in built["url"]
    assert client.delete(path, headers=bearer(BOB)).status_code == 403
    with client.stream("GET", built["status_url"].replace("/status/", "/events/"), headers=bearer(ANN)) as events:
        assert '"status": "completed"' in events.read().decode()


def test_unknown_archive_is_unknown_to_every_key(keyed: Scene) -> None:
    """404 for each verb; without a key 401, so that nobody learns what there is."""
    for method, path in (("POST", "prefetch/"), ("DELETE", "prefetch/"), ("DELETE", "")):
        url = f"/api/archive/{path}{'0' * 32}"
        statuses = [keyed.gateway.client.request(method, url, headers=each).status_code for each in (bearer(BOB), {})]
        assert statuses == [404, 401]


def test_hash_is_no_right_to_a_signed_link_where_no_keys_are_set(keyless: Scene) -> None:
    """Whoever holds an expired link knows the hash; a fresh link needs the delete token that create gave out."""
    gateway, document = keyless.gateway, keyless.archive()
    hash, token = document["archive_hash"], {"X-Delete-Token": document["delete_token"]}
    other = {"X-Delete-Token": keyless.archive()["delete_token"]}
    assert gateway.client.get(document["url"]).status_code == 200
    for method, path in (("GET", "status"), ("GET", "events"), ("POST", "prefetch")):
        for headers in ({}, other, {"X-Delete-Token": "0" * 64}, bearer(ANN)):
            assert "signature=" not in ask(gateway, method, f"/api/archive/{path}/{hash}", headers=headers)[1]
        said = ask(gateway, method, f"/api/archive/{path}/{hash}", headers=token)[1]
        assert f"{hash}.zip?expires=" in said


def test_archive_is_deleted_by_its_token_alone_where_no_keys_are_set(keyless: Scene) -> None:
    """Neither without it, nor with another archive's."""
    document, other = keyless.archive(), keyless.archive()
    client: httpx.Client = keyless.gateway.client
    path = f"/api/archive/{document['archive_hash']}"
    for headers in ({}, {"X-Delete-Token": other["delete_token"]}, {"X-Delete-Token": "x"}, bearer(ANN)):
        assert client.delete(path, headers=headers).status_code == 403
    assert client.delete(path, headers={"X-Delete-Token": document["delete_token"]}).status_code == 204
    assert client.get(document["status_url"]).status_code == 404


@pytest.mark.parametrize("verb", ["status", "events"])
def test_archive_is_shown_to_who_may_have_it(keyed: Scene, keyless: Scene, verb: str) -> None:
    """Its own link opens its status too, with other parameters; the status link that is given then ends with it, and
    opens no download. Without a proof an archive that is there looks like one that is not.
    """
    for scene in (keyed, keyless):
        client, document = scene.gateway.client, scene.archive()
        path = f"/api/archive/{verb}/{document['archive_hash']}"
        query = document["url"].partition("?")[2]
        status, said = ask(scene.gateway, "GET", f"{path}?entries=1&{query}")
        assert status == 200
        (given,) = re.findall(r'"status_url": "([^"]+)"', said)
        assert given.split("&")[0].endswith(query.split("&")[0])
        assert client.get(given).status_code == 200
        assert client.get(document["status_url"]).status_code == 200
        opened = given.replace("/api/archive/status/", "/archive/get/").replace("?", ".zip?")
        assert client.get(opened).status_code == 403
        assert f"{document['archive_hash']}.zip?" not in said
        for hash in (document["archive_hash"], "0" * 32):
            refused = client.get(f"/api/archive/{verb}/{hash}")
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


def test_forged_expiry_gets_no_link(keyless: Scene) -> None:
    """Where nothing checks a link, what its query says of its end signs nothing."""
    hash = keyless.archive()["archive_hash"]
    said = keyless.gateway.client.post(f"/api/archive/prefetch/{hash}?expires=99999999999&signature={'0' * 64}").text
    assert hash in said
    assert "signature=" not in said


def test_page_of_an_archive_gives_no_fresh_link_to_who_knows_its_hash(keyless: Scene) -> None:
    """Its build leads back to the page by a signed link: only for the browser that created the archive."""
    document, other = keyless.archive(), keyless.archive()
    path, client = f"/a/{document['archive_hash']}/build", keyless.gateway.client
    for cookie in ("", f"streamzip_delete={other['delete_token']}", "streamzip_delete=x"):
        refused = client.post(path, headers={"Cookie": cookie})
        assert refused.status_code == 403
        assert "expires=" not in refused.text + str(refused.headers)
    built = client.post(path, headers={"Cookie": f"streamzip_delete={document['delete_token']}"})
    assert (built.status_code, "expires=" in built.headers["location"]) == (303, True)

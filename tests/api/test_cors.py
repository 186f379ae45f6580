"""Other sites' scripts: which of them may use the gateway, and what they may do and see."""

from collections.abc import Iterator

import httpx
import pytest

from streamzip.access.api_keys import new_key
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

KEY, LINE = new_key("ann")
SITE = "https://app.example"


@pytest.fixture(scope="module")
def shared(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway for two sites, with a key."""
    data = tmp_path_factory.mktemp("shared") / "data"
    sites = f"{SITE}, http://localhost:3000"
    with Gateway(data, allow=[origin.authority], cors_origins=sites, api_keys=LINE) as gateway:
        yield gateway


def preflight(gateway: Gateway, origin: str, method: str, headers: str) -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return gateway.client.options("/api/archive/create", headers=asked)


def listed(response: httpx.Response, name: str) -> set[str]:
    return {word.strip().lower() for word in response.headers[name].split(",")}


def test_script_of_a_named_site_creates_and_downloads_in_parts(shared: Gateway, origin: Origin) -> None:
    """The browser's own sequence: asked beforehand, without a key; then with it; and the length and ETag are seen."""
    origin.serve("/cors/a", File(b"bytes"))
    for site in (SITE, "http://localhost:3000"):
        asked = preflight(shared, site, "POST", "authorization,content-type")
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == site
        assert "post" in listed(asked, "access-control-allow-methods")
        assert {"authorization", "content-type", "range"} <= listed(asked, "access-control-allow-headers")
        assert "access-control-allow-credentials" not in asked.headers
    sent = {"Origin": SITE, "Authorization": f"Bearer {KEY}"}
    created = shared.client.post("/api/archive/create", json={"urls": [origin.url("/cors/a")]}, headers=sent)
    assert created.headers["access-control-allow-origin"] == SITE
    assert "origin" in listed(created, "vary")
    part = shared.client.get(created.json()["url"], headers={"Origin": SITE, "Range": "bytes=0-3"})
    assert (part.status_code, len(part.content)) == (206, 4)
    seen = listed(part, "access-control-expose-headers")
    assert {"etag", "content-range", "content-length", "content-disposition", "retry-after"} <= seen


def test_script_of_a_named_site_sees_what_went_wrong(shared: Gateway) -> None:
    """A problem is an answer too: 401, 404, 405 can be read."""
    for method, path, status in (
        ("POST", "/api/archive/create", 401),
        ("GET", "/archive/get/none.zip", 404),
        ("PUT", "/upload", 405),
    ):
        response = shared.client.request(method, path, headers={"Origin": SITE})
        assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, SITE)


@pytest.mark.parametrize(
    "site", ["https://evil.example", "null", f"{SITE}.evil.example", "http://app.example", "https://app.example:8443"]
)
def test_script_of_another_site_may_nothing(shared: Gateway, site: str) -> None:
    """Neither asked beforehand nor afterwards."""
    assert preflight(shared, site, "POST", "authorization").status_code == 400
    for response in (preflight(shared, site, "GET", ""), shared.client.get("/healthz", headers={"Origin": site})):
        assert "access-control-allow-origin" not in response.headers


def test_no_site_may_anything_by_default(gateway: Gateway) -> None:
    """Without the setting there is no word of it."""
    assert preflight(gateway, SITE, "POST", "authorization").status_code == 405
    response = gateway.client.get("/healthz", headers={"Origin": SITE})
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_every_site_may_when_the_setting_says_so(launch: Launch) -> None:
    """`*`, and no cookies either."""
    gateway = launch(cors_origins="*")
    response = gateway.client.get("/healthz", headers={"Origin": "https://any.example", "Cookie": "a=b"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers

"""The library within other frameworks: the files of examples/, under real servers."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.examples import SERVERS, check_album, examples
from tests.support.origin import Origin


@pytest.fixture(scope="module")
def sites(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Every example under its server: its base by its name."""
    with examples(origin, tmp_path_factory.mktemp("examples")) as bases:
        yield bases


@pytest.mark.parametrize("framework", SERVERS)
def test_an_example_answers_as_a_server_of_files_does(sites: dict[str, str], framework: str) -> None:
    """Length, ETag, Range, If-Range, conditions and HEAD, under each framework's own server."""
    check_album(sites[framework], framework)


def test_a_mounted_gateway_gives_links_that_lead_to_it(sites: dict[str, str], origin: Origin) -> None:
    """Links hold the prefix that the gateway is mounted at; downloads, ranges, pages and status work below it."""
    base = f"{sites['fastapi']}/zip"
    with httpx.Client(trust_env=False, timeout=30) as client:
        created = client.post(f"{base}/api/archive/create", json={"urls": [origin.url("/example/large")]}).json()
        assert created["url"].startswith(f"{base}/archive/get/")
        whole = client.get(created["url"])
        assert whole.status_code == 200
        part = client.get(created["url"], headers={"Range": "bytes=7-99"})
        assert (part.status_code, part.content) == (206, whole.content[7:100])
        assert client.get(created["status_url"]).json()["archive_hash"] == created["archive_hash"]
        page = client.get(f"{base}/a/{created['archive_hash']}", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")

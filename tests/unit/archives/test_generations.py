"""Which origin an archive is counted at, where origins share what there is of the background's slots."""

from typing import cast

import pytest

from streamzip.archives.generations import SAMPLE, main_origin
from streamzip.manifest.model import Entry, Manifest
from streamzip.origins.fetch import Fetcher
from streamzip.origins.http import HttpSource
from streamzip.origins.registry import Registry
from streamzip.origins.rewritten import Address, RewrittenSource

HTTP = HttpSource(cast(Fetcher, object()))


class Store:
    """An object store of one endpoint."""

    def origin(self, url: str) -> str:
        """Return its endpoint's host."""
        return "store.example:443"

    async def address(self, url: str) -> Address:
        """Nobody asks for it."""
        raise NotImplementedError


REGISTRY = Registry(HTTP, {"s3": RewrittenSource(HTTP, Store())})
FOLDER = ["", "", ""]


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (["https://a.example/1", "HTTP://a.example:443/2", "https://b.example/1"], "a.example:443"),
        (["s3://photos/1", "s3://scans/2", "https://b.example/1"], "store.example:443"),
        ([*FOLDER, "s3://photos/1"], "store.example:443"),
        (["gone://photos/1", "gone://photos/2", "https://b.example/1"], None),
        (FOLDER, None),
        ([f"s3://photos/{number}" for number in range(20 * SAMPLE)], "store.example:443"),
    ],
    ids=["web", "bucket", "folders", "unknown", "folders alone", "sample"],
)
def test_archive_is_counted_at_the_origin_of_most_of_its_files(urls: list[str], expected: str | None) -> None:
    """Objects at their bucket's endpoint; what comes over no network, and folders, at none."""
    entries = tuple(Entry(url, f"{number}{'' if url else '/'}") for number, url in enumerate(urls))
    assert main_origin(Manifest(entries), REGISTRY) == expected

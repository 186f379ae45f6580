"""A create of an archive that is deleted at the same moment."""

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streamzip.archives.create import Creates, Kept
from streamzip.errors import NotFound
from streamzip.manifest.model import Entry, Manifest
from streamzip.manifest.parse import CreateRequest

REQUEST = CreateRequest(
    Manifest(entries=(Entry(url="https://a.example/a", name="a"),), filename="a.zip"),
    renamed=(),
    prefetch=None,
    plain=True,
)


class Site:
    """As much of a gateway as a create of an archive that stands needs; it is deleted so many times meanwhile."""

    def __init__(self, deletes: int) -> None:
        self._deletes = deletes
        self.looked = 0
        row = SimpleNamespace(hash="ab", owner="")
        request = SimpleNamespace(pinned=self._pinned)

        async def of(request: CreateRequest, until: object) -> tuple[Manifest, object, bool]:
            return request.manifest, row, True

        async def expanded(request: CreateRequest) -> CreateRequest:
            return request

        kept = SimpleNamespace(
            pins=request,
            buckets=SimpleNamespace(expanded=expanded),
            shelf=SimpleNamespace(within_budget=lambda _: True),
        )
        nothing: Any = None
        self.creates = Creates(
            cast(Kept, kept),
            cast(Any, SimpleNamespace(of=of)),
            nothing,
            nothing,
            cast(Any, SimpleNamespace(look=self._look)),
            cast(Any, SimpleNamespace(delete_token=lambda _: "a token")),
            nothing,
            nothing,
        )

    @asynccontextmanager
    async def _pinned(self, request: CreateRequest) -> Any:
        yield request

    async def _look(self, _: object) -> object:
        self.looked += 1
        if self.looked <= self._deletes:
            raise NotFound("there is no archive of this name")
        return SimpleNamespace(document={"status": "pending"})


async def test_create_of_an_archive_that_is_deleted_meanwhile_is_made_again() -> None:
    """It was answered 404, which a create knows nothing of."""
    site = Site(deletes=1)
    created = await site.creates.create(REQUEST, prefetch=False)
    assert (created.status, site.looked) == ("pending", 2)


async def test_what_is_missing_still_is_told() -> None:
    """A file that a create names may be what is missing."""
    with pytest.raises(NotFound):
        await Site(deletes=2).creates.create(REQUEST, prefetch=False)

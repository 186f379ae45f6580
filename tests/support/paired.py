"""The choice of `pytest --cluster`: every gateway is two nodes of one store (tests/support/pairs.py)."""

import os
from collections.abc import Collection, Sequence
from functools import cache
from typing import Final

from tests.support import postgresql, seaweedfs

_CHOSEN: Final = "CLUSTER_TEST_ALL"  # for all processes of one pytest run
# Settings by which a test makes a gateway of its own kind: one of a store, a bucket or a socket that it names.
_OWN: Final = {"store_url", "shared_url", "jobs", "unix"}


def choose() -> None:
    """Have every gateway of this pytest run be two nodes of one store and bucket."""
    postgresql.choose()
    os.environ[_CHOSEN] = "1"


def chosen() -> bool:
    """Tell whether the gateways of this pytest run are two nodes each."""
    return _CHOSEN in os.environ


def fits(under: Sequence[str], settings: Collection[str]) -> bool:
    """Tell whether a gateway that is run so is two nodes: not where a command runs it that is about one process."""
    return chosen() and not _OWN.intersection(settings) and (not under or under[0] == "env")


def variables(store: str) -> dict[str, str]:
    """Return what both nodes of a store are told: their part of a bucket, and who does their work."""
    shared = {"STREAMZIP_SHARED_URL": _bucket().url(store), "STREAMZIP_JOBS": "procrastinate"}
    return {**seaweedfs.shared().environment, **shared}


@cache
def _bucket() -> seaweedfs.Bucket:
    return seaweedfs.shared().fresh_bucket()

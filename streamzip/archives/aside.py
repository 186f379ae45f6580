"""Work on long manifests, out of the way of everybody else."""

from collections.abc import Callable
from typing import TypeVar

from streamzip.files.aside import in_long_thread
from streamzip.manifest.model import Manifest

T = TypeVar("T")

LONG_MANIFEST = 1000  # entries


async def aside(manifest: Manifest, work: Callable[[], T]) -> T:
    """Do the work on the manifest; in a thread where it is so long that other clients would have to wait."""
    return work() if len(manifest.entries) < LONG_MANIFEST else await in_long_thread(work)

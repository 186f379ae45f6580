"""The verbs of the gateway, without HTTP; every error is a Problem. Made in app.py, asked by the API."""

from dataclasses import dataclass

from streamzip.archives.build import Builds
from streamzip.archives.create import Creates
from streamzip.archives.download import Downloads
from streamzip.archives.oversight import Oversight
from streamzip.archives.remove import Removal
from streamzip.archives.status import Statuses
from streamzip.archives.watching import Watches


@dataclass(frozen=True, slots=True)
class Gateway:
    """One process's use cases, a module of archives/ each."""

    creates: Creates
    downloads: Downloads
    builds: Builds
    statuses: Statuses
    watches: Watches
    removal: Removal
    oversight: Oversight

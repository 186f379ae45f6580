"""A gateway as its clients see it: `Client` for programs that wait, `AsyncClient` for asyncio.

What stands in `__all__` keeps its meaning under semantic versioning.
"""

from streamzip.client.aio import AsyncClient
from streamzip.client.blocking import Client
from streamzip.client.documents import Created, LeftOut, Progress, Status
from streamzip.client.download import Transferred
from streamzip.client.errors import (
    AccessDenied,
    ArchiveFailed,
    BadAnswer,
    Busy,
    CannotSave,
    DownloadBroken,
    GatewayError,
    NotFound,
    OriginChanged,
    ProblemError,
    Unreachable,
)

__all__ = [
    "AccessDenied",
    "ArchiveFailed",
    "AsyncClient",
    "BadAnswer",
    "Busy",
    "CannotSave",
    "Client",
    "Created",
    "DownloadBroken",
    "GatewayError",
    "LeftOut",
    "NotFound",
    "OriginChanged",
    "ProblemError",
    "Progress",
    "Status",
    "Transferred",
    "Unreachable",
]

"""Every document that the gateway answers with, for the table of operations; each is described where it is made."""

from typing import Annotated

from pydantic import RootModel
from typing_extensions import TypedDict

from streamzip.archives.answers import ArchiveCreated, Hash
from streamzip.archives.documents import ArchivePage, ArchiveStatus
from streamzip.archives.oversight_answers import AdminPage, AdminPulled, AdminQueue, AdminRetried, AdminStatus
from streamzip.edge.answers import Health, ProblemDocument
from streamzip.uploads.answers import Uploaded, UploadedFile
from streamzip.webpages.answers import DownloadAccepted, DownloadPending

__all__ = [
    "AdminPage",
    "AdminPulled",
    "AdminQueue",
    "AdminRetried",
    "AdminStatus",
    "ArchiveCreated",
    "ArchivePage",
    "ArchiveStatus",
    "DownloadAccepted",
    "DownloadPending",
    "Health",
    "Key",
    "ProblemDocument",
    "Uploaded",
    "UploadedFiles",
]


class Key(TypedDict):
    """What the key–value form answers."""

    key: Annotated[str, Hash]


class UploadedFiles(RootModel[list[UploadedFile]]):
    """The files that are there, by name."""

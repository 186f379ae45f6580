"""The documents that are for operators: as they are made, and as the OpenAPI document describes them."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from streamzip.archives.answers import Prefetch, Time
from streamzip.archives.documents import StatusDocument, SummaryDocument


class AdminFacts(TypedDict):
    """What only an operator is told of an archive."""

    owner: Annotated[str | None, Field(description="The name of the API key that created it.")]
    origin: Annotated[str | None, Field(description="That of most files, as `host:port`.")]
    disk_bytes: Annotated[int, Field(description="What its copy takes on disk.")]
    readers: Annotated[int, Field(description="Downloads and builds of it in the answering process.")]


class AdminSummary(SummaryDocument, AdminFacts):
    """An archive in an operator's list."""

    code: Annotated[str | None, Field(description="Why the last attempt at it failed.")]
    cached: Annotated[bool, Field(description="Whether the finished copy is on disk now.")]


class AdminPage(TypedDict):
    """Some of all archives."""

    archives: list[AdminSummary]
    next: Annotated[str | None, Field(description="The URL of the next page; null at the end.")]


class PulledArchive(AdminSummary):
    """An archive that files are pulled for."""

    prefetch: Prefetch | None


class AdminPulled(TypedDict):
    """What is pulled at this moment."""

    archives: list[PulledArchive]


class AdminStatus(StatusDocument, AdminFacts):
    """An archive's status as an operator sees it."""

    pulled: Annotated[bool, Field(description="Whether some process pulls files for it.")]
    generation: int
    rounds: Annotated[int, Field(description="How often its origins were asked anew.")]


class AdminWork(TypedDict):
    """A piece of work in the background."""

    queue: Annotated[str, Field(examples=["prefetches", "pages", "deliveries", "offloads@zip-1"])]
    id: Annotated[str, Field(description="The archive's hash for a prefetch or an offload.")]
    archive_hash: str | None
    owner: str | None
    state: Literal["running", "waiting", "failed"]
    reason: Annotated[str | None, Field(description="Why it waits, or how the last attempt ended.", examples=["slow"])]
    attempts: Annotated[int, Field(description="That were made so far.")]
    toward: Annotated[str | None, Field(description="The origin or receiver, as `host:port`.")]
    queued_at: Annotated[str, Time]
    next_attempt_at: Annotated[str | None, Time]


class AdminQueue(TypedDict):
    """What is queued, and what was given up."""

    total: int
    queue: list[AdminWork]


class AdminRetried(TypedDict):
    """In which queues something is tried now."""

    queues: list[str]

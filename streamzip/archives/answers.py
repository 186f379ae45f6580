"""The documents about archives: as each is made, and as the OpenAPI document describes it.

They are dictionaries whose keys and types mypy holds to what stands here: an answer need not be validated by the one
who gives it.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from streamzip.access.links import LinksDocument

Hash = Field(description="The archive's name.", pattern="^[0-9a-f]{32}$", examples=["3d07e9510cdcc1da625e404633c6d102"])
Time = Field(json_schema_extra={"format": "date-time"}, examples=["2026-05-01T10:00:00Z"])

State = Literal["pending", "in-progress", "completed", "failed"]
MemberState = Literal["pending", "completed", "skipped", "failed"]
DeliveryState = Literal["waiting", "queued", "delivered", "failed", "gone"]


class Renamed(TypedDict):
    """An entry that stands in the archive under another name than was asked for."""

    index: Annotated[int, Field(description="Which entry, counted from 0.")]
    requested: Annotated[str, Field(description="Its first 1,000 characters.")]
    name: Annotated[str, Field(description="Its first 1,000 characters.")]


class RenamedDocument(TypedDict):
    """The entries that stand under other names."""

    renamed: Annotated[list[Renamed], Field(description="The first 1,000 of them.")]
    renamed_total: int


class ArchiveCreated(RenamedDocument, LinksDocument):
    """The answer to a create."""

    archive_hash: Annotated[str, Hash]
    status: State
    entries: Annotated[int, Field(description="How many files.")]
    delete_token: Annotated[str, Field(description="For DELETE, as X-Delete-Token; the same at every repeat.")]
    expires_at: Annotated[str | None, Time]
    webhook_secret: NotRequired[
        Annotated[
            str,
            Field(
                description="Only with `webhook`: what that receiver verifies messages with, the same at every repeat."
            ),
        ]
    ]


class Progress(TypedDict):
    """The part of an archive that is there."""

    bytes: int
    total_bytes: Annotated[int | None, Field(description="Null where it is not known yet.")]
    entries: int
    total_entries: int


class EntryFault(TypedDict):
    """An entry that was left out."""

    index: Annotated[int, Field(description="Which entry, counted from 0.")]
    name: str
    url: Annotated[str, Field(description="Without its query.")]
    code: Annotated[str, Field(examples=["http_404"])]
    message: str


class EntryWarning(TypedDict):
    """An entry that is in the archive, and odd."""

    index: Annotated[int, Field(description="Which entry, counted from 0.")]
    name: Annotated[str, Field(description="As it stands in the archive.")]
    code: Annotated[str, Field(examples=["html_page"])]
    message: str


class Member(TypedDict):
    """One entry's state."""

    index: int
    name: str
    size: Annotated[int | None, Field(description="Bytes of the file; null where they are not known.")]
    state: MemberState


class Delivery(TypedDict):
    """A receiver, and what became of an event."""

    receiver: Annotated[str, Field(description="The URL up to its host, or `predefined`.")]
    state: DeliveryState
    id: NotRequired[Annotated[str, Field(description="webhook-id, the same on every attempt.")]]
    type: NotRequired[Annotated[str, Field(examples=["archive.completed"])]]
    attempts: NotRequired[int]
    outcome: NotRequired[Annotated[str | None, Field(description="Of the last attempt.", examples=["http_503"])]]
    next_attempt_at: NotRequired[Annotated[str, Field(description="Only while it is queued; RFC 3339.")]]
    ended_at: NotRequired[Annotated[str, Field(description="Only once it has ended; RFC 3339.")]]


class WaitingFor(TypedDict):
    """An origin that throttles."""

    origin: Annotated[str, Field(examples=["files.example:443"])]
    until: Annotated[str, Time]
    why: Annotated[str, Field(description="What it said last.", examples=["http_429"])]


class Prefetch(TypedDict):
    """How a build in the background stands."""

    state: Literal["running", "waiting", "failed"]
    reason: NotRequired[Annotated[str | None, Field(description="Why it waits or failed.", examples=["slow"])]]
    attempts: Annotated[int, Field(description="That failed so far.")]
    next_attempt_at: NotRequired[Annotated[str, Field(description="Only where it is put off; RFC 3339.")]]

"""The documents that the gateway answers with, as the OpenAPI document describes them; a test holds the answers to it.

They are written as plain dictionaries where they are made: an answer need not be validated by the one who gives it.
"""

from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field, RootModel
from pydantic.json_schema import SkipJsonSchema

T = TypeVar("T")


def _without_default(schema: dict[str, Any]) -> None:
    del schema["default"]


# A key that is not always there: absent, and never null.
Maybe = Annotated[T | SkipJsonSchema[None], Field(json_schema_extra=_without_default)]

Hash = Field(description="The archive's name.", pattern="^[0-9a-f]{32}$", examples=["3d07e9510cdcc1da625e404633c6d102"])
Time = Field(json_schema_extra={"format": "date-time"}, examples=["2026-05-01T10:00:00Z"])


class Renamed(BaseModel):
    """An entry that stands in the archive under another name than was asked for."""

    index: int = Field(description="Which entry, counted from 0.")
    requested: str = Field(description="Its first 1,000 characters.")
    name: str = Field(description="Its first 1,000 characters.")


class ArchiveLinks(BaseModel):
    """Where the archive is to be had."""

    url: str = Field(description="The zip. It works at once, whatever the status is.")
    status_url: str


class ArchiveCreated(ArchiveLinks):
    """What create answers."""

    archive_hash: str = Hash
    status: Literal["pending", "in-progress", "completed", "failed"]
    entries: int = Field(description="How many files.")
    delete_token: str = Field(description="For DELETE, as X-Delete-Token; the same at every repeat.")
    renamed: list[Renamed] = Field(description="The first 1,000 of them.")
    renamed_total: int
    expires_at: str | None = Time
    webhook_secret: Maybe[str] = Field(
        None, description="Only with `webhook`: what that receiver verifies messages with, the same at every repeat."
    )


class Progress(BaseModel):
    """How much of it is there."""

    bytes: int
    total_bytes: int | None = Field(description="Null where it is not known yet.")
    entries: int
    total_entries: int


class EntryFault(BaseModel):
    """An entry that was left out."""

    index: int = Field(description="Which entry, counted from 0.")
    name: str
    url: str = Field(description="Without its query.")
    code: str = Field(examples=["http_404"])
    message: str


class EntryWarning(BaseModel):
    """An entry that is in the archive, and odd."""

    index: int = Field(description="Which entry, counted from 0.")
    name: str = Field(description="As it stands in the archive.")
    code: str = Field(examples=["html_page"])
    message: str


class Member(BaseModel):
    """One entry's state."""

    index: int
    name: str
    state: Literal["pending", "completed", "skipped", "failed"]


class Delivery(BaseModel):
    """A receiver, and what became of an event."""

    receiver: str = Field(description="The URL up to its host, or `predefined`.")
    state: Literal["waiting", "queued", "delivered", "failed", "gone"]
    id: Maybe[str] = Field(None, description="webhook-id, the same on every attempt.")
    type: Maybe[str] = Field(None, examples=["archive.completed"])
    attempts: Maybe[int] = None
    outcome: str | None = Field(None, description="Of the last attempt.", examples=["http_503"])
    next_attempt_at: Maybe[str] = Field(None, description="Only while it is queued; RFC 3339.")
    ended_at: Maybe[str] = Field(None, description="Only once it has ended; RFC 3339.")


class WaitingFor(BaseModel):
    """An origin that throttles."""

    origin: str = Field(examples=["files.example:443"])
    until: str = Time
    why: str = Field(description="What it said last.", examples=["http_429"])


class Prefetch(BaseModel):
    """How a build in the background stands."""

    state: Literal["running", "waiting", "failed"]
    reason: Maybe[str | None] = Field(None, description="Why it waits or failed.", examples=["slow"])
    attempts: int = Field(description="That failed so far.")
    next_attempt_at: Maybe[str] = Field(None, description="Only where it is put off; RFC 3339.")


class ArchiveStatus(ArchiveLinks):
    """What is known of an archive's making."""

    archive_hash: str = Hash
    filename: str = Field(description="The archive's own file name.")
    status: Literal["pending", "in-progress", "completed", "failed"]
    active: bool = Field(description="Whether somebody reads it in the answering process, or a prefetch is queued.")
    cached: bool = Field(description="Whether the finished copy is on disk now.")
    progress: Progress
    errors: list[EntryFault] = Field(description="The entries left out, by index; a page of them.")
    errors_total: int = Field(description="How many entries were left out.")
    warnings: list[EntryWarning] = Field(description="What is odd about entries that are there; the first 100.")
    errors_next: Maybe[int] = Field(None, description="Only where there are more: what `errors_from` goes on with.")
    waiting_for: list[WaitingFor] = Field(description="The origins that are waited for because they throttle.")
    created_at: str = Time
    expires_at: str | None = Time
    prefetch: Prefetch | None = Field(
        description="The build in the background; null where there is none, or it is done."
    )
    webhooks: list[Delivery]
    code: Maybe[str] = Field(None, description="Only with `failed`: the problem's code.", examples=["origin_changed"])
    copy_stopped: Maybe[str] = Field(
        None,
        description="Only while the disk takes no more of its copy: downloads go on without.",
        examples=["disk_full"],
    )
    size: Maybe[int] = Field(None, description="The archive's length in bytes, once it is known.")
    completed_at: Maybe[str] = Field(None, description="When it was first completed; RFC 3339.")
    members: Maybe[list[Member]] = Field(None, description="Only with `?entries=1`; a page of them.")
    members_next: Maybe[int] = Field(None, description="Only where there are more: what `members_from` goes on with.")


class ArchiveSummary(ArchiveLinks):
    """An archive in a list."""

    archive_hash: str = Hash
    status: Literal["pending", "in-progress", "completed", "failed"]
    filename: str
    entries: int = Field(description="How many files.")
    size: int | None = Field(description="The archive's length in bytes, once it was completed.")
    created_at: str = Time
    completed_at: str | None = Time
    expires_at: str | None = Time


class ArchivePage(BaseModel):
    """Some of a key's archives."""

    archives: list[ArchiveSummary]
    next: str | None = Field(description="The URL of the next page; null at the end.")


class Key(BaseModel):
    """What the key–value form answers."""

    key: str = Hash


class DownloadAccepted(BaseModel):
    """The download under which a web page's images will be."""

    download_id: UUID


class DownloadPending(DownloadAccepted):
    """Not yet: ask again after `Retry-After` seconds."""

    status: Literal["pending", "in-progress"]
    reason: Maybe[str] = Field(None, description="Why the page waits to be read, where it does.", examples=["no_slot"])


class UploadedFile(BaseModel):
    """A file, and where it is to be had."""

    filename: str
    url: str


class Uploaded(UploadedFile):
    """What an upload answers."""

    size: int = Field(description="In bytes.")
    sha256: str = Field(description="Of its content; its ETag too.", pattern="^[0-9a-f]{64}$")


class UploadedFiles(RootModel[list[UploadedFile]]):
    """The files that are there, by name."""


class Health(BaseModel):
    """That it answers."""

    status: Literal["ok", "ready"]


class FieldFault(BaseModel):
    """A wrong field."""

    pointer: str = Field(description="JSON Pointer (RFC 6901).", examples=["/urls/0"])
    detail: str


class ProblemDocument(BaseModel):
    """Why a request was not answered as asked (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str = Field(description="For people; it may change.")
    code: str = Field(description="Stable; branch on it.", examples=["not_found"])
    errors: Maybe[list[FieldFault]] = Field(None, description="Only with `invalid_request`: the wrong fields.")
    request_id: Maybe[str] = Field(None, description="The answer's `X-Request-Id`: the operator's log has it.")

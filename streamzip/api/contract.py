"""An operation of the HTTP interface as it is declared: its path, who may call it, what it takes, what it answers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from streamzip.api import answers
from streamzip.guards.access import Access

Handler = Callable[[Any, Request], Awaitable[Response]]  # a method of one of the interface's classes

ZIP, TAR = "application/zip", "application/x-tar"
ANY = "*/*"
FORM = "application/x-www-form-urlencoded"
HTML, CSS, TEXT, JSON = "text/html", "text/css", "text/plain", "application/json"
EVENTS = "text/event-stream"
FILE_FORM = (
    "multipart/form-data",
    {
        "type": "object",
        "properties": {"token": {"type": "string"}, "file": {"type": "string", "format": "binary"}},
        "required": ["file"],
    },
)

STORE = (500, 503)  # whatever asks the store or the disk
REFUSED = (400, 408, 413, 422, 429)  # whatever creates
NOT_TAKEN = (400, 408, 409, 413, 415, 422, 500, 503, 507)  # a file that is sent in


class Tag(StrEnum):
    """A group of operations, under its heading in the documentation."""

    ARCHIVES = "Archives"
    KEY_VALUE = "Key–value form"
    PAGES = "Images of a web page"
    FOLDERS = "Folders"
    UPLOADS = "Uploads"
    SITE = "Pages"
    SESSIONS = "Sessions of the pages"
    ADMIN = "For operators"
    HEALTH = "Health"
    ITSELF = "This interface"


@dataclass(frozen=True, slots=True)
class Answer:
    """One status. `model` describes its JSON; `media` what it is otherwise, one of several types where it may be
    either, None for nothing at all.
    """

    says: str
    model: type | None = None
    media: str | tuple[str, ...] | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One of the path, the query or the header. `schema` is JSON Schema."""

    name: str
    place: str
    says: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, as Starlette writes it. A GET stands for its HEAD too.

    `access`: who may; `counted`: as a create, for each client; `most`: bytes of its body, no more than those of
    STREAMZIP_MAX_BODY_BYTES in any case; `problems`: the statuses of its problem documents.
    """

    method: str
    path: str
    name: str
    tag: Tag
    says: str
    handler: Handler
    access: Access
    answers: Mapping[int, Answer]
    counted: bool = False
    most: int | None = None
    problems: tuple[int, ...] = ()
    body: type[BaseModel] | None = None
    file: tuple[str, Mapping[str, Any]] | None = None  # a body that is not JSON: its type, and JSON Schema of it
    parameters: tuple[Parameter, ...] = ()
    pages: tuple[int, ...] = ()  # problems that browsers are shown as a page


HEX = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
LAST_EVENT = Parameter("Last-Event-ID", "header", "The `id` of the last event that the client has.")
HASH = Parameter("hash", "path", "The archive's name, from create.", HEX)
KEY = Parameter("key", "path", "The key that was given out.", HEX)
ID = Parameter("id", "path", "The download_id that was given out.", {"type": "string", "format": "uuid"})
PAGE = Parameter("page", "path", "Which page, from 1.", {"type": "integer", "minimum": 1})
FOLDER = Parameter("folder", "path", "The folder's name, which is its secret.")
NAME = Parameter("name", "path", "The file's own name.")
MEMBERS = Parameter("entries", "query", "`1` adds every entry's state.", {"type": "string", "enum": ["1"]})
INDEX = {"type": "integer", "minimum": 0, "maximum": 999_999_999, "default": 0}
ERRORS_FROM = Parameter("errors_from", "query", "The first index of the entries left out.", INDEX)
MEMBERS_FROM = Parameter("members_from", "query", "With `entries=1`: the first index of the members.", INDEX)
TOKEN = Parameter("X-Delete-Token", "header", "The delete_token that create gave out; where keys are set, they count.")
LIMIT = Parameter("limit", "query", "How many.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 50})
AFTER = Parameter("after", "query", "Where the last page ended, as its `next` says.")
OWNER = Parameter("owner", "query", "The name of an API key: its archives alone.")
WORK = Parameter("work", "path", "An archive's name, or a page's `download_id`.")
CONDITIONS = (
    Parameter("Range", "header", "Which bytes: `bytes=0-99`, also several, suffixes and open ends."),
    Parameter("If-Range", "header", "The ETag of the copy that the range completes."),
    Parameter("If-Match", "header", "ETags; 412 where none is the archive's."),
    Parameter("If-None-Match", "header", "ETags; 304 where one is the archive's."),
)

HELD = ("Content-Disposition", "Last-Modified")


def zipped(says: str, *more: int, media: str | tuple[str, ...] = ZIP) -> dict[str, Any]:
    """Return what the bytes of an archive, or of a file of another type, answer with."""
    return {
        "answers": {
            200: Answer(says, media=media, headers=(*HELD, "ETag", "Accept-Ranges", "Content-Length")),
            206: Answer("The range.", media=media, headers=(*HELD, "ETag", "Content-Range", "Content-Length")),
            304: Answer("The client has it already.", headers=("ETag",)),
        },
        "problems": (404, 409, 412, 416, 502, 505, *STORE, *more),
        "parameters": CONDITIONS,
    }


def fetched(
    *, parameters: tuple[Parameter, ...], says: str = "The archive.", media: str | tuple[str, ...] = ZIP
) -> dict[str, Any]:
    common = zipped(says, media=media)
    return common | {"parameters": (*parameters, *common["parameters"])}


STATUS = Answer("The status.", answers.ArchiveStatus)
CREATED = {
    201: Answer("Created.", answers.ArchiveCreated, headers=("Location",)),
    200: Answer("The same list had been created before.", answers.ArchiveCreated, headers=("Location",)),
}
UPLOADED = {201: Answer("Kept.", answers.Uploaded, headers=("Location",))}

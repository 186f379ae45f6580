"""Every operation of the HTTP interface: what it takes, what it answers. openapi.py makes a document of it, and a test
holds the routes to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from streamzip.api import answers
from streamzip.manifest.requests import CreateBody, KeyValueBody, PageBody

ZIP = "application/zip"
ANY = "*/*"
FORM = "application/x-www-form-urlencoded"
HTML, CSS, TEXT, JSON = "text/html", "text/css", "text/plain", "application/json"
EVENTS = "text/event-stream"

STORE = (500, 503)  # whatever asks the store or the disk


@dataclass(frozen=True, slots=True)
class Answer:
    """One status. `model` is its JSON; `media` what it is otherwise, None for nothing at all."""

    says: str
    model: type[BaseModel] | None = None
    media: str | None = None
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
    """A method of a path. `problems`: the statuses of its problem documents. A GET stands for its HEAD too."""

    method: str
    path: str
    name: str
    tag: str
    says: str
    answers: Mapping[int, Answer]
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
CONDITIONS = (
    Parameter("Range", "header", "Which bytes: `bytes=0-99`, also several, suffixes and open ends."),
    Parameter("If-Range", "header", "The ETag of the copy that the range completes."),
    Parameter("If-Match", "header", "ETags; 412 where none is the archive's."),
    Parameter("If-None-Match", "header", "ETags; 304 where one is the archive's."),
)

_HELD = ("Content-Disposition", "Last-Modified")


def _zip(says: str, *more: int, media: str = ZIP) -> dict[str, Any]:
    """What the bytes of an archive, or of a file of another type, answer with."""
    return {
        "answers": {
            200: Answer(says, media=media, headers=(*_HELD, "ETag", "Accept-Ranges", "Content-Length")),
            206: Answer("The range.", media=media, headers=(*_HELD, "ETag", "Content-Range", "Content-Length")),
            304: Answer("The client has it already.", headers=("ETag",)),
        },
        "problems": (404, 409, 412, 416, 502, 505, *STORE, *more),
        "parameters": CONDITIONS,
    }


def _fetched(*, parameters: tuple[Parameter, ...], says: str = "The archive.", media: str = ZIP) -> dict[str, Any]:
    common = _zip(says, media=media)
    return common | {"parameters": (*parameters, *common["parameters"])}


_ARCHIVES, _KEY_VALUE, _PAGES, _FOLDERS, _UPLOADS, _SITE, _SESSIONS, _HEALTH, _ITSELF = (
    *("Archives", "Key–value form", "Images of a web page", "Folders", "Uploads", "Pages"),
    *("Sessions of the pages", "Health"),
    "This interface",
)
_STATUS = Answer("The status.", answers.ArchiveStatus)
_CREATED = {
    201: Answer("Created.", answers.ArchiveCreated, headers=("Location",)),
    200: Answer("The same list had been created before.", answers.ArchiveCreated, headers=("Location",)),
}
_REFUSED = (400, 408, 413, 422, 429)
_UPLOADED = {201: Answer("Kept.", answers.Uploaded, headers=("Location",))}
_NOT_TAKEN = (400, 408, 409, 413, 415, 422, 500, 507)
_NEW = ("links", "upload", "page", "filename", "on_error", "compression", "expires_in", "token")
_PENDING = Answer("Not yet.", answers.DownloadPending, headers=("Retry-After",))

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        *("POST", "/api/archive/create", "createArchive", _ARCHIVES),
        "Keep a list of files as an archive; the same list gives the same archive. Nothing of the files is pulled.",
        answers=_CREATED,
        problems=(*_REFUSED, *STORE, 507),
        body=CreateBody,
    ),
    Operation(
        *("POST", "/api/archive/download", "downloadNow", _ARCHIVES),
        "Create, and answer with the archive itself.",
        answers={200: Answer("The archive.", media=ZIP, headers=_HELD)},
        problems=(*_REFUSED, 404, 409, 412, 416, 502, 505, *STORE, 507),
        body=CreateBody,
    ),
    Operation(
        *("GET", "/api/archive/status/{hash}", "archiveStatus", _ARCHIVES),
        "What is known of an archive's making.",
        answers={200: _STATUS},
        problems=(404, 422, *STORE),
        parameters=(HASH, MEMBERS, MEMBERS_FROM, ERRORS_FROM),
    ),
    Operation(
        *("GET", "/api/archive/events/{hash}", "archiveEvents", _ARCHIVES),
        "The status as it changes, as server-sent events, until the archive is completed or failed.",
        answers={
            200: Answer("Events named `status`, each with a status document.", media=EVENTS),
            204: Answer("Nothing follows the `Last-Event-ID`."),
        },
        problems=(404, 429, 505, *STORE),
        parameters=(HASH, LAST_EVENT),
    ),
    Operation(
        *("POST", "/api/archive/prefetch/{hash}", "prefetchArchive", _ARCHIVES),
        "Build it in the background now; it goes on after a restart.",
        answers={202: _STATUS, 200: Answer("The finished copy is there.", answers.ArchiveStatus)},
        problems=(404, 409, 422, *STORE),
        parameters=(HASH,),
    ),
    Operation(
        *("DELETE", "/api/archive/prefetch/{hash}", "cancelPrefetch", _ARCHIVES),
        "Stop the background build; what is there stays.",
        answers={204: Answer("It is stopped, or there was none.")},
        problems=(404, *STORE),
        parameters=(HASH,),
    ),
    Operation(
        *("GET", "/api/archive", "listArchives", _ARCHIVES),
        "The archives of the API key that asks, the newest first.",
        answers={200: Answer("A page of them.", answers.ArchivePage)},
        problems=(403, 422, *STORE),
        parameters=(LIMIT, AFTER),
    ),
    Operation(
        *("DELETE", "/api/archive/{hash}", "deleteArchive", _ARCHIVES),
        "Remove the archive, its copy and its list; its downloads are cut.",
        answers={204: Answer("It is gone.")},
        problems=(403, 404, *STORE),
        parameters=(HASH, TOKEN),
    ),
    Operation(
        *("GET", "/archive/get/{hash}.zip", "getArchive", _ARCHIVES),
        "The archive, pulled from its origins as it is sent; whole or in ranges.",
        **_fetched(parameters=(HASH,)),
    ),
    Operation(
        *("GET", "/archive/{folder}/", "getFolder", _FOLDERS),
        "A folder of the server's as an archive, made as it is sent.",
        **_fetched(parameters=(FOLDER,)) | {"problems": (404, 409, 412, 413, 416, *STORE)},
    ),
    Operation(
        *("GET", "/archive/{folder}", "getFolderWithoutSlash", _FOLDERS),
        "The same under its proper name.",
        answers={307: Answer("To the same with a slash.", headers=("Location",))},
        problems=(404,),
        parameters=(FOLDER,),
    ),
    Operation(
        *("POST", "/archive_img", "createByFilename", _KEY_VALUE),
        "Keep one named file, or a list of them, under a key.",
        answers={201: Answer("Kept.", answers.Key, headers=("Location",))},
        problems=(*_REFUSED, *STORE, 507),
        body=KeyValueBody,
    ),
    Operation(
        *("GET", "/archive_img/{key}", "getByKey", _KEY_VALUE),
        "The zip of the files under the key.",
        **_fetched(parameters=(KEY,)),
    ),
    Operation(
        *("POST", "/download", "downloadPage", _PAGES),
        "Collect the first images of a web page, in the background.",
        answers={202: Answer("It is being done.", answers.DownloadAccepted, headers=("Location",))},
        problems=(*_REFUSED, *STORE, 507),
        body=PageBody,
    ),
    Operation(
        *("GET", "/download/{id}", "getPageImages", _PAGES),
        "The images as a zip, once they are there.",
        **_fetched(parameters=(ID,))
        | {"answers": {**_zip("The images.")["answers"], 202: _PENDING}, "pages": (202,)}
        | {"problems": (404, 409, 412, 416, 422, 502, 505, *STORE)},
    ),
    Operation(
        *("GET", "/login", "loginPage", _SESSIONS),
        "A form that asks for the API key.",
        answers={200: Answer("HTML.", media=HTML), 303: Answer("No keys are set.", headers=("Location",))},
    ),
    Operation(
        *("POST", "/login", "login", _SESSIONS),
        "Begin a session of the pages with an API key.",
        answers={303: Answer("To the pages, with a cookie.", headers=("Location",))},
        problems=(400, 401, 403, 408, 413, 422),
        pages=(401,),
        file=(FORM, {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}),
    ),
    Operation(
        *("POST", "/logout", "logout", _SESSIONS),
        "End the session.",
        answers={303: Answer("To the pages, without the cookie.", headers=("Location",))},
        problems=(400, 403, 408, 413, 422),
        file=(FORM, {"type": "object", "properties": {"token": {"type": "string"}}, "required": ["token"]}),
    ),
    Operation(
        *("GET", "/upload", "uploadPage", _UPLOADS),
        "A page with a form and the files.",
        answers={200: Answer("HTML.", media=HTML)},
        problems=(500,),
        pages=(401,),
    ),
    Operation(
        *("POST", "/upload", "uploadForm", _UPLOADS),
        "Keep a file, sent as a form; a browser is led back to the page.",
        answers=_UPLOADED | {303: Answer("To the page.", headers=("Location",))},
        problems=(403, *_NOT_TAKEN),
        pages=(401, 403, *_NOT_TAKEN),
        file=(
            "multipart/form-data",
            {
                "type": "object",
                "properties": {"token": {"type": "string"}, "file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            },
        ),
    ),
    Operation(
        *("POST", "/upload/{name}", "uploadRaw", _UPLOADS),
        "Keep a file; the body is it, whatever its type.",
        answers=_UPLOADED,
        problems=(404, *_NOT_TAKEN),
        file=("application/octet-stream", {"type": "string", "format": "binary"}),
        parameters=(NAME,),
    ),
    Operation(
        *("DELETE", "/upload/{name}", "deleteUpload", _UPLOADS),
        "Remove a file.",
        answers={204: Answer("It is gone.")},
        problems=(404, 409, *STORE),
        parameters=(NAME,),
    ),
    Operation(
        *("GET", "/download", "listUploads", _UPLOADS),
        "The files.",
        answers={200: Answer("By name.", answers.UploadedFiles)},
        problems=(422, 500),
    ),
    Operation(
        *("GET", "/download/{name}", "getUpload", _UPLOADS),
        "A file, whole or in ranges.",
        **_fetched(parameters=(NAME,), says="The file.", media=ANY) | {"problems": (404, 412, 416, 500)},
    ),
    Operation(
        *("GET", "/", "home", _SITE),
        "The form for a new archive.",
        answers={200: Answer("HTML.", media=HTML)},
        pages=(401,),
    ),
    Operation(
        *("POST", "/new", "newArchive", _SITE),
        "Create an archive from a form: `links`, names of uploads, or a web page whose images are wanted.",
        answers={303: Answer("To the archive's page.", headers=("Location",))},
        problems=(403, 404, 409, *_REFUSED, *STORE, 507),
        pages=(401, 404, 409, *_REFUSED, *STORE, 507),
        file=(FORM, {"type": "object", "properties": {name: {"type": "string"} for name in _NEW}}),
    ),
    Operation(
        *("GET", "/assets/{name}", "getAsset", _SITE),
        "The pages' style and script, under names that change with their bytes.",
        answers={200: Answer("CSS or JavaScript.", media=ANY)},
        problems=(404,),
        parameters=(NAME,),
    ),
    Operation(
        *("GET", "/a/{hash}", "archivePage", _SITE),
        "An archive as people see it; its status document to who asks for JSON.",
        answers={200: Answer("HTML, or the status.", answers.ArchiveStatus)},
        problems=(404, *STORE),
        pages=(200,),
        parameters=(HASH,),
    ),
    Operation(
        *("GET", "/a/{hash}/files/{page}", "archiveFiles", _SITE),
        "The same page with 200 of the archive's files.",
        answers={200: Answer("HTML.", media=HTML)},
        problems=(404, *STORE),
        parameters=(HASH, PAGE),
    ),
    Operation(
        *("POST", "/a/{hash}/build", "archivePageBuild", _SITE),
        "Have the archive built, by its page's form.",
        answers={303: Answer("Back to its page.", headers=("Location",))},
        problems=(400, 403, 404, 408, 409, 413, *STORE),
        file=(FORM, {"type": "object", "properties": {"token": {"type": "string"}}}),
        parameters=(HASH,),
    ),
    Operation(
        *("POST", "/a/{hash}/delete", "archivePageDelete", _SITE),
        "Delete the archive, by its page's form.",
        answers={200: Answer("HTML.", media=HTML)},
        problems=(400, 403, 404, 408, 413, *STORE),
        file=(FORM, {"type": "object", "properties": {"token": {"type": "string"}}}),
        parameters=(HASH,),
    ),
    Operation(
        *("GET", "/healthz", "healthz", _HEALTH),
        "That the process answers.",
        answers={200: Answer("It does.", answers.Health)},
    ),
    Operation(
        *("GET", "/readyz", "readyz", _HEALTH),
        "That the store and the disk answer too.",
        answers={200: Answer("They do.", answers.Health)},
        problems=STORE,
    ),
    Operation(
        *("GET", "/health_check", "healthCheck", _HEALTH),
        "The plain form.",
        answers={200: Answer("`OK`.", media=TEXT)},
    ),
    Operation(
        *("GET", "/openapi.json", "openapi", _ITSELF),
        "This document.",
        answers={200: Answer("OpenAPI 3.1.", media=JSON)},
    ),
    Operation(
        *("GET", "/docs", "docs", _ITSELF),
        "The same as a page for people.",
        answers={200: Answer("HTML.", media=HTML)},
    ),
    Operation(
        *("GET", "/docs/style.css", "docsStyle", _ITSELF),
        "How the page looks.",
        answers={200: Answer("CSS.", media=CSS)},
    ),
)

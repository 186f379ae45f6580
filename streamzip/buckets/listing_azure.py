"""Lists of Azure's Blob Storage ("List Blobs"). PURE."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote

from streamzip.buckets.documents import read_document
from streamzip.buckets.pages import Listed, Lists, Page, size_in
from streamzip.net.retry import http_date

PAGE_SIZE: Final = 2000  # objects: of 5,000 that may be asked for; each takes 1 KiB, and its name up to 9 more
_BLOBS: Final = (("Blobs", "Blob"),)


def _first(prefix: str, versions: bool) -> str:
    more = "&include=versions" if versions else ""
    return f"restype=container&comp=list&maxresults={PAGE_SIZE}&prefix={_quoted(prefix)}{more}"


def _newest(key: str) -> str:
    return _first(key, True)


def _read(body: bytes, query: str) -> Page:
    """Return the page in the answer to `query`. Raises ValueError."""
    try:
        document = read_document(body, _BLOBS)
        objects = tuple(_listed(row) for row in document.rows if _is_current(row))
    except (ValueError, KeyError) as error:
        raise ValueError(f"the container's list cannot be read: {error}") from error
    if document.root != "EnumerationResults":
        raise ValueError("the container answered with something else than a list")
    marker = document.told.get("NextMarker")
    first = query.partition("&marker=")[0]
    return Page(objects, f"{first}&marker={_quoted(marker)}" if marker else None)


def _is_current(row: Mapping[str, str]) -> bool:
    """Return whether it is no older version, as stand in the list where versions are asked for and kept."""
    return "VersionId" not in row or row.get("IsCurrentVersion") == "true"


def _listed(row: Mapping[str, str]) -> Listed:
    name = row["Name"]
    if row.get("Name@Encoded") == "true":  # it holds what XML cannot
        name = unquote(name, errors="strict")
    is_folder = row.get("Properties/ResourceType") == "directory"
    return Listed(
        name,
        size_in(row.get("Properties/Content-Length", "0") if is_folder else row["Properties/Content-Length"]),
        row.get("Properties/Etag", ""),
        http_date(row.get("Properties/Last-Modified", "")),
        row.get("VersionId") or None,
        row.get("Properties/AccessTier") == "Archive",
        is_folder,
    )


def _quoted(text: str) -> str:
    return quote(text, safe="")


AZURE: Final = Lists(_first, _newest, _read, newest_first=False)

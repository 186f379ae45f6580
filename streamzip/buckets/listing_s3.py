"""Lists of Amazon's S3 API, and of Google's XML API, which speaks the same. PURE.

ListObjectsV2 and ListObjectVersions, asked with `encoding-type=url`: a key may hold characters that XML cannot. Google
tells each object's generation in the list itself (Cloud Storage, XML API, "List objects").
"""

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Final
from urllib.parse import quote, unquote_plus

from streamzip.buckets.documents import read_document
from streamzip.buckets.pages import Listed, Lists, Page, size_in

PAGE_SIZE: Final = 1000  # objects: the most that is listed at once
COLD: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})  # not to be read before they are restored
_OBJECTS: Final = (("Contents",), ("Version",))
_OF_GOOGLE: Final = "Generation"


def _first(prefix: str, versions: bool, *, most: int = PAGE_SIZE) -> str:
    kind = "versions=" if versions else "list-type=2"
    return f"encoding-type=url&{kind}&max-keys={most}&prefix={_quoted(prefix)}"


def _read(body: bytes, query: str) -> Page:
    """Return the page in the answer to `query`. Raises ValueError."""
    try:
        document = read_document(body, _OBJECTS)
        escaped = document.told.get("EncodingType") == "url"
        objects = tuple(_listed(row, escaped) for row in document.rows if row.get("IsLatest") != "false")
    except (ValueError, KeyError) as error:
        raise ValueError(f"the bucket's list cannot be read: {error}") from error
    if document.root not in ("ListBucketResult", "ListVersionsResult"):
        raise ValueError("the bucket answered with something else than a list")
    return Page(objects, _following(document.told, query, escaped))


def _following(told: Mapping[str, str], query: str, escaped: bool) -> str | None:
    if told.get("IsTruncated") != "true":
        return None
    first = query.partition("&continuation-token=")[0].partition("&key-marker=")[0]
    if "NextKeyMarker" in told:
        marker = _key(told["NextKeyMarker"], escaped)
        version = told.get("NextVersionIdMarker", "")
        return f"{first}&key-marker={_quoted(marker)}&version-id-marker={_quoted(version)}"
    if not told.get("NextContinuationToken"):
        raise ValueError("the bucket's list goes on without saying where")
    return f"{first}&continuation-token={_quoted(told['NextContinuationToken'])}"


def _listed(row: Mapping[str, str], escaped: bool) -> Listed:
    version = row.get("VersionId") or row.get(_OF_GOOGLE)
    return Listed(
        _key(row["Key"], escaped),
        size_in(row["Size"]),
        row.get("ETag", ""),
        _time(row.get("LastModified", "")),
        version if version not in (None, "", "null") else None,
        row.get("StorageClass") in COLD,
    )


def _key(written: str, escaped: bool) -> str:
    return unquote_plus(written, errors="strict") if escaped else written


def _time(text: str) -> int | None:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return None


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _first_of_google(prefix: str, versions: bool) -> str:
    """Return the query; generations are told in any case."""
    return _first(prefix, versions=False)


# The first key that begins so, and its newest version.
S3: Final = Lists(_first, partial(_first, versions=True, most=1), _read)
GOOGLE: Final = Lists(_first_of_google, partial(_first, versions=False, most=1), _read)

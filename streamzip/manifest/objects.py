"""`s3://bucket/key`, and the same with `gs:` (Google) and `az:` (Azure: a container and a blob), by which an archive's
entry names an object of a bucket that the operator listed. Pure.

A key is percent-encoded as in any URL; a query names one version of it, as each store calls that: `?versionId=`,
`?generation=`, `?versionid=`. A key that is empty or ends in a slash is a prefix: all objects below it.
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from streamzip.listed_buckets import Scheme

SCHEMES: Final = ("s3:", "gs:", "az:")
LONGEST_KEY: Final = 1024  # bytes, of S3 and of Google; of Azure characters

_URL = re.compile(r"(s3|gs|az)://([^/?#]+)/([^?#]*)(?:\?([A-Za-z]+)=([A-Za-z0-9._~%:-]{1,1024}))?")
_UNESCAPED: Final = "/~"  # beside letters, digits and _.-: what a signature leaves as it is (AWS SigV4, "UriEncode")
_VERSION: "Final[Mapping[Scheme, str]]" = {"s3": "versionId", "gs": "generation", "az": "versionid"}


class ObjectName(NamedTuple):
    """An object, or a prefix, of a bucket."""

    scheme: "Scheme"
    bucket: str
    key: str
    version: str | None = None

    @property
    def is_prefix(self) -> bool:
        """Return whether it stands for all objects below it."""
        return self.version is None and (not self.key or self.key.endswith("/"))

    @property
    def place(self) -> str:
        """Return the bucket as the operator lists it: `s3://bucket`."""
        return f"{self.scheme}://{self.bucket}"

    @property
    def url(self) -> str:
        """Return its URL in a manifest."""
        return f"{self.place}/{self.path}"

    @property
    def path(self) -> str:
        """Return its key as the path of a URL, with the version in the query."""
        asked = "" if self.version is None else f"?{_VERSION[self.scheme]}={quote(self.version, safe='')}"
        return quote(self.key, safe=_UNESCAPED) + asked


def object_in(url: str) -> ObjectName:
    """Return what `url` names. Raises ValueError, its text a public sentence."""
    if not url.isprintable() or " " in url:
        raise ValueError("a URL holds no spaces, control or invisible characters; percent-encode them")
    match = _URL.fullmatch(url)
    scheme = _scheme(url)
    if match is None or match[4] not in (None, _VERSION[scheme]):
        raise ValueError(
            f"an object is written {scheme}://bucket/key, with %23 for # and %3F for ?, and perhaps "
            f"?{_VERSION[scheme]}="
        )
    _, bucket, written, _, version = match.groups()
    try:
        key = unquote(written, errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError("the object's key is not UTF-8") from error
    if len(key if scheme == "az" else key.encode(errors="replace")) > LONGEST_KEY:
        raise ValueError(f"the object's key is longer than {LONGEST_KEY} {'characters' if scheme == 'az' else 'bytes'}")
    if not {".", ".."}.isdisjoint(key.split("/")):
        # A server, or a proxy before it, that resolves them would read another bucket with the gateway's credentials.
        raise ValueError("the object's key has a folder of the name . or .., which leads elsewhere in a URL")
    if version is not None and (not key or key.endswith("/")):
        raise ValueError("a version is one of an object, and not of a prefix")
    return ObjectName(scheme, bucket, key, None if version is None else unquote(version))


def _scheme(url: str) -> "Scheme":
    """Return the scheme of `url`, which begins with one of them."""
    return next((each for each in _VERSION if url.startswith(f"{each}:")), "s3")

"""The pages' style and script, under names that hold their hash: a browser may keep them for ever."""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
FILES = ("style.css", "app.js")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the pages; `name` holds the hash of its bytes."""

    name: str
    media_type: str
    body: bytes


def _load(file: str) -> Asset:
    body = (resources.files("streamzip.web") / "static" / file).read_bytes()
    stem, _, extension = file.rpartition(".")
    return Asset(f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{extension}", TYPES[extension], body)


NAMES = {file: _load(file) for file in FILES}
_BY_NAME = {asset.name: asset for asset in NAMES.values()}
_PATTERN = re.compile(r"[a-z]+\.[0-9a-f]{12}\.(?:css|js)")


def find(name: str) -> Asset | None:
    """Return the file of this name; None where there is none, or an older release had it."""
    return _BY_NAME.get(name) if _PATTERN.fullmatch(name) else None

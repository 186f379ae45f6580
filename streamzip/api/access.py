"""Who may ask for what: one row for every operation of the interface. auth.py holds requests to it.

A route without a row here cannot be built, so nothing is open because somebody forgot to close it.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final


class Access(Enum):
    """Who is let in where API keys are set, or links are to be signed; without either, everybody."""

    OPEN = auto()  # everybody; a hash that is asked for must be known
    LINK = auto()  # whoever has the link, which must be signed where links are
    STATUS = auto()  # where links are signed: whoever has the archive's link, or this path's, or as DELETER
    KEY = auto()  # any API key
    PAGE = auto()  # any API key, or the session of a person, who is asked for a key
    OWNER = auto()  # the API key that created the archive
    PAGE_OWNER = auto()  # as OWNER, or the session of the person whose key it is
    PAGE_DELETER = auto()  # as PAGE_OWNER; where no keys are set, the browser that created the archive
    DELETER = auto()  # as OWNER; where no keys are set, whoever has the archive's delete token


# By method and path, as the routes have them. A GET stands for its HEAD too.
ACCESS: Final[Mapping[tuple[str, str], Access]] = {
    ("POST", "/api/archive/create"): Access.KEY,
    ("POST", "/api/archive/download"): Access.KEY,
    ("GET", "/api/archive/status/{hash}"): Access.STATUS,
    ("GET", "/api/archive/events/{hash}"): Access.STATUS,
    ("POST", "/api/archive/prefetch/{hash}"): Access.OWNER,
    ("DELETE", "/api/archive/prefetch/{hash}"): Access.OWNER,
    ("GET", "/api/archive"): Access.KEY,
    ("DELETE", "/api/archive/{hash}"): Access.DELETER,
    ("GET", "/archive/get/{hash}.zip"): Access.LINK,
    ("GET", "/archive/{folder}"): Access.LINK,
    ("GET", "/archive/{folder}/"): Access.LINK,
    ("POST", "/archive_img"): Access.KEY,
    ("GET", "/archive_img/{key}"): Access.LINK,
    ("POST", "/download"): Access.KEY,
    ("GET", "/download/{id:uuid}"): Access.LINK,
    ("GET", "/"): Access.PAGE,
    ("POST", "/new"): Access.PAGE,
    ("GET", "/assets/{name}"): Access.OPEN,
    ("GET", "/a/{hash}"): Access.LINK,
    ("GET", "/a/{hash}/files/{page}"): Access.LINK,
    ("POST", "/a/{hash}/build"): Access.PAGE_OWNER,
    ("POST", "/a/{hash}/delete"): Access.PAGE_DELETER,
    ("GET", "/login"): Access.OPEN,
    ("POST", "/login"): Access.OPEN,
    ("POST", "/logout"): Access.OPEN,
    ("GET", "/upload"): Access.PAGE,
    ("POST", "/upload"): Access.PAGE,
    ("POST", "/upload/{name}"): Access.KEY,
    ("DELETE", "/upload/{name}"): Access.KEY,
    ("GET", "/download"): Access.KEY,
    ("GET", "/download/{name}"): Access.LINK,
    ("GET", "/healthz"): Access.OPEN,
    ("GET", "/readyz"): Access.OPEN,
    ("GET", "/health_check"): Access.OPEN,
    ("GET", "/openapi.json"): Access.OPEN,
    ("GET", "/docs"): Access.OPEN,
    ("GET", "/docs/style.css"): Access.OPEN,
}

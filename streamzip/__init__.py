"""streamzip: a list of public URLs in, one resumable ZIP64 download out. Read gateway.py first, app.py second.

For programs: `Zip`, `ZipResponse`, `Origins` and `Gateway` (docs/library.md), and `streamzip.client`. They are loaded
when they are first named, so that `import streamzip` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamzip.library.archive import Zip
    from streamzip.library.bodies import Answer
    from streamzip.library.entries import Item
    from streamzip.library.errors import (
        CannotSave,
        InvalidEntries,
        NothingToZip,
        NotYet,
        SourceChanged,
        SourceFailed,
        ZipError,
    )
    from streamzip.library.gateway import Gateway
    from streamzip.library.origins import Origins
    from streamzip.library.planned import LeftOut
    from streamzip.library.response import ZipResponse

__all__ = [
    "Answer",
    "CannotSave",
    "Gateway",
    "InvalidEntries",
    "Item",
    "LeftOut",
    "NotYet",
    "NothingToZip",
    "Origins",
    "SourceChanged",
    "SourceFailed",
    "Zip",
    "ZipError",
    "ZipResponse",
]

_PLACES = {
    "Answer": "bodies",
    "Gateway": "gateway",
    "Item": "entries",
    "LeftOut": "planned",
    "Origins": "origins",
    "Zip": "archive",
    "ZipResponse": "response",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'streamzip' has no attribute {name!r}")
    return getattr(import_module(f"streamzip.library.{_PLACES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return __all__

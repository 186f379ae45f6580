"""The text of a web page, from its bytes: which encoding they are in, as the WHATWG's Encoding and HTML standards say.

The order: a byte order mark, the Content-Type's charset, a `meta` in the first 1,024 bytes; else UTF-8 where it fits,
windows-1252 where it does not. Bytes that make no sense become U+FFFD. Labels mean what the standard says: iso-8859-1
is windows-1252, and Python's codecs that are none of the web (zip, punycode) have none. Pure.
"""

import codecs
import re
from typing import Final

from webencodings import Encoding, lookup

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PRESCAN = 1024
_PARAMETER = re.compile(r";\s*charset\s*=\s*[\"']?([^\s\"';,]+)", re.IGNORECASE)
_META = re.compile(rb"<meta[\s/][^>]*?charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)

_UTF_8: Final = lookup("utf-8")
_UTF_16: Final = frozenset({"utf-16le", "utf-16be"})


def decoded(body: bytes, content_type: str | None) -> str:
    """Return the page's text; it never fails. `content_type`: the field's value, where there was one."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    told = lookup(_parameter(content_type)) or _told_inside(body)
    if told is not None:
        return told.codec_info.decode(body, "replace")[0]
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def media_type(content_type: str | None) -> str:
    """`text/html`, in lower case and without parameters; empty where there is none."""
    return (content_type or "").partition(";")[0].strip().lower()


def _parameter(content_type: str | None) -> str:
    match = _PARAMETER.search(content_type or "")
    return "" if match is None else match[1]


def _told_inside(body: bytes) -> Encoding | None:
    match = _META.search(body[:_PRESCAN])
    told = None if match is None else lookup(match[1].decode("latin-1"))
    # A `meta` that could be read this way is not in UTF-16, whatever it says.
    return _UTF_8 if told is not None and told.name in _UTF_16 else told

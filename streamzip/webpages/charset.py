"""The text of a web page, from its bytes: which encoding they are in, as the WHATWG's Encoding and HTML standards say.

The order: a byte order mark, the Content-Type's charset, a `meta` in the first 1,024 bytes; else UTF-8 where it fits,
windows-1252 where it does not. Bytes that make no sense become U+FFFD. Pure.
"""

import codecs
import re

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_PRESCAN = 1024
_PARAMETER = re.compile(r";\s*charset\s*=\s*[\"']?([^\s\"';,]+)", re.IGNORECASE)
_META = re.compile(rb"<meta[\s/][^>]*?charset\s*=\s*[\"']?\s*([^\s\"'/>;]+)", re.IGNORECASE)

# Python has codecs that a page must not choose (zip bombs, punycode in quadratic time): these are the standard's own.
_KNOWN = frozenset(
    {
        *(f"iso8859-{part}" for part in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
        *(f"cp{page}" for page in (866, 874, 932, 949, *range(1250, 1259))),
        *("utf-8", "utf-16-le", "utf-16-be", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic"),
        *("gbk", "gb18030", "big5hkscs", "euc_jp", "iso2022_jp"),
    }
)
# What the standard reads as a larger relative: pages say the one and mean the other.
_MEANT = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gbk",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "utf-16": "utf-16-le",
    "utf-8-sig": "utf-8",
}


def decoded(body: bytes, content_type: str | None) -> str:
    """The page's text; it never fails. `content_type`: the field's value, where there was one."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, "replace")
    told = _encoding(_parameter(content_type)) or _told_inside(body)
    if told is not None:
        return body.decode(told, "replace")
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


def _told_inside(body: bytes) -> str | None:
    match = _META.search(body[:_PRESCAN])
    told = None if match is None else _encoding(match[1].decode("latin-1"))
    # A `meta` that could be read this way is not in UTF-16, whatever it says.
    return "utf-8" if told in ("utf-16-le", "utf-16-be") else told


def _encoding(label: str) -> str | None:
    try:
        name = codecs.lookup(label.strip()).name
    except (LookupError, ValueError):  # ValueError: a NUL in it
        return None
    name = _MEANT.get(name, name)
    return name if name in _KNOWN else None

"""Content-Disposition read: the parameters of the field, and the file's name as its sender meant it. Pure.

RFC 6266 has `filename*` (RFC 8187) before `filename`. What senders write into the latter:

- browsers and most programs: UTF-8, with `"`, CR and LF percent-encoded (HTML, "multipart/form-data");
- .NET: an encoded word (RFC 2047), `=?utf-8?B?…?=`, in quotes or without, often beside a `filename*`;
- aiohttp: all of it percent-encoded.

A name with `%20` may be called so: only one that is percent-encoded throughout, and holds more than ASCII, is decoded.
"""

import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

MOST_LONG: Final = 4096  # characters of a field; longer ones are not looked at

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"  # noqa: S105 - RFC 9110 §5.6.2
_PARAMETER = re.compile(rf';[ \t]*+({_TOKEN})[ \t]*+=[ \t]*+(?:"((?:[^"\\]|\\.)*+)"|([^;]*+))')
_ESCAPED = re.compile(r'\\(["\\])')
_EXTENDED = re.compile(
    r"(utf-8|iso-8859-1)'[A-Za-z0-9-]*'((?:%[0-9A-Fa-f]{2}|[!#$&+\-.^_`|~0-9A-Za-z])++)", re.IGNORECASE
)
_ENCODED_WORDS = re.compile(r"(?:=\?[^?\s]{1,40}\?[BbQq]\?[^?\s]*+\?=[ \t]*+)++")
_ENCODED_WORD = re.compile(r"=\?([^?\s*]{1,40})[^?\s]*\?([BbQq])\?([^?\s]*)\?=")
_PERCENT_ENCODED = re.compile(r"(?:[A-Za-z0-9_.~-]|%[0-9A-F]{2})++")
_CHARSETS: Final = {"utf-8": "utf-8", "us-ascii": "ascii", "iso-8859-1": "cp1252", "windows-1252": "cp1252"}


def parameters(field: str) -> dict[str, str]:
    """Return the field's parameters, their names in lower case, the first of each; none where it is too long."""
    found: dict[str, str] = {}
    if len(field) > MOST_LONG:
        return found
    for name, quoted, token in _PARAMETER.findall(field):
        found.setdefault(name.lower(), _ESCAPED.sub(r"\1", quoted) if quoted else token.strip(' \t"'))
    return found


def filename(found: dict[str, str]) -> str | None:
    """Return the file's name that the parameters give, as its sender meant it; None where they give none."""
    extended = _EXTENDED.fullmatch(found.get("filename*", ""))
    if extended is not None:
        decoded = _decoded(unquote_to_bytes(extended[2]), _CHARSETS[extended[1].lower()])
        if decoded:
            return decoded
    name = found.get("filename")
    if name is None:
        return None
    if _ENCODED_WORDS.fullmatch(name):
        return _from_words(name)
    if "%" in name and _PERCENT_ENCODED.fullmatch(name):
        decoded = _decoded(unquote_to_bytes(name), "utf-8")
        return name if decoded is None or decoded.isascii() else decoded
    if name[1:3] == ":\\" or name[:2] == "\\\\":  # old browsers sent the whole path
        return name.rpartition("\\")[2]
    return name


def _from_words(name: str) -> str:
    """Return what encoded words stand for; the name as it is where they are in an encoding that is not known here."""
    pieces: list[bytes] = []
    charsets = set()
    for charset, encoding, text in _ENCODED_WORD.findall(name):
        charsets.add(_CHARSETS.get(charset.lower()))
        try:
            pieces.append(binascii.a2b_base64(text) if encoding in "Bb" else binascii.a2b_qp(text, header=True))
        except (binascii.Error, ValueError):
            return name
    only = charsets.pop() if len(charsets) == 1 else None
    decoded = None if only is None else _decoded(b"".join(pieces), only)
    return name if decoded is None else decoded


def _decoded(text: bytes, charset: str) -> str | None:
    try:
        return text.decode(charset)
    except UnicodeDecodeError:
        return None

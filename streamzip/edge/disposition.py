"""Content-Disposition (RFC 6266): an ASCII `filename` for old readers, `filename*` (RFC 8187) for the rest."""

import unicodedata
from urllib.parse import quote

_ATTR_CHAR = "!#$&+-.^_`|~"  # RFC 8187 §3.2.1, beside letters and digits


def attachment(filename: str) -> str:
    """Return the header's value; whatever the name is, no character of it can end the string or the header."""
    escaped = _in_ascii(filename).replace("\\", "\\\\").replace('"', '\\"')
    return f"attachment; filename=\"{escaped}\"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHAR, errors='replace')}"


def _in_ascii(filename: str) -> str:
    """Return what ASCII has of the name, with a stem before its extension: `.zip` alone would be a hidden file."""
    folded = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    name = "".join(character for character in folded if character.isprintable()).strip()
    stem, dot, extension = name.rpartition(".")
    if any(character.isalnum() for character in stem if dot) or (name and not dot):
        return name
    return f"archive.{extension or 'zip'}" if extension in ("", "zip") else f"file.{extension}"

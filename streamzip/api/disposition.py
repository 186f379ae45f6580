"""Content-Disposition (RFC 6266): an ASCII `filename` for old readers, `filename*` (RFC 8187) for the rest."""

import unicodedata
from urllib.parse import quote

_ATTR_CHAR = "!#$&+-.^_`|~"  # RFC 8187 §3.2.1, beside letters and digits


def attachment(filename: str) -> str:
    """The header's value; whatever the name is, no character of it can end the string or the header."""
    folded = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode()
    ascii_name = "".join(character for character in folded if character.isprintable()).strip() or "archive.zip"
    escaped = ascii_name.replace("\\", "\\\\").replace('"', '\\"')
    return f"attachment; filename=\"{escaped}\"; filename*=UTF-8''{quote(filename, safe=_ATTR_CHAR, errors='replace')}"

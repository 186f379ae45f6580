"""The names of uploaded files, and `upload:NAME`, by which an archive's entry names one. Pure.

Unlike a member's name, a file's is judged and not mended: under another name its owner would not find it.
"""

import hashlib
import re
from collections.abc import Collection
from urllib.parse import quote, unquote

from streamzip.manifest.names import clean_name, holds_unseen
from streamzip.manifest.text import MOST_MARKS, caseless, nfc, stream_safe

SCHEME = "upload:"
LONGEST = 255  # bytes of a name, in UTF-8; more than the file systems take
_LONGEST_WISHED = 4 * LONGEST  # NFC makes no text shorter than a third
_PINNED = re.compile(r"upload:([^#]+)#sha256=([0-9a-f]{64})")


def upload_name(wished: str) -> str:
    """Return the name, in NFC. Raises ValueError, its text a public sentence, for one that a file may not have."""
    if len(wished.encode(errors="replace")) > _LONGEST_WISHED:
        raise ValueError(f"the name is longer than {LONGEST} bytes; rename the file")
    if stream_safe(wished) != wished:
        raise ValueError(f"the name has more than {MOST_MARKS} combining marks in a row; rename the file")
    name = nfc(wished)
    if not name:
        raise ValueError("the file has no name; choose a file, or write its name at the end of the path")
    if "/" in name or "\\" in name:
        raise ValueError("the name holds a slash; send the file's own name, without its folders")
    if "\ufffd" in name or holds_unseen(name):
        raise ValueError("the name holds characters that cannot be shown, or is not UTF-8; rename the file")
    if clean_name(name) != name:
        raise ValueError(
            'the name is not safe on every system; rename the file: at most 255 bytes, none of < > : " | ? *, '
            "no space at its beginning, no space or dot at its end, and not a device's name as CON or NUL"
        )
    return name


def extension(name: str) -> str:
    """Return what follows the last dot, in lower case. Raises ValueError, a public sentence, where that is nothing."""
    stem, _, found = name.rpartition(".")
    if not stem or not found:
        raise ValueError("the name has no extension, as in report.pdf; rename the file")
    return found.lower()


def is_allowed(name: str, extensions: Collection[str]) -> bool:
    """Return whether files of this extension are taken. Raises as `extension` does."""
    return extension(name) in extensions


def key(name: str) -> str:
    """32 hex digits that stand for the name on disk; the same for names that some file system takes for one.

    Raises ValueError for a text that is too long for a name.
    """
    if len(name) > LONGEST:
        raise ValueError("too long for the name of a file")
    return hashlib.sha256(caseless(name).encode()).hexdigest()[:32]


def name_in(url: str) -> str:
    """NAME of an `upload:NAME`, percent-decoded. Raises ValueError, its text a public sentence."""
    written = url.removeprefix(SCHEME)
    if "#" in written:
        raise ValueError("in upload:NAME, write %23 for #")
    try:
        return upload_name(unquote(written, errors="strict"))
    except UnicodeDecodeError as error:
        raise ValueError("in upload:NAME, the name is not UTF-8") from error


def pinned_url(name: str, sha256: str) -> str:
    """Return the URL of a file with this content: another one under the same name is another file."""
    return f"{SCHEME}{quote(name, safe='')}#sha256={sha256}"


def unpinned(url: str) -> str:
    """Return the URL without the content that `pinned_url` pinned it to; any other URL as it is."""
    return url.partition("#")[0] if url.startswith(SCHEME) else url


def name_and_digest(url: str) -> tuple[str, str]:
    """Return what `pinned_url` was given. Raises ValueError for any other URL."""
    match = _PINNED.fullmatch(url)
    if match is None:
        raise ValueError("no URL of an uploaded file")
    return unquote(match[1]), match[2]

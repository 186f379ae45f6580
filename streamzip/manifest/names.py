"""Names as they stand in the archive: safe on every system that unpacks it, and unique there.

A name is cleaned, never refused. The rules, each of which some program broke on:

1.  NFC, so that two spellings of one text are one name; no letter has more than 30 combining marks.
2.  `\\` separates folders as `/` does.
3.  Empty parts, `.` and `..` are dropped: no leading `/`, no way out of the folder.
4.  Controls, format characters (bidi, zero width), line separators, surrogates and private ones become `_`. Joiners
    stay within words and emoji. Characters that this Python's Unicode does not know stay: the next one may know them.
5.  So do `<>:"|?*`, which Windows forbids, and a `;` that only digits follow: unzip drops both, as a version of VMS.
6.  A part neither begins with a space nor ends in a space or dot: Explorer rejects the whole archive.
7.  DOS device names get a `_` in front, whatever their extension.
8.  A part is at most 255 bytes of UTF-8, cut between code points, its extension kept.
9.  The whole is at most 1024: innermost folders are left out.
10. What is left empty is `file`.
11. Names are unique and no file has a folder's name, after NFC and case folding, joiners left out: to Windows `A.png`
    is `a.png`.
"""

import re
from bisect import bisect_left
from collections.abc import Collection, Sequence
from itertools import count
from urllib.parse import unquote

from streamzip.manifest.text import caseless, nfc

_MAX_PART = 255
_SUFFIX_ROOM = 12  # bytes a number may take in a name: " (100000)" and then some
_MAX_WHOLE = 1024 - _SUFFIX_ROOM
_MAX_EXTENSION = 20  # bytes; what is longer after a dot is no extension worth keeping
_NO_NAME = "file"
_ARCHIVE = "archive"

# Most names need no cleaning, and this sees it in one step: ASCII, dots and spaces single and inside, no device name.
_RUN = r"[A-Za-z0-9_!#$%&'()+,=@\[\]^`{}~-]+"
_DEVICE_STEM = r"(?i:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9¹²³])\s*"
_USUAL_PART = rf"(?!{_DEVICE_STEM}(?:[./]|\Z))\.?{_RUN}(?:[. ]{_RUN})*"
_USUAL = re.compile(rf"(?=.{{1,{_MAX_PART}}}\Z){_USUAL_PART}(?:/{_USUAL_PART})*")
_DEVICE = re.compile(rf"{_DEVICE_STEM}(?:\.|\Z)")
# Categories Cc, Cf, Cs, Co, Zl and Zp of Unicode 14, and what will never be a character, or never a visible one. Listed
# here and not asked of the interpreter: with another Python the same create must have the same hash.
_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ud800-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U00013438"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U0010ffff"
    + "".join(f"{plane << 16 | 0xFFFE:c}{plane << 16 | 0xFFFF:c}" for plane in range(1, 14))
)
_JOINERS = "\u200c\u200d"
_SPACES = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
# What a joiner may stand between: Persian's and India's letters, emoji; of ASCII nothing.
_JOINED = f"[^\x00-\x7f{_UNSEEN}{_SPACES}{_JOINERS}]"
_FORBIDDEN = re.compile(f'[<>:"|?*{_UNSEEN}]|(?<!{_JOINED})[{_JOINERS}]|[{_JOINERS}](?!{_JOINED})')
_UNSEEN_CHAR = re.compile(f"[{_UNSEEN}]")
_JOINER = re.compile(f"[{_JOINERS}]")
_VERSION = re.compile(r";(?=[0-9]*\Z)")


def clean_name(requested: str) -> str:
    """Return the name under which a client's wish may stand in an archive; the same for a name that is already
    clean.
    """
    if _USUAL.fullmatch(requested):
        return requested
    return _joined(_parts(requested)) or _NO_NAME


def name_from_url(url: str) -> str:
    """Return the clean name that a URL suggests: its last path segment, percent-decoded; `file` where there is none."""
    if url.startswith("upload:"):
        return clean_name(unquote(url.removeprefix("upload:")))
    segment = url.partition("#")[0].partition("?")[0].partition("://")[2].partition("/")[2].rpartition("/")[2]
    if "%" in segment:
        # Bytes that are no UTF-8 become U+FFFD. A slash that was encoded is a letter of the name, no folder.
        segment = unquote(segment).replace("\ufffd", "_").replace("/", "_").replace("\\", "_")
    return clean_name(segment)


def unique_names(requested: Sequence[str], folders: Collection[int] = ()) -> list[str]:
    """Return every name cleaned and made unique, in the same order. `folders`: which of them name empty folders; these
    end in a slash.

    The first of several that clash keeps its name, the others are numbered as `a (2).png`; so is a file that has the
    name of a folder, and the folder's files stay together. A number avoids every name that was asked for.
    """
    names = [clean_name(name) for name in requested]
    keys = [_key(name) for name in names]
    for index in folders:  # so that a folder clashes with a file of its name, and not with the files beneath it
        names[index] += "/"
        keys[index] += "/"
    taken = _Taken(keys)
    numbers: dict[str, int] = {}
    given: set[str] = set()
    for index, key in enumerate(keys):
        if key in given or taken.is_folder(key):
            part = names[index].removesuffix("/")
            names[index] = _numbered(part, taken, numbers) + names[index][len(part) :]
        else:
            given.add(key)
    return names


def clean_filename(requested: str) -> str:
    """Return the archive's own file name: one part, ending in `.zip`; `archive.zip` where nothing of the wish is
    left.
    """
    stem = requested[:-4] if requested[-4:].lower() == ".zip" else requested
    return _cut("_".join(_parts(stem)) or _ARCHIVE, ".zip")


def tar_filename(cleaned: str) -> str:
    """Return what `clean_filename` gave as the name of a tar: it ends in `.tar`, and not in `.zip`."""
    stem = cleaned.removesuffix(".zip")
    return stem if stem.lower().endswith(".tar") else f"{stem}.tar"


def holds_unseen(name: str) -> bool:
    """Return whether a character of the name cannot be seen, or could turn its direction."""
    return _UNSEEN_CHAR.search(name) is not None


def _parts(requested: str) -> list[str]:
    wished = [part for part in nfc(requested).replace("\\", "/").split("/") if part]
    if len(wished) > 2 * _MAX_WHOLE:  # more than fits at two bytes each: a name may be 64 kB of slashes
        wished = wished[:_MAX_WHOLE] + wished[-_MAX_WHOLE:]
    return [part for part in map(_clean_part, wished) if part]


def _clean_part(part: str) -> str:
    if _USUAL.fullmatch(part):
        return part
    part = _trimmed(_FORBIDDEN.sub("_", part))
    if len(part.encode()) > _MAX_PART:
        part = _cut(*_split_extension(part))
    if _DEVICE.match(part):
        part = _cut(*_split_extension("_" + part))
    return _VERSION.sub("_", part)  # as long as before, so that nothing need be cut again


def _trimmed(part: str) -> str:
    return part.lstrip(_SPACES).rstrip(_SPACES + ".")


def _split_extension(part: str) -> tuple[str, str]:
    stem, dot, extension = part.rpartition(".")
    if stem and len(extension.encode()) <= _MAX_EXTENSION:
        return stem, dot + extension
    return part, ""


def _cut(stem: str, extension: str, room: int = _MAX_PART) -> str:
    """Return the part of at most `room` bytes: the stem cut between two code points, the extension whole."""
    kept = stem.encode()[: room - len(extension.encode())].decode(errors="ignore")
    return _trimmed(kept.rstrip(_JOINERS) + extension)


def _joined(parts: list[str]) -> str:
    """Return the parts as one path, without the innermost folders that would make it too long."""
    room = _MAX_WHOLE - len(parts[-1].encode()) if parts else 0
    folders = []
    for folder in parts[:-1]:
        room -= len(folder.encode()) + 1
        if room < 0:
            break
        folders.append(folder)
    return "/".join([*folders, *parts[-1:]])


def _key(name: str) -> str:
    """Return what two names share that some file system takes for one."""
    if name.isascii():
        return name if name.islower() else name.lower()  # itself, not a copy: a million names are 70 MB
    return caseless(_JOINER.sub("", name))  # to HFS+ they are nothing


class _Taken:
    """The keys that names may not get: those asked for, those given, and their folders'.

    Folders are found in the sorted keys: a set of them would take 260 kB for one name of 1 kB with 500 slashes.
    """

    def __init__(self, keys: list[str]) -> None:
        self._keys = set(keys)
        self._paths = sorted(key for key in self._keys if "/" in key)

    def is_folder(self, key: str) -> bool:
        """Return whether any name asked for lies beneath `key`."""
        beneath = key + "/"
        index = bisect_left(self._paths, beneath)
        return index < len(self._paths) and self._paths[index].startswith(beneath)

    def take(self, key: str) -> bool:
        """Take `key` for a new name; False if it is not free."""
        if key in self._keys or self.is_folder(key):
            return False
        self._keys.add(key)
        return True


def _numbered(name: str, taken: _Taken, numbers: dict[str, int]) -> str:
    """`name` with the first free number. `numbers` remembers where to go on: 100,000 equal names take 100,000 steps."""
    folder, slash, part = name.rpartition("/")
    stem, extension = _split_extension(part)
    # Cut for the longest number at once: names that differ only in what is cut off share one count, not n² attempts.
    stem = _cut(stem, "", _MAX_PART - _SUFFIX_ROOM - len(extension.encode()))
    counted = _key(f"{folder}{slash}{stem}{extension}")
    for number in count(numbers.get(counted, 2)):
        candidate = f"{folder}{slash}{stem} ({number}){extension}"
        if taken.take(_key(candidate)):
            numbers[counted] = number + 1
            return candidate
    raise AssertionError("numbers do not end")

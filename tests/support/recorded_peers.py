"""What two peers answered, recorded of their own programs with the calls that stand here.

zipstreamer: scosman/zipstreamer, commit 1fe4904, built with Go 1.19. mod_zip: evanmiller/mod_zip, commit a9f9afa, as a
dynamic module of nginx 1.22.1, before an upstream on HTTP/1.1. Files: /a.txt and /b.txt of an origin; /file1.txt and
"/file 2.txt" of an upstream, whose lists were answered with X-Archive-Files.

Where the gateway answers otherwise, `ours` says what, and `why`.
"""

import zlib
from dataclasses import dataclass
from typing import Any

A, B = b"aaaa", b"bb" * 100
ONE, TWO = b"file one", b"file two, with a space"

Members = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Descriptor:
    """A descriptor of zipstreamer's, its URLs as paths of the origin; what came of it, and under which file name."""

    body: dict[str, Any]
    members: Members
    filename: str = "archive.zip"
    ours: Members | None = None
    our_filename: str | None = None
    why: str = ""


def files(*pairs: tuple[str, str], **more: str) -> dict[str, Any]:
    return {"files": [{"url": url, "zipPath": name} for url, name in pairs], **more}


ZIPSTREAMER = {
    "readme": Descriptor(
        files(("/a.txt", "a.txt"), ("/b.txt", "in-a-sub-folder/b.txt"), suggestedFilename="tps_reports.zip"),
        (("a.txt", A), ("in-a-sub-folder/b.txt", B)),
        "tps_reports.zip",
    ),
    "old keys": Descriptor({"entries": [{"Url": "/a.txt", "ZipPath": "a.txt"}]}, (("a.txt", A),)),
    "keys in any case": Descriptor(
        {"FILES": [{"URL": "/a.txt", "ZIPPATH": "a.txt", "extra": 1}], "SuggestedFileName": "x.zip"},
        (("a.txt", A),),
        "x.zip",
    ),
    "new keys before old ones": Descriptor(
        files(("/a.txt", "new.txt")) | {"entries": [{"Url": "/b.txt", "ZipPath": "old.txt"}]}, (("new.txt", A),)
    ),
    "entries that are dropped": Descriptor(
        files(
            ("ftp://x/a", "ftp.txt"),
            *(("/a.txt", name) for name in ("/abs.txt", "", "dir/", "kept.txt")),
        ),
        (("dir", A), ("kept.txt", A)),
    ),
    "leads out": Descriptor(
        files(("/a.txt", "../x.txt"), ("/b.txt", "a/../../y.txt")),
        (("../x.txt", A), ("../y.txt", B)),
        ours=(("x.txt", A), ("y.txt", B)),
        why="a name that leads out of the folder is mended",
    ),
    "same name": Descriptor(
        files(("/a.txt", "a.txt"), ("/b.txt", "a.txt")),
        (("a.txt", A), ("a.txt", B)),
        ours=(("a.txt", A), ("a (2).txt", B)),
        why="no reader unpacks two files of one name",
    ),
    "letters": Descriptor(
        files(("/a.txt", "фото/ä.txt"), suggestedFilename="фото ä.zip"),
        (("фото/ä.txt", A),),
        " .zip",
        our_filename="filename*=UTF-8''%D1%84%D0%BE%D1%82%D0%BE%20%C3%A4.zip",
        why="the file name keeps its letters",
    ),
    "without .zip": Descriptor(files(("/a.txt", "a.txt"), suggestedFilename="report"), (("a.txt", A),), "report.zip"),
    "a file is gone": Descriptor(
        files(("/gone", "gone.txt"), ("/a.txt", "a.txt")),
        (("a.txt", A),),
        ours=(("a.txt", A), ("archive-report.json", b"")),
        why="what is missing is named",
    ),
    "a redirect": Descriptor(files(("/moved", "a.txt")), (("a.txt", A),)),
    "backslash": Descriptor(
        files(("/a.txt", "dir\\a.txt")),
        (("dir\\a.txt", A),),
        ours=(("dir/a.txt", A),),
        why="a zip's folders are parted by slashes",
    ),
}


@dataclass(frozen=True)
class Listed:
    """A list for mod_zip. `members`: None where it cut the connection without an answer."""

    body: bytes
    members: Members | None
    ours: Members | str | None = None  # a problem's code where it is a string
    why: str = ""


def line(body: bytes, location: str, name: str, crc: str | None = None) -> bytes:
    return f"{crc or format(zlib.crc32(body), '08x')} {len(body)} {location} {name}\n".encode()


FIRST, SECOND = line(ONE, "/file1.txt", "a.txt"), line(TWO, "/file%202.txt", "b.txt")
CUT = "there it cuts the connection"

MOD_ZIP = {
    "readme": Listed(
        line(ONE, "/file1.txt", "My Document1.txt")
        + line(TWO, "/file%202.txt?x=1", "dir/two.txt")
        + b"0        0      @directory My empty directory\n",
        (("My Document1.txt", ONE), ("dir/two.txt", TWO), ("My empty directory", b"")),
        ours=(("My Document1.txt", ONE), ("dir/two.txt", TWO), ("My empty directory/", b"")),
        why="a folder's name ends in a slash, or it is an empty file",
    ),
    "RomM": Listed(
        (line(ONE, "/file1.txt", "Game/disc 1.bin", "-") + line(TWO, "/file%202.txt", "Game.m3u", "-")).rstrip(b"\n"),
        (("Game/disc 1.bin", ONE), ("Game.m3u", TWO)),
        why="there Range is ignored, for want of checksums",
    ),
    "CRLF": Listed((FIRST + SECOND).replace(b"\n", b"\r\n"), (("a.txt", ONE), ("b.txt", TWO))),
    "spaces": Listed(FIRST.replace(b" ", b"   ").replace(b"a.txt", b"a  b .txt"), (("a  b .txt", ONE),)),
    "capital digits": Listed(FIRST[:8].upper() + FIRST[8:], (("a.txt", ONE),)),
    "letters": Listed(line(ONE, "/file1.txt", "фото/ä.txt"), (("фото/ä.txt", ONE),)),
    "folder first": Listed(
        b"0 0 @directory empty/\n" + line(ONE, "/file1.txt", "empty/a.txt"), (("empty/", b""), ("empty/a.txt", ONE))
    ),
    "same name": Listed(
        FIRST + SECOND.replace(b"b.txt", b"a.txt"),
        (("a.txt", ONE), ("a.txt", TWO)),
        ours=(("a.txt", ONE), ("a (2).txt", TWO)),
        why="no reader unpacks two files of one name",
    ),
    "leads out": Listed(
        line(ONE, "/file1.txt", "../a.txt"),
        (("../a.txt", ONE),),
        ours=(("a.txt", ONE),),
        why="a name that leads out of the folder is mended",
    ),
    "blank lines": Listed(b"\n\n" + FIRST + b"\n\n", None, ours=(("a.txt", ONE),), why=CUT),
    "empty": Listed(b"", None, ours="bad_list", why=CUT),
    "a broken line": Listed(FIRST + b"nonsense\n", None, ours="bad_list", why=CUT),
    "a page": Listed(b"<html><body>Log in</body></html>", None, ours="bad_list", why=CUT),
    "no size": Listed(b"- - /file1.txt a.txt\n", None, ours="bad_list", why=CUT),
    "no name": Listed(FIRST.replace(b" a.txt", b""), None, ours="bad_list", why=CUT),
    "a file is gone": Listed(line(ONE, "/gone.txt", "a.txt"), None, ours="entry_failed", why=CUT),
    "a wrong size": Listed(line(ONE + b"x", "/file1.txt", "a.txt", "-"), None, ours="size_mismatch", why=CUT),
}

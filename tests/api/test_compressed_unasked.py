"""Files that their origin compresses although it was asked not to: decoded where the entry says so."""

import gzip
import io
import zipfile
import zlib
from itertools import count
from typing import Any

import brotli
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import Answer, File, Origin, Pattern

BODY = Pattern((1 << 20) + 300_001)[:]
SMALL = Pattern(3000)[:]
NUMBERS = count()


def served(origin: Origin, *answers: Answer) -> str:
    path = f"/unasked/{next(NUMBERS)}.bin"
    origin.serve(path, *answers)
    return origin.url(path)


def created(gateway: Gateway, *entries: dict[str, Any], prefetch: bool = False) -> str:
    named = [{"name": f"{number}.bin", **entry} for number, entry in enumerate(entries)]
    return str(gateway.create(entries=named, compression="store", prefetch=prefetch)["archive_hash"])


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.parametrize("prefetch", [False, True], ids=["streamed", "prefetched"])
def test_files_are_decoded_where_their_entries_say_so(prefetch: bool, gateway: Gateway, origin: Origin) -> None:
    """Byte for byte, in chunks, with ranges of the compressed bytes, and where a connection broke."""
    zipped = gzip.compress(BODY)
    answers: list[tuple[Answer, ...]] = [
        (File(zipped, encoding="gzip"),),
        (File(zipped, encoding="aws-chunked, x-gzip", ranges=False),),
        (File(zlib.compress(BODY), encoding="deflate", chunked=True, ranges=False),),
        (File(brotli.compress(BODY, quality=1), encoding="br", etag=None),),
        (
            File(zipped, encoding="gzip"),
            File(zipped, encoding="gzip", reset_at=len(zipped) // 2),
            File(zipped, encoding="gzip"),
        ),
        (File(BODY), File(zipped, encoding="gzip")),
        (File(BODY),),
    ]
    entries = [{"url": served(origin, *each), "decode": True} for each in answers]
    entries.append({"url": served(origin, File(zipped, encoding="gzip")), "decode": True, "size": len(BODY)})
    entries.append({"url": served(origin, File(gzip.compress(SMALL), encoding="gzip")), "decode": True})
    hash = created(gateway, *entries, prefetch=prefetch)
    if prefetch:
        assert gateway.until(hash)["errors"] == []
    came = members(gateway.download(hash))
    assert came == {f"{number}.bin": SMALL if number == len(entries) - 1 else BODY for number in range(len(entries))}
    assert gateway.until(hash)["status"] == "completed"


def test_files_of_other_entries_are_left_out(gateway: Gateway, origin: Origin) -> None:
    """The same URL twice, one entry of which does not want it decoded; codings on top of each other are none."""
    url = served(origin, File(gzip.compress(BODY), encoding="gzip"))
    twice = served(origin, File(gzip.compress(gzip.compress(BODY)), encoding="gzip, gzip"))
    hash = created(gateway, {"url": url}, {"url": url, "decode": True}, {"url": twice, "decode": True})
    came = members(gateway.download(hash))
    assert (set(came), came["1.bin"]) == ({"1.bin", "archive-report.json"}, BODY)
    errors = [(error["index"], error["code"]) for error in gateway.status(hash)["errors"]]
    assert errors == [(0, "content_encoded"), (2, "content_encoded")]


def test_file_that_is_not_what_its_coding_says_is_never_completed(gateway: Gateway, origin: Origin) -> None:
    """Plain bytes, or more behind its end."""
    zipped = gzip.compress(BODY)
    for body in (BODY, zipped + b"surplus"):
        hash = created(gateway, {"url": served(origin, File(body, encoding="gzip")), "decode": True}, prefetch=True)
        ended = gateway.until(hash, lambda status: status["status"] in ("completed", "failed"), seconds=60)
        assert ended["status"] == "failed"


def test_file_that_grows_beyond_the_limit_ends(launch: Launch, origin: Origin) -> None:
    """A gigabyte of zeros is a megabyte on the wire: what is counted is what it becomes."""
    gateway = launch(max_entry_bytes="1000000")
    bomb = File(gzip.compress(bytes(64 << 20)), encoding="gzip")
    hash = created(gateway, {"url": served(origin, bomb), "decode": True}, prefetch=True)
    assert gateway.until(hash, lambda status: status["status"] == "failed")["code"] == "entry_too_large"


def test_coding_that_is_ignored_is_said_in_the_log(launch: Launch, origin: Origin) -> None:
    """Once for an origin, and not for each of its files."""
    gateway = launch()
    urls = [served(origin, File(SMALL, encoding="aws-chunked")) for _ in range(3)]
    gateway.download(created(gateway, *({"url": url} for url in urls)))
    lines = [line for line in gateway.log if line["event"] == "origin_coding_ignored"]
    assert [line["codings"] for line in lines] == ["aws-chunked"]

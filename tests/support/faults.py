"""What origins do wrong, one failure a case, and how an archive of theirs has to end.

Each case is one entry, `BODY` as its origin should have given it, and the answers to the requests for it, in turn; the
last answer for good. The first request is the probe's, unless the entry came with its size.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from tests.support.origin import Answer, File, HangUp, Origin, Pattern, Raw, Silence, Status, redirect

KIB = 1 << 10
SMALL = 20_000  # comes with its probe, where somebody waits
LONG = (1 << 20) + 300_001  # its header goes out before its last byte came
SPLIT = (8 << 20) + 600_007  # pulled in two parts at a time


class Ending(Enum):
    """How the archive ends."""

    EXACT = "the entry is in it, byte for byte"
    LEFT_OUT = "it is finished without the entry, which status and report name"
    BROKEN = "a problem before its first byte or a cut connection after it, and status failed; a later GET may heal it"
    STALE = "as BROKEN, and 409 from then on; only a new create heals it. Where nothing was given out: asked anew"


@dataclass(frozen=True)
class Fault:
    """One failure."""

    name: str
    answers: tuple[Answer, ...]
    ending: Ending = Ending.EXACT
    code: str = ""  # of the entry where it is left out, else of the archive
    size: int = LONG
    given: dict[str, Any] = field(default_factory=dict)  # of the entry, besides its URL and name
    also: Callable[[Origin, str], None] | None = None  # serves what else the case needs; told the entry's path
    now: File | None = None  # what the file is, where it is another one than it was

    @property
    def body(self) -> bytes:
        """The file as it should be."""
        return Pattern(self.size)[:] if self.now is None else self.now.body[:]

    @property
    def healthy(self) -> File:
        """The origin once it has healed."""
        return File(self.body)


BODY = Pattern(LONG)[:]
OTHER = BODY[::-1]  # another file of the same size
OK = File(BODY)
NOT_RANGED = replace(OK, ranges=False)
WEAK = replace(OK, etag='W/"v1"')
DATED = replace(OK, etag=None)
ANONYMOUS = replace(OK, etag=None, modified=None)
CHUNKED = replace(OK, chunked=True, ranges=False)
UNFRAMED = replace(OK, close=True, ranges=False)
CHANGED = replace(OK, body=OTHER, etag='"v2"', modified="Tue, 02 Jun 2026 10:00:00 GMT")
HALF = LONG // 2
SAME_LENGTH_HEAD = f'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: {LONG}\r\n\r\n'.encode()


def wait(code: int, after: str) -> Status:
    """An answer that asks for patience."""
    return Status(code, (("Retry-After", after),))


def recovers(name: str, *answers: Answer, **more: Any) -> Fault:
    """The failure passes, and the archive is what it would have been without it."""
    return Fault(name, answers, **more)


def left_out(name: str, code: str, *answers: Answer, **more: Any) -> Fault:
    """The probe shows that the entry cannot be had."""
    return Fault(name, answers, Ending.LEFT_OUT, code, **more)


def broken(name: str, code: str, *answers: Answer, **more: Any) -> Fault:
    """The failure stays, after the layout was frozen."""
    return Fault(name, answers, Ending.BROKEN, code, **more)


def stale(name: str, *answers: Answer, **more: Any) -> Fault:
    """The file is another one now, or gone."""
    return Fault(name, answers, Ending.STALE, "origin_changed", **more)


def _redirects(count: int) -> Callable[[Origin, str], None]:
    """A chain of `count` redirects that ends at the file."""

    def serve(origin: Origin, path: str) -> None:
        for hop in range(count):
            following = f"{path}/{hop + 1}"
            origin.serve(path if hop == 0 else f"{path}/{hop}", redirect(following))
        origin.serve(f"{path}/{count}", OK)

    return serve


def _elsewhere(*answers: Answer) -> Callable[[Origin, str], None]:
    """A redirect whose target has the failure."""

    def serve(origin: Origin, path: str) -> None:
        origin.serve(path, redirect(f"{path}/target"))
        origin.serve(f"{path}/target", *answers)

    return serve


def _raw(fields: str, body: bytes = BODY, status: str = "200 OK") -> Raw:
    return Raw(f"HTTP/1.1 {status}\r\n{fields}\r\n".encode() + body)


def _chunked(body: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"%x\r\n%b\r\n%b" % (len(body), body, end)


def _recoverable() -> Iterator[Fault]:
    # Before an answer
    yield recovers("hangs up on the probe", HangUp(), OK)
    yield recovers("resets the probe", HangUp(reset=True), OK)
    yield recovers("says nothing to the probe", Silence(), OK)
    yield recovers("hangs up on the pull", OK, HangUp(), OK)
    yield recovers("resets the pull thrice", OK, *[HangUp(reset=True)] * 3, OK)
    yield recovers("says nothing to the pull", OK, Silence(), OK)
    yield recovers("hangs up on a small file", HangUp(), HangUp(), File(Pattern(SMALL)), size=SMALL)
    yield recovers("hangs up on a kept connection", OK, replace(OK, cut_at=HALF), HangUp(), OK)
    yield recovers("breaks off in its head", OK, Raw(b"HTTP/1.1 206 Partial Co"), OK)
    yield recovers("breaks off between its fields", OK, Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"), OK)
    yield recovers("speaks another protocol once", OK, Raw(b"SSH-2.0-OpenSSH_9.6\r\n"), OK)
    # Statuses that pass
    for code in (408, 425, 429, 500, 502, 503, 504, 507, 520, 599):
        yield recovers(f"answers {code} to the pull", OK, Status(code), OK)
    for code in (429, 500, 503):
        yield recovers(f"answers {code} to the probe", Status(code), OK)
    yield recovers("asks for a second", OK, wait(503, "1"), OK)
    yield recovers("asks for a second at the probe", wait(429, "1"), OK)
    yield recovers("asks to wait until a date that has passed", OK, wait(429, "Mon, 01 Jan 2024 00:00:00 GMT"), OK)
    yield recovers("asks to wait in words", OK, wait(503, "a while"), OK)
    yield recovers("asks to wait a negative time", OK, wait(503, "-5"), OK)
    yield recovers("fails with a body", OK, Status(500, body=b"<h1>oops</h1>" * 100), OK)
    yield recovers("fails with an endless body", OK, Raw(b"HTTP/1.1 500 No\r\n\r\n", tail=b"x" * KIB), OK)
    # In the middle, with ranges and a strong validator
    for at in (0, 1, HALF, LONG - 1):
        yield recovers(f"cuts at {at} of {LONG}", OK, replace(OK, cut_at=at), OK)
        yield recovers(f"resets at {at} of {LONG}", OK, replace(OK, reset_at=at), OK)
    for at in (0, HALF, LONG - 1):
        yield recovers(f"stalls at {at} of {LONG}", OK, replace(OK, hold_at=at), OK)
    yield recovers("cuts and cuts again", OK, *[replace(OK, cut_at=100_000)] * 5, OK)
    yield recovers("cuts, then 503", OK, replace(OK, cut_at=HALF), Status(503), OK)
    yield recovers("cuts, then hangs up", OK, replace(OK, reset_at=HALF), HangUp(reset=True), OK)
    yield recovers("cuts both parts", *[File(Pattern(SPLIT), cut_at=200_000)] * 4, File(Pattern(SPLIT)), size=SPLIT)
    yield recovers(
        "resets a part late", *[File(Pattern(SPLIT), reset_at=500_000)] * 3, File(Pattern(SPLIT)), size=SPLIT
    )
    yield recovers("puts less into a part than was asked", replace(OK, cap=300_000))
    yield recovers("drips, but not for long", OK, replace(OK, drip=200_000, pause=0.05))
    # A resume that is answered wrongly once
    cut = replace(OK, cut_at=HALF)
    yield recovers("ignores the range of a resume", OK, cut, NOT_RANGED)
    yield recovers("resumes elsewhere", OK, cut, replace(OK, content_range=f"bytes 0-{LONG - 1}/{LONG}"), OK)
    yield recovers("resumes with another total", OK, cut, replace(OK, content_range=f"bytes {HALF}-{LONG}/9999999"), OK)
    yield recovers("resumes without saying where", OK, cut, _raw('ETag: "v1"\r\n', status="206 Partial Content"), OK)
    yield recovers("resumes with garbage for a range", OK, cut, replace(OK, content_range="bytes half"), OK)
    yield recovers("resumes with another unit", OK, cut, replace(OK, content_range=f"lines {HALF}-9/{LONG}"), OK)
    yield recovers("resumes with several parts", OK, cut, _multipart(), OK)
    yield recovers("says 416 to a resume once", OK, cut, Status(416, (("Content-Range", f"bytes */{LONG}"),)), OK)
    yield recovers("resumes from a mirror with another tag", OK, cut, replace(OK, etag='"mirror"'), OK)
    yield recovers("resumes another version in spite of If-Range", OK, cut, replace(CHANGED, if_range=False), OK)
    yield recovers("has a name with a space", _raw(f"X Field : 1\r\nContent-Length: {LONG}\r\n"))
    yield recovers("says its length twice", _raw(f"Content-Length: {LONG}\r\n" * 2))
    yield recovers("says a length with its chunks", _raw(f"Content-Length: 9\r\n{CHUNKS}", _chunked(BODY)))
    for coding in ("aws-chunked", "utf-8", "none", "binary", "identity, aws-chunked"):
        yield recovers(f"says {coding} of stored bytes", replace(OK, encoding=coding))
    yield recovers("resumes elsewhere for good", OK, cut, replace(OK, content_range=f"bytes 1-9/{LONG}"))
    yield recovers("says a part of nothing", replace(OK, content_range="bytes */*"))
    yield recovers("says a part beyond the end", replace(OK, content_range="bytes 0-0/0"))
    yield recovers("claims more than it sends, once", OK, replace(OK, claims=LONG + 1), OK)
    yield recovers("claims less than it sends, once", OK, replace(OK, claims=LONG - 1), OK)
    # Without ranges, or without a strong validator: again from the beginning, and its prefix has to be the same
    for what, file in (
        ("without ranges", NOT_RANGED),
        ("with a weak tag", WEAK),
        ("with a date alone", DATED),
        ("without a validator", ANONYMOUS),
        ("in chunks", CHUNKED),
    ):
        yield recovers(f"cuts a file {what}", file, replace(file, cut_at=HALF), file)
        yield recovers(f"resets a file {what} twice", file, *[replace(file, reset_at=HALF)] * 2, file)
    yield recovers("stalls in chunks", CHUNKED, replace(CHUNKED, hold_at=HALF), CHUNKED)
    yield recovers("resets a body without a length", UNFRAMED, replace(UNFRAMED, reset_at=HALF), UNFRAMED)
    yield recovers("ends its chunks without the last one", CHUNKED, _raw(CHUNKS, _chunked(BODY, b"")), CHUNKED)
    yield recovers("writes no number before a chunk", CHUNKED, _raw(CHUNKS, b"zz\r\n" + BODY), CHUNKED)
    yield recovers("writes a huge chunk size", CHUNKED, _raw(CHUNKS, b"f" * 17 + b"\r\n" + BODY), CHUNKED)
    # Odd, and right
    yield recovers("redirects", redirect("/"), also=_redirects(1))
    yield recovers("redirects five times", redirect("/"), also=_redirects(5))
    yield recovers("redirects to what cuts", redirect("/"), also=_elsewhere(OK, replace(OK, cut_at=HALF), OK))
    yield recovers("sends trailers", _raw(CHUNKS, _chunked(BODY, b"0\r\nX-Sum: 1\r\n\r\n")))
    yield recovers(
        "sends early hints", OK, Raw(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + SAME_LENGTH_HEAD + BODY)
    )
    yield recovers("sends more after its answer", Raw(SAME_LENGTH_HEAD + BODY + b"HTTP/1.1 200 OK\r\n\r\nsmuggled"))
    yield recovers("answers in HTTP/1.0", Raw(SAME_LENGTH_HEAD.replace(b"1.1", b"1.0") + BODY))
    yield recovers("says 416 of an empty file", Status(416, (("Content-Range", "bytes */0"),)), File(b""), size=0)


CHUNKS = "Transfer-Encoding: chunked\r\n"


def _multipart() -> Raw:
    part = f"--b\r\nContent-Range: bytes {HALF}-{LONG - 1}/{LONG}\r\n\r\n".encode() + BODY[HALF:] + b"\r\n--b--\r\n"
    return _raw(f"Content-Type: multipart/byteranges; boundary=b\r\nContent-Length: {len(part)}\r\n", part, "206 Part")


def _seen_by_the_probe() -> Iterator[Fault]:
    for code in (400, 401, 403, 404, 405, 410, 418, 451, 499):
        yield left_out(f"answers {code} for good", f"http_{code}", Status(code))
    for code in (429, 500, 503):
        yield left_out(f"answers {code} for good", f"http_{code}", Status(code))
    yield left_out("has no content", "http_204", Status(204))
    yield left_out("hangs up for good", "unreachable", HangUp())
    yield left_out("resets for good", "unreachable", HangUp(reset=True))
    yield left_out("says nothing for good", "timed_out", Silence())
    yield left_out("speaks another protocol", "bad_answer", Raw(b"SSH-2.0-OpenSSH_9.6\r\n"))
    yield left_out("redirects six times", "too_many_redirects", redirect("/"), also=_redirects(6))
    yield left_out("redirects in a circle", "too_many_redirects", redirect(""), also=_circle)
    yield left_out("redirects to nowhere", "http_302", Status(302))
    yield left_out("redirects to a private address", "blocked_address", redirect("http://169.254.169.254/latest/"))
    yield left_out("redirects to a file of the gateway", "unsafe_url", redirect("file:///etc/passwd"))
    yield left_out("redirects to what is no URL", "unsafe_url", redirect("http://[/"))
    yield left_out("compresses with gzip", "content_encoded", File(gzip.compress(BODY), encoding="gzip", ranges=False))
    yield left_out("compresses with deflate", "content_encoded", File(zlib.compress(BODY), encoding="deflate"))
    yield left_out("says br and sends it plain", "content_encoded", replace(OK, encoding="br"))
    yield left_out(
        "says gzip by its transfer", "bad_answer", _raw("Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")
    )
    yield left_out("says a length that is no number", "bad_answer", _raw("Content-Length: many\r\n"))
    yield left_out("says a negative length", "bad_answer", _raw("Content-Length: -1\r\n"))
    yield left_out("says two lengths", "bad_answer", _raw(f"Content-Length: {LONG}\r\nContent-Length: 1\r\n"))
    yield left_out("says a length of exabytes", "bad_answer", _raw("Content-Length: 99999999999999999\r\n"))
    yield left_out("has a head that is too large", "bad_answer", _raw(f"X-Large: {'x' * 70_000}\r\n"))
    yield left_out("has 300 fields", "bad_answer", _raw("X-Field: 1\r\n" * 300))
    yield left_out(
        "has a head that never ends", "bad_answer", Raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 90, endless=True)
    )


def _circle(origin: Origin, path: str) -> None:
    origin.serve(path, redirect(path))


def _seen_by_the_pull() -> Iterator[Fault]:
    yield broken("fails after the probe", "origin_failed", OK, Status(500))
    yield broken("says 429 after the probe, for good", "origin_failed", OK, Status(429))
    yield broken("says 403 after the probe", "origin_failed", OK, Status(403))
    yield broken("hangs up after the probe", "origin_failed", OK, HangUp())
    yield broken("says nothing after the probe", "origin_failed", OK, Silence())
    yield broken("compresses after the probe", "origin_failed", OK, replace(OK, encoding="gzip"))
    yield broken("redirects inside after the probe", "origin_failed", OK, redirect("http://10.0.0.1/"))
    cut = replace(OK, cut_at=HALF)
    yield broken("cuts, then fails for good", "origin_failed", OK, cut, Status(502))
    yield broken("cuts, then 403", "origin_failed", OK, cut, Status(403))
    yield broken("cuts, then says nothing", "origin_failed", OK, cut, Silence())
    yield broken("cuts before the first new byte, for good", "origin_failed", OK, cut, replace(OK, cut_at=0))
    yield broken("cuts where it has no ranges, for good", "origin_failed", NOT_RANGED, replace(NOT_RANGED, cut_at=HALF))
    yield broken("cuts its chunks for good", "origin_failed", CHUNKED, replace(CHUNKED, cut_at=HALF))
    yield broken("stalls at the same byte for good", "origin_failed", NOT_RANGED, replace(NOT_RANGED, hold_at=HALF))
    yield broken("gives a byte an attempt", "origin_failed", OK, replace(OK, cut_at=1))
    yield broken("gives a byte an attempt to each part", "origin_failed", *_bytewise(), size=SPLIT)
    yield broken("never says where it resumes", "origin_failed", OK, cut, _raw("", status="206 Partial Content"))
    yield broken("drips for ever", "origin_failed", OK, replace(OK, drip=1, pause=0.05))
    yield broken("drips its chunks for ever", "origin_failed", CHUNKED, replace(CHUNKED, drip=1, pause=0.05))
    yield broken("sends a chunk size without an end", "origin_failed", CHUNKED, _endless_chunk_size())
    early = replace(OK, body=gzip.compress(BODY)[:-4], encoding="gzip")
    yield broken("ends a compressed file before its end", "origin_failed", early, given={"decode": True})
    yield broken("has another CRC than was given", "crc_mismatch", OK, given={"crc32": "00000001"})
    yield broken("has another size than was given", "size_mismatch", OK, given={"size": LONG + 1})
    yield broken("is longer than was given", "size_mismatch", OK, given={"size": LONG - 1})
    yield broken("is longer than was given, in chunks", "origin_failed", CHUNKED, given={"size": LONG - 1})
    yield broken("is shorter than was given, in chunks", "origin_failed", CHUNKED, given={"size": LONG + 1})
    yield broken("is endless where a size was given", "origin_failed", _endless(), given={"size": LONG})
    yield stale("is gone after the probe", OK, Status(404))
    yield stale("is gone for good after the probe", OK, Status(410))
    yield stale("is gone in the middle", OK, cut, Status(404))
    yield stale("grew after the probe", OK, File(BODY + b"more", etag='"v2"'))
    yield stale("shrank after the probe", OK, File(BODY[:-9], etag='"v2"'))
    yield stale("changed in the middle", OK, cut, CHANGED)
    yield stale("changed in the middle, ignoring If-Range", OK, cut, replace(CHANGED, if_range=False))
    yield stale("shrank in the middle", OK, cut, File(BODY[:1000], etag='"v2"'))
    yield stale("changed in the middle, with a weak tag", WEAK, replace(WEAK, cut_at=HALF), replace(WEAK, body=OTHER))
    yield stale("changed in the middle, with a date", DATED, replace(DATED, cut_at=HALF), replace(DATED, body=OTHER))
    yield stale(
        "changed in the middle, with nothing",
        *(replace(each, etag=None, modified=None) for each in (OK, cut)),
        replace(ANONYMOUS, body=OTHER),
    )
    yield stale(
        "changed in the middle of its chunks", CHUNKED, replace(CHUNKED, cut_at=HALF), replace(CHUNKED, body=OTHER)
    )
    yield stale("says 416 to every resume", OK, cut, Status(416, (("Content-Range", f"bytes */{LONG}"),)))
    yield stale("lost its tag in the middle", OK, cut, ANONYMOUS)


def _bytewise() -> tuple[Answer, ...]:
    file = File(Pattern(SPLIT))
    return file, replace(file, cut_at=1)


def _endless_chunk_size() -> Raw:
    return Raw(b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nTransfer-Encoding: chunked\r\n\r\n1;', tail=b"x" * KIB)


def _endless() -> Raw:
    return Raw(b"HTTP/1.1 200 OK\r\n\r\n" + BODY, tail=b"x" * (64 * KIB))


FAULTS = [*_recoverable(), *_seen_by_the_probe(), *_seen_by_the_pull()]

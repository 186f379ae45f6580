"""Origins as they are in the wild: one habit each, named for what it does, answered from the request alone.

A habit holds for every request to its path, for good: nothing heals. What its entry must end as stands beside it. Each
was met in public reports of downloaders and proxies.
"""

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import count

from tests.support.origin import MODIFIED, Answer, Origin, Raw, Reply, Request, Status, redirect

TAG = '"v1"'


class Ending(Enum):
    """What becomes of the entry."""

    EXACT = "it is in the archive, byte for byte"
    LEFT_OUT = "the archive is finished without it, and names it with its code"
    AFRESH = "it is in the archive, or else in that of the next create"


@dataclass(frozen=True)
class Habit:
    """What an origin does. `reply(body, request)` is its answer; `also` serves what else the habit takes."""

    name: str
    reply: Callable[[bytes, Request], Answer]
    ending: Ending = Ending.EXACT
    code: str = ""
    also: Callable[[Origin, str, bytes], None] | None = None

    def serve(self, origin: Origin, path: str, body: bytes) -> None:
        """Answer `path` so."""
        origin.serve(path, Reply(lambda request: self.reply(body, request)))
        if self.also is not None:
            self.also(origin, path, body)


def asked(request: Request, size: int) -> tuple[int, int] | None:
    """The span `[start, stop)` that the request names of a file of `size` bytes; None: the whole file."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", request.fields.get("range", ""))
    if match is None or int(match[1]) >= size:
        return None
    return int(match[1]), min(size, int(match[2]) + 1) if match[2] else size


def whole(body: bytes, *fields: tuple[str, str], tag: str | None = TAG) -> Status:
    """The file, as it should be answered to a plain request."""
    return Status(200, (*_common(tag), *fields), body)


def part(body: bytes, span: tuple[int, int], *fields: tuple[str, str], tag: str | None = TAG) -> Status:
    """A part of the file, as it should be answered."""
    start, stop = span
    said = ("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}")
    return Status(206, (said, *_common(tag), *fields), body[start:stop])


def whole_as_part(body: bytes) -> Status:
    """All of the file, said to be its first byte."""
    return Status(206, (("Content-Range", f"bytes 0-0/{len(body)}"), *_common(TAG)), body)


def _common(tag: str | None) -> tuple[tuple[str, str], ...]:
    return (("Last-Modified", MODIFIED), *(() if tag is None else (("ETag", tag),)))


def _if_ranged(answer: Callable[[bytes, tuple[int, int]], Answer]) -> Callable[[bytes, Request], Answer]:
    """The answer to a range; plain requests get the file."""

    def reply(body: bytes, request: Request) -> Answer:
        span = asked(request, len(body))
        return whole(body) if span is None else answer(body, span)

    return reply


def _said(said: Callable[[int, int, int], str], code: int = 206) -> Callable[[bytes, Request], Answer]:
    """A range's bytes under this Content-Range, made of start, stop and size."""
    return _if_ranged(
        lambda body, span: Status(
            code, (("Content-Range", said(*span, len(body))), *_common(TAG)), body[span[0] : span[1]]
        )
    )


def _first(span: tuple[int, int]) -> bool:
    """Whether it is the probe's."""
    return span[1] < 1 << 20


def _in_chunks(body: bytes) -> Raw:
    head = f"HTTP/1.1 200 OK\r\nETag: {TAG}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return Raw(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))


SLICES = [
    Habit(
        "answers a range with 200 and the slice",
        _if_ranged(lambda body, span: Status(200, _common(TAG), body[span[0] : span[1]])),
    ),
    Habit(
        "answers a range with 200, the slice, and where it lies",
        _said(lambda start, stop, size: f"bytes {start}-{stop - 1}/{size}", code=200),
    ),
    Habit(
        "answers a range with 200, the slice, and where it lies of as much",
        _said(lambda start, stop, size: f"bytes {start}-{stop - 1}/{stop}", code=200),
    ),
    Habit(
        "says that the file ends where the slice does",
        _said(lambda start, stop, size: f"bytes {start}-{stop - 1}/{stop}"),
    ),
    Habit(
        "answers a range with 200 and the slice, without a tag",
        _if_ranged(lambda body, span: Status(200, _common(None), body[span[0] : span[1]])),
    ),
    Habit(
        "answers all but the first range with 200 and the slice",
        _if_ranged(
            lambda body, span: part(body, span) if _first(span) else Status(200, _common(TAG), body[span[0] : span[1]])
        ),
    ),
    Habit(
        "answers all but the first range with the slice in chunks",
        _if_ranged(lambda body, span: part(body, span) if _first(span) else _in_chunks(body[span[0] : span[1]])),
    ),
]


def _refuses(code: int) -> Habit:
    return Habit(f"answers {code} to any range", _if_ranged(lambda _, __: Status(code)))


def _multipart(body: bytes, span: tuple[int, int]) -> Status:
    head = f"--b\r\nContent-Range: bytes {span[0]}-{span[1] - 1}/{len(body)}\r\n\r\n".encode()
    said = ("Content-Type", "multipart/byteranges; boundary=b")
    return Status(206, (said, *_common(TAG)), head + body[span[0] : span[1]] + b"\r\n--b--\r\n")


def _always(code: int, said: str) -> Callable[[bytes, Request], Answer]:
    """The whole file under this status and Content-Range, whatever is asked."""
    return lambda body, _: Status(
        code, (("Content-Range", said.format(last=len(body) - 1, size=len(body))), *_common(TAG)), body
    )


RANGES = [
    *map(_refuses, (400, 403, 405, 416, 501)),
    Habit("writes an equals sign into its range", _said(lambda start, stop, size: f"bytes={start}-{stop - 1}/{size}")),
    Habit("says no size but the letter n", _said(lambda start, stop, size: f"bytes {start}-{stop - 1}/n")),
    Habit("says that a part ends beyond the file", _said(lambda start, stop, size: f"bytes {start}-{size + 9}/{size}")),
    Habit("says that a part ends behind its start", _said(lambda start, stop, size: f"bytes {stop}-{start}/{size}")),
    Habit("says a part without its total", _said(lambda start, stop, size: f"bytes {start}-{stop - 1}")),
    Habit("says a total that is smaller than the part", _said(lambda start, stop, size: f"bytes {start}-{stop - 1}/0")),
    Habit("says that every part begins at 1", _said(lambda start, stop, size: f"bytes 1-{stop - start}/{size}")),
    Habit("gives a part without saying which", _if_ranged(lambda body, span: Status(206, (), body[span[0] : span[1]]))),
    Habit("gives every part among several", _if_ranged(_multipart)),
    Habit("gives the whole file as a part", _always(206, "bytes 0-{last}/{size}")),
    Habit("gives the whole file as a part of its first byte", _if_ranged(lambda body, _: whole_as_part(body))),
    Habit(
        "gives the whole file as a part that it does not name",
        lambda body, _: Status(206, _common(TAG), body),
        Ending.LEFT_OUT,
        "bad_answer",
    ),
    Habit("says a range with every whole file", _always(200, "bytes 0-{last}/{size}")),
    Habit("says garbage for a range with every whole file", _always(200, "all")),
    Habit(
        "says with every whole file that it is a part",
        _always(200, "bytes 0-{last}/99999999"),
        Ending.LEFT_OUT,
        "bad_answer",
    ),
]


def _answered(body: bytes, request: Request, *fields: tuple[str, str], tag: str | None = TAG) -> Status:
    """The file or the part that is asked for, as it should be answered, with these fields besides."""
    span = asked(request, len(body))
    return whole(body, *fields, tag=tag) if span is None else part(body, span, *fields, tag=tag)


def _new_tags(weak: str = "", nodes: int = 1 << 60) -> Callable[[bytes, Request], Answer]:
    answers = count()
    return lambda body, request: _answered(body, request, tag=f'{weak}"{next(answers) % nodes}"')


def _mirrors(origin: Origin, path: str, body: bytes) -> None:
    for number in range(40):
        origin.serve(f"{path}/{number}", Reply(partial(_answered, body, tag=f'"mirror-{number}"')))


def _to_next_mirror() -> Callable[[bytes, Request], Answer]:
    answers = count()
    return lambda _, request: redirect(f"{request.target}/{next(answers) % 40}")


def _tag_of_parts(request: Request) -> str | None:
    return TAG if "range" in request.fields else None


TAGS = [
    Habit("gives every answer a tag of its own", _new_tags(), Ending.AFRESH),
    Habit("gives every answer a weak tag of its own", _new_tags("W/")),
    Habit("has three nodes with a tag each", _new_tags(nodes=3), Ending.AFRESH),
    Habit("redirects each request to another mirror, with a tag of its own", _to_next_mirror(), also=_mirrors),
    Habit("gives no tag to parts", _if_ranged(lambda body, span: part(body, span, tag=None))),
    Habit(
        "gives whole files another tag than parts",
        lambda body, request: _answered(body, request, tag=_tag_of_parts(request) or '"v1-gzip"'),
        Ending.AFRESH,
    ),
    Habit(
        "gives the tag to parts alone",
        lambda body, request: _answered(body, request, tag=_tag_of_parts(request)),
        Ending.AFRESH,
    ),
]


def _written(
    *lines: bytes, status: bytes = b"HTTP/1.1 %d OK", before: bytes = b"", chunked: bool = False
) -> Callable[[bytes, Request], Answer]:
    """The right answer, with these lines of a head besides, written as they stand."""

    def reply(body: bytes, request: Request) -> Answer:
        answer = _answered(body, request)
        own = [f"{name}: {value}".encode() for name, value in answer.fields]
        length = b"%d" % len(answer.body)
        head = [status.replace(b"%d", b"%d" % answer.code), *own]
        if not chunked:
            head.append(b"Content-Length: " + length)
        head += [line.replace(b"LENGTH", length) for line in lines]
        sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(answer.body), answer.body) if chunked else answer.body
        return Raw(before + b"\r\n".join(head) + b"\r\n\r\n" + sent)

    return reply


def _compressed(coding: str) -> Habit:
    said = ("Content-Encoding", coding)
    name = f"compresses by {coding} though identity was asked for"
    return Habit(name, lambda body, _: whole(gzip.compress(body[:1000]), said), Ending.LEFT_OUT, "content_encoded")


HEADS = [
    *(
        Habit(f"says {coding} of stored bytes", _written(b"Content-Encoding: " + coding.encode()))
        for coding in ("aws-chunked", "utf-8", "none", "binary", "x-of-its-own", ", ,identity")
    ),
    *map(_compressed, ("gzip", "br", "deflate", "zstd")),
    Habit("says its length twice", _written(b"Content-Length: LENGTH")),
    Habit("says its length twice in one field", _written(b"Content-Length: LENGTH, LENGTH")),
    Habit("says two lengths", _written(b"Content-Length: 7"), Ending.LEFT_OUT, "bad_answer"),
    Habit(
        "says a length beside its chunks", _written(b"Transfer-Encoding: chunked", b"Content-Length: 7", chunked=True)
    ),
    Habit("writes a space before a colon", _written(b"X-Powered-By : it")),
    Habit("writes a line without a colon", _written(b"and so on")),
    Habit("writes a field that is not ASCII", _written("X-Town: Zürich".encode("latin-1"))),
    Habit("folds a field", _written(b"X-Long: one", b" two")),
    Habit("gives no reason", _written(status=b"HTTP/1.1 %d")),
    Habit("gives hints before its answer", _written(before=b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")),
    Habit("speaks HTTP/1.0", _written(status=b"HTTP/1.0 %d OK")),
]


def _wants_cookie(body: bytes, request: Request) -> Answer:
    if "seen=1" in request.fields.get("cookie", ""):
        return _answered(body, request)
    return Status(302, (("Location", request.target), ("Set-Cookie", "seen=1; Path=/")))


def _to(written: bytes) -> Callable[[bytes, Request], Answer]:
    """A redirect as it is written, to a path below its own."""
    return lambda _, request: Raw(
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + request.target.encode() + written + b"\r\n\r\n"
    )


def _at(escaped: str) -> Callable[[Origin, str, bytes], None]:
    """The file at the path that the redirect means."""
    return lambda origin, path, body: origin.serve(path + escaped, Reply(lambda request: _answered(body, request)))


REDIRECTS = [
    Habit("redirects until its cookie comes back", _wants_cookie),
    Habit("redirects to a path with spaces", _to(b"/a b"), also=_at("/a%20b")),
    Habit("redirects to a path in Latin-1", _to(b"/\xe4"), also=_at("/%E4")),
    Habit("redirects to a path in UTF-8", _to(b"/\xc3\xa4"), also=_at("/%C3%A4")),
    Habit("redirects to itself", _to(b""), Ending.LEFT_OUT, "too_many_redirects"),
    Habit("redirects without saying where to", lambda *_: Status(302), Ending.LEFT_OUT, "http_302"),
    Habit(
        "redirects to an address of its own network",
        lambda *_: redirect("http://10.0.0.1/"),
        Ending.LEFT_OUT,
        "blocked_address",
    ),
]

HABITS = [*SLICES, *RANGES, *TAGS, *HEADS, *REDIRECTS]

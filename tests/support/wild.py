"""Origins as they are in the wild: one habit each, named for what it does, answered from the request alone.

A habit holds for every request to its path, for good: nothing heals. What its entry must end as stands beside it. Each
was met in public reports of downloaders and proxies.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from tests.support.origin import MODIFIED, Answer, Origin, Raw, Reply, Request, Status

TAG = '"v1"'


class Ending(Enum):
    """What becomes of the entry."""

    EXACT = "it is in the archive, byte for byte"
    LEFT_OUT = "the archive is finished without it, and names it with its code"


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

HABITS = [*SLICES, *RANGES]

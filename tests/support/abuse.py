"""What clients and origins can send on the wire at its worst: the largest, slowest, most split, most repeated form."""

import asyncio
import contextlib
import gzip
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from tests.support.origin import Answer, File, Raw

LINE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"
CREATE = b"POST /api/archive/create HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
IN_CHUNKS = CREATE + b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Abuse:
    """A client's part: `begin` once on each connection, then `again` without an end, in writes of `step` bytes."""

    begin: bytes
    again: bytes
    step: int = 1 << 16


FORM = b"application/x-www-form-urlencoded"
PARTS = b"multipart/form-data; boundary=b"


def post(path: bytes, content: bytes, kind: bytes = b"application/json") -> bytes:
    """A whole request."""
    head = b"POST %b HTTP/1.1\r\nHost: a\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (path, kind, len(content)) + content


def create(document: Any) -> bytes:
    """A create of this document."""
    return post(b"/api/archive/create", json.dumps(document, ensure_ascii=False).encode())


def hostile_names(count: int) -> dict[str, Any]:
    """A list whose names are as slow to clean as names can be; no origin is asked, for each size is given."""
    names = ["\u0f73" * 5000, "../" * 5000, "con." * 5000, "a\u0301" * 5000, "\u202e" * 5000]
    return {
        "entries": [{"url": f"https://files.example/{at}", "name": names[at % 5], "size": 1} for at in range(count)]
    }


# Documents, names, forms and lists: each as long as the tests' gateway takes it, or nearly.
CONTENTS: dict[str, Abuse] = {
    "document of hostile names": Abuse(b"", create(hostile_names(200))),
    "document of other hosts each": Abuse(
        b"", create({"urls": [f"https://{'.'.join(['é' * 18] * 8)}.é{at}.example/" for at in range(4000)] + ["x"]})
    ),
    "document of keys": Abuse(b"", create({f"{at}": at for at in range(100_000)})),
    "document that is deep": Abuse(b"", post(b"/api/archive/create", b'{"urls":' + b"[" * 3_000_000)),
    "document of long numbers": Abuse(b"", post(b"/api/archive/create", b"[" + b"9" * 399 + b",9" * 1_000_000 + b"]")),
    "document of escapes": Abuse(b"", post(b"/api/archive/create", b'{"urls":["' + b"\\u0041" * 500_000 + b'"]}')),
    "document that is wrong": Abuse(b"", create({"entries": [{"url": 5, "nmae": at} for at in range(50_000)]})),
    "pasted columns": Abuse(b"", post(b"/new", b"links=url" + b"," * 20_000 + b"%0a" + b"a%0a" * 20_000, FORM)),
    "pasted quotes": Abuse(b"", post(b"/new", b"links=" + b'"' * 3_000_000, FORM)),
    "pasted lines": Abuse(b"", post(b"/new", b"links=" + b"a%0a" * 700_000, FORM)),
    "pasted JSON": Abuse(b"", post(b"/new", b"links=[" + b"{}," * 1_000_000, FORM)),
    "form of fields": Abuse(b"", post(b"/new", b"a=&" * 1_000_000, FORM)),
    "form of escapes": Abuse(b"", post(b"/new", b"links=" + b"%25" * 1_000_000, FORM)),
    "login of fields": Abuse(b"", post(b"/login", b"a=&" * 1300, FORM) * 20),
    "upload of parts": Abuse(
        b"", post(b"/upload", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 40_000, PARTS)
    ),
    "upload of an endless head": Abuse(b"", post(b"/upload", b"--b\r\n" + b"X: y\r\n" * 400_000, PARTS)),
    "upload of boundaries": Abuse(b"", post(b"/upload", b"--b\r\n\r\n" + b"\r\n--" * 700_000, PARTS)),
    "upload of false boundaries": Abuse(
        b"",
        post(b"/upload", b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"\r\n--bx" * 500_000, PARTS),
    ),
    "upload of a long name": Abuse(b"", post(b"/upload/" + b"%CC%96%CC%81" * 4000, b"x") * 20),
    "page that is none": Abuse(b"", post(b"/download", b'{"url": "' + b"x" * 16_000 + b'"}') * 50),
    "hashes": Abuse(
        b"", b"".join(b"GET /api/archive/status/%032x HTTP/1.1\r\nHost: a\r\n\r\n" % at for at in range(500))
    ),
}

CLIENTS: dict[str, Abuse] = {
    "head of one endless field": Abuse(LINE + b"X: ", b"x" * 65536),
    "head of endless fields": Abuse(LINE, b"X: y\r\n" * 8192),
    "head of empty lines": Abuse(b"", b"\r\n" * 32768),
    "head in single bytes": Abuse(LINE, b"X: y\r\n" * 64, step=1),
    "largest heads, repeated": Abuse(b"", LINE + (b"X-%s: y\r\n" % (b"z" * 300)) * 190 + b"\r\n"),
    "smallest requests, repeated": Abuse(b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2400),
    "no HTTP": Abuse(b"", bytes(range(256)) * 256),
    "target without an end": Abuse(b"GET /", b"x" * 65536),
    "body in chunks of one byte": Abuse(IN_CHUNKS, b"1\r\n[\r\n" * 10922),
    "body in single bytes": Abuse(CREATE + b"Content-Length: 1000000\r\n\r\n", b"[" * 64, step=1),
    "body of brackets": Abuse(CREATE + b"Content-Length: 100000000\r\n\r\n", b"[" * 65536),
    "body with long extensions": Abuse(IN_CHUNKS, (b"1;" + b"x" * 4000 + b"\r\n[\r\n") * 16),
    "trailers without an end": Abuse(IN_CHUNKS + b"2\r\n{}\r\n0\r\n", b"X: y\r\n" * 8192),
    "bodies of requests that need none": Abuse(
        b"", b"GET /none HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + b"x" * 100
    ),
    "creates, repeated": Abuse(b"", (CREATE + b'Content-Length: 11\r\n\r\n{"urls":[]}') * 500),
}


def ranges(hash: str) -> dict[str, Abuse]:
    """The ranges of a finished archive, as many and as long as a head may have."""

    def asking(value: bytes) -> bytes:
        return f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\nRange: bytes=".encode() + value + b"\r\n\r\n"

    return {
        "ranges by the thousand": Abuse(
            b"", asking(b",".join(b"%d-%d" % (at, at) for at in range(0, 12_000, 2))[:60_000])
        ),
        "ranges of one byte": Abuse(b"", asking(b",".join(b"%d-%d" % (at, at) for at in range(0, 100, 2))) * 20),
        "ranges that overlap": Abuse(b"", asking(b",".join([b"0-"] * 50)) * 20),
        "ranges of many digits": Abuse(b"", asking(b"9" * 60_000 + b"-")),
        "ranges of nothing": Abuse(b"", asking(b"," * 60_000)),
    }


HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

ORIGINS: dict[str, Answer] = {
    "fields": Raw(HEAD, tail=b"X: y\r\n" * 8192),
    "field": Raw(HEAD + b"X: ", tail=b"x" * 65536),
    "folded field": Raw(HEAD + b"X: y\r\n", tail=b" y\r\n" * 16384),
    "interim answers": Raw(b"", tail=b"HTTP/1.1 100 Continue\r\n\r\n" * 2048),
    "empty lines": Raw(b"", tail=b"\r\n" * 32768),
    "chunks of one byte": Raw(CHUNKED, tail=b"1\r\nx\r\n" * 10922),
    "chunks of two bytes": Raw(CHUNKED, tail=b"2\r\nxy\r\n" * 9362),
    "extension": Raw(CHUNKED + b"1;", tail=b"x" * 65536),
    "extensions": Raw(CHUNKED, tail=(b"1;" + b"x" * 4000 + b"\r\nx\r\n") * 16),
    "chunk size": Raw(CHUNKED, tail=b"0" * 65536),
    "trailers": Raw(CHUNKED + b"1\r\nx\r\n0\r\n", tail=b"X: y\r\n" * 8192),
    "trailer": Raw(CHUNKED + b"1\r\nx\r\n0\r\nX: ", tail=b"x" * 65536),
    "no HTTP": Raw(b"", tail=bytes(range(256)) * 256),
}


def html(body: bytes, charset: bytes = b"utf-8", coding: bytes = b"identity") -> Raw:
    """A web page."""
    head = HEAD + b"Content-Type: text/html; charset=" + charset + b"\r\nContent-Encoding: " + coding + b"\r\n"
    return Raw(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


HTML = HEAD + b"Content-Type: text/html\r\n"
PAGE = 8 << 20  # bytes that are read of one

# Web pages whose images are asked for: as long as one may be, and what parsers are slow with.
PAGES: dict[str, Answer] = {
    "page of text": html(b"<p>" + b"x" * (PAGE - 3)),
    "page of nested elements": html(b"<div>" * 1_000_000),
    "page of nested formatting": html(b"<a><b><i><p>" * 300_000),
    "page of nested tables": html(b"<table><tr><td>" * 300_000),
    "page of images": html(b"".join(b"<img src=/images/%d>" % number for number in range(100_000))),
    "page of one giant attribute": html(b"<img src='" + b"a" * (PAGE - 20) + b"'>"),
    "page of attributes": html(b"<img " + b"".join(b"a%d=b " % number for number in range(500_000)) + b">"),
    "page of candidates": html(b"<img srcset='" + b"a 1x," * 1_500_000 + b"'>"),
    "page of styles": html(b"<p style='" + b"background:url(" * 500_000 + b"'>"),
    "page of entities": html(b"&NotEqualTilde;" * 500_000),
    "page of unclosed tags": html(b"<img src=a " * 700_000),
    "page of comments": html(b"<!--" * 2_000_000),
    "page of NUL": html(bytes(PAGE)),
    "page in UTF-16": html(b"<\0i\0" * 2_000_000, charset=b"utf-16le"),
    "page in UTF-7": html(b"+ADw-img src+AD0-a+AD4-" * 300_000, charset=b"utf-7"),
    "page in no charset": html(b"\xff\xfe\xfd" * 2_000_000, charset=b"x" * 9000),
    "page that is packed": html(gzip.compress(bytes(100 << 20), 9, mtime=0), coding=b"gzip"),
    "page without an end": Raw(HTML + b"\r\n", tail=b"<img src=a>" * 5000),
    "page in chunks of one byte": Raw(HTML + b"Transfer-Encoding: chunked\r\n\r\n", tail=b"1\r\n<\r\n" * 10922),
    "page that drips": File(b"<img src=a>" * 100, fields=(("Content-Type", "text/html"),), drip=1, pause=0.01),
}


async def send_without_end(port: int, abuse: Abuse) -> None:
    """Send it, take whatever is answered, and connect anew when cut; until cancelled."""
    while True:
        with contextlib.suppress(OSError):
            async with _connected(port) as (reader, writer):
                taking = asyncio.create_task(_take(reader))
                try:
                    writer.write(abuse.begin)
                    while not taking.done():
                        await asyncio.sleep(0 if abuse.again else 0.05)
                        for at in range(0, len(abuse.again), abuse.step):
                            writer.write(abuse.again[at : at + abuse.step])
                            await writer.drain()
                            await asyncio.sleep(0)
                finally:
                    taking.cancel()
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def _take(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass


async def abuse_for(seconds: float, port: int, abuses: list[Abuse]) -> None:
    """Have each of them sent on a connection of its own, all at once, for so long."""
    sending = [asyncio.create_task(send_without_end(port, abuse)) for abuse in abuses]
    done, _ = await asyncio.wait(sending, timeout=seconds)
    assert not done, [task.exception() for task in done]
    for task in sending:
        task.cancel()
    await asyncio.gather(*sending, return_exceptions=True)


# Time that the gateway's loop had on a processor: what it did before it came to answering. Where the machine is busy
# with other things that is less than what a clock shows, where it is not, the same.
_ASKING = """
import http.client, select, sys
port, loop = int(sys.argv[1]), f"/proc/{sys.argv[2]}/schedstat"
worst = 0.0
while True:
    with open(loop) as busy:
        before = int(busy.read().split()[0])
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=100)
    client.request("GET", "/healthz")
    assert client.getresponse().status == 200
    client.close()
    with open(loop) as busy:
        worst = max(worst, (int(busy.read().split()[0]) - before) / 1e9)
    if select.select([sys.stdin], [], [], 0.01)[0]:
        break
print(worst)
"""


def worst_answer(port: int, process: int, meanwhile: Callable[[], None]) -> float:
    """Return the most seconds that the gateway's loop worked between a question for /healthz and its answer, while
    `meanwhile` runs.
    """
    command = [sys.executable, "-c", _ASKING, str(port), str(process)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as asking:
        meanwhile()
        said, _ = asking.communicate("enough", timeout=110)
    return float(said)


def median_of_three(run: Callable[[], float]) -> float:
    """Return the middle one of three measurements."""
    return sorted(run() for _ in range(3))[1]

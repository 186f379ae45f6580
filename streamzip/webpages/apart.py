"""A web page read in a process of its own, which a hostile page may use up or bring down without harm.

The parser is C and quadratic in places: half a megabyte of nested `<div>` took it over 20 seconds (tried), in which it
can neither be stopped nor leaves the interpreter to others. A page is read once, so a start of some 0.1 s is no cost.
"""

import asyncio
import contextlib
import json
import os
import re
import resource
import sys
from ipaddress import ip_network
from typing import cast

from streamzip.errors import UnusablePage
from streamzip.origins.http import Page
from streamzip.urls.addresses import Exempt
from streamzip.webpages.charset import decoded, media_type
from streamzip.webpages.confinement import confine
from streamzip.webpages.images import MAX_URL, Images, find_images, is_fetchable

MOST_BYTES = 8 << 20  # of a page; the largest of the web's known ones are below
_CPU = 5  # seconds; the largest pages take 1
_MEMORY = 1 << 30  # bytes of address space; a page of MOST_BYTES takes a third of it
_WITHIN = 30.0  # seconds, where others need the processors too
_MOST_TOLD = 6 * MAX_URL + 1024  # bytes of an answer for each image, of which JSON makes six for a letter

# Has each form that images come in, and a host that takes IDNA.
_EVERYTHING = (
    "<base href=https://xn--bcher-kva.example/><img src=a srcset='b 1x, c 2x' data-src=d><picture><source srcset=e>"
    "</picture><p style='background: url(f)'><a href='https://bücher.example/g.png'><img src=https://bücher.example/h>"
    "<img src=data:image/png;base64,AA><img src='http://[::1]/'><meta property=og:image content=https://1.2.3.4/i>"
)

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_LOOKS_LIKE_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!--|(?:!doctype\s+html|html|head|body|title|meta)\b)", re.IGNORECASE
)


async def images_of(page: Page, *, most: int, allow: Exempt) -> Images:
    """Return the first `most` images of the page. Raises UnusablePage: `not_html`, `page_too_large`, `no_images`.

    OSError where no process can be had now.
    """
    _check(page)
    asked = {"url": page.url, "content_type": page.content_type, "most": most, "allow": [str(each) for each in allow]}
    reading = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__),  # -P: whatever lies in the working folder is not imported
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.startswith("STREAMZIP_")},  # no secrets
    )
    into, out = cast(asyncio.StreamWriter, reading.stdin), cast(asyncio.StreamReader, reading.stdout)
    try:
        async with asyncio.timeout(_WITHIN):
            answer = await _exchanged(into, out, json.dumps(asked).encode() + b"\n", page.body, _MOST_TOLD * (most + 1))
    except TimeoutError:
        answer = b""
    finally:
        with contextlib.suppress(ProcessLookupError):
            reading.kill()
        while await out.read(1 << 16):
            pass  # only at its end the pipe is closed
        await reading.wait()
    images = _told(answer, most, allow)
    if images is None:
        raise UnusablePage("the page is too deeply nested or too large to be read", code="page_too_large")
    if not images.urls:
        inline = f"; {images.inline} inline ones have no URL" if images.inline else ""
        raise UnusablePage(f"the page names no images{inline}", code="no_images")
    return images


async def _exchanged(
    into: asyncio.StreamWriter, out: asyncio.StreamReader, asked: bytes, body: bytes, most: int
) -> bytes:
    """Return what a process answers; nothing where that is more than `most` bytes."""
    try:
        for part in (asked, body):
            into.write(part)
            await into.drain()
        into.close()
    except ConnectionError:  # it reads no more
        return b""
    finally:
        if not into.is_closing():
            into.transport.abort()
    answer = bytearray()
    while chunk := await out.read(1 << 16):
        answer += chunk
        if len(answer) > most:
            return b""
    return bytes(answer)


def _told(answer: bytes, most: int, allow: Exempt) -> Images | None:
    """Return the images that the process named; None where the answer is none. Nothing in it is believed: a page may
    have taken the process over.
    """
    try:
        found = json.loads(answer)
        urls, inline = found["urls"][:most], int(found["inline"])
        return Images(tuple(url for url in urls if type(url) is str and is_fetchable(url, allow)), inline)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _check(page: Page) -> None:
    if len(page.body) > MOST_BYTES:
        raise UnusablePage(f"the page is larger than {MOST_BYTES} bytes", code="page_too_large")
    told = media_type(page.content_type)
    if told not in _HTML and (told or not _LOOKS_LIKE_HTML.match(page.body)):
        raise UnusablePage("what is found there is not an HTML page", code="not_html")


def _exempt(texts: list[str]) -> Exempt:
    """Return what `str` made of each: a network has a slash, and no host has one."""
    return frozenset(ip_network(text) if "/" in text else text for text in texts)


def main() -> None:
    """Run the process apart: a page on its stdin, its images on its stdout."""
    for limit, most in ((resource.RLIMIT_CPU, _CPU), (resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(limit, (most, most))
    asked = json.loads(sys.stdin.buffer.readline())
    text = decoded(sys.stdin.buffer.read(), asked["content_type"])
    find_images(_EVERYTHING, "https://example.com/", most=10, allow=frozenset())  # loads what is loaded at first use
    confine()
    images = find_images(text, asked["url"], most=asked["most"], allow=_exempt(asked["allow"]))
    sys.stdout.write(json.dumps({"urls": images.urls, "inline": images.inline}))
    sys.stdout.flush()
    os._exit(0)  # the interpreter's own end would want what was given up


if __name__ == "__main__":
    main()

"""No text of a client or an origin takes time in the square of its length, where it is normalised, matched or split.

Each reader is given the forms that such code has been slow with, 16 KiB of them and half of that: of what is quadratic
16 KiB take a tenth of a second and more. Processor time is measured, so that other work on the machine does not count.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from streamzip import logs
from streamzip.access.api_keys import new_key
from streamzip.archives.planning import public_url
from streamzip.edge.accel import nginx_agrees
from streamzip.edge.conditionals import combined, decide
from streamzip.edge.disposition import attachment
from streamzip.edge.forms import FileForm
from streamzip.edge.hosts import authority, authority_of
from streamzip.edge.proxies import Proxies
from streamzip.edge.ranges import parse_range
from streamzip.errors import OriginError, Problem
from streamzip.guards.auth import COOKIE, cookie_of
from streamzip.manifest.dispositions import MOST_LONG, filename, parameters
from streamzip.manifest.fields import read_fields
from streamzip.manifest.names import clean_filename, clean_name, name_from_url, unique_names
from streamzip.manifest.parse import Limits, parse_create
from streamzip.manifest.text import caseless, nfc
from streamzip.manifest.uploads import is_allowed, key, name_and_digest, name_in, upload_name
from streamzip.net.retry import retry_after
from streamzip.origins.answers import Head
from streamzip.origins.cookies import Cookies
from streamzip.origins.fetch import _redirected, written
from streamzip.urls.urls import check_url, target_of
from streamzip.webpages.charset import decoded, media_type
from streamzip.webpages.images import _candidates
from streamzip.webpages.references import resolved
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

KIB = 1 << 10
# A linear reader takes twice as long for twice the text, a quadratic one four times.
MOST_GROWTH = 3.2
TOO_SHORT = 0.003  # seconds; below it a clock's grain and a cache decide
MOST_SECONDS = 0.1  # for the largest text that a reader is given here
TRIES = 4  # a pause of the machine may hit one measurement

UNITS = (
    *("a", "A.", ". ", "./", "../", "/", "\\", " ", "\t ", ",", ", ,", ";", "; ", ";a", '"', '\\"', '"\\', '";"'),
    *("%", "%41", "%cc%96%cc%81", ":", "://", "//", "@", "?", "#", "=", "a=", "&", "0-0,", "0-", '"a",', "W/", "\n"),
    *("bearer ", "token ", "secret=", "=?utf-8?q?a?=", "<", "[", "(", " (2)", "1.", "xn--", "\x00", "-"),
    *("é", "a\u0301", "\u0301", "\u0316\u0301", "\u0301\u0316", "\u0344", "\u0f73", "\u0345", "\u0390", "\u1100\u1161"),
    *("\uac00", "\ufdfa", "\u200d", "\U0001f600", "\U0001d1c0"),
)
MARKS = "\u0f73\u0f73"  # each is two in NFD, of classes that have to be sorted
TAILS = ("", "\x00", '"')


def form(text: str) -> None:
    with contextlib.suppress(Problem):
        FileForm(text)
    reader = FileForm("multipart/form-data; boundary=b")
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{text}'.encode()
    list(reader.feed(head + b'"\r\n\r\n'))


def names(text: str) -> None:
    unique_names([text, text, f"{text}/x"])


def create(text: str) -> None:
    parse_create(bytearray(text.encode("utf-8", "replace")), Limits(max_entries=10))


def conditions(text: str) -> None:
    fields = {"if-match": text, "if-none-match": text, "if-range": text, "range": text}
    decide("GET", fields, etag='"x"', last_modified=1, now=2e9)
    dates = {"if-modified-since": text, "if-unmodified-since": text, "if-range": text, "range": text}
    decide("GET", dates, etag=None, last_modified=1, now=2e9)


def cookie(text: str) -> None:
    cookie_of(Request({"type": "http", "headers": [(b"cookie", text.encode("latin-1", "replace"))]}), COOKIE)


def answer(text: str) -> None:
    value = text.encode("latin-1", "replace")
    names = (b"content-type", b"etag", b"last-modified", b"content-encoding", b"transfer-encoding", b"accept-ranges")
    head = Head(200, [(name, value) for name in names])
    head.facts(size=None, ranges=False)
    head.check_file()


def content_range(text: str) -> None:
    Head(206, [(b"content-range", text.encode("latin-1", "replace"))]).content_range()


def redirect(text: str) -> None:
    _redirected("https://h/a", Head(302, [(b"location", text.encode("utf-8", "replace"))]))


def set_cookie(text: str) -> None:
    cookies = Cookies()
    cookies.take("https://h/a", [text])
    cookies.added("https://h/a", ())


def request_target(text: str) -> None:
    check_url(text)
    written(text)


def disposition(text: str) -> None:
    filename(parameters(text[:MOST_LONG]))
    filename({"filename": text, "filename*": text})


def page(text: str) -> None:
    decoded(text.encode("utf-8", "replace"), text)
    media_type(text)


# What reads it, the texts that it is to be led in by, and the size of such a text in bytes.
READERS: dict[str, tuple[Callable[[str], Any], tuple[str, ...], int]] = {
    "clean_name": (clean_name, ("", "con"), 16 * KIB),
    "clean_filename": (clean_filename, ("",), 16 * KIB),
    "unique_names": (names, ("", "x/"), 16 * KIB),
    "name_from_url": (name_from_url, ("https://h/", "upload:"), 8 * KIB),
    "nfc": (nfc, ("",), 16 * KIB),
    "caseless": (lambda text: caseless(nfc(text)), ("",), 16 * KIB),
    "upload_name": (upload_name, ("",), 16 * KIB),
    "upload key": (key, ("",), 16 * KIB),
    "name_in": (name_in, ("upload:",), 8 * KIB),
    "name_and_digest": (name_and_digest, ("upload:",), 8 * KIB),
    "is_allowed": (lambda text: is_allowed(text, ["png"]), ("",), 16 * KIB),
    "check_url": (check_url, ("", "https://", "https://h/"), 16 * KIB),
    "target_of": (target_of, ("https://", "https://h/"), 16 * KIB),
    "public_url": (public_url, ("https://", "https://h/"), 8 * KIB),
    "written": (request_target, ("https://h/",), 16 * KIB),
    "redirect": (redirect, ("", "https://", "/"), 16 * KIB),
    "answer": (answer, ("",), 16 * KIB),
    "origin's cookie": (set_cookie, ("", "a=", "a=b; path="), 16 * KIB),
    "content_range": (content_range, ("", "bytes "), 16 * KIB),
    "retry_after": (lambda text: retry_after(text, 0), ("", "Mon, "), 16 * KIB),
    "entry's header field": (lambda text: read_fields({"X-A": text}), ("",), 16 * KIB),
    "entry's field name": (lambda text: read_fields({text: "x"}), ("",), 16 * KIB),
    "create": (create, ("", '{"urls": ["', '{"entries": [{"name": "', '{"filename": "'), 16 * KIB),
    "disposition": (disposition, ("", 'a; filename="', "a; filename*=utf-8''", "=?utf-8?B?", "=?utf-8?Q?"), 16 * KIB),
    "form": (form, ("", 'multipart/form-data; boundary="', 'a"; x="'), 4 * KIB),
    "form's type": (parse_options_header, ('multipart/form-data; boundary="',), 16 * KIB),
    "cookie": (cookie, ("", 'a="', "streamzip_session="), 16 * KIB),
    "conditions": (conditions, ("", '"', "Mon, "), 16 * KIB),
    "range": (lambda text: parse_range(text, 1 << 40), ("", "bytes="), 16 * KIB),
    "nginx_agrees": (lambda text: nginx_agrees({"range": text}, None), ("bytes=",), 16 * KIB),
    "combined fields": (lambda text: combined([("a", text[:300])] * 200), ("",), KIB),
    "host": (authority, ("", "["), 16 * KIB),
    "origin": (authority_of, ("https://",), 16 * KIB),
    "hops": (lambda text: Proxies(()).client(None, [text]), ("",), 16 * KIB),
    "logged": (logs.clean, ("", "https://h/"), 16 * KIB),
    "page's encoding": (page, ("", "text/html; charset=", "<meta charset="), 16 * KIB),
    "srcset": (lambda text: list(_candidates(text)), ("", "a 1x, "), 16 * KIB),
    "reference": (lambda text: resolved("https://h/a", text), ("", "//"), 16 * KIB),
}


def seconds(read: Callable[[str], Any], text: str) -> float:
    """The time of one reading; what the reader says of the text is none of this test's business."""
    began = time.thread_time()
    with contextlib.suppress(ValueError, OriginError, Problem):
        read(text)
    return time.thread_time() - began


def is_linear(read: Callable[[str], Any], half: str, whole: str) -> bool:
    """Whether the whole takes no time worth telling, or not much more than twice that of its half."""
    for _ in range(TRIES):
        took = seconds(read, whole)
        if took < TOO_SHORT or took < min(MOST_SECONDS, MOST_GROWTH * seconds(read, half)):
            return True
    return False


def forms(leads: tuple[str, ...], size: int) -> Iterator[tuple[str, str]]:
    """Each form at half its size and at all of it."""
    for lead in leads:
        for unit in UNITS:
            count = size // len(unit.encode())
            for tail in TAILS:
                yield lead + unit * (count // 2) + tail, lead + unit * count + tail


@pytest.mark.parametrize("name", READERS)
def test_reading_takes_linear_time_whatever_the_text(name: str) -> None:
    """Twice the text takes no four times the time, and 16 KiB no tenth of a second."""
    read, leads, size = READERS[name]
    for half, whole in forms(leads, size):
        assert is_linear(read, half, whole), ascii(whole[:60])


def test_attachment_takes_no_time_when_the_name_is_the_slowest_that_is_accepted() -> None:
    """A file's name was cleaned before it becomes a header field; there it is taken apart once more."""
    for unit in UNITS:
        name = clean_filename(unit * KIB)
        assert is_linear(attachment, "", name), ascii(name[:60])


def processor_time(gateway: Gateway) -> float:
    """Seconds of processor time that the gateway has had (proc(5): utime and stime)."""
    after_name = Path(f"/proc/{gateway.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")


def test_gateway_takes_little_time_when_names_and_cookies_are_made_to_be_slow(launch: Launch, origin: Origin) -> None:
    """A list whose names are nothing but combining marks, such a file to download, a cookie of backslashes."""
    secret, line = new_key("ann")
    gateway = launch("slow", api_keys=line)
    bearer = {"Authorization": f"Bearer {secret}"}
    origin.serve("/slow", File(b"x"))
    entries = [{"url": origin.url("/slow"), "name": f"{number}{MARKS * 10_000}"} for number in range(20)]
    before = processor_time(gateway)
    answer = gateway.client.post("/api/archive/create", json={"entries": entries}, headers=bearer)
    assert answer.status_code == 201
    assert gateway.client.get(f"/download/{MARKS * 440}").status_code == 404
    for method, path in (("GET", "/upload"), ("POST", "/logout")):
        gateway.client.request(method, path, headers={"Cookie": 'streamzip_session="' + "\\" * 60_000 + '"'})
    assert processor_time(gateway) - before < 2

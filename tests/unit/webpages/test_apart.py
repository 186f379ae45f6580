"""A page is read in a process of its own: what it finds comes back, and what it breaks stays there."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from streamzip.errors import UnusablePage
from streamzip.origins.http import Page
from streamzip.urls.addresses import Exempt
from streamzip.webpages import apart
from streamzip.webpages.apart import images_of
from streamzip.webpages.images import find_images

NOBODY: frozenset[str] = frozenset()


def a_page(body: bytes, content_type: str | None = "text/html") -> Page:
    """A page as it was fetched."""
    return Page("https://example.com/", content_type, body)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<img src=\xe4.png>", "text/html; charset=iso-8859-1"),
        (b"<img src=\xc3\xa4.png>", "application/xhtml+xml"),
        (b"\xef\xbb\xbf \n<!DOCTYPE html><img src=\xc3\xa4.png>", None),
        (b"<!-- x --><img src=\xc3\xa4.png>", ""),
    ],
)
async def test_images_of_finds_them_apart(body: bytes, content_type: str | None) -> None:
    """The page's type, encoding and exempt origins get there, and the images back."""
    images = await images_of(a_page(body, content_type), most=50, allow=NOBODY)
    assert images.urls == ("https://example.com/%C3%A4.png",)


async def test_images_of_takes_so_many_and_exempt_origins() -> None:
    """The bounds get there too."""
    body = b"<img src=http://127.0.0.1:81/a><img src=http://127.0.0.1:82/b><img src=http://[fd00::5]/c><img src=d>"
    allow: Exempt = frozenset({"127.0.0.1:82", ip_network("fd00::/64")})
    images = await images_of(a_page(body), most=2, allow=allow)
    assert images.urls == ("http://127.0.0.1:82/b", "http://[fd00::5]/c")


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"<p>text</p>", "text/html", "no_images"),
        (b"<img src=a>", "text/plain", "not_html"),
        (b"<svg/>", "image/svg+xml", "not_html"),
        (b"<htmlx>", None, "not_html"),
        (b"", None, "not_html"),
    ],
)
async def test_images_of_refuses_what_is_no_page_with_images(body: bytes, content_type: str, code: str) -> None:
    """Each with its code."""
    with pytest.raises(UnusablePage) as refused:
        await images_of(a_page(body, content_type), most=50, allow=NOBODY)
    assert refused.value.code == code


async def test_images_of_survives_the_end_of_the_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that dies, or was killed for what it took, is a page that cannot be read."""
    monkeypatch.setattr(apart, "__name__", "streamzip.no_such_module")
    with pytest.raises(UnusablePage) as refused:
        await images_of(a_page(b"<img src=a>"), most=50, allow=NOBODY)
    assert refused.value.code == "page_too_large"


async def test_images_of_ends_a_process_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed at its bound, with the page half read."""
    monkeypatch.setattr(apart, "_WITHIN", 0.0)
    with pytest.raises(UnusablePage) as refused:
        await images_of(a_page(b"<img src=a>"), most=50, allow=NOBODY)
    assert refused.value.code == "page_too_large"


async def test_images_of_keeps_the_settings_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that reads hostile pages has no secret in its environment."""
    seen: dict[str, str] = {}

    async def stop(*_: object, env: dict[str, str], **__: object) -> None:
        seen.update(env)
        raise OSError("enough")

    monkeypatch.setenv("STREAMZIP_SECRET_KEYS", "k:secret")
    monkeypatch.setattr("asyncio.create_subprocess_exec", stop)
    with pytest.raises(OSError, match="enough"):
        await images_of(a_page(b"<img src=a>"), most=50, allow=NOBODY)
    assert seen
    assert "STREAMZIP_SECRET_KEYS" not in seen


async def test_images_of_finds_in_a_confined_process_what_it_finds_in_this_one() -> None:
    """All that the parser, names and addresses load at their first use is loaded before files are given up."""
    body = (
        "<base href='/deep/'><img src=a srcset='b 1x, c 2x' data-src=d><picture><source srcset='e 100w'></picture>"
        "<p style='background-image: url(&quot;f&quot;)'><img src=https://bücher.example/g><img src=//例え。テスト/h>"
        "<img src=https://עברית.example/i><img src=http://[::1]/j><img src=http://0x7f.1/k><img src=data:image/png,l>"
        "<meta property=og:image content=https://xn--bcher-kva.example/m><img src='https://a b/'><img src='ü ß.png'>"
    ) * 3
    page = a_page(body.encode())
    here = find_images(body, page.url, most=50, allow=NOBODY)
    assert len(here.urls) > 8
    assert await images_of(page, most=50, allow=NOBODY) == here


@pytest.mark.parametrize(
    ("says", "urls"),
    [
        ("exec yes x", None),  # without an end
        ("cat >/dev/null; echo '[]'", None),
        ('cat >/dev/null; echo \'{"urls": 5, "inline": 0}\'', None),
        ('cat >/dev/null; echo \'{"urls": [], "inline": []}\'', None),
        ('cat >/dev/null; echo \'{"urls": ["http://a.example/a"], "inline": Infinity}\'', None),
        ("cat >/dev/null; printf '%.0s[' $(seq 50000)", None),
        ("exec true", None),  # reads nothing
        (
            'cat >/dev/null; echo \'{"urls": ["file:///etc/passwd", 5, "http://127.0.0.1/", "http://[::1]/", '
            '"http://a.example/a", "http://a.example/b", "http://a.example/c"], "inline": 0}\'',
            ("http://a.example/a",),
        ),
    ],
)
async def test_images_of_believes_nothing_of_a_process_that_was_taken_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, says: str, urls: tuple[str, ...] | None
) -> None:
    """It may say anything, for ever: no more is read than images can be, and no URL taken that none may name."""
    # What it answers is looked at only where it has taken the whole page.
    parser = tmp_path / "parser"
    parser.write_text(f"#!/bin/sh\n{says}\n")
    parser.chmod(0o700)
    monkeypatch.setattr("sys.executable", str(parser))
    monkeypatch.setattr(apart, "_WITHIN", 3.0)  # one that reads nothing is waited for so long
    page = a_page(b"<img src=a>" + b" " * 2_000_000)
    if urls is None:
        with pytest.raises(UnusablePage) as refused:
            await images_of(page, most=5, allow=NOBODY)
        assert refused.value.code == "page_too_large"
    else:
        assert (await images_of(page, most=5, allow=NOBODY)).urls == urls

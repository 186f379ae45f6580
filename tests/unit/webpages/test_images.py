"""Which images a page names: a table of what pages write, and what a browser would fetch for it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.webpages.images import find_images, referer

PIECES = ["<img src=", "<img srcset=", "<base href=", "<picture>", "<source srcset=", "http://", "//", "&#xD800;"]
PIECES += [*"\"'> a,[]#?\\%@:é\x00", "1x", "2w"]
PAGE = "https://example.com/blog/post.html?draft=1"


def images(html: str, *, url: str = PAGE, most: int = 50, allow: frozenset[str] = frozenset()) -> list[str]:
    """The images found."""
    return list(find_images(html, url, most=most, allow=allow).urls)


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("a.png", "https://example.com/blog/a.png"),
        ("./a.png", "https://example.com/blog/a.png"),
        ("../a.png", "https://example.com/a.png"),
        ("../../../a.png", "https://example.com/a.png"),
        ("/a.png", "https://example.com/a.png"),
        ("//cdn.example.net/a.png", "https://cdn.example.net/a.png"),
        ("http://cdn.example.net/a.png", "http://cdn.example.net/a.png"),
        ("HTTPS://cdn.example.net:8443/a.png", "https://cdn.example.net:8443/a.png"),
        ("?size=2", "https://example.com/blog/post.html?size=2"),
        ("a.png?b=c&amp;d=e", "https://example.com/blog/a.png?b=c&d=e"),
        ("a.png#part", "https://example.com/blog/a.png"),
        (" \n a.png\t", "https://example.com/blog/a.png"),
        ("a\n.png", "https://example.com/blog/a.png"),
        ("my photo.png", "https://example.com/blog/my%20photo.png"),
        ("my%20photo.png", "https://example.com/blog/my%20photo.png"),
        ("100%.png", "https://example.com/blog/100%.png"),
        ("é.png", "https://example.com/blog/%C3%A9.png"),
        ("a.png?q=a|b\\c", "https://example.com/blog/a.png?q=a|b%5Cc"),
        ("\\images\\a.png", "https://example.com/images/a.png"),
        (
            "a.png?X-Amz-Signature=ab%2Fcd==&x=~!*'()",
            "https://example.com/blog/a.png?X-Amz-Signature=ab%2Fcd==&x=~!*%27()",
        ),
        ("https://bücher.example/a.png", "https://bücher.example/a.png"),
    ],
)
def test_find_images_resolves_as_browsers_do(reference: str, url: str) -> None:
    """Relative, protocol-relative, padded and unescaped references lead where a browser would go."""
    assert images(f'<img src="{reference}">') == [url]


@pytest.mark.parametrize(
    "reference",
    [
        "",
        " ",
        "#top",
        "data:image/png;base64,AAAA",
        " DATA:image/gif;base64,AAAA",
        "javascript:alert(1)",
        "blob:https://example.com/9115d58c",
        "about:blank",
        "ftp://example.com/a.png",
        "file:///etc/passwd",
        "upload:a.png",
        "http://",
        "http://[::1/a.png",
        "https://user:pass@example.com/a.png",
        "http://127.0.0.1/a.png",
        "http://10.0.0.1:80/a.png",
        "http://0x7f.1/a.png",
        "http://[::1]/a.png",
        "http://169.254.169.254/latest/meta-data/",
        "https://example.com/" + "a" * 8192,
    ],
)
def test_find_images_passes_over_what_cannot_be_fetched(reference: str) -> None:
    """What has no public http(s) URL takes no place among the first ones."""
    assert images(f'<img src="{reference}"><img src="ok.png">', most=1) == ["https://example.com/blog/ok.png"]


@pytest.mark.parametrize(
    ("html", "names"),
    [
        ('<img src="a">', ["a"]),
        ("<IMG SRC=a>", ["a"]),
        ("<img src='a' alt=\"<img src=b>\">", ["a"]),
        ("<img><img src><img alt=x>", []),
        ("<img src=a src=b>", ["a"]),
        ("<image src=a>", ["a"]),
        ("<!-- <img src=a> --><img src=b>", ["b"]),
        ("<script>'<img src=a>'</script><img src=b>", ["b"]),
        ("<style>/* <img src=a> */</style><textarea><img src=b></textarea>", []),
        ("<body><noscript><img src=a></noscript>", ["a"]),
        ("<p><a href=x><img src=a></a><table><tr><img src=b></table>", ["a", "b"]),
        ("<img src=b><img src=a><img src=b><img src=b#x>", ["b", "a"]),
        ('<img srcset="a 1x, b 2x, c 1.5x">', ["b"]),
        ('<img srcset="a 480w, b 1080w,c 800w">', ["b"]),
        ('<img srcset="a 480w, b 2x">', ["a"]),
        ('<img srcset="a, b 2x">', ["b"]),
        ('<img srcset="a">', ["a"]),
        ('<img srcset=" , a , b ,">', ["a"]),
        ('<img srcset="a,b 2x">', ["a,b"]),
        ('<img srcset="a, b 2x, data:image/png;base64,AA== 3x">', []),
        ('<img srcset="a 1x 100h, b 2x 200h">', ["b"]),
        ('<img srcset="a huge, b 2x">', ["b"]),
        ('<img srcset="">', []),
        ('<img srcset=",,,">', []),
        ('<img src=a srcset="a 1x, b 2x">', ["b"]),
        ('<img src=a srcset="b 2x">', ["a", "b"]),
        ('<img src=b srcset="a 1x, b 2x">', ["b"]),
        ('<img src="data:image/gif;base64,R0" data-src=a>', ["a"]),
        ("<img src=low data-src=high>", ["low", "high"]),
        ('<img data-src=a data-srcset="a 1x, b 2x">', ["b"]),
        ("<img src=low data-original=a data-lazy-src=b>", ["low", "b", "a"]),
        ('<img data-lazy-srcset="a 1x, b 2x">', ["b"]),
        ("<img data-src=a><noscript><img src=a></noscript>", ["a"]),
        ('<div style="background-image: url(a)"></div>', ["a"]),
        ("<div style=\"color:red;BACKGROUND:#fff url( 'a;b' ) no-repeat\"></div>", ["a;b"]),
        ('<div style="background-image:url(&quot;a&quot;),url(b)"></div>', ["a", "b"]),
        ('<div style="background:url(data:image/png;base64,AA==);cursor:url(a)"></div>', []),
        ('<div style="list-style-image:url(a);filter:url(#b);background:none"></div>', []),
        ("<video><source style=x:y srcset=a></video>", []),
        ('<picture><source srcset="a 1x, b 2x"><source srcset=c><img src=d></picture>', ["b", "c", "d"]),
        ('<picture><source data-srcset="a 1x, b 2x"><img data-src=c></picture>', ["b", "c"]),
        ("<video><source src=a srcset=b></video><audio><source src=c></audio>", []),
        ('<meta property="og:image" content=a><img src=b>', ["a", "b"]),
        ('<meta property="OG:Image:url" content=a>', ["a"]),
        ('<meta name="og:image" content=a>', ["a"]),
        ('<meta property="og:image:width" content=600><meta property="og:title" content=t>', []),
        ('<meta property="og:image"><meta property="og:image" content="">', []),
        ('<img src=b><meta property="og:image" content=a><img src=a>', ["b", "a"]),
        ("", []),
        ("no markup at all", []),
    ],
)
def test_find_images_takes_what_counts_as_an_image(html: str, names: list[str]) -> None:
    """Elements and attributes, in the order of the document, each URL once."""
    assert images(html, url="https://example.com/") == [f"https://example.com/{name}" for name in names]


@pytest.mark.parametrize(
    ("head", "url"),
    [
        ('<base href="/static/">', "https://example.com/static/a.png"),
        ('<base href="https://cdn.example.net/x/y">', "https://cdn.example.net/x/a.png"),
        ('<base href="//cdn.example.net">', "https://cdn.example.net/a.png"),
        ('<base href="sub/">', "https://example.com/blog/sub/a.png"),
        ('<base target="_top"><base href="/one/"><base href="/two/">', "https://example.com/one/a.png"),
        ('<base href="">', "https://example.com/blog/a.png"),
        ('<base href="data:text/plain,x">', "https://example.com/blog/a.png"),
        ('<base href="http://[::1/">', "https://example.com/blog/a.png"),
    ],
)
def test_find_images_begins_at_the_first_base(head: str, url: str) -> None:
    """References are relative to the first `<base href>` that is a URL, wherever it stands."""
    assert images(f"{head}<img src=a.png>") == [url]
    assert images(f'<meta property="og:image" content="a.png">{head}') == [url]


def test_find_images_stops_at_the_first_so_many() -> None:
    """The first fifty different ones, repetitions and inline ones aside."""
    html = "".join(f"<img src={n}.png><img src={n}.png><img src=data:,x>" for n in range(60))
    found = find_images(html, PAGE, most=50)
    assert found.urls == tuple(f"https://example.com/blog/{n}.png" for n in range(50))
    assert found.inline == 49


def test_find_images_counts_inline_ones() -> None:
    """`data:` images are told of, so that a page that has no others is understood."""
    found = find_images("<img src=data:image/png,x><img srcset='data:image/png,y 1x'>", PAGE, most=50)
    assert (found.urls, found.inline) == ((), 2)


def test_find_images_takes_an_exempt_origin() -> None:
    """An origin that the operator allows may have a private address here too."""
    html = "<img src=http://127.0.0.1:8080/a.png><img src=http://127.0.0.1:8081/a.png>"
    assert images(html, allow=frozenset({"127.0.0.1:8080"})) == ["http://127.0.0.1:8080/a.png"]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_find_images_gives_urls_or_nothing_whatever_it_reads(html: str) -> None:
    """No page at all leads to an exception, or to a URL that is no http(s) one."""
    for url in images(html.encode(errors="replace").decode()):
        assert url.lower().startswith(("http://", "https://"))
        url.encode()


def test_find_images_is_linear_in_a_srcset() -> None:
    """A megabyte of commas or candidates takes no longer than its length asks for."""
    began = time.process_time()
    for text in ("," * 1_000_000, "a," * 500_000, "a 1x," * 200_000, " " * 1_000_000, "a, " * 300_000):
        images(f'<img srcset="{text}">')
    assert time.process_time() - began < 5


def test_find_images_is_linear_in_a_style() -> None:
    """A style that never ends its parentheses costs a moment."""
    for unit in ("url(", 'url("', "url( ", "a", "a-: "):
        began = time.process_time()
        assert images(f"<div style='background:{unit * 100_000}'></div>") == []
        assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("page", "image", "told"),
    [
        ("https://a.example/post?id=1#top", "https://a.example/i.png", "https://a.example/post?id=1"),
        ("https://a.example/post", "https://cdn.example/i.png", "https://a.example/"),
        ("https://a.example/post", "https://a.example:8443/i.png", "https://a.example/"),
        ("https://a.example/post", "http://a.example/i.png", None),
        ("http://a.example:8080/post", "https://cdn.example/i.png", "http://a.example:8080/"),
        ("http://a.example/" + "x" * 5000, "http://a.example/i.png", "http://a.example/"),
        ("http://bücher.example/post", "http://a.example/i.png", None),
    ],
)
def test_referer_is_what_a_browser_would_send(page: str, image: str, told: str | None) -> None:
    """The page to its own origin, the origin alone to others, and nothing in the clear of what was not."""
    assert referer(page, image) == told

"""References resolved as browsers do it: cases of the URL standard's own table that pages have, and the like."""

import pytest

from streamzip.webpages.references import resolved

BASE = "http://example.org/foo/bar"
CASES = [
    ("http:foo.png", "http://example.org/foo/foo.png"),
    ("http:/foo.png", "http://example.org/foo.png"),
    ("//foo/bar", "http://foo/bar"),
    ("///x.png", "http://x.png/"),
    ("\\\\x\\hello", "http://x/hello"),
    ("\\x\\hello", "http://example.org/x/hello"),
    ("http:\\\\x:80\\p", "http://x/p"),
    ("https:x.png", "https://x.png/"),
    ("https://example.org:443/a", "https://example.org/a"),
    ("HTTP://EXAMPLE.ORG/A", "http://example.org/A"),
    ("foo/../bar.png", "http://example.org/foo/bar.png"),
    ("../../../x.png", "http://example.org/x.png"),
    ("./././x.png", "http://example.org/foo/x.png"),
    ("x/%2e%2E/y.png", "http://example.org/foo/y.png"),
    ("%2E/y.png", "http://example.org/foo/y.png"),
    ("a//b///c.png", "http://example.org/foo/a//b///c.png"),
    ("/cdn/https://other.example/a.png", "http://example.org/cdn/https://other.example/a.png"),
    ("..", "http://example.org/"),
    (".", "http://example.org/foo/"),
    ("a/..", "http://example.org/foo/"),
    ("?a=b", "http://example.org/foo/bar?a=b"),
    ("x?a=../b//c", "http://example.org/foo/x?a=../b//c"),
    ("a?", "http://example.org/foo/a?"),
    ("?'", "http://example.org/foo/bar?%27"),
    (" \x01a b.png\x1f ", "http://example.org/foo/a%20b.png"),
    ("a\tb\nc.png", "http://example.org/foo/abc.png"),
    ("ü.png?ü", "http://example.org/foo/%C3%BC.png?%C3%BC"),
    ("a|b^{`}.png?a|b^{`}", "http://example.org/foo/a|b%5E%7B%60%7D.png?a|b^{`}"),
    ("%zz%41.png", "http://example.org/foo/%zz%41.png"),
    ("a.png#top", "http://example.org/foo/a.png"),
    ("#top", None),
    ("", None),
    ("javascript:x", None),
    ("data:image/png;base64,x", None),
    ("http://", None),
]


@pytest.mark.parametrize(("reference", "url"), CASES)
def test_reference_is_resolved_as_browsers_do_it(reference: str, url: str | None) -> None:
    assert resolved(BASE, reference) == url


def test_query_of_the_page_goes_with_its_name() -> None:
    """A reference with a path has its own query, or none."""
    assert resolved("https://a.example/p?q=1", "x.png") == "https://a.example/x.png"
    assert resolved("https://a.example", "x.png") == "https://a.example/x.png"

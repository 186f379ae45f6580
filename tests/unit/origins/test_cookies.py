"""Cookies of one chain of redirects: back to the host that set them, and nowhere else."""

import pytest

from streamzip.origins.cookies import MOST, Cookies

URL = "https://files.example/a/file"


def sent(set_cookie: str, to: str = URL, own: tuple[tuple[str, str], ...] = ()) -> list[tuple[str, str]]:
    """The fields of a request to `to` after `URL` has set this."""
    cookies = Cookies()
    cookies.take(URL, [set_cookie])
    return list(cookies.added(to, own))


@pytest.mark.parametrize(
    ("set_cookie", "to"),
    [
        ("s=1", URL),
        ("s=1; HttpOnly; SameSite=Lax; Domain=example", "https://files.example/a/other?x"),
        ("s=1; Path=/", "https://files.example/b"),
        ("s=1; Path=/", "http://files.example/b"),
        ("s=1; Secure; Max-Age=60; Path=/b", "https://files.example/b/c"),
    ],
)
def test_cookies_go_back_to_their_host(set_cookie: str, to: str) -> None:
    assert sent(set_cookie, to) == [("Cookie", "s=1")]


@pytest.mark.parametrize(
    ("set_cookie", "to"),
    [
        ("s=1; Path=/", "https://other.example/a/file"),
        ("s=1; Path=/; Domain=example", "https://sub.files.example/a/file"),
        ("s=1; Path=/", "https://files.example:8443/a/file"),
        ("s=1; Path=/; Secure", "http://files.example/a/file"),
        ("s=1; Path=/b", "https://files.example/bc"),
        ("s=1", "https://files.example/b"),
        ("s=1; Max-Age=0", URL),
        ("s=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", URL),
        ("s=\u00fc", "https://files.example/a/\u00fc"),
        ("=1", URL),
        ("s", URL),
    ],
)
def test_cookies_go_nowhere_else(set_cookie: str, to: str) -> None:
    """Another host, port, path or scheme; and what is over, or is none."""
    assert [field for field in sent(set_cookie, to) if field[1] == "s=1"] == []


def test_cookies_stand_in_one_field_with_the_entrys_own() -> None:
    """RFC 6265, 5.4: a request has one Cookie field."""
    assert sent("s=1", own=(("A", "b"), ("cookie", "own=2"))) == [("A", "b"), ("Cookie", "own=2; s=1")]


def test_cookies_are_bounded() -> None:
    cookies = Cookies()
    cookies.take(URL, [f"c{number}=1" for number in range(100)])
    assert len(dict(cookies.added(URL, ()))["Cookie"].split("; ")) == MOST

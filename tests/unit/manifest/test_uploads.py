"""The names of uploaded files: taken as they are or refused with a reason; and the URLs that name them."""

import re

import pytest

from streamzip.manifest.uploads import extension, key, name_and_digest, name_in, pinned_url, upload_name
from tests.support.hostile_names import hostile_names

DIGEST = "ab" * 32


@pytest.mark.parametrize("name", ["a.txt", "report 2026.pdf", "фото.png", "a.b.c.txt", ".hidden.txt", "100%.txt"])
def test_name_is_taken_as_it_is_when_it_is_safe(name: str) -> None:
    """What its owner called it is what it is called."""
    assert upload_name(name) == name


def test_name_is_composed_when_a_system_wrote_it_apart() -> None:
    """macOS sends é as two characters; it is the same name."""
    assert upload_name("e\u0301.txt") == "\u00e9.txt"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no name"),
        ("a/b.txt", "slash"),
        ("..\\b.txt", "slash"),
        ("a\0.txt", "cannot be shown"),
        ("a\u202etxt.png", "cannot be shown"),
        ("\ufffd.txt", "not UTF-8"),
        ("..", "not safe"),
        ("a.txt ", "not safe"),
        ("a.txt.", "not safe"),
        ("nul.txt", "not safe"),
        ("a<b>.txt", "not safe"),
        ("x" * 252 + ".txt", "not safe"),
        ("x" * 2000 + ".txt", "longer than 255 bytes"),
        ("e" + "\u0301" * 32 + ".txt", "combining marks"),
    ],
)
def test_name_is_refused_with_a_reason_when_it_is_not(name: str, reason: str) -> None:
    """The sentence says what is wrong, and what to do."""
    with pytest.raises(ValueError, match=reason):
        upload_name(name)


def test_name_that_is_taken_is_one_plain_component() -> None:
    """Of all hostile names none is taken that is more, or other, than a file's name."""
    taken = []
    for name in hostile_names():
        try:
            taken.append(upload_name(name))
        except ValueError:
            continue
    assert taken
    assert not [name for name in taken if re.search(r'[\x00-\x1f/\\<>:"|?*]', name) or name in (".", "..")]


def test_key_refuses_a_text_that_is_too_long_for_a_name() -> None:
    """Whoever asks for such a file has it neither folded nor looked for."""
    assert key("x" * 255)
    with pytest.raises(ValueError, match="too long"):
        key("x" * 256)


def test_extension_is_what_follows_the_last_dot() -> None:
    """In lower case; a name that has none, or is nothing else, is refused."""
    assert extension("a.tar.GZ") == "gz"
    for name in ("a", "a.", ".png"):
        with pytest.raises(ValueError, match="no extension"):
            extension(name)


def test_key_is_the_same_for_names_that_some_file_system_takes_for_one() -> None:
    """Case and composition do not make another file."""
    assert key("Stra\u00dfe.TXT") == key("STRASSE.txt")
    assert key("a.txt") != key("b.txt")
    assert re.fullmatch("[0-9a-f]{32}", key("../../etc/passwd"))


@pytest.mark.parametrize("name", ["a.txt", "фото 1.png", "100%.txt", "a#b.txt", "a;b&c=d.txt"])
def test_pinned_url_gives_name_and_digest_back(name: str) -> None:
    """Whatever characters the name has."""
    url = pinned_url(name, DIGEST)
    assert name_and_digest(url) == (name, DIGEST)
    assert url.isascii()


@pytest.mark.parametrize("url", ["upload:a.txt", "http://a/b", "upload:#sha256=" + DIGEST, "upload:a.txt#sha256=ab"])
def test_digest_is_not_made_up_when_the_url_has_none(url: str) -> None:
    """Only a pinned URL names a content."""
    with pytest.raises(ValueError, match="no URL"):
        name_and_digest(url)


@pytest.mark.parametrize(
    ("url", "name"), [("upload:a.txt", "a.txt"), ("upload:a%20b.txt", "a b.txt"), ("upload:a b.txt", "a b.txt")]
)
def test_name_in_url_is_decoded(url: str, name: str) -> None:
    """As in any URL; a blank may stand as it is."""
    assert name_in(url) == name


@pytest.mark.parametrize(
    "url", ["upload:", "upload:a#b.txt", "upload:..%2fa.txt", "upload:%ff.txt", "upload:/etc/passwd"]
)
def test_name_in_url_is_refused_when_no_file_has_it(url: str) -> None:
    """A path is no name."""
    with pytest.raises(ValueError, match=r"upload:NAME|name"):
        name_in(url)

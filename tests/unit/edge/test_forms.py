"""A form's file, however the network cuts the body."""

import tracemalloc
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamzip.edge import forms
from streamzip.edge.forms import FileForm, pieces, urlencoded
from streamzip.errors import BadForm, InvalidRequest

TYPE = "multipart/form-data; boundary=xyz"


def part(disposition: str, body: bytes) -> bytes:
    return b"--xyz\r\nContent-Disposition: form-data; " + disposition.encode() + b"\r\n\r\n" + body + b"\r\n"


def read(body: bytes, step: int = 1 << 20, content_type: str = TYPE) -> tuple[list[str], bytes]:
    """The names and the bytes that came."""
    form = FileForm(content_type)
    names, received = [], b""
    for start in range(0, len(body), step):
        for event in form.feed(body[start : start + step]):
            if isinstance(event, str):
                names.append(event)
            else:
                received += event
    form.finish()
    return names, received


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 1 << 20])
def test_form_gives_its_file_however_it_is_cut(step: int) -> None:
    """The name once, then the bytes; other fields are read over, and what looks like a boundary may be in the file."""
    content = b"line\r\n--xy\r\n-\r\n--x\r\r\n"
    form = part('name="token"', b"1") + part('name="file"; filename="a.txt"', content) + b"--xyz--\r\n"
    assert read(form, step) == (["a.txt"], content)


@pytest.mark.parametrize(
    ("written", "name"),
    [('"фото.png"', "фото.png"), (r'"a\"b.txt"', 'a"b.txt'), (r'"C:\x\y.txt"', "y.txt"), ('"../a.txt"', "../a.txt")],
)
def test_form_gives_the_name_that_was_meant(written: str, name: str) -> None:
    """In UTF-8, unquoted; whether it may stand is not the form's to judge."""
    assert read(part(f'name="file"; filename={written}', b"") + b"--xyz--")[0] == [name]


def test_form_marks_a_name_that_is_not_utf8() -> None:
    """What cannot be decoded is no name; the mark is refused later."""
    body = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="\xff.txt"\r\n\r\n\r\n--xyz--'
    assert read(body)[0] == ["\ufffd.txt"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--xyz\r\n",
        b"no form at all",
        part('name="file"; filename="a.txt"', b"cut")[:-1],
        b"--xyz\r\nno header\r\n",
    ],
)
def test_form_is_refused_when_it_is_not_whole(body: bytes) -> None:
    """A form that was cut is no smaller file."""
    with pytest.raises(BadForm):
        read(body)


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary="])
def test_form_is_refused_when_it_is_not_said_to_be_one(content_type: str) -> None:
    """The sentence names the two ways to send a file."""
    with pytest.raises(BadForm, match="POST /upload"):
        FileForm(content_type)


@pytest.mark.parametrize(
    "body",
    [
        part('name="other"; filename="a.txt"', b"x"),
        part('name="file"', b"x"),
        part('name="file"; filename="a.txt"', b"x") * 2,
    ],
)
def test_form_is_refused_when_it_has_not_one_file(body: bytes) -> None:
    """None, a text in its place, or two."""
    with pytest.raises(InvalidRequest) as caught:
        read(body + b"--xyz--")
    assert caught.value.errors[0].pointer == "/file"


def test_form_is_refused_when_its_headers_do_not_end() -> None:
    """A part's header is bounded: a form of headers alone takes no memory."""
    with pytest.raises(BadForm):
        read(b"--xyz\r\nX: " + b"x" * 100_000)


def test_form_of_too_many_parts_is_refused() -> None:
    """A mebibyte of empty ones takes a second that nobody else has."""
    with pytest.raises(BadForm):
        read(part('name="a"', b"") * 1000 + part('name="file"; filename="a.txt"', b"a") + b"--xyz--\r\n")


@pytest.mark.parametrize(
    "disposition",
    [
        "name=file; filename=\"=?utf-8?B?0YQucG5n?=\"; filename*=utf-8''%D1%84.png",
        'name=file; filename="=?utf-8?B?0YQucG5n?="',
        'name="file"; filename="%D1%84.png"',
        "name=\"file\"; filename*=utf-8''%D1%84.png",
    ],
    ids=[".NET", ".NET, old", "aiohttp", "extended alone"],
)
def test_form_gives_the_name_that_the_sender_meant(disposition: str) -> None:
    """Each library writes a name beyond ASCII in a way of its own."""
    assert read(part(disposition, b"") + b"--xyz--")[0] == ["ф.png"]


@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), max_size=6), st.integers(1, 40))
def test_urlencoded_reads_what_browsers_write(pairs: list[tuple[str, str]], window: int) -> None:
    """The same fields as any parser's, wherever its windows part the text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forms, "_WINDOW", window + 2)
        fields = urlencoded(urlencode(pairs, errors="replace").encode(), 10)
    assert fields == parse_qs(urlencode(pairs, errors="replace"), keep_blank_values=True)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", {}),
        (b"&&a", {"a": [""]}),
        (b"a=1&a=2&b=x=y", {"a": ["1", "2"], "b": ["x=y"]}),
        (b"a=%zz%4&%=%", {"a": ["%zz%4"], "%": ["%"]}),
        (b"a+b=c%2Bd", {"a b": ["c+d"]}),
    ],
)
def test_urlencoded_takes_odd_forms_as_others_do(body: bytes, fields: dict[str, list[str]]) -> None:
    """What is no escape stands for itself."""
    assert urlencoded(body, 10) == fields


def test_urlencoded_refuses_what_is_no_text_or_too_much() -> None:
    """More fields than it may have, or bytes that are no UTF-8."""
    for body in (b"a=%ff", b"a=1" + b"&b=2" * 10):
        with pytest.raises(BadForm):
            urlencoded(body, 10)


def test_urlencoded_makes_little_of_many_escapes() -> None:
    """A form of nothing else took eighty times its length."""
    body = b"links=" + b"%25" * 300_000
    tracemalloc.start()
    try:
        assert urlencoded(body, 10) == {"links": ["%" * 300_000]}
        assert tracemalloc.get_traced_memory()[1] < 4 * len(body)
    finally:
        tracemalloc.stop()


def test_piece_of_a_form_has_few_of_what_may_be_boundaries() -> None:
    """Each takes microseconds, and others wait meanwhile; a file that has few of them is taken as it comes."""
    boundaries = b"\r\n--bx" * 10_000
    assert b"".join(pieces(boundaries)) == boundaries
    assert max(piece.count(b"\r\n--") for piece in pieces(boundaries)) < 1000
    for plain in (b"x" * 65536 + b"\r\n--b--", b""):
        assert list(pieces(plain)) == [plain] * bool(plain)

"""Heads of answers, read strictly."""

import pytest

from streamzip.errors import OriginError
from streamzip.origins.answers import MOST_BYTES, ContentRange, Head
from streamzip.origins.port import Validator


def head(status: int = 200, /, **fields: str) -> Head:
    """An answer with these fields; `content_type` stands for Content-Type, as the exchange writes it."""
    return Head(status, [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()])


DATE = "Mon, 01 Jun 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("fields", "validator"),
    [
        ({"etag": '"abc"'}, Validator('"abc"', strong=True)),
        ({"etag": '""'}, Validator('""', strong=True)),
        ({"etag": '"abc"', "last_modified": DATE}, Validator('"abc"', strong=True)),
        ({"etag": 'W/"abc"', "last_modified": DATE}, Validator(DATE, strong=False)),
        ({"etag": 'W/"abc"'}, Validator('W/"abc"', strong=False)),
        ({"etag": "abc"}, Validator("abc", strong=False)),
        ({"etag": '"a"b"'}, Validator('"a"b"', strong=False)),
        ({"etag": '"a", "b"'}, Validator('"a", "b"', strong=False)),
        ({"last_modified": DATE}, Validator(DATE, strong=False)),
        ({}, None),
    ],
)
def test_head_takes_only_a_well_formed_strong_etag_for_strong(
    fields: dict[str, str], validator: Validator | None
) -> None:
    """A resume stands on the validator: what is not beyond doubt a strong ETag is weak."""
    assert head(200, **fields).facts(size=None, ranges=False).validator == validator


def test_head_tells_time_and_type() -> None:
    """Last-Modified becomes seconds; a date that is none is no time."""
    facts = head(last_modified=DATE, content_type="image/png").facts(size=7, ranges=True)
    assert (facts.mtime, facts.content_type, facts.size, facts.ranges) == (1_780_315_200, "image/png", 7, True)
    assert head(last_modified="yesterday").facts(size=None, ranges=False).mtime is None


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("bytes 0-0/10", ContentRange(0, 1, 10)),
        ("bytes 3-9/10", ContentRange(3, 10, 10)),
        ("Bytes 3-9/*", ContentRange(3, 10, None)),
    ],
)
def test_content_range_is_read_as_a_half_open_span(value: str, part: ContentRange) -> None:
    """Inclusive on the wire, half-open in code; the size may be unknown."""
    assert head(206, content_range=value).content_range() == part


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"content_range": "bytes */10"},
        {"content_range": "bytes 3-2/10"},
        {"content_range": "bytes 3-10/10"},
        {"content_range": "bytes 0-0/0"},
        {"content_range": "bytes ٣-٩/10"},
        {"content_range": "bytes 0_0-1/10"},
        {"content_range": "items 0-1/10"},
        {"content_range": "bytes 0-1/10, bytes 0-1/10"},
        {"content_range": f"bytes 0-{'9' * 30}/*"},
        {"content_range": "bytes 0-1/10", "content_length": "3"},
        {"content_type": "multipart/byteranges; boundary=x"},
    ],
)
def test_content_range_is_refused_when_it_contradicts_itself(fields: dict[str, str]) -> None:
    """A part that does not say where it belongs is put nowhere."""
    with pytest.raises(OriginError) as caught:
        head(206, **fields).content_range()
    assert (caught.value.code, caught.value.transient) == ("bad_answer", True)


@pytest.mark.parametrize(
    ("status", "transient"),
    [(status, False) for status in (202, 204, 300, 304, 400, 401, 403, 404, 410, 416, 418)]
    + [(status, True) for status in (408, 425, 429, 500, 502, 503, 504)],
)
def test_head_names_the_status_and_whether_it_may_pass_when_it_is_no_file(status: int, transient: bool) -> None:
    """Other 4xx are final at once; overload and failure are worth another attempt."""
    with pytest.raises(OriginError) as caught:
        head(status).check_file()
    assert (caught.value.code, caught.value.transient) == (f"http_{status}", transient)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"content_encoding": "gzip"}, "content_encoded"),
        ({"content_encoding": "identity, br"}, "content_encoded"),
        ({"transfer_encoding": "gzip, chunked"}, "bad_answer"),
    ],
)
def test_head_refuses_a_body_in_another_coding(fields: dict[str, str], code: str) -> None:
    """A compressed body is not the file: its length and its bytes are others."""
    with pytest.raises(OriginError) as caught:
        head(200, **fields).check_file()
    assert caught.value.code == code


def test_head_takes_a_file_in_the_codings_that_were_asked_for() -> None:
    """Chunked framing and the word identity change nothing."""
    for status in (200, 203, 206):
        head(status, content_encoding="Identity", transfer_encoding="Chunked").check_file()


def test_head_joins_a_field_that_comes_twice() -> None:
    """The second of two fields does not hide the first."""
    twice = Head(200, [(b"content-encoding", b"gzip"), (b"content-encoding", b"identity")])
    with pytest.raises(OriginError):
        twice.check_file()


@pytest.mark.parametrize(("fields", "length"), [({"content_length": "0"}, 0), ({"content_length": "7"}, 7), ({}, None)])
def test_length_is_what_the_framing_says(fields: dict[str, str], length: int | None) -> None:
    """Content-Length, where there is one."""
    assert head(200, **fields).length == length


def test_length_is_unknown_when_the_body_is_chunked() -> None:
    """Transfer-Encoding overrides Content-Length (RFC 9112, 6.3)."""
    assert head(content_length="7", transfer_encoding="chunked").length is None


@pytest.mark.parametrize("value", ["-1", "+7", "7 7", "٧", "1_0", "9" * 19, ""])
def test_length_is_refused_when_it_is_no_number(value: str) -> None:
    """What int() would take is not what RFC 9110 allows."""
    with pytest.raises(OriginError):
        _ = head(content_length=value).length


def test_whole_length_is_the_bodys_when_a_200_has_a_range_that_cannot_be_read() -> None:
    """Such a field says nothing in a 200; in a 206, and where it says that a part comes, the answer is refused."""
    assert head(200, content_range="of course", content_length="7").whole_length() == 7
    for status, content_range in ((206, "of course"), (206, "bytes 0-6/10"), (200, "bytes 0-6/10")):
        with pytest.raises(OriginError, match="a part where the whole file"):
            head(status, content_range=content_range, content_length="7").whole_length()


def test_version_is_refused_when_no_file_is_that_large() -> None:
    """A size that no disk has is a lie, and would be reserved."""
    assert head().version(size=MOST_BYTES, ranges=True).size == MOST_BYTES
    with pytest.raises(OriginError, match="no file is that large"):
        head().version(size=MOST_BYTES + 1, ranges=True)

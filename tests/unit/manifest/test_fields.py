"""Header fields of an entry: what may go to an origin, and what never does."""

from typing import Any

import pytest

from streamzip.manifest.fields import read_fields

FORBIDDEN = [
    "Range",
    "RANGE",
    "If-Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Accept-Encoding",
    "Host",
    "hOsT",
    "Content-Length",
    "Content-Type",
    "Content-Encoding",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Connection",
    "Keep-Alive",
    "Proxy-Connection",
    "Proxy-Authorization",
    "Upgrade",
    "HTTP2-Settings",
    "Expect",
]
BAD_NAMES = ["", " ", "X Y", "X:", "X\r\nY", "X\n", "Ü", "X\x00", "X\t", "(X)", "X/Y", "[X]", "X\u2028"]
BAD_VALUES = [
    "",
    " ",
    "s3cret ",
    " s3cret",
    "a\r\nX: b",
    "a\nb",
    "a\rb",
    "a\x00b",
    "ü",
    "\x7f",
    "a\u2028b",
    1,
    None,
    True,
    ["a"],
]


def test_fields_are_read_in_the_order_of_their_names() -> None:
    """The same fields in another order are the same request."""
    read = read_fields({"X-b": "2", "authorization": "Bearer a.b-c_d=", "Cookie": "a=b; c=d\te"})
    assert read == (("authorization", "Bearer a.b-c_d="), ("Cookie", "a=b; c=d\te"), ("X-b", "2"))


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_field_that_the_gateway_sets_itself_is_refused(name: str) -> None:
    """Ranges, versions, encodings and framing carry the proofs; a client's own would break them."""
    with pytest.raises(ValueError, match=name):
        read_fields({name: "x"})


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    """Nothing that could end the field, or begin another one."""
    with pytest.raises(ValueError, match="token"):
        read_fields({name: "x"})


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_is_no_line_is_refused_without_being_told(value: Any) -> None:
    """The sentence goes into an answer and a log; the value may be a secret with one wrong letter."""
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        read_fields({"Authorization": value})
    assert not isinstance(value, str) or len(value) < 2 or value.strip() not in str(caught.value).split()


@pytest.mark.parametrize(
    "value",
    [[], "Authorization: x", 7, {"A": "1", "a": "2"}, {f"X-{n}": "1" for n in range(33)}, {"X": "v" * 8200}],
    ids=["list", "text", "number", "twice", "many", "long"],
)
def test_what_is_no_small_object_of_fields_is_refused(value: Any) -> None:
    """Bounded, because each entry may bring its own."""
    with pytest.raises(ValueError, match=r"header field|names and values"):
        read_fields(value)

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamzip.errors import NotJson, TooLarge
from streamzip.manifest.strict_json import quoted, read_json


def read(body: bytes, *, max_depth: int = 32, max_values: int = 1_000_000) -> Any:
    """The body read with bounds that do not matter."""
    return read_json(body, max_depth=max_depth, max_values=max_values)


def depth_of(value: Any) -> int:
    """How many brackets lie around the innermost value."""
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.sampled_from('"\\[]{},:ab\u00e9\U0001f642\n'))),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(st.sampled_from('"\\[{,a')), inner)),
)


@given(json_values, st.booleans())
def test_read_json_gives_what_was_written(value: Any, ascii_only: bool) -> None:
    """Any JSON within its bounds is read as the standard library reads it, whatever its strings hold."""
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert read(body, max_depth=depth_of(value)) == value


@given(json_values)
def test_read_json_refuses_one_level_too_many(value: Any) -> None:
    """The bound on depth is exact: brackets in strings do not count, and no others are missed."""
    depth = depth_of(value)
    if depth:
        with pytest.raises(NotJson, match="nested deeper"):
            read(json.dumps(value).encode(), max_depth=depth - 1)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "line 1, column 1"),
        (b" ", "line 1"),
        (b"\xef\xbb\xbf{}", "BOM"),
        ("{}".encode("utf-16"), "not UTF-8"),
        (b'"\xff"', "byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b"{", "column 2"),
        (b"{'a': 1}", "column 2"),
        (b'{"a": 1,}', "not JSON"),
        (b"[1,]", "not JSON"),
        (b"[1] x", "Extra data"),
        (b'"a\nb"', "control character"),
        (b'"\\x"', "escape"),
        (b"01", "not JSON"),
        (b"\x00", "not JSON"),
        (b'"abc', "Unterminated"),
        (b'"abc\\', "not JSON"),
        (b"NaN", "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b'{"a": Infinity}', "Infinity"),
        (b"[" + b"9" * 5000 + b"]", "too many digits"),
        (b'{"a": 1, "b": 2, "a": 3}', '"a" stands twice'),
        (b'[{"b": {"a": 1, "\\u0061": 1}}]', '"a" stands twice'),
        (b'{"\\ud800": 1, "\\ud800": 2}', '"\\ud800" stands twice'),
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper"),
        (b"[" * 100_000, "nested deeper"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested deeper"),
        (b'{"a":' * 100_000, "nested deeper"),
        (b"[{}]" * 10 + b"[" * 5000, "nested deeper"),
        (b"]" * 100_000, "not JSON"),
        (b"\\[" * 100_000, "nested deeper"),
    ],
)
def test_read_json_refuses_what_is_not_json(body: bytes, words: str) -> None:
    """Each is a 400 that says where or what, in letters that any answer can carry."""
    with pytest.raises(NotJson) as refused:
        read(body)
    assert words in refused.value.detail
    refused.value.detail.encode()


@pytest.mark.parametrize(
    "body", [b"[" + b"[]," * 3_000_000 + b"1]", b"[" + b"0," * 3_000_000 + b"1]", b'["' + b'","' * 3_000_000 + b'"]']
)
def test_read_json_refuses_too_many_values_before_it_builds_them(body: bytes) -> None:
    """A bomb of small values is told by its brackets and commas, in a fraction of the time of parsing it."""
    began = time.process_time()
    with pytest.raises(TooLarge):
        read(body)
    assert time.process_time() - began < 0.5


def test_read_json_reads_no_number_of_thousands_of_digits() -> None:
    """Each takes time in the square of its digits, and a body of nothing else would take seconds for all."""
    assert read(b"9" * 400) == int("9" * 400)
    for body in (b"9" * 401, b"-" + b"9" * 401, b'{"a": [1, ' + b"9" * 4000 + b"]}"):
        with pytest.raises(NotJson, match="too many digits"):
            read(body)


@pytest.mark.parametrize(
    "body",
    [
        b'"' * 3_000_001,
        b'"[' * 1_500_000,
        b'"\\' * 1_500_000,
        b"\\" * 3_000_001,
        b"(" * 3_000_000,
        b'["' + b'[",",' * 1_000_000,
        b'["' + b'\\"' * 3_000_000,
    ],
)
def test_read_json_is_quick_when_strings_never_end(body: bytes) -> None:
    """The look at the structure is linear, whatever the quotes and backslashes are made to look like."""
    began = time.process_time()
    with pytest.raises((NotJson, TooLarge)):
        read(body)
    assert time.process_time() - began < 1


def test_read_json_does_not_count_what_stands_in_strings() -> None:
    """Names full of commas and brackets are as good as others."""
    names = ["a,b,c[1]{2}", 'x"[[[[,,,,', "\\", '\\"[', ""]
    assert read(json.dumps(names).encode(), max_depth=1, max_values=5) == names


def test_read_json_knows_strings_in_bodies_of_any_length() -> None:
    """A string may lie across any of the windows in which a long body is looked at."""
    for length in (65_533, 65_534, 65_535, 65_536, 65_537, 200_000):
        names = ["[" * length, "{,", "]" * length]
        assert read(json.dumps(names).encode(), max_depth=1, max_values=3) == names


def test_quoted_is_short_and_ascii() -> None:
    """What a client sent stands in our sentences escaped and cut."""
    assert quoted('a"\n\u202e\ud800') == '"a\\"\\n\\u202e\\ud800"'
    assert len(quoted("x" * 1000)) < 70


LISTS = {"a": lambda index, value: (index, value)}


@given(json_values, st.booleans())
def test_read_json_walks_the_named_lists_to_the_same_values(value: Any, indented: bool) -> None:
    """Each element is handed over as it is read, with its index; all around it is as ever."""
    document = {"a": [value, value], "b": [value], "c": {"a": [value]}}
    body = json.dumps(document, indent=1 if indented else None).encode()
    read_lists = read_json(body, max_depth=99, max_values=1_000_000, lists=LISTS)
    assert read_lists == document | {"a": [(0, value), (1, value)]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a"',
        b'{"a":',
        b'{"a":[',
        b'{"a":[1',
        b'{"a":[1,',
        b'{"a":[1,]}',
        b'{"a":[1 2]}',
        b'{"a":[1]',
        b'{"a":[1],',
        b'{"a":[1],}',
        b'{"a":[1]} x',
        b'{"a":[1] "b":2}',
        b'{"a":[1],"a":[2]}',
        b'{"a":[NaN]}',
        b'{"a":[01]}',
        b'{"a":["\n"]}',
        b"{a:1}",
        b'\xef\xbb\xbf{"a":[]}',
        b'{"\n":[]}',
    ],
)
def test_read_json_refuses_what_is_not_json_around_the_named_lists(body: bytes) -> None:
    """The walk is as strict as the parser."""
    with pytest.raises(NotJson):
        read_json(body, max_depth=9, max_values=99, lists=LISTS)


def test_read_json_empties_a_bytearray() -> None:
    """A body of a hundred megabytes is not held beside what it says."""
    body = bytearray(b'{"a": 1}')
    assert read_json(body, max_depth=9, max_values=99) == {"a": 1}
    assert not body


def test_read_json_refuses_too_many_bare_values_before_they_are_built() -> None:
    """A list of strings is bounded by their number, not by what as many objects could hold."""
    body = json.dumps({"urls": ["a"] * 1000}).encode()
    assert read_json(body, max_depth=9, max_values=10_000, max_bare=1000)
    with pytest.raises(TooLarge, match="bare"):
        read_json(body, max_depth=9, max_values=10_000, max_bare=900)

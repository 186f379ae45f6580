import email
import email.policy
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamzip.edge.ranges import (
    MOST_RANGES,
    Multipart,
    Unsatisfiable,
    content_range,
    multipart,
    parse_range,
    unsatisfied_range,
)
from streamzip.spans import Span

NONE_HERE = Unsatisfiable()
EXABYTES = 2**63 - 1

# case: (value, length, the spans as (start, stop))
SATISFIED: dict[str, tuple[str, int, list[tuple[int, int]]]] = {
    "first bytes": ("bytes=0-4", 11, [(0, 5)]),
    "one byte": ("bytes=0-0", 11, [(0, 1)]),
    "inner bytes": ("bytes=3-7", 11, [(3, 8)]),
    "open end": ("bytes=2-", 11, [(2, 11)]),
    "everything by an open end": ("bytes=0-", 11, [(0, 11)]),
    "everything by both ends": ("bytes=0-10", 11, [(0, 11)]),
    "all but the last byte": ("bytes=0-9", 11, [(0, 10)]),
    "last byte by an open end": ("bytes=10-", 11, [(10, 11)]),
    "last byte by both ends": ("bytes=10-11", 11, [(10, 11)]),
    "suffix": ("bytes=-5", 11, [(6, 11)]),
    "suffix as long as the whole": ("bytes=-11", 11, [(0, 11)]),
    "suffix longer than the whole": ("bytes=-15", 10, [(0, 10)]),
    "end clamped by one": ("bytes=0-11", 11, [(0, 11)]),
    "end clamped by much": ("bytes=5-1000", 11, [(5, 11)]),
    "first and last byte": ("bytes=0-0,-1", 10000, [(0, 1), (9999, 10000)]),
    "two apart": ("bytes=0-1,5-8", 11, [(0, 2), (5, 9)]),
    "two, the second open": ("bytes=0-1,5-", 11, [(0, 2), (5, 11)]),
    "two that touch": ("bytes=500-600,601-999", 10000, [(500, 601), (601, 1000)]),
    "two that touch and make the whole": ("bytes=0-4,5-", 10, [(0, 5), (5, 10)]),
    "order of the request kept": ("bytes=0-9, -10, 10-19", 1000, [(0, 10), (990, 1000), (10, 20)]),
    "descending order kept": ("bytes=8-9,4-5,0-1", 11, [(8, 10), (4, 6), (0, 2)]),
    "one that begins beyond the end left out": ("bytes=15-,0-5", 10, [(0, 6)]),
    "one of four left out": ("bytes=0-9, -10, 100000-, 10-19", 1000, [(0, 10), (990, 1000), (10, 20)]),
    "empty suffix left out": ("bytes=-0,0-0", 11, [(0, 1)]),
    "blanks and tabs about commas": ("bytes=0-0 \t,\t 2-2, 7-", 11, [(0, 1), (2, 3), (7, 11)]),
    "blanks about the value": (" \tbytes=0-4 \t", 11, [(0, 5)]),
    "empty element between": ("bytes=0-0,,2-3", 11, [(0, 1), (2, 4)]),
    "empty elements at the ends": ("bytes=,0-0, ,", 11, [(0, 1)]),
    "blank before an empty first element": ("bytes= ,0-0", 11, [(0, 1)]),
    "unit in capitals": ("Bytes=0-4", 11, [(0, 5)]),
    "unit in mixed case": ("bYTES=-1", 11, [(10, 11)]),
    "leading zeros": ("bytes=0000-0004", 11, [(0, 5)]),
    "five thousand leading zeros": (f"bytes={'0' * 5000}1-{'0' * 5000}4", 11, [(1, 5)]),
    "end of 64 bits": ("bytes=0-18446744073709551615", 11, [(0, 11)]),
    "end that would wrap round to 1": ("bytes=0-18446744073709551617", 11, [(0, 11)]),
    "end of five thousand digits": (f"bytes=1-{'9' * 5000}", 11, [(1, 11)]),
    "suffix of five thousand digits": (f"bytes=-{'9' * 5000}", 11, [(0, 11)]),
    "last byte of the longest file": (f"bytes={EXABYTES - 1}-", EXABYTES, [(EXABYTES - 1, EXABYTES)]),
    "beyond four gibibytes": ("bytes=4294967295-4294967296", 2**33, [(2**32 - 1, 2**32 + 1)]),
}

UNSATISFIED: dict[str, tuple[str, int]] = {
    "begins at the end": ("bytes=11-", 11),
    "begins at the end, with a last": ("bytes=11-12", 11),
    "begins after the end": ("bytes=12-12", 11),
    "begins far beyond": ("bytes=100-1000", 11),
    "none of several has a byte": ("bytes=11-,12-13,-0", 11),
    "empty suffix": ("bytes=-0", 11),
    "empty suffix in more zeros": ("bytes=-000", 11),
    "begins beyond 64 bits": ("bytes=18446744073709551616-", 11),
    "begins at five thousand digits": (f"bytes={'9' * 5000}-", 11),
    "from the first byte of nothing": ("bytes=0-", 0),
    "first byte of nothing": ("bytes=0-0", 0),
    "empty suffix of nothing": ("bytes=-0", 0),
}

IGNORED: dict[str, tuple[str, int]] = {
    "empty": ("", 11),
    "no equals sign": ("foo", 11),
    "unit alone": ("bytes", 11),
    "unit and equals sign": ("bytes=", 11),
    "blanks only": ("bytes=   ", 11),
    "commas only": ("bytes= , , ,  ", 11),
    "other unit": ("seconds=0-4", 11),
    "unit with more letters": ("bytes2=0-4", 11),
    "no unit": ("=0-4", 11),
    "blank before the equals sign": ("bytes =0-4", 11),
    "blank after the equals sign": ("bytes= 0-4", 11),
    "form of Content-Range": ("bytes 0-4/11", 11),
    "two equals signs": ("bytes==0-4", 11),
    "no hyphen": ("bytes=7", 10),
    "hyphen alone": ("bytes=-", 11),
    "two hyphens": ("bytes=--5", 11),
    "minus and hyphen": ("bytes=4--3", 11),
    "three numbers": ("bytes=1-2-3", 11),
    "end before start": ("bytes=5-4", 10),
    "end before start in one of two": ("bytes=0-2,5-4", 10),
    "end before start, both beyond the end": ("bytes=25-24", 10),
    "end before start, both beyond 64 bits": ("bytes=99999999999999999999-88888888888888888888", 10),
    "end before start, by their lengths": (f"bytes={'9' * 5001}-{'9' * 5000}", 10),
    "letters for the start": ("bytes=A-", 10),
    "letters for the end": ("bytes=5-Z", 10),
    "letters for both": ("bytes=alpha-omega", 10),
    "words": ("bytes=Ran-dom, garbage", 10),
    "hexadecimal": ("bytes=0x01-0x02", 10),
    "one good, one bad": ("bytes=0-1,x", 11),
    "beyond the end and bad": ("bytes=100-,x", 11),
    "semicolon for comma": ("bytes=0-1;3-4", 11),
    "blank for comma": ("bytes=10-11 12-", 1000),
    "blank in a range": ("bytes=1 -2", 11),
    "blank after the hyphen": ("bytes=1- 2", 11),
    "two fields made one": ("bytes=0-1, bytes=3-4", 11),
    "plus sign": ("bytes=+1-2", 11),
    "underscore that int() takes": ("bytes=1_0-", 100),
    "underscore in a suffix": ("bytes=-1_0", 100),
    "fullwidth digit that int() takes": ("bytes=１-", 11),
    "arabic digit that int() takes": ("bytes=0-٣", 11),
    "superscript that isdigit() takes": ("bytes=0-²", 11),
    "decimal point": ("bytes=0-1.0", 11),
    "exponent": ("bytes=0-1e1", 11),
    "no-break space": ("bytes=0-0,\xa02-3", 11),
    "vertical tab": ("bytes=0-0,\x0b2-3", 11),
    "line end": ("bytes=0-4\n", 11),
    "null": ("bytes=0-4\0", 11),
    "overlap of two": ("bytes=500-700,601-999", 10000),
    "overlap by one byte": ("bytes=0-4,4-8", 11),
    "overlap in descending order": ("bytes=4-8,0-4", 11),
    "the same twice": ("bytes=1-2,1-2", 11),
    "one in the other": ("bytes=0-9,3-4", 11),
    "overlap of suffix and start": ("bytes=0-5,-6", 11),
    "overlap after clamping": ("bytes=0-10001, 0-0", 1000),
    "wasteful": ("bytes=0-,1-,2-,3-,4-", 11),
    "Apache killer": ("bytes=0-," + ",".join(f"5-{last}" for last in range(1300)), 10000),
    "one range too many": ("bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(MOST_RANGES + 1)), 10000),
    "too many, though most have no byte": ("bytes=0-0" + ",99999-" * MOST_RANGES, 10000),
    "suffix of nothing": ("bytes=-5", 0),
    "blanks that could be shared out for ever": ("bytes=" + ",  " * 20000 + "x", 11),
    "digits without end": ("bytes=" + "9" * 60000, 11),
}


@pytest.mark.parametrize(("value", "length", "spans"), SATISFIED.values(), ids=SATISFIED)
def test_parse_range_gives_spans_when_satisfiable(value: str, length: int, spans: list[tuple[int, int]]) -> None:
    """Well-formed, disjoint ranges come back half-open, clamped and in the order of the request."""
    assert parse_range(value, length) == tuple(Span(*span) for span in spans)


@pytest.mark.parametrize(("value", "length"), UNSATISFIED.values(), ids=UNSATISFIED)
def test_parse_range_tells_when_no_range_has_a_byte(value: str, length: int) -> None:
    """Only a well-formed field that nothing of can be served is a 416."""
    assert parse_range(value, length) == NONE_HERE


@pytest.mark.parametrize(("value", "length"), IGNORED.values(), ids=IGNORED)
def test_parse_range_ignores_what_is_malformed_foreign_or_wasteful(value: str, length: int) -> None:
    """Whatever else is asked is answered with the whole, once."""
    assert parse_range(value, length) is None


def test_parse_range_takes_as_many_ranges_as_allowed() -> None:
    """The bound itself is still served, and the caller may set a lower one."""
    wanted = tuple(Span(2 * n, 2 * n + 1) for n in range(MOST_RANGES))
    value = "bytes=" + ",".join(f"{start}-{start}" for start, _ in wanted)
    assert parse_range(value, 10000) == wanted
    assert parse_range("bytes=0-0,2-2", 11, most=2) == (Span(0, 1), Span(2, 3))
    assert parse_range("bytes=0-0,2-2,4-4", 11, most=2) is None


NUMBERS = st.integers(min_value=0, max_value=40)
SPECS = st.one_of(
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: (min(pair), max(pair))),
    st.tuples(NUMBERS, st.none()),
    st.tuples(st.none(), NUMBERS),
)


def wire(spec: tuple[int | None, int | None]) -> str:
    """A range as it stands in the field."""
    return "-".join("" if number is None else str(number) for number in spec)


def sliced(content: bytes, spec: tuple[int | None, int | None]) -> bytes:
    """What the range means, told by slices alone."""
    first, last = spec
    if first is None:
        return content[-last:] if last else b""
    return content[first:] if last is None else content[first : last + 1]


@given(st.lists(SPECS, min_size=1, max_size=6), st.integers(min_value=1, max_value=32))
def test_parse_range_agrees_with_slices_of_the_content(specs: list[tuple[int | None, int | None]], length: int) -> None:
    """Each span is the slice its range names; those without a byte are gone; bytes asked for twice mean the whole."""
    content = bytes(range(length))
    slices = [piece for spec in specs if (piece := sliced(content, spec))]
    asked = b"".join(slices)
    ranges = parse_range("bytes=" + ",".join(map(wire, specs)), length)
    if len(set(asked)) < len(asked):
        assert ranges is None
    elif not slices:
        assert ranges == NONE_HERE
    else:
        assert isinstance(ranges, tuple)
        assert [content[start:stop] for start, stop in ranges] == slices


@given(st.text(alphabet="bytes=0123456789-, \t_", max_size=40), st.integers(min_value=0, max_value=2**63))
def test_parse_range_never_asks_for_more_than_the_whole(text: str, length: int) -> None:
    """Whatever the field says, the spans lie within the whole, hold a byte each, and no byte twice."""
    for value in (text, f"bytes={text}"):
        ranges = parse_range(value, length)
        if isinstance(ranges, tuple):
            assert ranges
            assert all(0 <= span.start < span.stop <= length for span in ranges)
            ordered = sorted(ranges)
            assert all(one.stop <= two.start for one, two in pairwise(ordered))


def test_content_range_is_inclusive_on_the_wire() -> None:
    """The half-open span is written with its last byte, and a 416 with the length alone."""
    assert content_range(Span(0, 1), 11) == "bytes 0-0/11"
    assert content_range(Span(6, 11), 11) == "bytes 6-10/11"
    assert unsatisfied_range(11) == "bytes */11"
    assert unsatisfied_range(0) == "bytes */0"


def rendered(framing: Multipart, content: bytes) -> bytes:
    """The body as it would be sent."""
    return b"".join(header + content[slice(*span)] for header, span in framing.parts) + framing.trailer


def test_multipart_is_framed_to_the_byte() -> None:
    """Delimiters own the line end before them; nothing stands before the first or after the last."""
    framing = multipart((Span(0, 2), Span(5, 6)), 11, content_type="application/zip", boundary="THIS")
    assert framing.content_type == "multipart/byteranges; boundary=THIS"
    assert rendered(framing, b"hello world") == (
        b"--THIS\r\nContent-Type: application/zip\r\nContent-Range: bytes 0-1/11\r\n\r\nhe"
        b"\r\n--THIS\r\nContent-Type: application/zip\r\nContent-Range: bytes 5-5/11\r\n\r\n "
        b"\r\n--THIS--\r\n"
    )


@given(st.lists(st.integers(min_value=0, max_value=4000), min_size=4, max_size=20, unique=True))
def test_multipart_reads_back_as_the_spans_when_parsed_by_another(cuts: list[int]) -> None:
    """A MIME parser finds each span's bytes under its Content-Range, and the length is that of the body."""
    content = bytes(number % 251 for number in range(4000))
    ordered = sorted(cuts)
    spans = [Span(start, stop) for start, stop in zip(ordered[::2], ordered[1::2], strict=False)]
    framing = multipart(spans, len(content), content_type="application/zip", boundary="0123456789abcdef" * 2)
    body = rendered(framing, content)
    assert framing.length == len(body)
    head = f"Content-Type: {framing.content_type}\r\n\r\n".encode()
    parts = list(email.message_from_bytes(head + body, policy=email.policy.HTTP).iter_parts())
    assert [part["Content-Range"] for part in parts] == [content_range(span, 4000) for span in spans]
    assert [part.get_payload(decode=True) for part in parts] == [content[slice(*span)] for span in spans]


def test_multipart_length_stays_within_the_whole_and_its_framing() -> None:
    """A request of the most ranges sends the whole once and at most 200 bytes for each part."""
    spans = tuple(Span(n * 20, n * 20 + 20) for n in range(MOST_RANGES))
    length = 20 * MOST_RANGES
    framing = multipart(spans, length, content_type="application/zip", boundary="0" * 32)
    assert length < framing.length < length + 200 * MOST_RANGES


@pytest.mark.parametrize("boundary", ["", "a b", "a\r\nX-Evil: 1", 'a"', "é", "0" * 71])
def test_multipart_refuses_a_boundary_that_cannot_stand_in_a_header(boundary: str) -> None:
    """What is not an unquoted boundary never reaches a header."""
    with pytest.raises(ValueError, match="boundary"):
        multipart((Span(0, 1), Span(2, 3)), 11, content_type="application/zip", boundary=boundary)


def test_range_of_too_many_letters_is_none() -> None:
    """Sixty thousand empty ranges are within a head: reading them would take milliseconds of everybody's."""
    assert parse_range("bytes=0-1" + "," * 17_000, 10) is None
    assert parse_range("bytes=0-1" + "," * 1000, 10) == (Span(0, 2),)

from datetime import UTC, datetime
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamzip.edge.conditionals import Decision, combined, decide, parse_date

ETAG = '"abc,def"'  # with a comma, which no split on commas survives
WEAK = f"W/{ETAG}"
MODIFIED = 784111777
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
NOW = datetime(2026, 5, 1, 10, tzinfo=UTC).timestamp()

OK, PARTIAL, NOT_MODIFIED, FAILED = Decision(200), Decision(200, use_range=True), Decision(304), Decision(412)
RANGE = {"range": "bytes=0-1"}

# case: (headers of a GET, decision); the representation has ETAG and MODIFIED
DECISIONS: dict[str, tuple[dict[str, str], Decision]] = {
    "nothing asked": ({}, OK),
    "range alone": (RANGE, PARTIAL),
    "If-Match the same": ({"if-match": ETAG}, OK),
    "If-Match another": ({"if-match": '"foo"'}, FAILED),
    "If-Match any": ({"if-match": "*"}, OK),
    "If-Match any, blanks about it": ({"if-match": " *\t"}, OK),
    "If-Match in a list with blanks and tabs": ({"if-match": f'"foo", "bar", \t{ETAG} , "baz"'}, OK),
    "If-Match in a list with empty elements": ({"if-match": f',, "foo",,{ETAG},'}, OK),
    "If-Match list without it": ({"if-match": '"foo", "bar"'}, FAILED),
    "If-Match weak": ({"if-match": WEAK}, FAILED),
    "If-Match half of the tag": ({"if-match": '"abc'}, FAILED),
    "If-Match both halves of the tag": ({"if-match": '"abc","def"'}, FAILED),
    "If-Match without quotes": ({"if-match": "abc,def"}, FAILED),
    "If-Match in a malformed list": ({"if-match": f"{ETAG}, foo"}, FAILED),
    "If-Match any in a list": ({"if-match": '*, "foo"'}, FAILED),
    "If-Match any in quotes": ({"if-match": '"*"'}, FAILED),
    "If-Match empty": ({"if-match": ""}, FAILED),
    "If-Match in other case": ({"if-match": ETAG.upper()}, FAILED),
    "If-Match fails with a range": ({"if-match": '"foo"'} | RANGE, FAILED),
    "If-Match holds with a range": ({"if-match": ETAG} | RANGE, PARTIAL),
    "If-Unmodified-Since that instant": ({"if-unmodified-since": DATE}, OK),
    "If-Unmodified-Since later": ({"if-unmodified-since": LATER}, OK),
    "If-Unmodified-Since earlier": ({"if-unmodified-since": EARLIER}, FAILED),
    "If-Unmodified-Since earlier, with a range": ({"if-unmodified-since": EARLIER} | RANGE, FAILED),
    "If-Unmodified-Since malformed": ({"if-unmodified-since": "yesterday"}, OK),
    "If-Match holds, so If-Unmodified-Since is not read": ({"if-match": ETAG, "if-unmodified-since": EARLIER}, OK),
    "If-Match fails, whatever If-Unmodified-Since": ({"if-match": '"foo"', "if-unmodified-since": LATER}, FAILED),
    "If-None-Match the same": ({"if-none-match": ETAG}, NOT_MODIFIED),
    "If-None-Match another": ({"if-none-match": '"foo"'}, OK),
    "If-None-Match any": ({"if-none-match": "*"}, NOT_MODIFIED),
    "If-None-Match weak": ({"if-none-match": WEAK}, NOT_MODIFIED),
    "If-None-Match weak in lower case": ({"if-none-match": f"w/{ETAG}"}, OK),
    "If-None-Match weak with a blank": ({"if-none-match": f"W/ {ETAG}"}, OK),
    "If-None-Match in a list": ({"if-none-match": f'"foo", "bar", {ETAG} , "baz"'}, NOT_MODIFIED),
    "If-None-Match weak in a list without blanks": ({"if-none-match": f'"foo",{WEAK},W/"x"'}, NOT_MODIFIED),
    "If-None-Match in a malformed list": ({"if-none-match": f'{ETAG}, "open'}, OK),
    "If-None-Match without comma": ({"if-none-match": f'"foo" {ETAG}'}, OK),
    "If-None-Match without quotes": ({"if-none-match": "abc,def"}, OK),
    "If-None-Match within a longer tag": ({"if-none-match": '"xabc,def"'}, OK),
    "If-None-Match empty": ({"if-none-match": ""}, OK),
    "If-None-Match empty tag": ({"if-none-match": '""'}, OK),
    "If-None-Match with a blank in a tag": ({"if-none-match": f'"a b", {ETAG}'}, OK),
    "If-None-Match with bytes above ASCII in a tag": ({"if-none-match": f'"\xe9\xff", {ETAG}'}, NOT_MODIFIED),
    "If-None-Match blanks without end": ({"if-none-match": ",  " * 20000 + "x"}, OK),
    "If-None-Match the same, beats a range": ({"if-none-match": ETAG} | RANGE, NOT_MODIFIED),
    "If-None-Match another, range applies": ({"if-none-match": '"foo"'} | RANGE, PARTIAL),
    "If-None-Match another beats If-Modified-Since": ({"if-none-match": '"foo"', "if-modified-since": DATE}, OK),
    "If-None-Match malformed beats If-Modified-Since": ({"if-none-match": "foo", "if-modified-since": DATE}, OK),
    "If-None-Match same beats If-Modified-Since": (
        {"if-none-match": ETAG, "if-modified-since": EARLIER},
        NOT_MODIFIED,
    ),
    "If-Match fails before If-None-Match": ({"if-match": '"foo"', "if-none-match": ETAG}, FAILED),
    "If-Match holds, then If-None-Match": ({"if-match": ETAG, "if-none-match": ETAG}, NOT_MODIFIED),
    "If-Unmodified-Since fails before If-None-Match": ({"if-unmodified-since": EARLIER, "if-none-match": "*"}, FAILED),
    "If-Modified-Since that instant": ({"if-modified-since": DATE}, NOT_MODIFIED),
    "If-Modified-Since later": ({"if-modified-since": LATER}, NOT_MODIFIED),
    "If-Modified-Since earlier": ({"if-modified-since": EARLIER}, OK),
    "If-Modified-Since at the end of 32 bits": (
        {"if-modified-since": "Tue, 19 Jan 2038 03:14:07 GMT"},
        NOT_MODIFIED,
    ),
    "If-Modified-Since beyond 32 bits": ({"if-modified-since": "Tue, 19 Jan 2038 03:14:08 GMT"}, NOT_MODIFIED),
    "If-Modified-Since beyond 32 bits unsigned": ({"if-modified-since": "Fri, 25 Feb 2174 09:42:23 GMT"}, NOT_MODIFIED),
    "If-Modified-Since as RFC 850": ({"if-modified-since": "Sunday, 06-Nov-94 08:49:37 GMT"}, NOT_MODIFIED),
    "If-Modified-Since as asctime": ({"if-modified-since": "Sun Nov  6 08:49:37 1994"}, NOT_MODIFIED),
    "If-Modified-Since with a length, as Netscape sent": ({"if-modified-since": f"{DATE}; length=11"}, OK),
    "If-Modified-Since malformed": ({"if-modified-since": "784111777"}, OK),
    "If-Modified-Since twice": ({"if-modified-since": f"{DATE}, {DATE}"}, OK),
    "If-Modified-Since that instant, beats a range": ({"if-modified-since": DATE} | RANGE, NOT_MODIFIED),
    "If-Modified-Since earlier, range applies": ({"if-modified-since": EARLIER} | RANGE, PARTIAL),
    "If-Range the same": ({"if-range": ETAG} | RANGE, PARTIAL),
    "If-Range the same, blanks about it": ({"if-range": f" {ETAG}\t"} | RANGE, PARTIAL),
    "If-Range another": ({"if-range": '"foo"'} | RANGE, OK),
    "If-Range weak": ({"if-range": WEAK} | RANGE, OK),
    "If-Range without quotes": ({"if-range": "wrong"} | RANGE, OK),
    "If-Range any": ({"if-range": "*"} | RANGE, OK),
    "If-Range a list": ({"if-range": f"{ETAG}, {ETAG}"} | RANGE, OK),
    "If-Range empty": ({"if-range": ""} | RANGE, OK),
    "If-Range that instant": ({"if-range": DATE} | RANGE, PARTIAL),
    "If-Range that instant as asctime": ({"if-range": "Sun Nov  6 08:49:37 1994"} | RANGE, PARTIAL),
    "If-Range earlier": ({"if-range": EARLIER} | RANGE, OK),
    "If-Range later": ({"if-range": LATER} | RANGE, OK),
    "If-Range malformed date": ({"if-range": f"{DATE} "[:-5]} | RANGE, OK),
    "If-Range another, range unsatisfiable": ({"if-range": '"foo"', "range": "bytes=999-"}, OK),
    "If-Range the same, no range": ({"if-range": ETAG}, OK),
    "If-Range and If-None-Match the same": ({"if-range": ETAG, "if-none-match": ETAG} | RANGE, NOT_MODIFIED),
    "If-Range the same, If-Match fails": ({"if-range": ETAG, "if-match": '"foo"'} | RANGE, FAILED),
    "If-Range another, If-Match holds": ({"if-range": '"foo"', "if-match": ETAG} | RANGE, OK),
    "all of them hold": (
        {"if-match": "*", "if-none-match": '"foo"', "if-range": DATE, "if-modified-since": DATE} | RANGE,
        PARTIAL,
    ),
}

# case: (headers, etag, last_modified, decision), where the representation lacks something
LACKING: dict[str, tuple[dict[str, str], str | None, int | None, Decision]] = {
    "If-Match any, without ETag": ({"if-match": "*"}, None, MODIFIED, OK),
    "If-Match a tag, without ETag": ({"if-match": ETAG}, None, MODIFIED, FAILED),
    "If-Match the weak one itself": ({"if-match": WEAK}, WEAK, MODIFIED, FAILED),
    "If-Match strong against weak": ({"if-match": ETAG}, WEAK, MODIFIED, FAILED),
    "If-None-Match any, without ETag": ({"if-none-match": "*"}, None, MODIFIED, NOT_MODIFIED),
    "If-None-Match a tag, without ETag": ({"if-none-match": ETAG}, None, MODIFIED, OK),
    "If-None-Match the weak one itself": ({"if-none-match": WEAK}, WEAK, MODIFIED, NOT_MODIFIED),
    "If-None-Match strong against weak": ({"if-none-match": ETAG}, WEAK, MODIFIED, NOT_MODIFIED),
    "If-Unmodified-Since, without Last-Modified": ({"if-unmodified-since": EARLIER}, ETAG, None, OK),
    "If-Modified-Since, without Last-Modified": ({"if-modified-since": LATER}, ETAG, None, OK),
    "If-Range a tag, without ETag": ({"if-range": ETAG} | RANGE, None, MODIFIED, OK),
    "If-Range the weak one itself": ({"if-range": WEAK} | RANGE, WEAK, MODIFIED, OK),
    "If-Range strong against weak": ({"if-range": ETAG} | RANGE, WEAK, MODIFIED, OK),
    "If-Range that instant, beside a weak ETag": ({"if-range": DATE} | RANGE, WEAK, MODIFIED, OK),
    "If-Range that instant, without ETag": ({"if-range": DATE} | RANGE, None, MODIFIED, PARTIAL),
    "If-Range a date, without Last-Modified": ({"if-range": DATE} | RANGE, ETAG, None, OK),
    "If-Range malformed, without Last-Modified": ({"if-range": "wrong"} | RANGE, ETAG, None, OK),
}


@pytest.mark.parametrize(("headers", "decision"), DECISIONS.values(), ids=DECISIONS)
def test_decide_follows_the_order_of_preconditions_when_both_validators_exist(
    headers: dict[str, str], decision: Decision
) -> None:
    """RFC 9110 §13.2.2: 412 before 304 before 206, each field compared as strongly as it asks."""
    assert decide("GET", headers, etag=ETAG, last_modified=MODIFIED, now=NOW) == decision


@pytest.mark.parametrize(("headers", "decision"), DECISIONS.values(), ids=DECISIONS)
def test_decide_answers_head_as_get_but_for_ranges(headers: dict[str, str], decision: Decision) -> None:
    """HEAD has the same preconditions, and no Range."""
    assert decide("HEAD", headers, etag=ETAG, last_modified=MODIFIED, now=NOW) == Decision(decision.status)


@pytest.mark.parametrize(("headers", "etag", "last_modified", "decision"), LACKING.values(), ids=LACKING)
def test_decide_holds_no_validator_against_another_when_one_is_weak_or_missing(
    headers: dict[str, str], etag: str | None, last_modified: int | None, decision: Decision
) -> None:
    """What the representation lacks matches nothing, and a weak tag is never enough to splice by."""
    assert decide("GET", headers, etag=etag, last_modified=last_modified, now=NOW) == decision


def test_decide_serves_the_whole_when_the_date_is_not_a_strong_validator() -> None:
    """A file that may have changed twice in that second is not resumed by its date; by its tag it is."""
    for condition, decision in ((DATE, OK), (ETAG, PARTIAL)):
        headers = {"if-range": condition} | RANGE
        assert decide("GET", headers, etag=ETAG, last_modified=MODIFIED, now=NOW, date_is_strong=False) == decision


def test_combined_joins_repeated_fields_when_they_are_lists() -> None:
    """A tag in the second If-None-Match counts; two Ranges are one malformed Range."""
    headers = combined([("If-None-Match", '"foo"'), ("range", "bytes=0-1"), ("if-none-match", ETAG)])
    assert headers == {"if-none-match": f'"foo", {ETAG}', "range": "bytes=0-1"}
    assert decide("GET", headers, etag=ETAG, last_modified=None, now=NOW) == NOT_MODIFIED


# case: (text, the instant)
DATES: dict[str, tuple[str, datetime]] = {
    "IMF-fixdate": (DATE, datetime(1994, 11, 6, 8, 49, 37)),
    "blanks about it": (f" {DATE}\t", datetime(1994, 11, 6, 8, 49, 37)),
    "RFC 850": ("Sunday, 06-Nov-94 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37)),
    "asctime": ("Sun Nov  6 08:49:37 1994", datetime(1994, 11, 6, 8, 49, 37)),
    "asctime, day of two digits": ("Wed Nov 16 08:49:37 1994", datetime(1994, 11, 16, 8, 49, 37)),
    "another day of the week": ("Mon, 06 Nov 1994 08:49:37 GMT", datetime(1994, 11, 6, 8, 49, 37)),
    "the epoch": ("Thu, 01 Jan 1970 00:00:00 GMT", datetime(1970, 1, 1)),
    "before the epoch": ("Wed, 31 Dec 1969 23:59:59 GMT", datetime(1969, 12, 31, 23, 59, 59)),
    "leap day": ("Thu, 29 Feb 2024 00:00:00 GMT", datetime(2024, 2, 29)),
    "leap second": ("Sat, 31 Dec 2016 23:59:60 GMT", datetime(2016, 12, 31, 23, 59, 59)),
    "two digits of this century": ("Friday, 01-May-26 10:00:00 GMT", datetime(2026, 5, 1, 10)),
    "two digits, fifty years ahead": ("Friday, 01-May-76 10:00:00 GMT", datetime(2076, 5, 1, 10)),
    "two digits, a second more than fifty years ahead": (
        "Saturday, 01-May-76 10:00:01 GMT",
        datetime(1976, 5, 1, 10, 0, 1),
    ),
    "two digits, fifty-one years ahead": ("Thursday, 05-May-77 10:00:00 GMT", datetime(1977, 5, 5, 10)),
}

NOT_DATES = {
    "empty": "",
    "words": "yesterday",
    "epoch seconds": "784111777",
    "RFC 3339": "1994-11-06T08:49:37Z",
    "no day of the week": "06 Nov 1994 08:49:37 GMT",
    "no such day of the week": "Nov, 06 Nov 1994 08:49:37 GMT",
    "no such month": "Sun, 06 Sun 1994 08:49:37 GMT",
    "short day of the week in RFC 850": "Sun, 06-Nov-94 08:49:37 GMT",
    "RFC 850 with four digits": "Sunday, 06-Nov-1994 08:49:37 GMT",
    "long day of the week": "Sunday, 06 Nov 1994 08:49:37 GMT",
    "lower case": "sun, 06 nov 1994 08:49:37 gmt",
    "zone in numbers": "Sun, 06 Nov 1994 08:49:37 +0000",
    "UTC": "Sun, 06 Nov 1994 08:49:37 UTC",
    "no zone": "Sun, 06 Nov 1994 08:49:37",
    "asctime with a zone": "Sun Nov  6 08:49:37 1994 GMT",
    "asctime with one blank": "Sun Nov 6 08:49:37 1994",
    "day of one digit": "Sun, 6 Nov 1994 08:49:37 GMT",
    "two blanks": "Sun,  06 Nov 1994 08:49:37 GMT",
    "no seconds": "Sun, 06 Nov 1994 08:49 GMT",
    "hour 24": "Sun, 06 Nov 1994 24:00:00 GMT",
    "minute 60": "Sun, 06 Nov 1994 08:60:00 GMT",
    "second 61": "Sun, 06 Nov 1994 08:49:61 GMT",
    "31 February": "Thu, 31 Feb 1994 08:49:37 GMT",
    "29 February of no leap year": "Tue, 29 Feb 2023 08:49:37 GMT",
    "year 0": "Sat, 01 Jan 0000 00:00:00 GMT",
    "fullwidth digit": "Sun, 0６ Nov 1994 08:49:37 GMT",
    "line end": f"{DATE}\n",
    "more after it": f"{DATE}; length=11",
}


@pytest.mark.parametrize(("text", "instant"), DATES.values(), ids=DATES)
def test_parse_date_reads_all_three_forms(text: str, instant: datetime) -> None:
    """RFC 9110 §5.6.7: a recipient accepts all three, and places two-digit years about its own time."""
    assert parse_date(text, NOW) == instant.replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", NOT_DATES.values(), ids=NOT_DATES)
def test_parse_date_refuses_what_is_none_of_the_forms(text: str) -> None:
    """A date that is not one is ignored, never guessed at."""
    assert parse_date(text, NOW) is None


@given(st.integers(min_value=-(10**9), max_value=2 * 10**11))
def test_parse_date_reads_back_every_second_that_is_sent(seconds: int) -> None:
    """What is sent as Last-Modified comes back as the same instant."""
    assert parse_date(formatdate(seconds, usegmt=True), NOW) == seconds

"""Each code of an entry's failure has one kind."""

import pytest

from streamzip.errors import OriginError
from streamzip.origins.kinds import Kind, Refusal, is_worth_another, kind_of, may_pass, refusal_of

TABLE = {
    Kind.LASTING: ("blocked_address", "unsafe_url", "too_many_redirects", "content_encoded", "http_401", "http_400"),
    Kind.PASSING: (
        "unreachable",
        "timed_out",
        "too_slow",
        "bad_answer",
        "truncated",
        "http_408",
        "http_500",
        "http_600",
    ),
    Kind.THROTTLED: ("http_429", "http_503"),
    Kind.VERSION_CHANGED: ("changed",),
    Kind.GONE: ("http_404", "http_410"),
    Kind.OTHER_SIZE: ("size_mismatch", "too_long"),
    Kind.OTHER_BYTES: ("crc_mismatch",),
    Kind.OVER_LIMIT: ("entry_too_large", "archive_too_large"),
}


@pytest.mark.parametrize("kind", Kind)
def test_kind_is_judged_by_the_code_alone(kind: Kind) -> None:
    """The store keeps codes and no kinds; what may pass is asked for again by a new create."""
    assert {kind_of(code) for code in TABLE[kind]} == {kind}
    passing = kind in (Kind.PASSING, Kind.THROTTLED, Kind.VERSION_CHANGED)
    assert [may_pass(code) for code in TABLE[kind]] == [passing] * len(TABLE[kind])


@pytest.mark.parametrize(
    ("error", "refusal"),
    [
        (OriginError("http_429", ""), Refusal.EXPLICIT),
        (OriginError("http_503", "", retry_after=1.0), Refusal.EXPLICIT),
        (OriginError("http_503", ""), Refusal.UNSURE),
        (OriginError("unreachable", "", transient=True), Refusal.UNSURE),
        (OriginError("unreachable", ""), Refusal.NONE),
        (OriginError("timed_out", "", transient=True), Refusal.NONE),
        (OriginError("http_403", ""), Refusal.FORBIDDEN),
        (OriginError("http_404", ""), Refusal.ANSWER),
    ],
)
def test_refusal_is_the_word_of_an_origin_about_us_or_about_its_file(error: OriginError, refusal: Refusal) -> None:
    """A file that is missing slows no other down; an origin that throttles, or may be, is asked for less."""
    assert refusal_of(error) is refusal


def test_status_is_worth_another_attempt_where_it_may_pass() -> None:
    """RFC 9110 §15.5: a client's error stays one, but for those that speak of the moment."""
    passing = {status for status in range(400, 500) if is_worth_another(status)}
    assert passing == {408, 425, 429}
    assert all(is_worth_another(status) for status in (500, 503, 599, 600))

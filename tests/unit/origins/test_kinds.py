"""Each code of an entry's failure has one kind."""

import pytest

from streamzip.origins.kinds import Kind, kind_of, may_pass

TABLE = {
    Kind.LASTING: ("blocked_address", "unsafe_url", "too_many_redirects", "content_encoded", "http_401", "http_400"),
    Kind.PASSING: ("unreachable", "timed_out", "too_slow", "bad_answer", "truncated", "http_408", "http_500"),
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

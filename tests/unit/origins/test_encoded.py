"""Bodies that an origin compressed although it was asked not to."""

import gzip

import pytest

from streamzip.errors import OriginError
from streamzip.origins.encoded import decoded


def test_decoded_ends_where_enough_has_come() -> None:
    """A page of a gigabyte of zeros is a megabyte on the wire: no more of it is made than may be read."""
    assert len(decoded(gzip.compress(b"\0" * (1 << 20)), "gzip", most=1000)) <= 1001


def test_decoded_gives_what_came_of_a_body_that_was_cut() -> None:
    """As browsers show it."""
    assert decoded(gzip.compress(b"page" * 1000)[:-8], "gzip", most=1 << 20) == b"page" * 1000


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_decoded_refuses_what_is_not_of_its_coding(coding: str) -> None:
    """A plain page that is said to be compressed."""
    with pytest.raises(OriginError) as refused:
        decoded(b"<html>", coding, most=1000)
    assert refused.value.code == "content_encoded"

"""Descriptors are shared out so that nobody's share takes another's."""

import pytest

from streamzip.config import SetupError
from streamzip.process.descriptors import AN_ARCHIVE, KEPT, SMALLEST, share_out


@pytest.mark.parametrize("limit", [SMALLEST, 64, 100, 256, 1024, 20_000, 1 << 20])
def test_share_out_gives_everybody_something_and_never_more_than_there_is(limit: int) -> None:
    """Clients, origins and archives work at the same time, whatever the limit."""
    shares = share_out(limit)
    assert KEPT + shares.clients + shares.origins + AN_ARCHIVE * shares.archives <= limit
    assert shares.clients >= 10
    assert shares.origins >= 4
    assert shares.archives >= 2


def test_share_out_refuses_when_the_limit_is_too_small() -> None:
    """In one sentence, with what is needed and where to set it."""
    with pytest.raises(SetupError, match=f"{SMALLEST} open files are needed at least, and this process may have 59"):
        share_out(SMALLEST - 1)

"""Sessions of the pages: what was given out for a key lets in, until its time or its key is over."""

import pytest

from streamzip.access.api_keys import ApiKeys, new_key
from streamzip.access.keyring import KeyRing
from streamzip.access.sessions import LIFETIME, Sessions

NOW = 1_800_000_000.0
ANN, ANN_LINE = new_key("ann.b@example")
TWO, TWO_LINE = new_key("ann.b@example")
BOB, BOB_LINE = new_key("bob")
RING = KeyRing.parse("new:the second secret,old:the first secret")


def sessions(lines: str = f"{ANN_LINE},{TWO_LINE},{BOB_LINE}", ring: KeyRing = RING) -> Sessions:
    return Sessions(ApiKeys.parse(lines), ring)


@pytest.mark.parametrize("key", [ANN, TWO], ids=["one", "two"])
def test_session_is_its_owners_until_it_ends(key: str) -> None:
    """Twelve hours, to the second; and the key is not in it."""
    session = sessions().begin(key, now=NOW)
    assert session is not None
    assert sessions().owner(session, now=NOW + LIFETIME - 1) == "ann.b@example"
    assert sessions().owner(session, now=NOW + LIFETIME) is None
    assert key not in session
    assert ApiKeys.hash_of(key) not in session


def test_session_is_not_begun_with_a_key_that_is_none() -> None:
    """Neither with a key's hash, nor where there are no keys."""
    for key in ("", "sz_wrong", ANN_LINE, ANN_LINE.partition(":")[2]):
        assert sessions().begin(key, now=NOW) is None
    assert Sessions(ApiKeys(), RING).begin(ANN, now=NOW) is None


def test_session_ends_when_its_key_is_taken_out() -> None:
    """Another key of the same name does not keep it alive."""
    session = sessions().begin(ANN, now=NOW)
    assert session is not None
    assert sessions(f"{TWO_LINE},{BOB_LINE}").owner(session, now=NOW) is None
    assert sessions(ANN_LINE).owner(session, now=NOW) == "ann.b@example"


def test_session_stays_while_the_secret_that_signed_it_is_in_the_ring() -> None:
    """Rotation: what the older secret signed is good, another's is not."""
    session = sessions(ring=KeyRing.parse("old:the first secret")).begin(BOB, now=NOW)
    assert session is not None
    assert sessions().owner(session, now=NOW) == "bob"
    assert sessions(ring=KeyRing.parse("new:the second secret")).owner(session, now=NOW) is None


def test_no_changed_session_is_let_in() -> None:
    """Every letter of it counts: the time, the signature and the name."""
    session = sessions().begin(ANN, now=NOW)
    assert session is not None
    for place in range(len(session)):
        for letter in "0a.b":
            changed = session[:place] + letter + session[place + 1 :]
            assert changed == session or sessions().owner(changed, now=NOW) is None
    expires, number, signature, _ = session.split(".", 3)
    other = f"{expires}.{number}.{signature}.bob"
    for changed in ("", session.upper(), f"{session}x", f" {session}", other, f"0{session}"):
        assert sessions().owner(changed, now=NOW) is None


def test_sessions_begun_in_one_second_are_two() -> None:
    """To end one is not to end the other."""
    assert sessions().begin(ANN, now=NOW) != sessions().begin(ANN, now=NOW)


def test_form_token_is_its_sessions_alone() -> None:
    """Another session's does not do, nor the session itself."""
    one, other = (sessions().begin(key, now=NOW) for key in (ANN, BOB))
    assert one is not None
    assert other is not None
    token = sessions().form_token(one)
    assert sessions().is_form_token(one, token)
    for wrong in (sessions().form_token(other), one, "", token[:-1], token.upper(), "ä"):
        assert not sessions().is_form_token(one, wrong)

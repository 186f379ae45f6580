import pytest

from streamzip.edge.accel import nginx_agrees
from streamzip.edge.conditionals import decide
from streamzip.edge.ranges import parse_range

LENGTH = 1000
ETAG = '"3e8-1"'


def handed_over(**fields: str) -> bool:
    """Whether a request with these fields is nginx's to answer; If-Range decides first, as for every GET."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    decision = decide("GET", named, etag=ETAG, last_modified=0, now=0.0)
    spans = parse_range(named["range"], LENGTH) if decision.use_range else None
    assert decision.status == 200
    assert spans is None or isinstance(spans, tuple)
    return nginx_agrees(named, spans)


@pytest.mark.parametrize(
    "value", ["bytes=0-", "bytes=5-9", "bytes=-1", "bytes=0-5000", "BYTES=0-0", f"bytes=0-{10**18 - 1}"]
)
def test_nginx_agrees_about_one_plain_range(value: str) -> None:
    """With an If-Range that holds too; and about the whole."""
    assert handed_over()
    assert handed_over(range=value)
    assert handed_over(range=value, if_range=ETAG)


@pytest.mark.parametrize(
    "value",
    [
        "bytes=0-0,5-9",
        "bytes=0-,0-",
        "bytes=,0-0",
        "bytes= 0-0",
        "bytes=1 -2",
        "bytes=9-5",
        "bytes=0-0,9-5",
        "bytes=x",
        "",
        "seconds=0-1",
        f"bytes=0-{2**63}",
        f"bytes=-{2**64}",
    ],
)
def test_nginx_does_not_agree_about_what_it_reads_otherwise(value: str) -> None:
    """Sets of ranges, blanks, what is to be ignored, numbers beyond its own."""
    assert not handed_over(range=value)


def test_nginx_does_not_agree_about_conditions() -> None:
    """It asks dates that entity tags override; If-Range that does not hold makes a range one to be ignored."""
    assert not handed_over(range="bytes=0-0", if_range='"other"')
    assert not handed_over(if_match=ETAG, if_unmodified_since="Thu, 01 Jan 1970 00:00:00 GMT")
    assert not handed_over(if_none_match='"other"')
    assert not handed_over(if_modified_since="yesterday")

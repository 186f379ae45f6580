"""Which site's page a request comes from, and which of them may change something."""

import pytest
from starlette.datastructures import Headers

from streamzip.edge.hosts import Authority
from streamzip.edge.sites import Sites
from streamzip.errors import Forbidden

APP = "https://app.example"


def lets_in(method: str = "POST", shared: tuple[str, ...] = (), /, **fields: str | list[str]) -> bool:
    """`fields`: with _ for the hyphens; the Host is zip.example:8000 and the public URL https://public.example."""
    raw = [(b"host", b"zip.example:8000")]
    for name, values in fields.items():
        sent = [values] if isinstance(values, str) else values
        raw += [(name.replace("_", "-").encode(), each.encode()) for each in sent]
    try:
        Sites(Authority("public.example", None), shared).check(method, Headers(raw=raw))
    except Forbidden as problem:
        assert problem.code == "cross_site"
        return False
    return True


def test_programs_and_own_pages_are_let_in() -> None:
    """A program sends neither field; the gateway's page sends its own host, by whichever name it was reached."""
    assert lets_in()
    assert lets_in(sec_fetch_site="same-origin", origin="http://zip.example:8000")
    assert lets_in(sec_fetch_site="none")
    assert lets_in(origin="http://zip.example:8000") and lets_in(origin="https://ZIP.example:8000")
    assert lets_in(origin="https://public.example")


@pytest.mark.parametrize(
    "fields",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "cross-site", "origin": "http://zip.example:8000"},
        {"sec_fetch_site": ["same-origin", "cross-site"]},
        {"sec_fetch_site": ""},
        {"sec_fetch_site": "Same-Origin, cross-site"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://["},
        {"origin": "http://evil.example"},
        {"origin": "http://zip.example"},
        {"origin": "http://zip.example:8000.evil.example"},
        {"origin": "http://evil.example@zip.example:8000"},
        {"origin": ["http://zip.example:8000", "http://evil.example"]},
    ],
)
def test_other_sites_pages_change_nothing(fields: dict[str, str | list[str]]) -> None:
    """Refused by every method that may change something, and let in by those that only read."""
    for method in ("POST", "DELETE", "PUT", "PATCH", "post", "X"):
        assert not lets_in(method, **fields)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert lets_in(method, **fields)


def test_other_site_is_let_in_when_cors_names_it() -> None:
    """That one and no other; `*` names all."""
    assert lets_in("POST", (APP,), origin=APP, sec_fetch_site="cross-site")
    assert not lets_in("POST", (APP,), origin="https://evil.example", sec_fetch_site="cross-site")
    assert not lets_in("POST", (APP,), origin=[APP, "https://evil.example"])
    assert not lets_in("POST", (APP,), sec_fetch_site="cross-site")
    assert lets_in("POST", ("*",), origin="https://evil.example", sec_fetch_site="cross-site")

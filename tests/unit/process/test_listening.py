"""Where the gateway listens, and what a person opens to see it."""

import socket

import pytest

from streamzip.process.listening import to_open


class Bound:
    """Stands in for a socket that is bound there."""

    def __init__(self, host: str, family: socket.AddressFamily = socket.AF_INET) -> None:
        self.family = family
        self._host = host

    def getsockname(self) -> tuple[str, int]:
        return self._host, 8000


@pytest.mark.parametrize(
    ("host", "public", "expected"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8000"),
        ("0.0.0.0", None, "http://127.0.0.1:8000"),
        ("::", None, "http://[::1]:8000"),
        ("::1", None, "http://[::1]:8000"),
        ("10.1.2.3", None, "http://10.1.2.3:8000"),
        ("127.0.0.1", "https://zip.example.com/base", "https://zip.example.com/base"),
    ],
)
def test_place_to_open_is_one_that_a_browser_takes(host: str, public: str | None, expected: str) -> None:
    """The public URL where it is set; every address of the machine is opened as its own one."""
    assert to_open(Bound(host), public) == expected  # type: ignore[arg-type]


def test_unix_socket_has_no_place_to_open_but_the_public_one() -> None:
    """A browser cannot open it."""
    assert to_open(Bound("/run/s", socket.AF_UNIX), None) is None  # type: ignore[arg-type]

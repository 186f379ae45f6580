"""Names to addresses."""

import socket
import threading
from typing import Any

import pytest

from streamzip.net.resolver import Resolver


async def test_resolver_gives_every_address_in_order() -> None:
    """The order is the system's preference; both families come through with their ports."""

    def lookup(*_: object) -> list[Any]:
        tcp = (socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [
            (socket.AF_INET6, *tcp, ("2606:2800:220:1::1", 443, 0, 0)),
            (socket.AF_INET, *tcp, ("93.184.216.34", 443)),
        ]

    resolver = Resolver(lookup)
    found = await resolver.resolve("files.example", 443)
    resolver.close()
    assert [one[4][:2] for one in found] == [("2606:2800:220:1::1", 443), ("93.184.216.34", 443)]


async def test_resolver_asks_the_system_in_threads_of_its_own() -> None:
    """Names that take for ever must not hold the threads that read and write the spool."""
    names = []

    def lookup(*_: object) -> list[Any]:
        names.append(threading.current_thread().name)
        return []

    resolver = Resolver(lookup)
    assert await resolver.resolve("files.example", 443) == []
    resolver.close()
    assert names[0].startswith("resolver")


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_resolver_knows_no_name_that_dns_cannot_hold(host: str) -> None:
    """Python's codec raises its own error for such a name; to the caller it is unknown like any other."""
    resolver = Resolver()
    with pytest.raises(OSError, match="name"):
        await resolver.resolve(host, 443)
    resolver.close()


async def test_resolver_finds_this_machine() -> None:
    """With the system's own lookup."""
    resolver = Resolver()
    found = await resolver.resolve("localhost", 80)
    resolver.close()
    assert {"127.0.0.1", "::1"} & {one[4][0] for one in found}

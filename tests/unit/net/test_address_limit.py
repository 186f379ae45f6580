"""Connections to one address are counted, whatever name or redirect led there. Against real sockets on loopback."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest
import uvloop

from streamzip.net.address_limit import AddressLimit, CrowdedError, address_of
from streamzip.net.addresses import AddressInfo, DialGuard
from streamzip.net.errors import NotReached
from streamzip.net.resolver import Resolver
from streamzip.net.transport import OriginTransport
from tests.support.origin import File, Origin

HELD = File(b"the whole file", hold_at=3)


def info(host: str, port: int = 80) -> AddressInfo:
    """What a resolver gives."""
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


def anything(_: AddressInfo) -> None:
    """Let every address be dialled."""


@contextlib.asynccontextmanager
async def transport(at_address: int, connect_timeout: float = 5.0) -> AsyncIterator[OriginTransport]:
    """A transport to which every name is 127.0.0.1, an address that is open."""
    guard = DialGuard(allow_networks=[ip_network("127.0.0.0/8")])
    lookup = Resolver(lambda _, port, *__: [info("127.0.0.1", port)])
    made = OriginTransport(
        guard, connect_timeout=connect_timeout, read_timeout=5.0, resolver=lookup, at_address=at_address
    )
    async with contextlib.aclosing(made):
        yield made


async def got(transport: OriginTransport, origin: Origin, path: str, name: str) -> bytes:
    """A file, asked for by this name of the origin."""
    answer = await transport.get(origin.url(path, name), ())
    return b"".join([bytes(chunk) async for chunk in answer.stream])


async def test_address_has_a_limit_that_no_number_of_names_evades() -> None:
    """As many connections at once as to one name; the others come in their turn, and that wait is no failure."""
    async with Origin() as origin, transport(3, connect_timeout=0.3) as way:
        origin.serve("/held", HELD)
        asking = [asyncio.create_task(got(way, origin, "/held", f"n{number}.example")) for number in range(3)]
        await asyncio.to_thread(origin.until, lambda origin: len(origin.requests("/held")) == 3)
        origin.serve("/a", File(b"bytes"))
        later = [asyncio.create_task(got(way, origin, "/a", f"m{number}.example")) for number in range(20)]
        done, _ = await asyncio.wait(later, timeout=0.6)
        assert not done
        assert origin.connections == 3
        origin.release("/held")
        assert await asyncio.gather(*asking) == [b"the whole file"] * 3
        assert await asyncio.gather(*later) == [b"bytes"] * 20  # an idle connection of another name makes room


def test_place_is_given_back_when_the_loop_is_the_gateways_own() -> None:
    """uvloop lets go of a socket in another way than Python's loop does."""

    async def run() -> None:
        async with Origin() as origin, transport(1) as way:
            origin.serve("/a", File(b"bytes", close=True))
            for number in range(30):
                assert await asyncio.wait_for(got(way, origin, "/a", f"n{number}.example"), 0.9) == b"bytes"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def test_reader_is_let_in_when_those_that_are_open_wait_for_it() -> None:
    """Where no connection ends for a second, one more is made: they may be held by who waits for this one."""
    async with Origin() as origin, transport(1) as way:
        origin.serve("/held", HELD)
        held = asyncio.create_task(got(way, origin, "/held", "one.example"))
        await asyncio.to_thread(origin.until, lambda origin: len(origin.requests("/held")) == 1)
        origin.serve("/a", File(b"bytes"))
        assert await asyncio.wait_for(got(way, origin, "/a", "other.example"), 5) == b"bytes"
        origin.release("/held")
        assert await held == b"the whole file"


async def test_place_is_given_back_when_nothing_listens() -> None:
    """Attempts that fail are counted while they last."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with transport(1) as way:
        for number in range(5):
            with pytest.raises(NotReached):
                await asyncio.wait_for(way.get(f"http://n{number}.example:{port}/", ()), 0.9)


async def test_place_goes_to_who_waits_longest() -> None:
    """Not to who comes just then; and who left is passed over."""
    limit = AddressLimit(1)
    first = limit.dialling(anything).open(info("192.0.2.1"))
    turns = [asyncio.create_task(limit.wait(["192.0.2.1"])) for _ in range(3)]
    await asyncio.sleep(0)
    turns[0].cancel()
    with pytest.raises(CrowdedError):
        limit.dialling(anything).open(info("192.0.2.1"))
    first.close()
    assert await turns[1] == "192.0.2.1"
    assert not turns[2].done()
    limit.leave("192.0.2.1")
    assert await turns[2] == "192.0.2.1"
    limit.leave("192.0.2.1")
    assert not limit.is_awaited("192.0.2.1")
    assert limit.enter("192.0.2.1")


async def test_other_addresses_of_a_name_are_dialled_when_one_is_crowded() -> None:
    """And where all are, the first one that has room."""
    limit = AddressLimit(1)
    dialling = limit.dialling(anything)
    one, two = dialling.open(info("192.0.2.1")), dialling.open(info("192.0.2.2"))
    for host in ("192.0.2.1", "192.0.2.2"):
        with pytest.raises(CrowdedError):
            dialling.open(info(host))
    two.close()
    assert await dialling.wait() == [info("192.0.2.2")]
    dialling.open(info("192.0.2.2")).close()
    one.close()


def test_address_is_counted_once_however_it_is_written() -> None:
    """An IPv4 address within IPv6 is that address."""
    mapped: AddressInfo = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::ffff:192.0.2.1", 80, 0, 0))
    assert address_of(mapped) == address_of(info("192.0.2.1"))

"""Names to addresses."""

import asyncio
import gc
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


class _Servers:
    """Name servers: those of `silent` sites answer once `answered` is set. `asked`: the names that were looked up."""

    def __init__(self, *silent: str) -> None:
        self._silent = silent
        self.answered = threading.Event()
        self.asked: list[str] = []

    def lookup(self, host: str, *_: object) -> list[Any]:
        self.asked.append(host)
        if host.endswith(self._silent):
            self.answered.wait(30)
        return []


async def test_resolver_leaves_threads_to_others_where_the_servers_of_one_site_are_silent() -> None:
    """Whoever names URLs may have a domain whose servers never answer: a list of its names must not keep everybody from
    looking up theirs.
    """
    servers = _Servers(".silent.example")
    resolver = Resolver(servers.lookup, threads=4, share=3)
    hostile = [asyncio.create_task(resolver.resolve(f"n{number}.silent.example", 80)) for number in range(100)]
    async with asyncio.timeout(5):
        for number in range(10):
            await resolver.resolve(f"{number}.good.example", 80)
    assert sum(name.endswith(".silent.example") for name in servers.asked) == 3
    servers.answered.set()
    await asyncio.gather(*hostile)
    resolver.close()


async def test_resolver_gives_sites_their_turns_where_all_threads_are_taken() -> None:
    """A site with one name waits for one of each other site's, and not for all of them."""
    servers = _Servers(".silent.example")
    resolver = Resolver(servers.lookup, threads=1, share=1)
    first = asyncio.create_task(resolver.resolve("a.silent.example", 80))
    await asyncio.sleep(0)
    others = [asyncio.create_task(resolver.resolve(f"{name}.example", 80)) for name in ("a.many", "b.many", "one.few")]
    await asyncio.sleep(0)
    servers.answered.set()
    await asyncio.gather(first, *others)
    resolver.close()
    assert servers.asked == ["a.silent.example", "a.many.example", "one.few.example", "b.many.example"]


async def test_resolver_looks_up_no_name_that_nobody_waits_for_any_more() -> None:
    """A probe gives up after its time; what it asked for must not hold a thread long after."""
    servers = _Servers(".silent.example")
    resolver = Resolver(servers.lookup, threads=1, share=1)
    first = asyncio.create_task(resolver.resolve("a.silent.example", 80))
    left = [asyncio.create_task(resolver.resolve(f"{name}.silent.example", 80)) for name in "bbc"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    left[0].cancel()
    left[2].cancel()
    await asyncio.wait([left[0], left[2]])
    servers.answered.set()
    await asyncio.gather(first, left[1])
    resolver.close()
    assert servers.asked == ["a.silent.example", "b.silent.example"]


async def test_resolver_logs_no_failure_that_nobody_waits_for_any_more() -> None:
    """Probes give up before a silent server's lookup fails: a line for each would let a list fill the log."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    fails, begun = threading.Event(), threading.Event()

    def lookup(*_: object) -> list[Any]:
        begun.set()
        fails.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "nobody answered")

    resolver = Resolver(lookup, threads=1, share=1)
    left = asyncio.create_task(resolver.resolve("a.silent.example", 80))
    await asyncio.to_thread(begun.wait, 30)
    left.cancel()
    await asyncio.wait([left])
    fails.set()
    with pytest.raises(OSError, match="nobody"):  # another one's turn, so that the first is over
        await resolver.resolve("b.silent.example", 80)
    resolver.close()
    del left
    gc.collect()  # a failure is told as it goes
    assert told == []

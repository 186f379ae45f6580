"""The way out: what it refuses to dial, what it tells, and how it lets go. Against real sockets on loopback."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import uvloop

from streamzip.net.addresses import BlockedAddressError, DialGuard
from streamzip.net.errors import HungUp, NotHttp, NotReached, TimedOut
from streamzip.net.port import Answer
from streamzip.net.resolver import Lookup, Resolver
from streamzip.net.transport import OriginTransport, Trust
from tests.support.origin import Answer as Script
from tests.support.origin import File, HangUp, Origin, Pattern, Raw, Silence, Status

PEM = Path(__file__).with_name("localhost.pem")  # self-signed for localhost and 127.0.0.1, its key beside it
PLAIN = (("Accept-Encoding", "identity"),)


def transport_to(
    *allow: str, lookup: Lookup | None = None, **settings: Any
) -> contextlib.AbstractAsyncContextManager[OriginTransport]:
    """A transport that exempts these origins, closed at the end."""
    settings = {"connect_timeout": 5.0, "read_timeout": 5.0} | settings
    resolver = None if lookup is None else Resolver(lookup)
    return contextlib.aclosing(OriginTransport(DialGuard(frozenset(allow)), resolver=resolver, **settings))


def resolving_to(host: str) -> Lookup:
    """A resolver that knows one answer."""
    return lambda _, port, *__: socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)


def tls_context() -> ssl.SSLContext:
    """A server's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    return context


async def read(answer: Answer) -> bytes:
    """The whole body."""
    try:
        return b"".join([chunk async for chunk in answer.stream])
    finally:
        await answer.stream.aclose()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "127.1"]
)
async def test_transport_connects_to_nothing_when_the_address_is_private(host: str) -> None:
    """Literals and names of this machine are refused before a connection is made, although somebody listens there."""
    async with Origin() as origin, transport_to() as transport:
        with pytest.raises(BlockedAddressError):
            await transport.get(origin.url("/", host), PLAIN)
        assert origin.connections == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "::1", "64:ff9b::7f00:1", "169.254.169.254"])
async def test_transport_connects_to_nothing_when_a_name_resolves_to_a_private_address(address: str) -> None:
    """A name is judged by what it resolves to at the moment it is dialled."""
    async with Origin() as origin, transport_to(lookup=resolving_to(address)) as transport:
        with pytest.raises(BlockedAddressError):
            await transport.get(origin.url("/", "files.example"), PLAIN)
        assert origin.connections == 0


async def test_transport_reaches_what_the_operator_allows() -> None:
    """The same origin, allow-listed by its exact host:port, answers."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", File(b"bytes"))
        assert await read(await transport.get(origin.url("/a"), PLAIN)) == b"bytes"


async def test_transport_reads_no_authorities_where_nothing_is_secured(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take 20 ms of the processor: a tenth of what a command takes to zip a small file."""
    monkeypatch.delattr(ssl, "create_default_context")
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", File(b"bytes"))
        assert await read(await transport.get(origin.url("/a"), PLAIN)) == b"bytes"


@pytest.mark.parametrize(
    ("allowed", "url"), [("localhost:1", "http://LocalHost:1/"), ("[::1]:1", "http://[0:0:0:0:0:0:0:1]:1/")]
)
async def test_transport_dials_an_exempted_origin_however_it_is_written(allowed: str, url: str) -> None:
    """It is dialled, and nobody listens: an origin is exempted in every spelling of its host."""
    async with transport_to(allowed) as transport:
        with pytest.raises(NotReached):
            await transport.get(url, PLAIN)


async def test_transport_keeps_an_exempted_address_closed_to_other_names() -> None:
    """`localhost:1234` on the allow-list opens 127.0.0.1:1234 to that name alone, not to a literal or another name."""
    async with Origin() as origin:
        origin.serve("/a", File(b"bytes"))
        name = f"localhost:{origin.port}"
        async with transport_to(name) as transport, transport_to(name, lookup=resolving_to("127.0.0.1")) as renamed:
            assert await read(await transport.get(origin.url("/a", "localhost"), PLAIN)) == b"bytes"
            for door, host in ((transport, "127.0.0.1"), (renamed, "files.example"), (renamed, "localhost.")):
                with pytest.raises(BlockedAddressError):
                    await door.get(origin.url("/a", host), PLAIN)
        assert origin.connections == 1


async def test_transport_dials_the_allowed_one_of_a_names_addresses() -> None:
    """Each address is judged by itself: a private one beside an allowed one is skipped, not dialled."""

    def both(_: object, port: int, *__: object) -> list[tuple[Any, Any, int, str, tuple[Any, ...]]]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, ("10.9.8.7", port)), (*kind, ("127.0.0.1", port))]

    guard = DialGuard(allow_networks=[ip_network("127.0.0.0/8")])
    async with Origin() as origin:
        origin.serve("/a", File(b"bytes"))
        transport = OriginTransport(guard, connect_timeout=5, read_timeout=5, resolver=Resolver(both))
        async with contextlib.aclosing(transport):
            assert await read(await transport.get(origin.url("/a", "files.example"), PLAIN)) == b"bytes"


async def test_transport_ignores_the_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would dial in the gateway's stead, past the guard."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", File(b"bytes"))
        assert await read(await transport.get(origin.url("/a"), PLAIN)) == b"bytes"


async def test_transport_hands_bodies_on_as_they_came() -> None:
    """What calls itself gzip is not decoded: lengths and offsets are those of the bytes on the wire."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", File(b"not gzip at all", encoding="gzip"))
        answer = await transport.get(origin.url("/a"), PLAIN)
        assert await read(answer) == b"not gzip at all"


async def test_transport_sends_nothing_of_its_own_that_changes_the_answer() -> None:
    """No cookie of an earlier answer, no redirect followed; and a POST wishes for no compression."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", Status(302, (("Set-Cookie", "a=b"), ("Location", "/elsewhere"))))
        for _ in range(2):
            answer = await transport.post(origin.url("/a"), (), b"event")
            assert answer.status == 302
            await answer.stream.aclose()
        assert [request.fields["accept-encoding"] for request in origin.requests("/a")] == ["identity", "identity"]
        assert all("cookie" not in request.fields for request in origin.requests())
        assert origin.requests("/elsewhere") == []


async def test_transport_sends_the_target_as_it_is_written() -> None:
    """A signature may cover every letter, so none is changed: not the case of an escape, not a dot segment."""
    target = "/a/%7euser/./b%2Fc/?X=%2f+%20&&y=a=b:@"
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a/%7euser/./b%2Fc/", File(b"bytes"))
        assert await read(await transport.get(origin.url(target), PLAIN)) == b"bytes"
        assert origin.requests()[0].target == target


async def test_transport_sends_a_requests_body() -> None:
    """Its method is POST, and its content comes with its length."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/hook", Status(204))
        assert (await transport.post(origin.url("/hook"), (), b"event")).status == 204
        assert origin.requests("/hook")[0].method == "POST"
        assert origin.requests("/hook")[0].fields["content-length"] == "5"


async def test_transport_uses_a_connection_again_when_its_answer_was_read() -> None:
    """A thousand small files of one origin do not need a thousand connections."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", File(b"bytes"))
        for _ in range(3):
            await read(await transport.get(origin.url("/a"), PLAIN))
        assert origin.connections == 1


async def test_transport_repeats_nothing_when_the_origin_hangs_up() -> None:
    """One call is one request: who called counts the attempts. What is sent in a POST is sent once."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", HangUp())
        with pytest.raises(HungUp):
            await transport.get(origin.url("/a"), PLAIN)
        assert len(origin.requests("/a")) == 1
        origin.serve("/hook", File(b""), HangUp())
        await read(await transport.post(origin.url("/hook"), (), b"event"))
        with pytest.raises(HungUp):
            await transport.post(origin.url("/hook"), (), b"event")
        assert len(origin.requests("/hook")) == 2


@pytest.mark.parametrize("answer", [HangUp(), HangUp(reset=True), Raw(b"HTTP/1.1 200 ")], ids=["end", "reset", "half"])
async def test_transport_asks_once_more_when_a_used_connection_ends(answer: Script) -> None:
    """Origins close what they had promised to keep, as the next request comes: that is no failure of its file."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", File(b"bytes"), answer, File(b"bytes"))
        for _ in range(2):
            assert await read(await transport.get(origin.url("/a"), PLAIN)) == b"bytes"
        origin.serve("/b", answer)
        with pytest.raises(HungUp):
            await transport.get(origin.url("/b"), PLAIN)
        assert len(origin.requests("/b")) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Raw(b"SSH-2.0-OpenSSH_9.2\r\n"), id="another protocol"),
        pytest.param(Status(200, tuple((f"X-{n}", "v") for n in range(250))), id="250 fields"),
        pytest.param(Status(200, (("X", "v" * 70_000),)), id="one field of 70 kB"),
        pytest.param(Status(200, tuple((f"X-{n}", "v" * 4_000) for n in range(20))), id="80 kB in 20 fields"),
        pytest.param(Raw(b"HTTP/1.1 200 OK\r\nX: " + b"v" * 65_536, endless=True), id="a head without end"),
        pytest.param(Raw(b"HTTP/1.1 100 Continue\r\n\r\n", endless=True), id="continue for ever"),
        pytest.param(Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nbytes!"), id="two lengths"),
    ],
)
async def test_transport_refuses_a_head_that_is_no_head(answer: Script) -> None:
    """What is not HTTP, or over 64 KiB or 200 fields of it, is an answer that cannot be used."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", answer)
        with pytest.raises(NotHttp):
            await transport.get(origin.url("/a"), PLAIN)
        await origin.reached(lambda origin: origin.live == 0)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Silence(), id="silence"),
        pytest.param(Status(103), id="nothing after an interim answer"),
    ],
)
async def test_transport_gives_up_when_no_head_comes(answer: Script) -> None:
    """Silence, also after a promise of more, holds a slot for no longer than the timeout."""
    impatient: dict[str, Any] = {"connect_timeout": 0.2, "read_timeout": 0.2}
    async with Origin() as origin, transport_to(origin.authority, **impatient) as transport:
        origin.serve("/a", answer)
        with pytest.raises(TimedOut):
            await transport.get(origin.url("/a"), PLAIN)
        await origin.reached(lambda origin: origin.live == 0)


async def test_transport_gives_up_when_the_body_falls_silent() -> None:
    """The timeout is of each wait: what came before is handed on."""
    async with Origin() as origin, transport_to(origin.authority, read_timeout=0.2) as transport:
        origin.serve("/a", File(b"0123456789", hold_at=4))
        answer = await transport.get(origin.url("/a"), PLAIN)
        chunks = aiter(answer.stream)
        assert await anext(chunks) == b"0123"
        with pytest.raises(TimedOut):
            await anext(chunks)
        await answer.stream.aclose()


@pytest.mark.parametrize("fault", [{"cut_at": 4}, {"reset_at": 4}, {"cut_at": 4, "chunked": True}], ids=str)
async def test_transport_tells_a_cut_body_from_a_whole_one(fault: dict[str, Any]) -> None:
    """A body that ends before its framing says so raises; it never just ends."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", File(b"0123456789", **fault))
        answer = await transport.get(origin.url("/a"), PLAIN)
        with pytest.raises(HungUp):
            await read(answer)


async def test_transport_says_unreachable_when_nobody_listens() -> None:
    """A closed port is no timeout and no blocked address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with transport_to(f"127.0.0.1:{port}") as transport:
        with pytest.raises(NotReached):
            await transport.get(f"http://127.0.0.1:{port}/", PLAIN)


async def test_transport_says_unreachable_when_a_name_is_unknown() -> None:
    """What the resolver does not know is told like what nobody answers."""

    def unknown(*_: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with transport_to(lookup=unknown) as transport:
        with pytest.raises(NotReached):
            await transport.get("http://files.example/", PLAIN)


async def test_transport_gives_up_when_a_lookup_takes_too_long() -> None:
    """The name's lookup is part of the time to connect."""
    answered = threading.Event()

    def slow(*_: object) -> list[Any]:
        answered.wait(10)
        return []

    async with transport_to(lookup=slow, connect_timeout=0.2) as transport:
        with pytest.raises(TimedOut):
            await transport.get("http://files.example/", PLAIN)
        answered.set()


async def test_transport_trusts_the_authorities_it_was_given() -> None:
    """A certificate of the CA file passes; the cause of a refusal says that it was the certificate."""
    async with Origin(tls_context()) as origin:
        origin.serve("/a", File(b"bytes"))
        async with transport_to(origin.authority, trust=Trust(PEM)) as transport:
            assert await read(await transport.get(origin.url("/a"), PLAIN)) == b"bytes"
        async with transport_to(origin.authority) as transport:
            with pytest.raises(NotReached) as caught:
                await transport.get(origin.url("/a"), PLAIN)
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


Loop = Callable[[], asyncio.AbstractEventLoop]
LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
WIRES = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


def run(loop: Loop, main: Coroutine[Any, Any, None]) -> None:
    """Run it to its end in a loop of that kind."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main)


class Deaf:
    """An origin that sends for ever and never reads: what ends it is a connection that is gone, no polite goodbye."""

    def __init__(self, *, tls: bool) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls_context() if tls else None
        self.authority = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.authority}/"
        self.dropped = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        raw, _ = self._listener.accept()
        raw.settimeout(20)
        with raw if self._tls is None else self._tls.wrap_socket(raw, server_side=True) as connection:
            connection.recv(65536)
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
                for _ in range(100_000):
                    connection.sendall(bytes(65536))
            except OSError:
                self.dropped.set()

    def close(self) -> None:
        """Wait for its end."""
        self._listener.close()
        self._thread.join()


@LOOPS
@WIRES
def test_transport_gives_every_byte_of_large_bodies_that_come_at_once(loop: Loop, tls: bool) -> None:
    """Connections read into the same memory, one after the other, and what they gave is kept until all have ended."""

    async def main() -> None:
        async with (
            Origin(tls_context() if tls else None) as origin,
            transport_to(origin.authority, trust=Trust(PEM)) as transport,
        ):
            bodies = {f"/{number}": bytes(Pattern(6_000_000 + number)[number:]) for number in range(4)}
            for path, body in bodies.items():
                origin.serve(path, File(body, drip=1 << 20))
            answers = [await transport.get(origin.url(path), PLAIN) for path in bodies]
            received = await asyncio.gather(*(read(answer) for answer in answers))
            assert [hash(body) for body in received] == [hash(body) for body in bodies.values()]

    run(loop, main())


@LOOPS
@WIRES
def test_transport_drops_the_connection_when_a_body_is_closed_early(loop: Loop, tls: bool) -> None:
    """The origin sees it at once, and no more of the file is downloaded for nobody."""

    async def main() -> None:
        with contextlib.closing(Deaf(tls=tls)) as origin:
            async with transport_to(origin.authority, trust=Trust(PEM)) as transport:
                answer = await transport.get(origin.url, PLAIN)
                await anext(aiter(answer.stream))
                await answer.stream.aclose()
                assert await asyncio.to_thread(origin.dropped.wait, 2.0)

    run(loop, main())


@LOOPS
@WIRES
def test_transport_drops_the_connection_when_cancelled_before_the_head(loop: Loop, tls: bool) -> None:
    """A reader that leaves while the origin is thinking frees the socket."""

    async def main() -> None:
        async with (
            Origin(tls_context() if tls else None) as origin,
            transport_to(origin.authority, trust=Trust(PEM)) as transport,
        ):
            origin.serve("/a", Silence())
            waiting = asyncio.create_task(transport.get(origin.url("/a"), PLAIN))
            await origin.reached(lambda origin: len(origin.requests("/a")) == 1)
            waiting.cancel()
            await origin.reached(lambda origin: origin.live == 0, 2.0)
            with pytest.raises(asyncio.CancelledError):
                await waiting

    run(loop, main())


@LOOPS
def test_transport_stops_reading_when_nobody_takes_the_chunks(loop: Loop) -> None:
    """Memory is bounded by the reader's slowness, not by the file: the origin is held back."""

    async def main() -> None:
        async with Origin() as origin, transport_to(origin.authority) as transport:
            origin.serve("/big", File(Pattern(1 << 30)))
            answer = await transport.get(origin.url("/big"), PLAIN)
            chunks = aiter(answer.stream)
            largest = max([len(await anext(chunks)) for _ in range(50)])
            await answer.stream.aclose()
            assert largest <= 1 << 20

    run(loop, main())


@pytest.mark.parametrize("value", ["a\r\nInjected: b", "a\nb", "a\rb", "a\0b"])
async def test_transport_sends_nothing_when_a_field_holds_a_lines_end(value: str) -> None:
    """What was checked when it was accepted is checked once more where it would do harm."""
    async with Origin() as origin, transport_to(origin.authority) as transport:
        origin.serve("/a", File(b"bytes"))
        with pytest.raises(ValueError, match="line's end"):
            await transport.get(origin.url("/a"), (("X-Field", value),))
        assert origin.connections == 0

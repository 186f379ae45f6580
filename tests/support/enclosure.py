"""A network of our own, in which every address there is answers, and every attempt to connect is seen.

Run as root, in a network namespace (`unshare -n python -m tests.support.enclosure DATA`): all addresses of IPv4 and
IPv6 are made local (AnyIP), a name server gives hostile answers, and a packet socket records each SYN. It makes a
gateway meet the whole corpus of hostile URLs and names, and prints what was dialled, and what create answered.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tests.support.gateway import Gateway
from tests.support.hostile_urls import JUDGED_AT_DIAL, hostile_urls
from tests.support.origin import File, Origin, Status, redirect

PUBLIC = "93.184.216.34"
REDIRECTS = (301, 302, 303, 307, 308)
_SYN, _ACK = 0x02, 0x10

PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "192.0.0.8",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "192.88.99.1",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fd12::1",
    "fec0::1",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "ff02::1",
    "::ffff:0:127.0.0.1",
]

# What the name server says: a name to the answers it gives in turn, the last one for good.
NAMES = {
    "public.test": [PUBLIC],
    **{f"private{number}.test": [address] for number, address in enumerate(PRIVATE)},
    **{f"rebinding{number}.test": [PUBLIC, "127.0.0.1"] for number in range(10)},
    **{f"flipping{number}.test": [PUBLIC, "10.0.0.1", PUBLIC, "169.254.169.254"] for number in range(10)},
}


def is_public(address: str) -> bool:
    """Whether it may be dialled: there is one such address here, so that no mistake of the guard is repeated."""
    return address == PUBLIC


class Canary:
    """Records where every TCP connection was attempted to: `(address, port)`."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(3))
        self._socket.bind(("lo", 0))
        self.dialled: Counter[tuple[str, int]] = Counter()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            packet, (_, _, direction, *_) = self._socket.recvfrom(128)
            if direction == socket.PACKET_OUTGOING:
                continue  # on the loopback each is seen twice
            if packet[0] >> 4 == 4 and packet[9] == socket.IPPROTO_TCP:
                head, address = (packet[0] & 15) * 4, str(ip_address(packet[16:20]))
            elif packet[0] >> 4 == 6 and packet[6] == socket.IPPROTO_TCP:
                head, address = 40, str(ip_address(packet[24:40]))
            else:
                continue
            if packet[head + 13] & (_SYN | _ACK) == _SYN:
                self.dialled[address, struct.unpack_from("!H", packet, head + 2)[0]] += 1


class NameServer:
    """Answers A and AAAA questions out of NAMES, and no others."""

    def __init__(self) -> None:
        # An answer must come from the address that was asked: bind to it, all are ours.
        address = _first_name_server()
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._asked: Counter[tuple[str, int]] = Counter()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            question, client = self._socket.recvfrom(512)
            at, labels = 12, []
            while question[at]:
                labels.append(question[at + 1 : at + 1 + question[at]].decode("latin-1"))
                at += 1 + question[at]
            name, kind = ".".join(labels).lower(), struct.unpack_from("!H", question, at + 1)[0]
            self._socket.sendto(self._answer(question[: at + 5], name, kind), client)

    def _answer(self, question: bytes, name: str, kind: int) -> bytes:
        addresses = NAMES.get(name)
        if addresses is None:
            return question[:2] + b"\x81\x83" + struct.pack("!4H", 1, 0, 0, 0) + question[12:]
        address = ip_address(addresses[min(self._asked[name, kind], len(addresses) - 1)])
        self._asked[name, kind] += 1
        found = address.version == {1: 4, 28: 6}.get(kind)
        answer = struct.pack("!3HIH", 0xC00C, kind, 1, 0, len(address.packed)) + address.packed if found else b""
        return question[:2] + b"\x81\x80" + struct.pack("!4H", 1, int(found), 0, 0) + question[12:] + answer


def _first_name_server() -> str:
    for line in Path("/etc/resolv.conf").read_text().splitlines():
        if line.startswith("nameserver"):
            return line.split()[1]
    return "127.0.0.1"


@contextmanager
def listening(host: str, port: int) -> Iterator[None]:
    """Somebody who answers there, whatever is asked."""
    server = socket.create_server((host, port))

    def run() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            client.recv(4096)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
            client.close()

    threading.Thread(target=run, daemon=True).start()
    with server:
        yield


def as_location(url: str) -> bool:
    """Whether the URL can stand in a header field at all."""
    return "\r" not in url and "\n" not in url and url.isascii()


def meet(gateway: Gateway, origin: Origin) -> dict[str, Any]:
    """Have the gateway asked for the whole corpus; what create answered, and what became of what it took."""
    hosts = [f"http://{name}/" for name in NAMES if name != "public.test"]
    statuses: Counter[int] = Counter()
    for url in [*hostile_urls(), *JUDGED_AT_DIAL, *hosts]:
        body = json.dumps({"urls": [url]})
        statuses[gateway.client.post("/api/archive/create", content=body).status_code] += 1
    named = gateway.create(urls=[*JUDGED_AT_DIAL, *hosts, origin.url("/good")])["archive_hash"]
    redirected = []
    for number, url in enumerate(url for url in [*hostile_urls(), *JUDGED_AT_DIAL, *hosts] if as_location(url)):
        path = f"/redirected/{number}"
        origin.serve(path, redirect(url, REDIRECTS[number % 5]))
        redirected.append(origin.url(path))
        origin.serve(f"{path}/far", redirect(path), redirect(url))
        origin.serve(f"{path}/late", Status(503), redirect(url))
        redirected += [origin.url(f"{path}/far"), origin.url(f"{path}/late")]
    far = gateway.create(urls=[*redirected, origin.url("/good")])["archive_hash"]
    control = gateway.create(urls=["http://public.test/"])["archive_hash"]
    found = {}
    for which, hash in {"named": named, "redirected": far, "control": control}.items():
        archive = gateway.get(hash).content
        found[which] = {
            "good": b"good bytes" in archive,
            "secret": b"secret" in archive,
            "errors": len(gateway.status(hash)["errors"]),
        }
    return {"statuses": statuses, "archives": found, "asked": len(redirected)}


def main(data: Path) -> None:
    """Make the network, run the gateway in it, and print what was seen."""
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
    ):
        subprocess.run(command.split(), check=False)
    canary = Canary()
    NameServer()
    with Origin() as origin:
        origin.serve("/good", File(b"good bytes"))
        times = {"max_attempts": "2", "connect_timeout": "3", "read_timeout": "3", "probe_wait": "120"}
        with Gateway(data, allow=[origin.authority], **times) as gateway, listening("0.0.0.0", 80):
            seen = meet(gateway, origin)
            known = {("127.0.0.1", gateway.port), ("127.0.0.1", origin.port)}
    dialled = [f"{host} {port}" for host, port in canary.dialled if (host, port) not in known]
    private = [each for each in dialled if not is_public(each.split()[0])]
    print(json.dumps(seen | {"dialled": private, "public": len(dialled) - len(private)}))


if __name__ == "__main__":
    assert os.geteuid() == 0
    main(Path(sys.argv[1]))

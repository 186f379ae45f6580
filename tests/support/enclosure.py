"""A network of our own, in which every address there is answers, and every attempt to connect is seen.

Run as root, in a network namespace (`unshare -n python -m tests.support.enclosure DATA STEP`): all addresses of IPv4
and IPv6 are made local (AnyIP), a name server gives hostile answers, and a packet socket records each SYN. It makes a
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

from tests.support.doors import Doors
from tests.support.gateway import Gateway
from tests.support.hostile_urls import JUDGED_AT_DIAL, hostile_urls
from tests.support.origin import File, Origin

PUBLIC = "93.184.216.34"
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

OWN_ADDRESSES = ["9.9.9.9", "2620:fe::fe"]
OWN = ["http://9.9.9.9/", "http://[2620:fe::fe]/", "http://[::ffff:9.9.9.9]/", "http://own.test/"]

# What the name server says: a name to the answers it gives in turn, the last one for good.
NAMES = {
    "public.test": [PUBLIC],
    "own.test": OWN_ADDRESSES[:1],
    **{f"private{number}.test": [address] for number, address in enumerate(PRIVATE)},
    **{f"rebinding{number}.test": [PUBLIC, "127.0.0.1"] for number in range(10)},
    **{f"flipping{number}.test": [PUBLIC, "10.0.0.1", PUBLIC, "169.254.169.254"] for number in range(10)},
}


def is_public(address: str) -> bool:
    """Whether it may be dialled: there is one such address here, so that no mistake of the guard is repeated."""
    return address == PUBLIC


class Canary:
    """Records where every TCP connection was attempted to, and with `datagrams` every UDP packet too: `(address,
    port)`.
    """

    def __init__(self, *, datagrams: bool = False) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.ntohs(3))
        self._socket.bind(("lo", 0))
        self._datagrams = datagrams
        self.dialled: Counter[tuple[str, int]] = Counter()
        self.sees = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            packet, (_, _, direction, *_) = self._socket.recvfrom(128)
            if direction == socket.PACKET_OUTGOING:
                continue  # on the loopback each is seen twice
            if packet[0] >> 4 == 4:
                protocol, head, address = packet[9], (packet[0] & 15) * 4, str(ip_address(packet[16:20]))
            else:
                protocol, head, address = packet[6], 40, str(ip_address(packet[24:40]))
            begins = protocol == socket.IPPROTO_TCP and packet[head + 13] & (_SYN | _ACK) == _SYN
            if begins or (self._datagrams and protocol == socket.IPPROTO_UDP):
                self.dialled[address, struct.unpack_from("!H", packet, head + 2)[0]] += 1
                self.sees.set()


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


def meet(gateway: Gateway, origin: Origin, step: int) -> dict[str, Any]:
    """Have the gateway asked for the whole corpus, through every door; what was answered, and what became of it."""
    origin.serve("/good", File(b"good bytes"))
    urls = [*hostile_urls(), *JUDGED_AT_DIAL, *(f"http://{name}/" for name in NAMES if name != "public.test"), *OWN]
    doors = Doors(gateway, origin, urls, step)
    statuses = {"create": doors.named_to_create(), "hook": doors.named_as_hook(), "page": doors.named_as_page()}
    found = {
        "named": doors.named(),
        "redirected": doors.redirected(),
        "turned": doors.turned(),
        "imaged": doors.imaged(),
        "control": doors.archived("http://public.test/"),
    }
    redirected = {"hooks": doors.redirected_hooks(), "pages": doors.redirected_pages()}
    return {"urls": len(urls), "statuses": statuses, "archives": found} | redirected


def main(data: Path, step: int) -> None:
    """Make the network, run the gateway in it, and print what was seen."""
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
        # Public addresses that are this machine's own, as those of a server without a private network are.
        *(f"ip addr add {ip_address(address)} dev lo" for address in OWN_ADDRESSES),
    ):
        subprocess.run(command.split(), check=False)
    canary = Canary()
    NameServer()
    with Origin() as origin:
        times = {"max_attempts": "2", "connect_timeout": "3", "read_timeout": "3", "probe_wait": "120"}
        times["throttle_wait"] = "2"  # an origin that refuses some is asked again for long otherwise
        with Gateway(data, allow=[origin.authority], **times) as gateway, listening("0.0.0.0", 80):
            seen = meet(gateway, origin, step)
            known = {("127.0.0.1", gateway.port), ("127.0.0.1", origin.port)}
    dialled = [f"{host} {port}" for host, port in canary.dialled if (host, port) not in known]
    private = [each for each in dialled if not is_public(each.split()[0])]
    print(json.dumps(seen | {"dialled": private, "public": len(dialled) - len(private)}))


if __name__ == "__main__":
    assert os.geteuid() == 0
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""Every path over the alphabet that traversals are written in, asked for as it stands, without a client's clean-up."""

import itertools
import random
import re
import socket
from collections.abc import Iterable, Iterator
from typing import NamedTuple

ALPHABET = ("%", "25", "2e", "2f", "5c", ".", "/", "\\", "%00")

_BATCH = 64  # requests in flight on one connection
_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]+)\r\n", re.IGNORECASE)


class Answer(NamedTuple):
    """What a target got; status 0 where the connection was closed instead."""

    target: str
    status: int
    body: bytes


def words(most: int) -> Iterator[str]:
    """All words of up to `most` tokens."""
    for length in range(1, most + 1):
        yield from map("".join, itertools.product(ALPHABET, repeat=length))


def random_words(count: int, most: int, seed: int) -> Iterator[str]:
    """Some of the words of up to `most` tokens."""
    chance = random.Random(seed)
    for _ in range(count):
        yield "".join(chance.choices(ALPHABET, k=chance.randint(1, most)))


def ask(
    port: int, targets: Iterable[str], *, method: str = "GET", fields: str = "", body: str = ""
) -> Iterator[Answer]:
    """The answers to these request targets, in order; many on a connection, and another one where it is closed."""
    left = iter(targets)
    while batch := list(itertools.islice(left, _BATCH)):
        while batch:
            answers = list(_pipelined(port, batch, method, fields, body))
            yield from answers
            batch = batch[len(answers) :]


def _pipelined(port: int, targets: list[str], method: str, fields: str, body: str) -> Iterator[Answer]:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        head = f" HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {len(body)}\r\n\r\n{body}"
        client.sendall("".join(f"{method} {target}{head}" for target in targets).encode())
        received = b""
        for number, target in enumerate(targets):
            while (end := received.find(b"\r\n\r\n")) < 0 or len(received) < end + 4 + _length(received[: end + 2]):
                try:
                    block = client.recv(1 << 18)
                except ConnectionResetError:
                    block = b""
                if not block:
                    if number == 0 or received:  # refused without a word, or with one that has no length
                        yield Answer(target, int(received[9:12] or 0), received)
                    return
                received += block
            stop = end + 4 + _length(received[: end + 2])
            yield Answer(target, int(received[9:12]), received[end + 4 : stop])
            received = received[stop:]


def _length(head: bytes) -> int:
    match = _LENGTH.search(head)
    return int(match[1]) if match else 0

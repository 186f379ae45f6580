"""The files that are packed: written once to memory (tmpfs), so that the origin's disk disturbs nothing."""

import json
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

MIB = 1 << 20
_BLOCK = MIB  # texts repeat after this: deflate looks back 32 KiB, so it cannot profit


@dataclass(frozen=True, slots=True)
class File:
    """A file at the origin: its path below the origin's root, its size, and the CRC-32 that its member must have."""

    path: str
    size: int
    crc: int


def binaries(root: Path, name: str, count: int, size: int) -> list[File]:
    """`count` files that do not compress; each has bytes of its own."""
    seed = random.Random(name)
    return [_write(root, f"{name}/{index:05}.bin", size, seed.randbytes(min(size, MIB))) for index in range(count)]


def sparse(root: Path, name: str, count: int, size: int) -> list[File]:
    """`count` files of zeros that take no room; their CRCs are not known."""
    files = [File(f"{name}/{index:05}.bin", size, 0) for index in range(count)]
    for file in files:
        (root / file.path).parent.mkdir(parents=True, exist_ok=True)
        with (root / file.path).open("wb") as opened:
            opened.truncate(size)
        (root / file.path).chmod(0o644)
    return files


def texts(root: Path, name: str, size: int) -> list[File]:
    """Four files that compress, `size` bytes each: a log, JSON lines, prose, CSV. The same in every run, everywhere."""
    kinds: dict[str, Callable[[random.Random], Iterator[str]]]
    kinds = {"access.log": _log, "events.json": _json, "prose.txt": _prose, "table.csv": _csv}
    files = []
    for file_name, lines in kinds.items():
        source, block = lines(random.Random(file_name)), b""
        while len(block) < _BLOCK:
            block += "".join(islice(source, 2000)).encode()
        files.append(_write(root, f"{name}/{file_name}", size, block[:_BLOCK]))
    return files


def _write(root: Path, path: str, size: int, block: bytes) -> File:
    target, crc, left = root / path, 0, size
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        while left:
            piece = block[:left]
            file.write(piece)
            crc, left = zlib.crc32(piece, crc), left - len(piece)
    target.chmod(0o644)
    return File(path, size, crc)


def _words(seed: random.Random) -> Callable[[int], list[str]]:
    """Words as often as in a language: by Zipf's law, of two to nine letters."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    weights = [1 / (rank + 2) for rank in range(len(letters))]
    vocabulary = ["".join(seed.choices(letters, weights, k=seed.randint(2, 9))) for _ in range(8000)]
    frequencies = [1 / (rank + 3) for rank in range(len(vocabulary))]
    return lambda count: seed.choices(vocabulary, frequencies, k=count)


def _log(seed: random.Random) -> Iterator[str]:
    paths, moment = _words(seed)(400), 0
    while True:
        moment += seed.randint(0, 3)
        address = f"10.{seed.randint(0, 40)}.{seed.randint(0, 255)}.{seed.randint(1, 254)}"
        clock = f"12/May/2026:{moment // 3600 % 24:02}:{moment // 60 % 60:02}:{moment % 60:02} +0000"
        status = seed.choices((200, 304, 404, 500), (80, 12, 6, 2))[0]
        path = f"/{seed.choice(paths)}/{seed.choice(paths)}.html"
        yield f'{address} - - [{clock}] "GET {path} HTTP/1.1" {status} {seed.randint(200, 90000)} "-" "Mozilla/5.0"\n'


def _json(seed: random.Random) -> Iterator[str]:
    words = _words(seed)
    for number in iter(int, 1):
        event = {
            "id": seed.getrandbits(48) + number,
            "type": words(1)[0],
            "actor": {"name": words(1)[0], "admin": False},
        }
        yield json.dumps(event | {"tags": words(3), "amount": round(seed.uniform(0, 1000), 2)}) + "\n"


def _prose(seed: random.Random) -> Iterator[str]:
    words = _words(seed)
    while True:
        sentence = " ".join(words(seed.randint(5, 25)))
        yield f"{sentence.capitalize()}.{seed.choice((' ', ' ', ' ', chr(10)))}"


def _csv(seed: random.Random) -> Iterator[str]:
    names, row = _words(seed)(200), 0
    while True:
        row += 1
        yield f"{row},{seed.choice(names)},{seed.gauss(100, 15):.3f},{seed.randint(0, 99)},2026-05-{row % 28 + 1:02}\n"

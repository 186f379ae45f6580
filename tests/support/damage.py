"""What happens to files while nobody looks: bits flip, pages are lost, ends are cut off."""

import random
from collections.abc import Callable
from pathlib import Path

from streamzip.spool.journal import Boot, Record, decode, encode

PAGE = 4096
OTHER_BOOT = bytes(range(16))

Damage = Callable[[Path, random.Random], str]  # does it, and says what was done


def flip(path: Path, chance: random.Random) -> str:
    """One bit, anywhere."""
    at, bit = chance.randrange(path.stat().st_size), chance.randrange(8)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))
    return f"{path.suffix}: bit {bit} of byte {at} flipped"


def zero(path: Path, chance: random.Random) -> str:
    """A page, anywhere."""
    size = path.stat().st_size
    at = chance.randrange(0, size, PAGE)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes(min(PAGE, size - at)))
    return f"{path.suffix}: page at {at} zeroed"


def truncate(path: Path, chance: random.Random) -> str:
    """The end is gone, from anywhere on."""
    size = chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.truncate(size)
    return f"{path.suffix}: cut to {size} bytes"


def remove(path: Path, chance: random.Random) -> str:
    """All of it is gone."""
    path.unlink()
    return f"{path.suffix}: removed"


def another_boot(journal: Path, lost: int = 0) -> None:
    """The journal as it is after a power loss: written in another boot, its last records gone."""
    records, _, damaged = decode(journal.read_bytes())
    assert not damaged
    kept: list[Record] = [Boot(OTHER_BOOT) if isinstance(record, Boot) else record for record in records]
    journal.write_bytes(b"".join(map(encode, kept[: len(kept) - lost])))

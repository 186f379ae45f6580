"""curl -C -, wget -c and aria2c on a wire that breaks while the origin's file changes: never a file of two versions."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cutting import Cutting
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.resuming import is_stale

MIB = 1 << 20
BODY = bytes(Pattern(11 * MIB)[:])
OTHER = BODY[::-1]
LATER = "Tue, 02 Jun 2026 10:00:00 GMT"

CHANGED = {
    "same size": (File(BODY), [File(OTHER, etag='"v2"', modified=LATER)]),
    "other size": (File(BODY), [File(OTHER + b"more", etag='"v2"', modified=LATER)]),
    "weak": (File(BODY, etag='W/"v1"', modified=None), [File(OTHER, etag='W/"v2"', modified=None)]),
    "no validator": (File(BODY, etag=None, modified=None), [File(OTHER, etag=None, modified=None)]),
    "two mirrors": (File(BODY, etag='"a"'), [File(OTHER, etag='"b"'), File(OTHER, etag='"c"', modified=LATER)]),
}


def curl(url: str, file: Path) -> None:
    """Again and again, for as long as the wire breaks: 18 in the body, 52 and 56 before it."""
    for _ in range(20):
        run = subprocess.run(["curl", "-sS", "-f", "-C", "-", "-o", file, url], capture_output=True, timeout=60)
        if run.returncode not in (18, 52, 56):
            assert run.returncode != 0, "it has come to an end"
            return
    raise AssertionError("curl did not come to an end")


def wget(url: str, file: Path) -> None:
    """It goes on by itself, until it is told 409."""
    options = ["--tries=20", "--waitretry=0", "--no-verbose", "--timeout=30"]
    run = subprocess.run(["wget", "-c", *options, "-O", file, url], capture_output=True, timeout=120)
    assert run.returncode != 0, "it has come to an end"


def aria2c(url: str, file: Path) -> None:
    """Four connections, each going on by itself."""
    options = ["-x4", "-s4", "-k1M", "--max-tries=20", "--file-allocation=none", "--no-conf"]
    run = subprocess.run(
        ["aria2c", *options, "-d", file.parent, "-o", file.name, url], capture_output=True, timeout=120
    )
    assert run.returncode != 0, "it has come to an end"


@pytest.mark.parametrize("kind", CHANGED)
@pytest.mark.parametrize(
    "client",
    [
        pytest.param(curl, marks=pytest.mark.needs("curl")),
        pytest.param(wget, marks=pytest.mark.needs("wget")),
        pytest.param(aria2c, marks=pytest.mark.needs("aria2")),
    ],
)
def test_client_gets_no_spliced_file_when_the_origin_changes(
    client: Callable[[str, Path], None], kind: str, gateway: Gateway, origin: Origin, tmp_path: Path
) -> None:
    """Broken off in the old version's bytes; what it asks for then is 409, and what it has is of one version."""
    old, new = CHANGED[kind]
    path = f"/under/{client.__name__}/{kind.replace(' ', '-')}.png"
    origin.serve(path, old)
    body = {"urls": [origin.url(path)]}
    whole = gateway.download(gateway.create(**body, filename="other.zip")["archive_hash"])
    hash = gateway.create(**body)["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    origin.serve(path, *[replace(old, hold_at=5 * MIB, cut_at=5 * MIB + 1000)] * 9)
    changed = False

    def change(_: int) -> None:
        nonlocal changed
        if not changed:
            changed = True
            origin.serve(path, *new * 20)
            origin.release(path)

    with Cutting(gateway.port, [2 * MIB, MIB, MIB, MIB]) as wire:
        wire.between = change
        client(wire.url(hash), tmp_path / "archive.zip")
    assert changed
    has = (tmp_path / "archive.zip").read_bytes()
    if not whole.startswith(has):  # aria2c leaves holes where it has nothing
        other = [at for at, (byte, old) in enumerate(zip(has, whole, strict=False)) if byte not in (old, 0)]
        assert not other, f"{len(other)} bytes of another version, from {other[0]} on"
    assert len(has) < len(whole) or client is aria2c
    assert is_stale(gateway, hash)

"""curl, wget and aria2c over a wire that breaks: however often, in whichever state, they end with the same archive."""

import hashlib
import itertools
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from tests.support.cutting import Cutting
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.paced import Paced
from tests.support.resuming import begin, evict, reading

PART = 8 << 20
MIB = 1 << 20
SEED = 20260603
BODY = bytes(Pattern(PART + 3 * MIB)[:])

FILES = {
    "small.png": File(BODY[:7000]),
    "weak.png": File(BODY[: MIB + 33], etag=None),
    "parts.png": File(BODY),
    "nothing known.png": File(BODY[: 2 * MIB], etag=None, modified=None, ranges=False),
    "last.png": File(BODY[:300_000]),
}

LARGE = "/managers/parts.png"

numbers = itertools.count()


@dataclass
class Site:
    """A gateway of the module's own, and what every archive of the files is."""

    gateway: Gateway
    origin: Origin
    whole: bytes = b""

    def new(self) -> str:
        """An archive that nobody has pulled."""
        filename = f"{next(numbers)}.zip"
        urls = [self.origin.url(f"/managers/{name}".replace(" ", "%20")) for name in FILES]
        hash: str = self.gateway.create(urls=urls, filename=filename)["archive_hash"]
        return hash


@pytest.fixture(scope="module")
def site(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The files, and what an undisturbed download of them gives."""
    for name, file in FILES.items():
        origin.serve(f"/managers/{name}".replace(" ", "%20"), file)
    with Gateway(tmp_path_factory.mktemp("managers") / "data", allow=[origin.authority]) as gateway:
        site = Site(gateway, origin)
        site.whole = gateway.download(site.new())
        yield site


# -- the clients: each ends when it has the whole, or the test fails -----------------------------------------


def curl(wire: Cutting, hash: str, file: Path) -> None:
    """`curl -C -`, again and again."""
    for _ in range(60):
        run = subprocess.run(
            ["curl", "-sS", "-f", "-C", "-", "-o", file, wire.url(hash)], capture_output=True, timeout=60
        )
        if run.returncode == 0:
            return
        # The wire broke: 18 in the body, 52 and 56 before it.
        assert run.returncode in (18, 52, 56), run.stderr
    raise AssertionError("curl did not come to an end")


def wget(wire: Cutting, hash: str, file: Path) -> None:
    """`wget -c`, which goes on by itself."""
    options = ["--tries=60", "--waitretry=0", "--no-verbose", "--timeout=30"]
    subprocess.run(["wget", "-c", *options, "-O", file, wire.url(hash)], check=True, capture_output=True, timeout=60)


def aria2c(wire: Cutting, hash: str, file: Path) -> None:
    """`aria2c -x4`: four connections, pieces in any order."""
    options = ["-s4", "-k1M", "--max-tries=0", "--file-allocation=none", "--no-conf", "--auto-file-renaming=false"]
    folder = ["-d", str(file.parent), "-o", file.name]
    subprocess.run(["aria2c", "-x4", *options, *folder, wire.url(hash)], check=True, capture_output=True, timeout=60)


Client = Callable[[Cutting, str, Path], None]
CLIENTS = [
    pytest.param(curl, marks=pytest.mark.needs("curl")),
    pytest.param(wget, marks=pytest.mark.needs("wget")),
    pytest.param(aria2c, marks=pytest.mark.needs("aria2")),
]


# -- the states ----------------------------------------------------------------------------------------------


def cold(site: Site) -> str:
    """Nothing was pulled."""
    return site.new()


def evicted(site: Site) -> str:
    """Complete once; its copy is gone."""
    hash = site.new()
    assert site.gateway.download(hash) == site.whole
    site.gateway.until(hash)
    evict(site.gateway, hash)
    return hash


def half_built(site: Site) -> str:
    """Half of it was given out in an earlier life that ended by `kill -9`, its client still there."""
    hash = site.new()
    with reading(site.gateway, hash, len(site.whole) // 2):
        site.gateway.kill()
    site.gateway.start()
    return hash


def pulls(site: Site, asked: int) -> dict[int, list[int]]:
    """Where each pull of the large file's parts began, in their order, after the first `asked` requests for it."""
    starts: dict[int, list[int]] = {}
    for request in site.origin.requests(LARGE)[asked:]:
        if "if-range" in request.fields:
            start = int(request.fields["range"].removeprefix("bytes=").partition("-")[0])
            starts.setdefault(start // PART, []).append(start)
    return starts


def download(site: Site, client: Client, hash: str, cuts: int, file: Path, seed: int) -> None:
    """Cut so many times, at random; the archive at the end is the undisturbed one, and of a part of the large file
    nothing was pulled again but what was in flight at a cut.
    """
    chance, asked = random.Random(seed), len(site.origin.requests(LARGE))
    longest = 2 * len(site.whole) // (cuts + 1)
    with Cutting(site.gateway.port, [chance.randrange(1, longest) for _ in range(cuts)]) as wire:
        client(wire, hash, file)
        assert wire.cut >= min(cuts, 3), "the wire did not break"
    assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(site.whole).digest()
    for starts in pulls(site, asked).values():
        assert starts == sorted(starts), "what was there was pulled again"


@pytest.mark.parametrize("state", [cold, half_built, evicted])
@pytest.mark.parametrize("client", CLIENTS)
def test_download_is_identical_when_the_wire_breaks(
    site: Site, client: Client, state: Callable[[Site], str], tmp_path: Path
) -> None:
    """Three cuts at random offsets."""
    download(site, client, state(site), 3, tmp_path / "archive.zip", SEED)


@pytest.mark.slow
@pytest.mark.parametrize("state", [cold, half_built, evicted])
@pytest.mark.parametrize("client", CLIENTS)
def test_download_is_identical_when_the_wire_breaks_twenty_times(
    site: Site, client: Client, state: Callable[[Site], str], tmp_path: Path
) -> None:
    """Twenty cuts at random offsets."""
    download(site, client, state(site), 20, tmp_path / "archive.zip", SEED + 1)


@pytest.mark.parametrize("cuts", [3, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("client", CLIENTS)
def test_download_is_identical_when_the_wire_breaks_while_others_read(
    site: Site, client: Client, cuts: int, tmp_path: Path
) -> None:
    """Growing: other readers come and go in it at the same time."""
    hash = site.new()
    with ThreadPoolExecutor(2) as pool:
        others = [pool.submit(begin, site.gateway, hash, len(site.whole) * share // 4) for share in (1, 3)]
        download(site, client, hash, cuts, tmp_path / "archive.zip", SEED + 2)
        for other in others:
            assert site.whole.startswith(other.result())


@pytest.mark.parametrize("client", CLIENTS)
def test_download_is_identical_when_the_gateway_is_killed_in_its_middle(
    site: Site, client: Client, tmp_path: Path
) -> None:
    """At the second cut the gateway is killed, and comes back: the client goes on by itself, and what was pulled of a
    file with a strong validator is not pulled again from its beginning.
    """
    hash = site.new()
    chance = random.Random(SEED + 3)
    with Cutting(site.gateway.port, [chance.randrange(MIB, 5 * MIB) for _ in range(3)]) as wire:

        def restart(number: int) -> None:
            if number == 1:
                site.gateway.kill()
                site.gateway.start()

        wire.between = restart
        asked = len(site.origin.requests(LARGE))
        client(wire, hash, tmp_path / "archive.zip")
    assert (tmp_path / "archive.zip").read_bytes() == site.whole
    starts = pulls(site, asked)
    assert set(starts) <= {0, 1}
    for begun in starts.values():
        # One life asks for the rest of what it has; a kill gives back what was not listed: a part in flight, once.
        assert sum(later < before for before, later in itertools.pairwise(begun)) <= 1


@pytest.mark.slow
@pytest.mark.needs("aria2")
@pytest.mark.parametrize("rate", [20 * MIB, 100 << 30], ids=["behind a line", "as fast as it goes"])
def test_four_connections_take_no_longer_than_one(rate: int, tmp_path: Path) -> None:
    """`aria2c -x4` in at most 1.1 times the time of `-x1`, medians of three; no connection waits until it gives up, and
    nothing is pulled twice.
    """
    size = 96 * MIB if rate < 1 << 30 else 384 * MIB
    seconds: dict[int, list[float]] = {1: [], 4: []}
    quiet = ["--no-conf", "--file-allocation=none", "--console-log-level=warn", "--show-console-readout=false"]
    quiet += ["-d", str(tmp_path)]
    with Paced(rate, size) as origin, Gateway(tmp_path / "data", allow=[origin.authority]) as gateway:
        for repeat, connections in itertools.product(range(3), (1, 4)):
            name = f"{connections} {repeat}.zip"
            hash = gateway.create(urls=[origin.url("/large.png")], filename=name)["archive_hash"]
            gateway.client.head(f"/archive/get/{hash}.zip")
            path = f"/archive/get/{hash}.zip"
            before, began = origin.sent(), time.monotonic()
            said = subprocess.run(
                ["aria2c", f"-x{connections}", f"-s{connections}", *quiet, "-o", name, f"{gateway.base}{path}"],
                check=True,
                capture_output=True,
                text=True,
                timeout=300,
            ).stdout
            seconds[connections].append(time.monotonic() - began)
            assert not [line for line in said.splitlines() if "[WARN]" in line or "[ERROR]" in line]
            assert origin.sent() - before == size
            (tmp_path / name).unlink()
    ratio = median(seconds[4]) / median(seconds[1])
    print(f"four connections take {ratio:.2f} times as long as one: {seconds}")
    assert ratio <= 1.1, seconds

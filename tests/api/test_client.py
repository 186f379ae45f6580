"""The library's clients against a running gateway: downloads that are cut, killed, resumed, refused."""

import asyncio
import contextlib
import io
import os
import random
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from streamzip.client import AsyncClient, CannotSave, Client, DownloadBroken, GatewayError, NotFound, Transferred
from tests.support.cutting import Cutting
from tests.support.fixtures import Launch
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin, Pattern

SIZE = 3_000_000


def created(client: Client, origin: Origin, name: str, size: int = SIZE) -> str:
    origin.serve(f"/client/{name}", File(Pattern(size)))
    return client.create([origin.url(f"/client/{name}")]).archive_hash


def whole(path: Path) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_an_archive_is_created_waited_for_and_downloaded(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """The library's first example, and that nothing but the file is left."""
    with Client(gateway.base) as client:
        archive_hash = created(client, origin, "first")
        assert client.wait(archive_hash).status == "completed"
        told: list[Transferred] = []
        folder = tmp_path / "made" / "for it"
        path = client.download(archive_hash, folder=folder, on_progress=told.append)
    assert path == folder / "archive.zip"
    assert whole(path) == ["first"]
    assert [entry.name for entry in folder.iterdir()] == ["archive.zip"]
    assert told[-1] == Transferred(path.stat().st_size, path.stat().st_size, 0)


def test_a_download_that_is_cut_again_and_again_arrives_whole(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """Each attempt goes on behind the last one, and is the same archive byte for byte."""
    with Client(gateway.base) as client:
        archive_hash = created(client, origin, "cut")
        expected = client.download(archive_hash, tmp_path / "expected.zip").read_bytes()
    cuts = [500, 300_000, 1_000_000, 700_000]  # of all that the connection carries; the first one is HEAD's
    with Cutting(gateway.port, cuts) as wire, Client(f"http://127.0.0.1:{wire.port}") as client:
        told: list[Transferred] = []
        path = client.download(archive_hash, tmp_path / "cut.zip", on_progress=told.append)
        assert wire.connections > len(cuts)
    assert path.read_bytes() == expected
    assert whole(path) == ["cut"]


def test_a_download_that_was_killed_goes_on_where_it_was(launch: Launch, origin: Origin, tmp_path: Path) -> None:
    """After kill -9 there is the part alone, and only what it lacks is asked for."""
    gateway = launch(cache_max_bytes="0")  # what is asked for is then seen at the origin
    origin.serve("/client/killed", File(Pattern(SIZE), hold_at=2_000_000))
    program = (
        "import sys; from streamzip.client import Client\n"
        "with Client(sys.argv[1]) as client: client.download(sys.argv[2], sys.argv[3])"
    )
    with Client(gateway.base) as client:
        archive_hash = client.create([origin.url("/client/killed")]).archive_hash
        target = tmp_path / "out.zip"
        child = subprocess.Popen([sys.executable, "-c", program, gateway.base, archive_hash, str(target)])
        origin.until(lambda _: sum(part.stat().st_size for part in tmp_path.glob("*.part")) > 1_000_000)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert not target.exists()
        (part,) = tmp_path.glob("out.zip.*.part")
        have = part.stat().st_size
        origin.release("/client/killed")
        told: list[Transferred] = []
        client.download(archive_hash, target, on_progress=told.append)
    assert told[-1].resumed_from == have
    assert whole(target) == ["killed"]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.slow
def test_any_moment_to_be_killed_is_one_to_download_on_from(launch: Launch, origin: Origin, tmp_path: Path) -> None:
    """`streamzip get`, killed again and again at random, ends with the very bytes of one that was not; beside them
    there was never more than its part.
    """
    chance = random.Random(11)
    gateway = launch(cache_max_bytes="0")  # so that each run takes as long as the origin does
    origin.serve("/client/random", File(Pattern(6_000_000), pause=0.01))
    with Client(gateway.base) as client:
        link = client.create([origin.url("/client/random")]).url
        expected = client.download(link, tmp_path / "whole.zip").read_bytes()
    folder = tmp_path / "downloads"
    folder.mkdir()
    kills = 0
    for turn in range(8):
        target = folder / f"{turn}.zip"
        while not target.exists():
            child = subprocess.Popen([str(COMMAND), "get", link, "-o", str(target)], stdout=subprocess.DEVNULL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                assert child.wait(chance.uniform(0.3, 3.0 + kills / 10)) == 0
                continue
            child.kill()
            child.wait()
            kills += 1
            assert all(each.name.startswith(target.name) for each in folder.iterdir())
        assert target.read_bytes() == expected
        target.unlink()
        assert list(folder.iterdir()) == []
    assert kills > 0


def test_a_part_of_another_archive_is_never_gone_on_from(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """Its name says which archive it is of; it stays where it is."""
    with Client(gateway.base) as client:
        one, other = created(client, origin, "one"), created(client, origin, "other")
        broken_off(client, origin, gateway, one, tmp_path / "out.zip")
        (part,) = tmp_path.glob("out.zip.*.part")
        before = part.read_bytes()
        assert whole(client.download(other, tmp_path / "out.zip")) == ["other"]
        assert part.read_bytes() == before


def broken_off(client: Client, origin: Origin, gateway: Gateway, archive_hash: str, target: Path) -> None:
    """A download of which about a megabyte arrived."""
    with (
        Cutting(gateway.port, [10_000, *[1_000_000] * 2, *[0] * 20]) as wire,
        Client(f"http://127.0.0.1:{wire.port}") as cut,
        pytest.raises(DownloadBroken, match="are kept in"),
    ):
        cut.download(archive_hash, target, attempts=1)


def test_a_file_that_is_there_is_not_replaced_unless_asked(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """Nor is anything downloaded before that is seen."""
    target = tmp_path / "mine.zip"
    target.write_text("mine")
    with Client(gateway.base) as client:
        archive_hash = created(client, origin, "mine")
        with pytest.raises(CannotSave, match="exists"):
            client.download(archive_hash, target)
        assert target.read_text() == "mine"
        assert whole(client.download(archive_hash, target, replace=True)) == ["mine"]


def test_a_place_that_cannot_be_written_is_one_sentence(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """The file's name and the system's reason."""
    with Client(gateway.base) as client:
        archive_hash = created(client, origin, "nowhere")
        with pytest.raises(CannotSave, match=r"none/out.zip.* cannot be written: No such file or directory"):
            client.download(archive_hash, tmp_path / "none" / "out.zip")


def test_an_unknown_archive_and_a_server_that_is_away_say_so(gateway: Gateway) -> None:
    """The problem's kind, though HEAD has no body; and one error for every kind of silence."""
    with Client(gateway.base) as client, pytest.raises(NotFound):
        client.download("0" * 32)
    with Client("http://127.0.0.1:9") as client, pytest.raises(GatewayError, match="cannot be reached"):
        client.status("0" * 32)


def test_the_asyncio_client_downloads_and_follows_at_once(gateway: Gateway, origin: Origin, tmp_path: Path) -> None:
    """On plain asyncio: events until the archive is completed by the download beside them."""

    async def both() -> tuple[list[str], Path]:
        async with AsyncClient(gateway.base) as client:
            origin.serve("/client/async", File(Pattern(SIZE)))
            archive = await client.create([origin.url("/client/async")])
            following = asyncio.create_task(followed(client, archive.archive_hash))
            path = await client.download(archive.url, tmp_path / "a.zip")
            return await following, path

    async def followed(client: AsyncClient, archive_hash: str) -> list[str]:
        return [status.status async for status in client.events(archive_hash)]

    states, path = asyncio.run(both())
    assert states[-1] == "completed"
    assert whole(path) == ["async"]


def test_a_closed_client_frees_its_sockets(gateway: Gateway, origin: Origin) -> None:
    """Also with a stream of events that nobody read to its end; what is asked for afterwards is refused."""
    origin.serve("/client/closed", *[File(Pattern(SIZE), hold_at=SIZE // 2)] * 9)

    async def on_asyncio() -> set[str]:
        async with AsyncClient(gateway.base) as client:
            events = aiter(client.events(archive_hash))
            await anext(events)
            return connections(gateway.port)

    before = connections(gateway.port)
    with Client(gateway.base) as client:
        archive_hash = client.create([origin.url("/client/closed")]).archive_hash
        client.prefetch(archive_hash)
        events = iter(client.events(archive_hash))
        next(events)
        assert connections(gateway.port) > before, "what is counted was open"
    assert connections(gateway.port) == before
    assert asyncio.run(on_asyncio()) > before
    assert connections(gateway.port) == before
    with pytest.raises(RuntimeError, match="closed"):
        client.status(archive_hash)
    origin.release("/client/closed")


def connections(port: int) -> set[str]:
    """Return this process's sockets that are connected to a port of this machine."""
    mine = {os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return {row[9] for row in rows if row[2].endswith(f":{port:04X}") and f"socket:[{row[9]}]" in mine}

"""`streamzip verify`: everything that is whole passes, beside a running gateway too, and no damage does."""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from streamzip.config import Settings
from streamzip.verify import Damage, Verification
from tests.support.fixtures import Launch
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.resuming import begin, resume

pytestmark = pytest.mark.alone

MIB = 1 << 20
TEXT = b"".join(b"line %d\n" % number for number in range(200_000))
FILES = {
    "large.png": File(Pattern(9 * MIB)),
    "weak.png": File(Pattern(2 * MIB), etag=None),
    "small.png": File(b"small"),
    "empty.png": File(b""),
    "text.csv": File(TEXT),
    "unsized.csv": File(TEXT[:5000], chunked=True, ranges=False),
}


def verify(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as a person runs it."""
    command = [str(COMMAND), "verify", "--data", str(data), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def damages(data: Path) -> list[Damage]:
    """What is found in the data folder, without a process of its own."""
    with closing(Verification(Settings(data_dir=data))) as verification:
        return list(verification.run(lambda count: None))


def urls(origin: Origin) -> list[str]:
    """Every file, and one that is not there."""
    for name, file in FILES.items():
        origin.serve(f"/verify/{name}", file)
    return [origin.url(f"/verify/{name}") for name in (*FILES, "missing.png")]


def finished(gateway: Gateway, origin: Origin, name: str, compression: str = "deflate") -> str:
    """An archive whose copy is finished."""
    created = gateway.create(urls=urls(origin), compression=compression, filename=name, prefetch=True)
    gateway.until(created["archive_hash"])
    hash: str = created["archive_hash"]
    return hash


def test_verify_finds_nothing_when_all_is_whole(launch: Launch, origin: Origin) -> None:
    """Archives finished, unfinished and never begun, exact and not, and an upload; the gateway runs, and reads on."""
    gateway = launch(lookahead="1")
    for compression in ("store", "deflate"):
        finished(gateway, origin, f"{compression}.zip", compression)
        half = gateway.create(urls=urls(origin), compression=compression, filename=f"half {compression}.zip")
        begin(gateway, half["archive_hash"], MIB)
    assert resume(gateway, half["archive_hash"], 0, 1000)[0] in (200, 206)
    gateway.create(urls=[origin.url("/verify/small.png")])
    assert gateway.client.post("/upload/notes.txt", content=TEXT).status_code == 201
    done = verify(gateway.data)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "streamzip: 5 archives, 4 copies, 1 uploaded files; damaged: 0\n"
    gateway.kill()
    assert verify(gateway.data).returncode == 0
    gateway.start()
    assert verify(gateway.data).returncode == 0


def test_verify_finds_every_byte_that_is_flipped_in_a_finished_copy(launch: Launch, origin: Origin) -> None:
    """Headers, bytes stored and deflated, the report, the directory: none is taken for granted."""
    origin.serve("/verify/a.png", File(b"stored bytes"))
    origin.serve("/verify/b.csv", File(b"1,2,3\n" * 200))
    gateway = launch()
    wanted = [origin.url("/verify/a.png"), origin.url("/verify/b.csv"), origin.url("/verify/none")]
    hash = gateway.create(urls=wanted, compression="deflate", prefetch=True)["archive_hash"]
    gateway.until(hash)
    gateway.stop()
    copy = gateway.copy(hash)
    whole = copy.read_bytes()
    flipped = (whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole)))
    with closing(Verification(Settings(data_dir=gateway.data))) as verification:
        assert list(verification.run(lambda count: None)) == []
        for changed in (*flipped, whole[:-1], whole + b"\0", whole[:100], b""):
            copy.write_bytes(changed)
            (damage,) = verification.run(lambda count: None)
            assert damage.subject == f"copy {copy}"


def flip(path: Path, at: int) -> None:
    """One bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("sized", [True, False], ids=["exact", "open"])
def test_verify_finds_what_is_damaged_in_an_unfinished_copy(launch: Launch, origin: Origin, sized: bool) -> None:
    """A listed extent that is not what was pulled: it is pulled again, and that is said."""
    file = File(FILES["large.png"].body, chunked=not sized, ranges=sized)
    origin.serve("/verify/held.png", file, *[replace(file, hold_at=4 * MIB)] * 9)
    gateway = launch()
    hash = gateway.create(urls=[origin.url("/verify/held.png")])["archive_hash"]
    begin(gateway, hash, 3 * MIB)
    gateway.until(hash, lambda status: not status["active"])
    gateway.kill()
    part = gateway.copy(hash).with_suffix(".part")
    assert damages(gateway.data) == []
    flip(part, 2 * MIB)
    done = verify(gateway.data)
    assert done.returncode == 1
    assert done.stdout.startswith(f"copy {part}: bytes ")
    assert "pulled again" in done.stdout
    assert done.stderr.endswith("damaged: 1\n")


def altered(statement: str) -> Callable[[Path], None]:
    """A change to the store, made behind the gateway's back."""

    def change(data: Path) -> None:
        with closing(sqlite3.connect(data / "streamzip.db")) as store:
            assert store.execute(statement).rowcount == 1
            store.commit()

    return change


def cut_page(data: Path) -> None:
    """A page of the store's file is zeroed."""
    with (data / "streamzip.db").open("r+b") as file:
        file.seek(2 * 4096)
        file.write(bytes(4096))


def another_secret(data: Path) -> None:
    """The secret was lost, and another one put in its place."""
    (data / "secret.keys").write_text("k1:0123456789abcdef0123456789abcdef\n")


@pytest.fixture(scope="module")
def stopped(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a gateway that was stopped, with a finished archive and an upload."""
    data = tmp_path_factory.mktemp("stopped") / "data"
    with Gateway(data, allow=[origin.authority]) as gateway:
        finished(gateway, origin, "a.zip")
        assert gateway.client.post("/upload/notes.txt", content=TEXT).status_code == 201
        gateway.stop()
    return data


@pytest.mark.parametrize(
    ("damage", "subject"),
    [
        (altered("UPDATE documents SET body = CAST(body || ' ' AS BLOB) WHERE kind = 'manifest'"), "archive "),
        (altered("UPDATE documents SET body = 'text' WHERE kind = 'manifest'"), "archive "),
        (
            altered(
                "UPDATE documents SET signature = substr(signature, 2) || substr(signature, 1, 1) WHERE kind = 'layout'"
            ),
            "archive ",
        ),
        (altered("UPDATE documents SET body = x'00' WHERE kind = 'crcs'"), "archive "),
        (altered("DELETE FROM documents WHERE kind = 'manifest'"), "archive "),
        (another_secret, "archive "),
        (cut_page, "store: "),
        (lambda data: flip(next((data / "uploads").glob("*/content")), 5000), "upload notes.txt: it is not"),
        (lambda data: next((data / "uploads").glob("*/content")).write_bytes(b"short"), "upload notes.txt: it has 5 "),
    ],
    ids=["manifest", "type", "layout", "crcs", "no manifest", "secret", "page", "upload", "upload cut"],
)
def test_verify_says_what_is_damaged_and_what_to_do(
    stopped: Path, tmp_path: Path, damage: Callable[[Path], None], subject: str
) -> None:
    """A line for each, and exit status 1."""
    data = tmp_path / "data"
    shutil.copytree(stopped, data)
    damage(data)
    done = verify(data)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith(subject)
    assert "(to do: " in done.stdout
    assert "Traceback" not in done.stderr


def test_verify_removes_damaged_copies_when_it_is_asked_to(launch: Launch, origin: Origin) -> None:
    """They are pulled again then, with the same bytes; one that is in use is left."""
    gateway = launch(max_attempts="1")
    hash = finished(gateway, origin, "removed.zip")
    expected = gateway.download(hash)
    gateway.stop()
    flip(gateway.copy(hash), len(expected) // 2)
    done = verify(gateway.data, "--remove")
    assert (done.returncode, "it was removed" in done.stdout) == (1, True)
    assert not gateway.copy(hash).exists()
    assert verify(gateway.data, "--remove").returncode == 0
    gateway.start()
    assert gateway.download(hash) == expected
    assert verify(gateway.data).returncode == 0


def test_verify_changes_nothing_when_there_is_no_gateway_s_folder(tmp_path: Path) -> None:
    """A wrong path is said; neither secret nor store is made there."""
    done = verify(tmp_path)
    assert done.returncode == 1
    assert "--data" in done.stderr
    assert list(tmp_path.iterdir()) == []

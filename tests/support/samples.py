"""A data folder as an earlier release left it, to be opened by this one: `python -m tests.support.samples` makes it.

`samples.tar.xz` was made by the code of commit d3e0d3e and is to stay as it is: whatever the code stores later, it must
still read this. It holds, all of one gateway that was killed with -9:

    finished   an archive whose copy is whole
    exact      one half filled in: a small member, a large one of which the first part is there, and one more
    open       one half filled in whose places are not known: a compressed member that has ended, one that has begun
    queued     one that is to be built, and of which nothing is there

Beside it, in `samples.json`: what create answered (links that are signed), a session, the key, and digests of the
archives as they must come out.
"""

import contextlib
import hashlib
import json
import tarfile
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamzip.access.api_keys import ApiKeys, new_key
from streamzip.access.keyring import KeyRing
from streamzip.access.sessions import Sessions
from streamzip.spool.journal import decode
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

FOLDER = Path(__file__).parents[1] / "compatibility" / "samples"
PORT = 18437  # of the origin: the URLs are part of what is stored, and signed
IN_2100 = 4_102_444_800  # seconds since the epoch
LINK_TTL = 2_400_000_000  # seconds
MIB = 1 << 20
PART = 8 * MIB
WORDS = b"the quick brown fox jumps over the lazy dog\n"


def _repeated(size: int, mark: bytes) -> bytes:
    """Bytes that take little room when they are packed."""
    block = mark * (4096 // len(mark))
    return (block * (size // len(block) + 1))[:size]


FILES = {
    "/samples/small.bin": _repeated(5000, b"small"),
    "/samples/large.bin": _repeated(2 * PART + 77, b"large"),
    "/samples/last.bin": _repeated(3000, b"last"),
    "/samples/ended.txt": _repeated(3 * MIB, WORDS),
    "/samples/begun.txt": _repeated(5 * MIB, WORDS[::-1]),
}
ARCHIVES: dict[str, tuple[tuple[str, ...], str]] = {  # by name: its files, and how they are stored
    "finished": (("small.bin", "ended.txt", "last.bin"), "deflate"),
    "exact": (("small.bin", "large.bin", "last.bin"), "store"),
    "open": (("ended.txt", "begun.txt", "small.bin"), "deflate"),
    "queued": (("last.bin",), "store"),
}


def body(name: str) -> dict[str, Any]:
    """What is created."""
    files, compression = ARCHIVES[name]
    entries = [{"name": file, "url": f"http://127.0.0.1:{PORT}/samples/{file}"} for file in files]
    return {"entries": entries, "compression": compression, "filename": f"{name}.zip"}


@contextlib.contextmanager
def origin() -> Iterator[Origin]:
    """The origin of these files. Another run of the same test may have its port for some seconds."""
    deadline = time.monotonic() + 60
    while True:
        serving = Origin(port=PORT)
        try:
            serving.__enter__()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    try:
        for path, content in FILES.items():
            serving.serve(path, File(content))
        yield serving
    finally:
        serving.__exit__(None, None, None)


@dataclass(frozen=True)
class Samples:
    """What lies beside the folder."""

    key: str
    key_line: str  # of STREAMZIP_API_KEYS
    session: str
    created: dict[str, dict[str, Any]]  # create's answers, by name
    digests: dict[str, str]  # SHA-256 of each archive

    def gateway(self, data: Path) -> Gateway:
        """A gateway on such a folder, with its settings."""
        gateway = Gateway(
            data,
            allow=[f"127.0.0.1:{PORT}"],
            api_keys=self.key_line,
            signed_links="on",
            link_ttl=str(LINK_TTL),
            public_url="https://example.com",
        )
        gateway.client.headers["Authorization"] = f"Bearer {self.key}"
        return gateway


def unpack(folder: Path) -> Samples:
    """The samples, their data folder unpacked to `folder`."""
    with tarfile.open(FOLDER / "samples.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    return Samples(**json.loads((FOLDER / "samples.json").read_text()))


def _make(scratch: Path) -> None:
    key, line = new_key("ann")
    data = scratch / "data"
    samples = Samples(key, line, "", {}, {})
    with origin() as serving:
        with samples.gateway(data) as gateway:
            for name in ("finished", "exact", "open"):
                samples.created[name] = gateway.create(**body(name))
            _prefetch(gateway, samples, "finished")
            gateway.until(samples.created["finished"]["archive_hash"])
            for name in ("exact", "open"):
                answer = gateway.client.head(f"/archive/get/{samples.created[name]['url'].rpartition('/')[2]}")
                assert answer.status_code == 200, answer  # its origins were asked
            large, begun, last = (FILES[f"/samples/{name}"] for name in ("large.bin", "begun.txt", "last.bin"))
            # One part of the large file comes whole, the others fall silent in their middle.
            serving.serve("/samples/large.bin", File(large), *[File(large, hold_at=MIB)] * 99)
            serving.serve("/samples/begun.txt", *[File(begun, hold_at=4 * MIB)] * 99)
            serving.serve("/samples/last.bin", *[File(last, hold_at=10)] * 99)
            for name in ("exact", "open"):
                _prefetch(gateway, samples, name)
            journals = {name: _journal(gateway, samples, name) for name in ("exact", "open")}
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and not all(map(_listed, journals.values())):
                time.sleep(0.1)
            time.sleep(3)  # what came is listed within a second
            samples.created["queued"] = gateway.create(**body("queued"), prefetch=True)
            gateway.kill()
        with Gateway(scratch / "other", allow=[f"127.0.0.1:{PORT}"]) as other:
            for path, content in FILES.items():
                serving.release(path)
                serving.serve(path, *[File(content)] * 200)
            for name in ARCHIVES:
                archive = other.download(other.create(**body(name))["archive_hash"])
                samples.digests[name] = hashlib.sha256(archive).hexdigest()
    ring = KeyRing.parse((data / "secret.keys").read_text().strip())
    session = Sessions(ApiKeys.parse(line), ring).begin(key, now=IN_2100)
    assert session is not None
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "samples.json").write_text(json.dumps(vars(samples) | {"session": session}, indent=1) + "\n")
    with tarfile.open(FOLDER / "samples.tar.xz", "w:xz", preset=9) as packed:
        for stored in sorted(data.rglob("*")):
            packed.add(stored, stored.relative_to(data), recursive=False)


def _prefetch(gateway: Gateway, samples: Samples, name: str) -> None:
    answer = gateway.client.post(f"/api/archive/prefetch/{samples.created[name]['archive_hash']}")
    assert answer.status_code == 202, answer.text


def _journal(gateway: Gateway, samples: Samples, name: str) -> Path:
    return gateway.copy(samples.created[name]["archive_hash"]).with_suffix(".journal")


def _listed(journal: Path) -> int:
    return len(decode(journal.read_bytes())[0]) if journal.exists() else 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        _make(Path(scratch))

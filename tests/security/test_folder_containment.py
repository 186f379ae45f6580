"""Nothing outside of a folder is ever sent: whatever the path says, and whatever is moved meanwhile."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support import swap
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.words import ask, random_words, words

SENTINEL = b"the bytes outside, which nobody may see"
HASH = "7kna5e8zq1"

TEMPLATES = ("/archive/{}", "/archive/{}/", "/archive/{}outside/", f"/archive/{HASH}/{{}}", f"/archive/{{}}{HASH}/")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one folder; what lies beside it is to stay there."""
    root = tmp_path / "around" / "root"
    (root / HASH / "inner").mkdir(parents=True)
    (root / HASH / "file").write_bytes(b"inside")
    (root / HASH / "inner" / "file").write_bytes(b"inside")
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "file").write_bytes(SENTINEL)
    for place in (root, root.parent, tmp_path):
        (place / "secret").write_bytes(SENTINEL)
    return root


def check(gateway: Gateway, tried: Iterable[str]) -> int:
    """How many paths were asked for; none of the answers may have bytes of the sentinel, or be a failure."""
    count = 0
    served = 0
    for answer in ask(gateway.port, (template.format(word) for word in tried for template in TEMPLATES)):
        count += 1
        served += answer.status == 200
        assert SENTINEL not in answer.body, answer.target
        assert answer.status < 500, answer
    assert served < count // 10
    return count


def test_folder_paths_lead_nowhere_when_all_short_words_are_tried(launch: Launch, root: Path) -> None:
    """Every word of up to three tokens of the traversals' alphabet, in five places: no byte from outside."""
    gateway = launch(folders_dir=str(root))
    assert gateway.client.get(f"/archive/{HASH}/").status_code == 200
    assert check(gateway, words(3)) == 5 * (9 + 81 + 729)


@pytest.mark.slow
def test_folder_paths_lead_nowhere_when_a_million_are_tried(launch: Launch, root: Path) -> None:
    """All words of up to five tokens, and 150,000 of up to nine: over a million requests."""
    gateway = launch(folders_dir=str(root))
    assert check(gateway, words(5)) + check(gateway, random_words(150_000, 9, seed=9)) > 1_000_000


@contextmanager
def swapping(*paths: Path) -> Iterator[None]:
    """Pairs of entries change places all the time."""
    process = subprocess.Popen([sys.executable, swap.__file__, *map(str, paths)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "swapping\n"
        yield
        assert process.poll() is None
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("seconds", "threads"), [(2.0, 2), pytest.param(60.0, 8, marks=[pytest.mark.slow, pytest.mark.timeout(180)])]
)
def test_folder_never_gives_what_links_lead_to_when_they_are_swapped_in(
    launch: Launch, root: Path, seconds: float, threads: int
) -> None:
    """A file and a folder change places with links that lead out, over and over: no byte from outside."""
    folder = root / HASH
    (folder / "link").symlink_to("../../outside/file")
    (folder / "way").symlink_to("../../outside")
    gateway = launch(folders_dir=str(root))
    bodies: list[bytes] = []
    deadline = time.monotonic() + seconds

    def download() -> None:
        while time.monotonic() < deadline:
            body = b""
            try:
                with httpx.stream("GET", f"{gateway.base}/archive/{HASH}/", trust_env=False) as response:
                    for chunk in response.iter_raw():
                        body += chunk
            except httpx.RemoteProtocolError:
                pass  # cut, as it should be
            bodies.append(body)

    with swapping(folder / "file", folder / "link", folder / "inner", folder / "way"):
        clients = [threading.Thread(target=download) for _ in range(threads)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    assert len(bodies) > 10 * threads
    assert not [body for body in bodies if SENTINEL in body]
    assert [body for body in bodies if b"inside" in body]

"""What an operator asks is answered by the lines that docs/operations.md gives, from the log of a scripted life."""

import json
import re
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, HangUp, Origin, Pattern, Status

PAGE = Path(__file__).parents[2] / "docs/operations.md"
SIZE = 3_000_000

pytestmark = pytest.mark.needs("jq")


def commands() -> dict[str, str]:
    """The commands of the page, by their question."""
    section = PAGE.read_text().partition("\n## Questions to the log\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^(\S.*\?)(?: \(.*\))?\n\n    (.+)$", section, re.MULTILINE))


class Slow(BaseHTTPRequestHandler):
    """An origin that takes its time for each answer."""

    def do_GET(self) -> None:
        """Wait, and have nothing."""
        time.sleep(0.3)
        self.send_error(404)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Life:
    """A log, and what is asked of it."""

    folder: Path
    origin: str
    slow: str
    whole: str
    cut: str
    waiting: str
    request_id: str
    length: int

    def ask(self, question: str, archive: str = "") -> list[str]:
        """The answer's lines."""
        command = commands()[question].replace("HASH", archive).replace("ID", self.request_id)
        done = subprocess.run(["bash", "-ec", command], cwd=self.folder, capture_output=True, text=True, check=False)
        assert not done.stderr, done.stderr
        return done.stdout.splitlines()


@pytest.fixture(scope="module")
def life(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """Downloads whole, of a range, left and cut; a prefetch that cannot end; a slow origin; a deletion."""
    folder = tmp_path_factory.mktemp("life")
    settings = {"log_level": "debug", "max_attempts": "2", "trusted_proxies": "127.0.0.1"}
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Slow) as late,
        Gateway(folder / "data", allow=[origin.authority, f"127.0.0.1:{late.server_port}"], **settings) as gateway,
    ):
        threading.Thread(target=late.serve_forever, daemon=True).start()
        origin.serve("/life/whole", File(Pattern(SIZE)))
        made = gateway.create(urls=[origin.url("/life/whole")])
        whole = made["archive_hash"]
        length = len(gateway.get(whole, {"X-Forwarded-For": "192.0.2.1"}).content)
        gateway.get(whole, {"Range": "bytes=0-99", "X-Forwarded-For": "192.0.2.2"})
        origin.serve("/life/cut", File(Pattern(SIZE)), File(Pattern(SIZE), cut_at=1_000_000), HangUp())
        cut = gateway.create(urls=[origin.url("/life/cut")])["archive_hash"]
        gateway.client.head(f"/archive/get/{cut}.zip")
        with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=30)) as client:
            client.sendall(f"GET /archive/get/{cut}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            while client.recv(1 << 16):
                pass
        gateway.logged("download_cut")
        origin.serve("/life/held", File(Pattern(SIZE)), File(Pattern(SIZE), hold_at=2_000_000))
        held = gateway.create(urls=[origin.url("/life/held")])["archive_hash"]
        gateway.client.head(f"/archive/get/{held}.zip")
        with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=30)) as client:
            client.sendall(f"GET /archive/get/{held}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            assert client.recv(1000)
        gateway.until_logged(lambda line: line["event"] == "download_ended" and line["outcome"] == "left")
        origin.release("/life/held")
        origin.serve("/life/gone", Status(404))
        waiting = gateway.create(urls=[origin.url("/life/gone")], prefetch=True)["archive_hash"]
        gateway.logged("prefetch_ended")
        slow = f"127.0.0.1:{late.server_port}"
        gateway.create(urls=[f"http://{slow}/life"])
        gateway.until_logged(lambda line: line["event"] == "origin_asked" and slow in line["url"])
        refused = gateway.get(waiting)
        assert refused.status_code == 502
        gateway.client.delete(f"/api/archive/{whole}", headers={"X-Delete-Token": made["delete_token"]})
        gateway.until_logged(lambda line: line["event"] == "request" and line["method"] == "DELETE")
        (folder / "log").write_text("".join(json.dumps(line) + "\n" for line in gateway.log))
        late.shutdown()
        yield Life(folder, origin.authority, slow, whole, cut, waiting, refused.headers["X-Request-Id"], length)


def counted(lines: list[str]) -> dict[str, int]:
    """What `uniq -c` counted."""
    return {name: int(count) for count, name in (line.split() for line in lines)}


def test_every_question_is_tried() -> None:
    """A question that this file does not ask is a promise that nobody holds."""
    asked = re.findall(r'ask\("([^"]+)"', Path(__file__).read_text())
    assert sorted(set(asked)) == sorted(commands())
    assert len(commands()) >= 10


def test_log_says_who_had_what(life: Life) -> None:
    """Each client with what it took."""
    had = life.ask("Who had this archive, how much of it, and how did it end?", life.whole)
    assert sorted(json.loads(line) for line in had) == [
        ["192.0.2.1", "whole", life.length, None],
        ["192.0.2.2", "whole", 100, f"bytes 0-99/{life.length}"],
    ]
    taken = dict(line.split() for line in life.ask("How much did each client take?"))
    assert (taken["192.0.2.1"], taken["192.0.2.2"]) == (str(life.length), "100")
    assert 0 < int(taken["127.0.0.1"]) < 2 * SIZE
    made = [json.loads(line) for line in life.ask("Who created it, and who deleted it?", life.whole)]
    assert [method for _, method, _ in made] == ["POST", "DELETE"]


def test_log_says_what_failed_and_why(life: Life) -> None:
    """The cut download, the request that a client complains of, the prefetch, all errors."""
    assert len(life.ask("Why was it cut?", life.cut)) == 1
    events = [json.loads(line)["event"] for line in life.ask("What became of this client's request?")]
    assert {"problem", "request"} <= set(events)
    errors = counted(life.ask("Which errors do clients get, and how often?"))
    assert errors == {"no_entries": 1}
    prefetch = json.loads(life.ask("Why does this prefetch not end?", life.waiting)[0])
    assert prefetch == ["prefetch_ended", "no_entries", None]
    wrong = counted(life.ask("What went wrong, at all?"))
    assert wrong == {"download_cut": 1, "problem": 1}


def test_log_says_what_is_slow(life: Life) -> None:
    """Requests by their seconds; origins by theirs, and by their failures."""
    slowest = [json.loads(line) for line in life.ask("Which requests took longest?")]
    assert slowest == sorted(slowest, reverse=True)
    assert len(slowest) == 5
    slow = [line.split() for line in life.ask("Which origin is slow?")]
    assert life.slow in [origin for _, origin in slow]
    failed = [line.split() for line in life.ask("At which origin do attempts fail, and how?")]
    assert failed[0][1] == life.origin

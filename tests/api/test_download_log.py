"""The log tells how each download ended: who had how much of what, and why it stopped."""

import socket
from contextlib import closing

from tests.support.fixtures import Launch
from tests.support.origin import File, HangUp, Origin, Pattern

SIZE = 3_000_000


def test_log_tells_how_each_download_ended(launch: Launch, origin: Origin) -> None:
    """Whole, a range, left by its client, cut for its origin's sake: with the bytes and the archive."""
    gateway = launch(max_attempts="1")
    origin.serve("/log/whole", File(Pattern(SIZE)))
    made = gateway.create(urls=[origin.url("/log/whole")])["archive_hash"]
    body = gateway.download(made)
    ended = gateway.logged("download_ended")
    assert (ended["outcome"], ended["archive"], ended["door"], ended["status"]) == ("whole", made, "archive", 200)
    assert (ended["bytes"], ended["client"]) == (len(body), "127.0.0.1")
    assert 0 <= ended["seconds"] < 60

    before = len(gateway.log)
    gateway.client.get(f"/archive/get/{made}.zip", headers={"Range": "bytes=10-19"})
    ranged = gateway.logged("download_ended", after=before)
    assert (ranged["outcome"], ranged["bytes"], ranged["status"]) == ("whole", 10, 206)
    assert ranged["range"] == f"bytes 10-19/{len(body)}"

    before = len(gateway.log)
    origin.serve("/log/held", File(Pattern(SIZE), hold_at=2_000_000))
    held = gateway.create(urls=[origin.url("/log/held")])["archive_hash"]
    with closing(socket.create_connection(("127.0.0.1", gateway.port))) as client:
        client.sendall(f"GET /archive/get/{held}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert client.recv(1000)
    left = gateway.logged("download_ended", after=before)
    assert (left["outcome"], left["archive"]) == ("left", held)
    assert left["bytes"] < SIZE
    origin.release("/log/held")

    before = len(gateway.log)
    file = File(Pattern(SIZE), cut_at=1_000_000)
    origin.serve("/log/cut", File(Pattern(SIZE)), file, HangUp())
    broken = gateway.create(urls=[origin.url("/log/cut")])["archive_hash"]
    gateway.client.head(f"/archive/get/{broken}.zip")
    with closing(socket.create_connection(("127.0.0.1", gateway.port))) as client:
        client.sendall(f"GET /archive/get/{broken}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        while client.recv(1 << 16):
            pass
    cut = gateway.logged("download_ended", after=before)
    assert (cut["outcome"], cut["archive"]) == ("cut", broken)


def test_log_has_no_folders_name_and_no_line_for_other_answers(launch: Launch, origin: Origin) -> None:
    """A folder's name is its secret; documents and event streams are no downloads."""
    folders = launch("folders").data.parent / "root"
    (folders / "s3cret-folder").mkdir(parents=True)
    (folders / "s3cret-folder" / "a.txt").write_text("x")
    gateway = launch("second", folders_dir=str(folders))
    gateway.client.get("/healthz")
    gateway.client.get("/archive/s3cret-folder/")
    ended = gateway.logged("download_ended")
    assert (ended["outcome"], ended["door"]) == ("whole", "archive")
    assert "s3cret" not in str(gateway.log)
    assert sum(line["event"] == "download_ended" for line in gateway.log) == 1

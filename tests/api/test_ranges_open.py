"""Open archives (a member is compressed, or its size unknown): chunked while they grow, exact once completed."""

import hashlib
import io
import random
import socket
import zipfile
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.ranged import check_ranges
from tests.support.resuming import evict, is_stale, reading, resume
from tests.support.zip_structure import boundaries, random_spans, spans_at

MIB = 1 << 20
TEXT = b"".join(b"%d,%x\n" % (number, number * 2654435761 % 4294967296) for number in range(200_000))  # 3 MB
NOISE = random.Random(5).randbytes(3 * MIB)

FILES = {
    "first.csv": File(TEXT),  # compressed in several blocks
    "small.txt": File(TEXT[:5000], etag=None),
    "photo.png": File(NOISE[: 2 * MIB]),  # stored, exact, behind an open one
    "noise.txt": File(NOISE),  # by its name worth compressing, and by its bytes not
    "streamed.png": File(NOISE[: MIB + 500], chunked=True, ranges=False, etag=None),  # of unknown size
    "tiny.bin": File(NOISE[:99], chunked=True, ranges=False, etag=None),
    "last.csv": File(TEXT[::-1], etag=None),
}


def serve(origin: Origin, folder: str) -> dict[str, list[str]]:
    """Put the files there; the create of them."""
    for name, file in FILES.items():
        origin.serve(f"/{folder}/{name}", *[file] * 9)
    return {"urls": [origin.url(f"/{folder}/{name}") for name in FILES]}


@pytest.fixture
def own(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that may be restarted."""
    data = tmp_path_factory.mktemp("own") / "data"
    with Gateway(data, allow=[origin.authority], max_attempts="1") as gateway:
        yield gateway


def members(archive: bytes) -> dict[str, bytes]:
    """The members' bytes, by name; every CRC was right."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def raw(gateway: Gateway, request: str) -> bytes:
    """All that the gateway answers until it closes the connection."""
    received = bytearray()
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=30)) as client:
        client.sendall(request.encode())
        while block := client.recv(1 << 18):
            received += block
    return bytes(received)


def test_open_archive_is_chunked_while_it_grows_and_exact_once_it_is_completed(
    gateway: Gateway, origin: Origin
) -> None:
    """No length, no ETag and no ranges before; all of them after, and every range is the slice of what was streamed."""
    hash = gateway.create(**serve(origin, "open"))["archive_hash"]
    head = gateway.client.head(f"/archive/get/{hash}.zip")
    live = gateway.get(hash, {"Range": "bytes=10-19"})
    for response in (head, live):
        assert response.status_code == 200
        assert not {"content-length", "etag", "accept-ranges"} & set(response.headers)
    assert live.headers["transfer-encoding"] == "chunked"
    assert members(live.content) == {name: file.body[:] for name, file in FILES.items()}
    gateway.until(hash)
    head = gateway.client.head(f"/archive/get/{hash}.zip")
    assert int(head.headers["content-length"]) == len(live.content)
    assert head.headers["etag"].startswith('"')
    assert head.headers["accept-ranges"] == "bytes"
    assert gateway.download(hash) == live.content
    chance = random.Random(7)
    spans = spans_at(boundaries(live.content), len(live.content)) + random_spans(len(live.content), 100, chance)
    check_ranges(gateway, hash, spans, live.content)


def test_open_archive_is_the_same_when_it_is_rebuilt_after_an_eviction(own: Gateway, origin: Origin) -> None:
    """Same bytes, same ETag; a resume goes on from the rebuild, and all ranges are slices of what was given out."""
    hash = own.create(**serve(origin, "rebuilt"))["archive_hash"]
    whole = own.download(hash)
    own.until(hash)
    etag = own.client.head(f"/archive/get/{hash}.zip").headers["etag"]
    evict(own, hash)
    assert own.client.head(f"/archive/get/{hash}.zip").headers["etag"] == etag
    chance = random.Random(8)
    spans = spans_at(boundaries(whole), len(whole)) + random_spans(len(whole), 60, chance)
    chance.shuffle(spans)
    check_ranges(own, hash, spans, whole)
    evict(own, hash)
    status, rest = resume(own, hash, len(whole) // 2)
    assert (status, rest) == (206, whole[len(whole) // 2 :])
    assert own.download(hash) == whole


@pytest.mark.parametrize("name", ["first.csv", "noise.txt", "streamed.png", "last.csv"])
def test_open_archive_is_stale_when_a_rebuild_meets_another_file(own: Gateway, origin: Origin, name: str) -> None:
    """After an eviction a file of the same size has other bytes: none of them is given out, and the hash is dead."""
    body = serve(origin, f"remade/{name}")
    hash = own.create(**body)["archive_hash"]
    whole = own.download(hash)
    own.until(hash)
    evict(own, hash)
    old = FILES[name]
    changed = bytearray(old.body[:])
    changed[len(changed) // 2] ^= 1
    etag = None if old.etag is None else '"v2"'
    new = File(bytes(changed), etag=etag, chunked=old.chunked, ranges=old.ranges)
    origin.serve(f"/remade/{name}/{name}", *[new] * 9)
    have = whole[:1000]
    for _ in range(4):
        status, more = resume(own, hash, len(have))
        assert status in (206, 409), more
        if status == 409:
            break
        have += more
        assert whole.startswith(have), "bytes of two versions under one hash"
    assert is_stale(own, hash)
    again = own.create(**body)["archive_hash"]
    assert again != hash
    assert members(own.download(again))[name] == bytes(changed)


def test_open_archive_goes_on_growing_after_a_kill(own: Gateway, origin: Origin) -> None:
    """Members that had ended are taken up from the copy, the one in flight is compressed anew."""
    body = serve(origin, "killed")
    other = own.download(own.create(**body, filename="other.zip")["archive_hash"])
    hash = own.create(**body)["archive_hash"]
    own.client.head(f"/archive/get/{hash}.zip")
    origin.serve("/killed/noise.txt", *[File(NOISE, hold_at=MIB + MIB // 2)] * 9)
    with zipfile.ZipFile(io.BytesIO(other)) as opened:
        frontier = opened.getinfo("noise.txt").header_offset
    # Up to here in chunks, whose frames count too: beyond the header in any case. The client is still there.
    with reading(own, hash, frontier + MIB):
        before = {name: origin.sent(f"/killed/{name}") for name in ("first.csv", "photo.png")}
        own.kill()
    origin.release("/killed/noise.txt")
    own.start()
    assert own.download(hash) == other
    assert {name: origin.sent(f"/killed/{name}") for name in before} == before
    own.until(hash)
    assert resume(own, hash, 12345) == (206, other[12345:])


def test_http_1_0_never_gets_chunks(gateway: Gateway, origin: Origin) -> None:
    """An open archive that grows is refused, with the proxy's setting for whom one is in between; an exact one, and a
    completed one, have their length.
    """
    hash = gateway.create(**serve(origin, "old"))["archive_hash"]
    request = f"GET /archive/get/{hash}.zip HTTP/1.0\r\nHost: a\r\n\r\n"
    refused = raw(gateway, request)
    assert refused.startswith(b"HTTP/1.1 505 ")
    assert b"`proxy_http_version 1.1`" in refused
    assert b"transfer-encoding" not in refused.lower()
    whole = gateway.download(hash)
    gateway.until(hash)
    origin.serve("/old/exact.png", File(NOISE))
    exact = gateway.create(urls=[origin.url("/old/exact.png")])["archive_hash"]
    for each, body in ((hash, whole), (exact, None)):
        for fields, code in (("", b"200"), ("Range: bytes=5-\r\n", b"206")):
            answer = raw(gateway, f"GET /archive/get/{each}.zip HTTP/1.0\r\nHost: a\r\n{fields}\r\n")
            head, _, received = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 " + code)
            assert b"transfer-encoding" not in head.lower()
            assert f"content-length: {len(received)}".encode() in head.lower()
            body = received if body is None else body
            assert received == (body if code == b"200" else body[5:])


def test_album_with_a_readme_stays_exact(gateway: Gateway, origin: Origin) -> None:
    """`auto` compresses nothing where what shrinks is at most a tenth: the length is known before the first byte."""
    album = {"a.jpg": NOISE, "b.jpg": NOISE[:MIB], "README.txt": TEXT[:100_000]}
    for name, body in album.items():
        origin.serve(f"/album/{name}", File(body))
    hash = gateway.create(urls=[origin.url(f"/album/{name}") for name in album], compression="auto")["archive_hash"]
    head = gateway.client.head(f"/archive/get/{hash}.zip")
    assert head.headers["etag"].startswith('"')
    first = gateway.get(hash, {"Range": f"bytes={len(NOISE) - 100}-{len(NOISE) + 100}"})
    assert first.status_code == 206
    whole = gateway.download(hash)
    assert int(head.headers["content-length"]) == len(whole)
    assert members(whole) == album
    assert first.content == whole[len(NOISE) - 100 : len(NOISE) + 101]


def test_album_that_is_mostly_text_is_compressed(gateway: Gateway, origin: Origin) -> None:
    """Above a tenth the archive is open; given out twice at the same time, it is the same."""
    origin.serve("/texts/a.jpg", File(NOISE[:MIB]))
    origin.serve("/texts/b.csv", File(TEXT))
    hash = gateway.create(urls=[origin.url("/texts/a.jpg"), origin.url("/texts/b.csv")])["archive_hash"]
    assert "content-length" not in gateway.client.head(f"/archive/get/{hash}.zip").headers
    with zipfile.ZipFile(io.BytesIO(gateway.download(hash))) as opened:
        kinds = {info.filename: info.compress_type for info in opened.infolist()}
    assert kinds == {"a.jpg": zipfile.ZIP_STORED, "b.csv": zipfile.ZIP_DEFLATED}


def test_range_into_an_unknown_directory_pulls_nothing_when_much_is_missing(gateway: Gateway, origin: Origin) -> None:
    """The end of a large archive that nobody has pulled: 503 and when to come again where its directory is wanted; a
    small one is answered. The records behind the directory hold no checksum, and are given at once.
    """
    origin.serve("/far/large.png", File(Pattern(80 << 20)))
    origin.serve("/far/small.png", File(Pattern(20 << 20)))
    large = gateway.create(urls=[origin.url("/far/large.png")])["archive_hash"]
    refused = gateway.get(large, {"Range": "bytes=-23"})  # the end record has 22 bytes
    assert (refused.status_code, refused.json()["code"]) == (503, "not_ready")
    assert int(refused.headers["retry-after"]) > 0
    end = gateway.get(large, {"Range": "bytes=-22"})
    assert (end.status_code, end.content[:4], end.content[10:12]) == (206, b"PK\5\6", b"\1\0")
    assert origin.sent("/far/large.png") == 1
    middle = gateway.get(large, {"Range": f"bytes={70 << 20}-{(70 << 20) + 9}"})
    assert middle.status_code == 206
    small = gateway.create(urls=[origin.url("/far/small.png")])["archive_hash"]
    response = gateway.get(small, {"Range": "bytes=-23"})
    assert (response.status_code, response.content[1:5]) == (206, b"PK\5\6")
    digest = hashlib.sha256(gateway.download(small)).digest()
    gateway.until(small)
    assert hashlib.sha256(gateway.download(small)).digest() == digest


def test_reader_of_an_open_archive_is_cut_when_it_cannot_be_completed(gateway: Gateway, origin: Origin) -> None:
    """The last chunk never comes: a stream that broke does not look whole."""
    origin.serve("/broken/a.csv", File(TEXT))
    origin.serve("/broken/b.png", File(NOISE, chunked=True, ranges=False, etag=None, cut_at=2 * MIB))
    hash = gateway.create(urls=[origin.url("/broken/a.csv"), origin.url("/broken/b.png")])["archive_hash"]
    with pytest.raises(httpx.RemoteProtocolError):
        gateway.get(hash)

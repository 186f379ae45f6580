"""Every range of an exact archive is the slice of the whole, whatever state the archive is in."""

import io
import random
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import pytest

from streamzip.spans import Span
from streamzip.spool.shelf import Shelf
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.ranged import Ranges, check_ranges
from tests.support.resuming import reading
from tests.support.zip_structure import boundaries, random_spans, spans_at

PART = 8 << 20
MIB = 1 << 20
SEED = 20260601
BODY = bytes(Pattern(2 * PART + 12_345)[:])

# Held members (whole in memory, no descriptor), long ones with and without a strong validator, one in three parts, one
# of no bytes, one with its CRC given, names beyond ASCII; and at the end one that an entry error turns into a report.
FILES = {
    "a/small.png": File(BODY[:5000]),
    "empty.png": File(b""),
    "long, weak.png": File(BODY[: MIB + 4321], etag=None),
    "größer.png": File(BODY[: 2 * MIB + 1]),
    "parts.png": File(BODY),
    "no ranges.png": File(BODY[: MIB + 77], ranges=False, etag=None, modified=None),
    "最後.png": File(BODY[:1]),
}
STRONG = {"a/small.png", "empty.png", "größer.png", "parts.png", "最後.png"}


@dataclass(frozen=True)
class Site:
    """A gateway, an origin with the files, and what the archives of them look like."""

    gateway: Gateway
    origin: Origin
    whole: bytes
    spans: list[Span]

    def new(self, filename: str, *names: str) -> str:
        """An archive that nobody has pulled; its bytes depend on its members alone, its hash on its file name too."""
        entries = [{"name": name, "url": url(self.origin, name)} for name in names or FILES]
        hash: str = self.gateway.create(entries=entries, filename=filename)["archive_hash"]
        return hash


def url(origin: Origin, name: str, folder: str = "everywhere") -> str:
    """Where the file of this name lies."""
    return origin.url(f"/{folder}/{list(FILES).index(name)}")


def serve(origin: Origin, folder: str = "everywhere") -> None:
    """Put the files there."""
    for number, file in enumerate(FILES.values()):
        origin.serve(f"/{folder}/{number}", file)


def all_spans(whole: bytes, count: int = 300) -> list[Span]:
    """±1 around every structure's and every part's boundary, and random ones; in an order that no state depends on."""
    chance = random.Random(SEED)
    spans = spans_at(boundaries(whole, every=PART), len(whole)) + random_spans(len(whole), count, chance)
    chance.shuffle(spans)
    return spans


@pytest.fixture(scope="module")
def site(origin: Origin, gateway: Gateway) -> Site:
    """The files, and one finished archive of them."""
    serve(origin)
    undisturbed = Site(gateway, origin, b"", [])
    whole = gateway.download(undisturbed.new("whole.zip"))
    return Site(gateway, origin, whole, all_spans(whole))


@pytest.fixture
def moved(site: Site, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same on a gateway of its own, that may be killed."""
    with Gateway(tmp_path_factory.mktemp("own") / "data", allow=[origin.authority]) as gateway:
        yield Site(gateway, origin, site.whole, site.spans)


def test_ranges_are_slices_when_the_archive_is_finished(site: Site) -> None:
    """All spans of a finished copy."""
    hash = site.new("finished.zip")
    site.gateway.download(hash)
    site.gateway.until(hash)
    check_ranges(site.gateway, hash, site.spans, site.whole)


def test_ranges_are_slices_when_nothing_has_been_pulled_before_the_first_of_them(site: Site) -> None:
    """The first request ever is a range: at every third boundary, each on an archive of its own."""
    first = spans_at(boundaries(site.whole, every=PART), len(site.whole))
    for number, span in enumerate(first[::9]):
        check_ranges(site.gateway, site.new(f"cold {number}.zip"), [span], site.whole)


def test_ranges_are_slices_while_they_fill_the_archive_in(site: Site) -> None:
    """All spans in random order, over four connections, with nobody reading the whole; and then it is complete."""
    hash = site.new("filling.zip")
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(check_ranges, site.gateway, hash, site.spans[at::4], site.whole) for at in range(4)]:
            done.result()
    assert site.gateway.download(hash) == site.whole


def test_ranges_are_slices_while_an_origin_stalls(site: Site) -> None:
    """What does not need the stalled bytes is answered while they stay away, everything once they are there."""
    origin, gateway = site.origin, site.gateway
    serve(origin, "stalled")
    number = list(FILES).index("größer.png")
    body = FILES["größer.png"].body
    # Asked for a byte by the probe; then for the whole, and by later readers for the rest of it.
    origin.serve(f"/stalled/{number}", File(body), File(body, hold_at=MIB), File(body, hold_at=0))
    entries = [{"name": name, "url": url(origin, name, "stalled")} for name in FILES]
    hash = gateway.create(entries=entries, filename="stalled.zip")["archive_hash"]
    with zipfile.ZipFile(io.BytesIO(site.whole)) as opened:
        offsets, directory = {each.filename: each.header_offset for each in opened.infolist()}, opened.start_dir
    end = offsets["parts.png"]
    stall = end - 16 - len(body) + MIB  # 16: its descriptor
    free = [span for span in site.spans if span.stop <= stall or (end <= span.start and span.stop <= directory)]
    check_ranges(gateway, hash, [Span(stall - 100, stall), *free], site.whole)
    waiting = [span for span in site.spans if span not in set(free)]
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(check_ranges, gateway, hash, waiting[at::8], site.whole) for at in range(8)]
        check_ranges(gateway, hash, free[:20], site.whole)
        assert not any(answer.done() for answer in answers)
        origin.release(f"/stalled/{number}")
        for answer in answers:
            answer.result()


def test_ranges_are_slices_after_a_kill_in_the_middle_of_the_archive(moved: Site) -> None:
    """A half-filled copy with holes, its process killed: every span in the next life, then the whole."""
    hash = moved.new("killed.zip")
    check_ranges(moved.gateway, hash, moved.spans[:4], moved.whole)
    with reading(moved.gateway, hash, 3 * MIB):
        moved.gateway.kill()
    moved.gateway.start()
    check_ranges(moved.gateway, hash, moved.spans, moved.whole)
    assert moved.gateway.download(hash) == moved.whole


def test_ranges_are_slices_after_the_copy_was_evicted(moved: Site) -> None:
    """All spans once the finished copy is gone, from the origins again; the ETag is the one from before."""
    hash = moved.new("evicted.zip")
    moved.gateway.download(hash)
    moved.gateway.until(hash)
    etag = moved.gateway.get(hash, {"Range": "bytes=0-0"}).headers["etag"]
    moved.gateway.stop()
    assert Shelf(moved.gateway.data / "spool", budget=1).evict(hash)
    moved.gateway.start()
    assert not moved.gateway.status(hash)["cached"]
    with closing(Ranges(moved.gateway)) as client:
        status, fields, _ = client.get(hash, moved.spans[0], etag=etag)
        assert (status, fields["etag"]) == (206, etag)
        client.check(hash, moved.spans, moved.whole)


def test_ranges_are_slices_where_no_copy_is_kept(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each range is a pass of its own through memory: before any CRC is known, and after."""
    folder = tmp_path_factory.mktemp("none") / "data"
    with Gateway(folder, allow=[site.origin.authority], cache_max_bytes="0") as gateway:
        own = Site(gateway, site.origin, b"", [])
        whole = site.gateway.download(site.new("strong.zip", *STRONG))
        spans = all_spans(whole, count=40)
        cold = own.new("strong.zip", *STRONG)
        check_ranges(gateway, cold, spans[: len(spans) // 2], whole)
        assert gateway.download(cold) == whole
        check_ranges(gateway, cold, spans[len(spans) // 2 :], whole)


def test_ranges_are_not_offered_where_nothing_could_prove_them(
    site: Site, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without a copy and without strong validators two answers may differ: no ETag, no ranges, the whole instead."""
    folder = tmp_path_factory.mktemp("none") / "data"
    with Gateway(folder, allow=[site.origin.authority], cache_max_bytes="0") as gateway:
        hash = Site(gateway, site.origin, b"", []).new("weak.zip")
        response = gateway.get(hash, {"Range": "bytes=100-199"})
        assert response.status_code == 200
        assert response.content == site.whole
        assert not {"etag", "accept-ranges"} & set(response.headers)

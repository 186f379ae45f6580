"""A browser whose download breaks, and who has it go on: the whole archive, of one version, or none."""

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.chromium import Chromium
from tests.support.cutting import Cutting
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.resuming import evict, is_stale, reading

MIB = 1 << 20
BODY = bytes(Pattern(11 * MIB)[:])
CUTS = [2 * MIB + 5, 3 * MIB - 7, 4 * MIB]

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium")]


def archive(gateway: Gateway, origin: Origin, path: str, file: File) -> str:
    """An archive of a small file and this one, planned."""
    origin.serve("/browser/first.png", File(BODY[:7000]))
    origin.serve(path, file)
    urls = [origin.url("/browser/first.png"), origin.url(path)]
    hash: str = gateway.create(urls=urls, filename=f"{path.split('/')[2]}.zip")["archive_hash"]
    gateway.client.head(f"/archive/get/{hash}.zip")
    return hash


@pytest.mark.parametrize("state", ["cold", "growing", "killed", "evicted"])
def test_browser_ends_with_the_archive_when_the_wire_breaks_three_times(
    state: str, gateway: Gateway, origin: Origin, tmp_path: Path
) -> None:
    """Its own resume, by Range and If-Range with our ETag, three times; what is listed is not pulled again."""
    path = f"/browser/{state}/large.png"
    with Gateway(tmp_path / "data", allow=[origin.authority]) as own:
        hash = archive(own, origin, path, File(BODY))
        whole = gateway.download(archive(gateway, origin, path, File(BODY)))
        if state == "killed":
            with reading(own, hash, len(whole) // 2):
                own.kill()
            own.start()
        if state == "evicted":
            assert own.download(hash) == whole
            own.until(hash)
            evict(own, hash)
        asked = len(origin.requests(path))
        with Cutting(own.port, CUTS) as wire, Chromium(tmp_path) as browser:
            if state == "growing":
                with reading(own, hash, MIB):
                    browser.open(wire.url(hash))
                    broken = browser.finish(most=3)
            else:
                browser.open(wire.url(hash))
                broken = browser.finish(most=3)
            assert len(broken) == 3
            assert wire.connections == 4
            (file,) = browser.finished()
            assert file.read_bytes() == whole
        starts: dict[int, list[int]] = {}
        for request in origin.requests(path)[asked:]:
            start = int(request.fields.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
            starts.setdefault(start // (8 * MIB), []).append(start)
        for pulls in starts.values():
            assert pulls == sorted(pulls), "bytes that are there were pulled again"


CHANGED = {
    "same size": (File(BODY), File(BODY[::-1], etag='"v2"')),
    "other size": (File(BODY), File(BODY + b"more", etag='"v2"')),
    "weak": (File(BODY, etag='W/"v1"', modified=None), File(BODY[::-1], etag='W/"v2"', modified=None)),
    "no validator": (File(BODY, etag=None, modified=None), File(BODY[::-1], etag=None, modified=None)),
}


@pytest.mark.parametrize("kind", CHANGED)
def test_browser_gets_no_spliced_file_when_the_origin_changes(
    kind: str, gateway: Gateway, origin: Origin, tmp_path: Path
) -> None:
    """Broken off in the old version's bytes; the file changes; what the browser ends with is one version, or
    nothing.
    """
    old, new = CHANGED[kind]
    path = f"/browser/{kind.replace(' ', '-')}/large.png"
    hash = archive(gateway, origin, path, old)
    origin.serve(path, *[replace(old, hold_at=5 * MIB)] * 9)
    with Cutting(gateway.port, [2 * MIB]) as wire, Chromium(tmp_path) as browser:

        def change(_: int) -> None:
            gateway.until(hash, lambda status: not status["active"])
            origin.serve(path, *[new] * 20)
            origin.release(path)

        wire.between = change
        browser.open(wire.url(hash))
        broken = browser.finish(most=2)
        assert broken
        assert browser.finished() == [], "a file of two versions"
        assert is_stale(gateway, hash)


MIRRORS = {
    "same bytes": (File(BODY, etag='"a"'), File(BODY, etag='"b"')),
    "other bytes": (File(BODY, etag='"a"'), File(BODY[::-1], etag='"b"')),
}


@pytest.mark.parametrize("kind", MIRRORS)
def test_browser_ends_with_one_mirrors_file_when_two_answer_in_turn(
    kind: str, gateway: Gateway, origin: Origin, tmp_path: Path
) -> None:
    """Every other request meets the other mirror, whose ETag differs: what was planned is what is pulled, and what the
    browser has after three breaks.
    """
    path = f"/browser/mirrors-{kind.split()[0]}/large.png"
    hash = archive(gateway, origin, path, MIRRORS[kind][0])
    asked = len(origin.requests(path))
    origin.serve(path, *MIRRORS[kind] * 40)
    with Cutting(gateway.port, CUTS) as wire, Chromium(tmp_path) as browser:
        browser.open(wire.url(hash))
        assert len(browser.finish(most=3)) == 3
        (file,) = browser.finished()
    with zipfile.ZipFile(file) as opened:
        assert opened.read("large.png") == BODY
    met = origin.requests(path)[asked:]
    assert len(met) > 2, "only one of the mirrors was met"

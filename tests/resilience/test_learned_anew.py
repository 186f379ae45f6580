"""What origins said before the layout was frozen, and does not hold: learned anew while nothing was given out."""

import io
import json
import zipfile
from itertools import count, cycle

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import Answer, File, Origin, Pattern, Reply, Request, Status
from tests.support.resuming import is_stale, resume

SMALL, LARGE = 2048, (8 << 20) + 70_000
NUMBERS = count()


def created(gateway: Gateway, origin: Origin, *answers: Answer, prefetch: bool) -> tuple[str, str]:
    """Return an archive of one file that answers so, planned before anybody reads it, and the file's path."""
    path = f"/anew/{next(NUMBERS)}.png"
    origin.serve(path, *answers)
    hash = gateway.create(urls=[origin.url(path)], prefetch=prefetch)["archive_hash"]
    if not prefetch:
        assert gateway.client.head(f"/archive/get/{hash}.zip").status_code == 200
    return hash, path


def only_member(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        (name,) = opened.namelist()
        return opened.read(name)


either = pytest.mark.parametrize("prefetch", [False, True], ids=["streamed", "prefetched"])


@either
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_file_with_a_new_tag_on_every_answer_can_be_had(
    size: int, chunked: bool, prefetch: bool, gateway: Gateway, origin: Origin
) -> None:
    """Its tags prove nothing, so that it is pulled over one connection; at 2 KB already it was 409 for ever."""
    body, tags = Pattern(size)[:], count()

    def changing(_: Request) -> Answer:
        cut = size // 2 if next(breaks) else None
        return File(body, etag=f'"{next(tags)}"', cut_at=cut, chunked=chunked, ranges=not chunked)

    breaks = cycle([0, 0, 0, 0, 0, 1])
    hash, path = created(gateway, origin, Reply(changing), prefetch=prefetch)
    assert only_member(gateway.download(hash)) == body
    assert gateway.until(hash)["errors"] == []
    assert len(origin.requests(path)) < 30


def test_file_with_a_new_tag_on_every_answer_can_be_had_behind_others(launch: Launch, origin: Origin) -> None:
    """Once bytes of the archive were given out no other tag takes the planned one's place. The next create makes
    another archive of it, which any worker pulls, and any life of the gateway.
    """
    path, body, tags = f"/anew/{next(NUMBERS)}.png", Pattern(LARGE)[:], count()
    origin.serve("/anew/first.png", File(Pattern(LARGE)))
    origin.serve(path, Reply(lambda _: File(body, etag=f'"{next(tags)}"')))
    urls = [origin.url("/anew/first.png"), origin.url(path)]
    gateway = launch(allow=[origin.authority], lookahead="1")
    hash = gateway.create(urls=urls)["archive_hash"]
    assert gateway.client.head(f"/archive/get/{hash}.zip").status_code == 200
    resume(gateway, hash, 0, None)
    assert is_stale(gateway, hash)
    gateway.kill()
    gateway.start()
    hash = gateway.create(urls=urls)["archive_hash"]
    assert gateway.client.head(f"/archive/get/{hash}.zip").status_code == 200
    with zipfile.ZipFile(io.BytesIO(gateway.download(hash))) as opened:
        assert [opened.read(name) for name in opened.namelist()] == [Pattern(LARGE)[:], body]


@either
def test_file_whose_nodes_have_a_tag_each_can_be_had(prefetch: bool, gateway: Gateway, origin: Origin) -> None:
    """Whichever node answers: the bytes are the same, and what is read again proves it."""
    body = Pattern(LARGE)[:]
    nodes = [File(body, etag=f'"node {number}"'.replace(" ", "-")) for number in range(3)]
    hash, _ = created(gateway, origin, *nodes * 30, prefetch=prefetch)
    assert only_member(gateway.download(hash)) == body


@either
@pytest.mark.parametrize(
    "said",
    [
        File(b"<html>please wait</html>", etag='"wait"'),
        File(Pattern(SMALL + 1), etag='"longer"'),
        File(Pattern(SMALL - 1), etag=None),
    ],
    ids=["a page", "longer", "shorter"],
)
def test_file_that_was_another_when_it_was_asked_for_is_learned_anew(
    said: File, prefetch: bool, gateway: Gateway, origin: Origin
) -> None:
    """Nothing was given out: the archive is of the file as it is, under the same hash."""
    body = Pattern(SMALL)[:]
    hash, _ = created(gateway, origin, said, File(body), prefetch=prefetch)
    assert only_member(gateway.download(hash)) == body
    assert gateway.until(hash)["size"] == len(gateway.download(hash))


def test_file_that_is_gone_before_anything_was_given_out_is_left_out(gateway: Gateway, origin: Origin) -> None:
    """As if it had been gone when it was asked for: named in the report, and the others can be had."""
    origin.serve("/anew/gone.png", File(Pattern(SMALL)), Status(404))
    origin.serve("/anew/there.png", File(Pattern(SMALL)))
    urls = [origin.url(f"/anew/{name}.png") for name in ("gone", "there")]
    hash = gateway.create(urls=urls, prefetch=True)["archive_hash"]
    assert [error["code"] for error in gateway.until(hash)["errors"]] == ["http_404"]
    with zipfile.ZipFile(io.BytesIO(gateway.download(hash))) as opened:
        assert opened.namelist() == ["there.png", "archive-report.json"]
        assert json.loads(opened.read("archive-report.json"))["skipped"][0]["index"] == 0


def test_file_that_changes_after_a_byte_was_given_out_is_not_learned_anew(gateway: Gateway, origin: Origin) -> None:
    """The first range counts: what comes after it is of that version, or 409 for ever."""
    file = File(Pattern(LARGE))
    hash, path = created(gateway, origin, file, prefetch=False)
    status, _ = resume(gateway, hash, 0, 1000)
    assert status == 206
    origin.serve(path, *[File(Pattern(LARGE + 1), etag='"v2"')] * 9)
    gateway.until(hash, lambda status: not status["active"])
    # What its connection brought before it was let go is there, and right: the file's end is not.
    status, _ = resume(gateway, hash, LARGE - (64 << 10), LARGE)
    assert status == 409
    assert is_stale(gateway, hash)


def test_file_of_another_size_each_time_is_given_up(gateway: Gateway, origin: Origin) -> None:
    """It is learned anew a few times, and not for ever."""
    sizes = count(100_000)
    hash, path = created(
        gateway, origin, Reply(lambda _: File(Pattern(next(sizes)), etag=None, modified=None)), prefetch=False
    )
    assert gateway.get(hash).status_code == 409
    assert is_stale(gateway, hash)
    assert len(origin.requests(path)) < 60

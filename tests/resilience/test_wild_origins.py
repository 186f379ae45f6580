"""Origins with habits that no standard knows: every byte is the file's, or the entry is left out and named; alone and
among healthy ones, streamed and built in the background, small and of several parts.
"""

import io
import json
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Reply, Status
from tests.support.wild import HABITS, HEADS, REDIRECTS, SLICES, Ending, Habit

TINY = 2_000
SMALL = 300_000  # more than comes with a probe
LARGE = (8 << 20) + 600_007  # over one part
SIZES = (TINY, SMALL, LARGE)
HEALTHY = [File(Pattern(1000 + number)[:]) for number in range(20)]
AT_ONCE = 8
IMPATIENT = {"read_timeout": "3", "max_attempts": "3", "allow_networks": "127.0.0.0/8"}

_NUMBERS = count()


def check(gateway: Gateway, origin: Origin, habit: Habit, size: int, *, among: int, prefetched: bool) -> None:
    """One archive whose last entry has the habit, after `among` healthy ones."""
    with Origin() as wild:  # of its own: what one habit teaches of an origin is not to help the next
        body, path = Pattern(size + 8)[8:], f"/wild/{next(_NUMBERS)}"  # a port may be given out again
        habit.serve(wild, path, body)
        _check(gateway, origin, habit, (wild.url(path), body), among=among, prefetched=prefetched)


def _check(
    gateway: Gateway, origin: Origin, habit: Habit, file: tuple[str, bytes], *, among: int, prefetched: bool
) -> None:
    url, body = file
    urls = [origin.url(f"/wild/healthy/{number % len(HEALTHY)}") + f"?{number}" for number in range(among)]
    entries = [{"url": url, "name": f"{number}.bin"} for number, url in enumerate(urls)]
    entries.append({"url": url, "name": "wild.bin"})
    hash, response = _got(gateway, entries, prefetched=prefetched)
    if habit.ending is Ending.AFRESH and response is None:
        hash, response = _got(gateway, entries, prefetched=prefetched)
    assert response is not None
    lost = habit.ending is Ending.LEFT_OUT
    if lost and not among:
        assert response.status_code == 502, response.text
        assert gateway.status(hash)["errors"][0]["code"] == habit.code
        return
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    if lost:
        skipped = json.loads(members.pop("archive-report.json"))["skipped"]
        assert [(entry["name"], entry["code"]) for entry in skipped] == [("wild.bin", habit.code)]
    else:
        assert members.pop("wild.bin") == body
    assert members == {f"{number}.bin": HEALTHY[number % len(HEALTHY)].body for number in range(among)}
    assert gateway.until(hash)["status"] == "completed"


def _got(gateway: Gateway, entries: list[dict[str, str]], *, prefetched: bool) -> tuple[str, httpx.Response | None]:
    """The archive, and its answer; None where it was cut."""
    hash = gateway.create(entries=entries, compression="store", prefetch=prefetched)["archive_hash"]
    if prefetched:
        gateway.until(hash, lambda status: status["status"] in ("completed", "failed"), seconds=90, poll=0.05)
    try:
        return hash, gateway.get(hash)
    except httpx.RemoteProtocolError:
        return hash, None


def cases() -> Iterator[tuple[Habit, int, int, bool]]:
    """Each habit once in every size, where the size matters; streamed and prefetched, alone and among others take
    turns.
    """
    for number, habit in enumerate(HABITS):
        for turn, size in enumerate(SIZES):
            if habit in (*HEADS, *REDIRECTS) and number % len(SIZES) != turn:
                continue
            yield habit, size, 3 * ((number + turn) % 2), bool((number + turn) // 2 % 2)


def every() -> Iterator[tuple[Habit, int, int, bool]]:
    """All of the matrix."""
    for habit in HABITS:
        for size in SIZES:
            for among in (0, 400):
                for prefetched in (False, True):
                    yield habit, size, among, prefetched


def run(gateway: Gateway, origin: Origin, matrix: Iterator[tuple[Habit, int, int, bool]], at: pytest.Subtests) -> None:
    for number, file in enumerate(HEALTHY):
        origin.serve(f"/wild/healthy/{number}", file)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        checks = [
            (case, pool.submit(check, gateway, origin, case[0], case[1], among=case[2], prefetched=case[3]))
            for case in matrix
        ]
        for (habit, size, among, prefetched), done in checks:
            with at.test(f"{habit.name}: {size} bytes, {among} others, {'prefetched' if prefetched else 'streamed'}"):
                done.result()


def test_a_habit_of_an_origin_never_makes_a_wrong_byte(
    launch: Launch, origin: Origin, subtests: pytest.Subtests
) -> None:
    """Whatever an origin is used to do, its entry is byte-exact, or left out with its code."""
    run(launch(**IMPATIENT), origin, cases(), subtests)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_every_habit_in_every_way_never_makes_a_wrong_byte(
    launch: Launch, origin: Origin, subtests: pytest.Subtests
) -> None:
    """The same, each habit alone and as the 401st entry, streamed and prefetched, in every size."""
    run(launch(**IMPATIENT), origin, every(), subtests)


@pytest.mark.parametrize("habit", SLICES, ids=lambda habit: habit.name)
def test_a_slice_is_never_taken_for_the_file_when_the_first_probe_was_refused(
    habit: Habit, gateway: Gateway, origin: Origin
) -> None:
    """The second probe is judged as the first one would have been."""
    path, body = f"/wild/{next(_NUMBERS)}", Pattern(SMALL)[:]
    origin.serve(path, Status(503), Reply(lambda request: habit.reply(body, request)))
    hash = gateway.create(urls=[origin.url(path)], compression="store")["archive_hash"]
    with zipfile.ZipFile(io.BytesIO(gateway.download(hash))) as opened:
        assert opened.read(opened.namelist()[0]) == body

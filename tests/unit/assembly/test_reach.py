"""How far ahead of a reader parts are pulled, with a scripted clock and origins of one equation each."""

import pytest

from streamzip.assembly.reach import FIRST, PARTS, ROUND, SIZE, Bound, Reach, Reaches

MIB = 1 << 20


class Scene:
    """One reader over an origin that is `latency` seconds away and gives `rate` bytes a second: what is ahead of the
    reader when it asks comes a latency later, and no faster than that. `busy`: the share of the time in which its
    reader does something else than wait.
    """

    def __init__(self, *, latency: float, rate: float, busy: float = 0.0, reaches: Reaches | None = None) -> None:
        self.now = 0.0
        self.latency = latency
        self.rate = rate
        self.busy = busy
        self.reach = Reach(reaches or Reaches(Bound()))
        self.reach.begin()
        self.widths: list[int] = []

    def wait(self, seconds: float) -> None:
        """The reader stands for so long, and is looked at whenever that is due."""
        began = self.now
        self.reach.wait(self.now)
        while (due := self.reach.look_at) is not None and due < began + seconds:
            self.now = due
            self.reach.look(self.now)
        self.now = began + seconds
        self.reach.came(self.now)

    def turn(self) -> None:
        """Take what one round trip brings."""
        size = self.reach.size
        seconds = max(self.latency, size / self.rate)
        self.wait(seconds * (1 - self.busy))
        self.now += seconds * self.busy
        for _ in range(size // (MIB // 4)):
            self.reach.took(MIB // 4, 0, self.now)
        self.widths.append(self.reach.width)

    def run(self, seconds: float) -> int:
        """Read for so long; return how wide the reach was for the most of the second half."""
        self.widths.clear()
        until = self.now + seconds
        while self.now < until:
            self.turn()
        half = self.widths[len(self.widths) // 2 :]
        return max(set(half), key=half.count)


def test_reach_begins_with_a_few_parts_and_little_of_them() -> None:
    """Each part that is begun before the first bytes have come delays them."""
    reach = Reach(Reaches(Bound()))
    assert (reach.parts, reach.size) == (FIRST, SIZE)
    reach.begin()
    assert reach.took(100, 0, 0.0)
    assert (reach.parts, reach.size) == (PARTS, SIZE)


def test_reach_is_all_open_within_two_round_trips_of_a_far_origin() -> None:
    """Over latency what is not asked for yet is time lost."""
    scene = Scene(latency=0.05, rate=1e9)
    scene.wait(0.05)
    assert scene.reach.parts == 128
    scene.reach.took(20_000, 1, scene.now)
    scene.wait(0.05)
    assert (scene.reach.parts, scene.reach.size) == (128, 48 * MIB)


def test_reach_stays_small_where_more_of_it_gives_no_more_bytes() -> None:
    """A reader that is faster than all else always waits: of a machine or a line that is at its limit more was held,
    and nothing came sooner.
    """
    scene = Scene(latency=0.0002, rate=1e9)
    assert scene.run(5.0) == 1


def test_reach_opens_as_long_as_the_bytes_come_faster_for_it() -> None:
    """Where each round trip brings as much as was asked for, more is to be asked for: but not more than helps."""
    scene = Scene(latency=0.0015, rate=8 * MIB / 0.0015)
    assert scene.run(3.0) in (8, 16)


def test_reach_closes_again_when_its_reader_never_waits() -> None:
    """A stall of its origin left it open for good."""
    scene = Scene(latency=0.05, rate=1e9)
    scene.run(0.5)
    assert scene.reach.width > 8
    scene.latency, scene.rate, scene.busy = 0.0001, 1e9, 1.0
    assert scene.run(5.0) == 1


def test_reach_is_given_up_where_a_stall_had_opened_it() -> None:
    """What one stall opened is measured like any other opening, and undone where it gains nothing."""
    scene = Scene(latency=0.0002, rate=1e9)
    scene.run(0.5)
    scene.wait(0.02)
    assert scene.reach.width > 1
    assert scene.run(1.0) == 1


def test_reach_does_not_open_when_it_is_the_process_that_comes_late() -> None:
    """On a busy machine every timer rings late, and the bytes are there before it."""
    reach = Reach(Reaches(Bound()))
    reach.wait(1.0)
    due = reach.look_at
    assert due is not None
    assert not reach.look(due + 1.0)
    reach.came(due + 1.0)
    assert reach.width == 0
    reach.wait(3.0)
    due = reach.look_at
    assert due is not None
    assert not reach.look(due + 1.0)
    again = reach.look_at
    assert again is not None
    assert reach.look(again + 1.0)  # it was not there: the origin is late as well


def test_reach_never_exceeds_its_bound() -> None:
    """What an operator asked for, down to single parts."""
    scene = Scene(latency=0.05, rate=1e9, reaches=Reaches(Bound(parts=1, size=2 * MIB)))
    assert scene.reach.parts == 1
    scene.run(1.0)
    assert (scene.reach.parts, scene.reach.size) == (1, 2 * MIB)


def test_reaches_share_what_all_of_them_may_have() -> None:
    """Eight readers that all need more have an eighth each; what the others do not need one may have."""
    reaches = Reaches(Bound(steps=32))
    first = Scene(latency=0.05, rate=1e9, reaches=reaches)
    assert first.run(1.0) == 32
    others = [Scene(latency=0.05, rate=1e9, reaches=reaches) for _ in range(7)]
    for _ in range(10):
        for scene in (first, *others):
            scene.turn()
    assert [scene.reach.width for scene in (first, *others)] == [4] * 8
    for scene in others:
        scene.reach.close()
        scene.reach.close()  # whatever ends it
    assert first.run(3.0) == 32


def test_reach_of_a_short_round_is_not_judged() -> None:
    """A rate over a millisecond is noise."""
    scene = Scene(latency=0.0001, rate=1e12)
    while scene.now < ROUND:
        scene.turn()
    assert scene.reach.width == 1


@pytest.mark.parametrize(
    ("flowing", "seconds", "width"),
    [(True, 0.05, 2), (True, 2.0, 16), (False, 0.05, 32)],
    ids=["busy", "silent", "far"],
)
def test_reach_opens_once_in_a_short_wait_amid_the_bytes_of_a_part(flowing: bool, seconds: float, width: int) -> None:
    """Such a wait is a stall of a busy machine: each one opened all of the reach, and 48 MiB were held of an origin
    that was fast. Of an origin that falls silent the other parts are pulled meanwhile; and at a part of which there is
    nothing the way to the origin may be long.
    """
    reach = Reach(Reaches(Bound()))
    reach.begin()
    reach.took(100, 0, 0.0)
    reach.wait(1.0, flowing=flowing)
    while (due := reach.look_at) is not None and due < 1.0 + seconds:
        reach.look(due)
    assert reach.width == width

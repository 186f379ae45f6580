"""The journal: damage costs the record it is in, and never makes one up."""

import errno
import os
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from struct import pack
from zlib import crc32

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from streamzip.spool.journal import Begun, Boot, Drop, Ended, Extent, Head, Journal, Pin, Record, Seal, decode, encode

u32, u64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
KINDS = [b"E", b"D", b"S", b"L", b"H", b"B", b"P", b"G"]
MARK = b"\xa5\x5aJ1"

records = st.one_of(
    st.builds(Extent, u32, u64, u64, u32),
    st.builds(Drop, u32, u64),
    st.builds(Pin, u32, st.booleans(), st.text(max_size=30) | st.sampled_from(['"å' + "ZJ1", '"v1"', ""])),
    st.builds(Begun, u32, st.integers(0, 255)),
    st.builds(Ended, u32, st.integers(0, 255), u64, u64, u32),
    st.builds(Seal, u64, u64, u64, u64),
    st.builds(Head, st.binary(min_size=16, max_size=16) | st.just(bytes(6) + MARK + bytes(6))),
    st.builds(Boot, st.binary(min_size=16, max_size=16)),
)
journals = st.lists(records, min_size=1, max_size=12)


def record_at(whole: list[Record], offset: int) -> int:
    """The record whose frame holds this byte."""
    ends = list(accumulate(len(encode(record)) for record in whole))
    return next(index for index, end in enumerate(ends) if offset < end)


@settings(deadline=None)
@given(journals)
def test_records_come_back_as_they_were_written(whole: list[Record]) -> None:
    """Each kind of record, with any content, in order."""
    stored = b"".join(map(encode, whole))
    assert decode(stored) == (whole, len(stored), False)


@settings(deadline=None)
@given(st.data())
def test_records_are_lost_by_one_flipped_byte_at_most_one(data: st.DataObject) -> None:
    """Only the record that holds the byte may go; nothing that was not written appears; the loss is told."""
    whole = data.draw(journals)
    stored = bytearray(b"".join(map(encode, whole)))
    at = data.draw(st.integers(0, len(stored) - 1))
    stored[at] ^= data.draw(st.integers(1, 255))
    found, _, damaged = decode(bytes(stored) + encode(Head(bytes(16))))
    assert found.pop() == Head(bytes(16))
    lost = record_at(whole, at)
    assert found == whole[:lost] + whole[lost + 1 :]
    assert damaged


@settings(deadline=None)
@given(st.data())
def test_records_are_whole_up_to_where_a_journal_is_cut(data: st.DataObject) -> None:
    """A torn tail costs the record it is in, and is no damage yet: it may still be being written."""
    whole = data.draw(journals)
    stored = b"".join(map(encode, whole))
    at = data.draw(st.integers(0, len(stored) - 1))
    found, used, damaged = decode(stored[:at])
    assert found == whole[: record_at(whole, at)]
    assert used <= at
    assert not damaged


@settings(deadline=None)
@given(st.data())
def test_records_after_a_torn_tail_are_read(data: st.DataObject) -> None:
    """A full disk cut a record, or power was lost; the next process appends, and only the torn one is lost."""
    whole, later = data.draw(journals), data.draw(journals)
    stored = b"".join(map(encode, whole))
    at = data.draw(st.integers(0, len(stored) - 1))
    torn = record_at(whole, at)
    # A last byte that was cut off, and is just what the next record begins with, is not missed.
    lost = b"".join(map(encode, whole[: torn + 1]))[at:]
    assume(not later or not encode(later[0]).startswith(lost))
    found, _, damaged = decode(stored[:at] + b"".join(map(encode, later)))
    assert found == whole[:torn] + later
    assert damaged == (stored[:at] != b"".join(map(encode, whole[:torn])))


@settings(deadline=None)
@given(st.data())
def test_records_are_followed_the_same_however_they_arrive(data: st.DataObject) -> None:
    """Read in any pieces, as another process's writes become visible, the records are those of one read."""
    whole = data.draw(journals)
    stored = b"".join(map(encode, whole))
    found, used = list[Record](), 0
    for stop in [*sorted(data.draw(st.lists(st.integers(0, len(stored)), max_size=6))), len(stored)]:
        more, count, damaged = decode(stored[used:stop])
        found, used = found + more, used + count
        assert not damaged
    assert (found, used) == (whole, len(stored))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_records_are_not_found_in_noise(noise: bytes) -> None:
    """Bytes that nobody framed hold none."""
    found, used, _ = decode(noise)
    assert found == []
    assert used <= len(noise)


@settings(deadline=None)
@given(st.binary(max_size=60))
@example(b"P\0\0\0\0\0\\\0")
def test_records_of_another_release_are_passed_over(payload: bytes) -> None:
    """A frame that is whole, and whose content this release does not know, neither ends the reading nor becomes one."""
    frame = encode(Pin(0, False, ""))
    framed = _framed(payload)
    found, used, _ = decode(frame + framed + frame)
    assert found[0] == found[-1] == Pin(0, False, "")
    assert used == len(frame + framed + frame)
    assert len(found) == 2 or payload[:1] in KINDS


def _framed(payload: bytes) -> bytes:
    return MARK + pack("<HI", len(payload), crc32(payload)) + payload


@pytest.mark.parametrize("kind", KINDS)
def test_record_of_a_known_kind_and_another_length_is_passed_over(kind: bytes) -> None:
    """A release that gave a kind more fields was run before this one: its records are void, and it is no crash."""
    known = Head(bytes(16))
    found, _, damaged = decode(encode(known) + _framed(kind + bytes(2)) + encode(known))
    assert found == [known, known]
    assert damaged


def test_record_is_not_made_up_from_what_an_origin_says() -> None:
    """An origin chooses its ETag: a frame within it must not be read as a record where the ETag's own is torn."""
    frames = (encode(Extent(part, 0, 10, 0)) for part in range(1000))
    forged = next(frame for frame in frames if frame[len(MARK) :].isascii())
    value = (b"\xc3" + forged).decode()  # "å" ends in the mark's first byte
    stored = encode(Pin(3, True, value))
    for at in range(len(stored)):
        assert decode(stored[:at] + encode(Drop(1, 0)))[0] == [Drop(1, 0)]
    assert decode(stored)[0] == [Pin(3, True, value)]


@pytest.mark.parametrize("value", ['"\udcff"', '"å\\n"', "\x00", "é" * 4000])
def test_pin_keeps_any_spelling(value: str) -> None:
    """A validator is what the origin sent, undecodable bytes and escapes among it."""
    assert decode(encode(Pin(1, False, value)))[0] == [Pin(1, False, value)]


# -- the file ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], Journal]:
    return lambda: Journal(tmp_path / "a.journal")


def extent(number: int) -> Extent:
    return Extent(number, 0, 10, number)


def write(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        journal.add(extent(number))
    journal.flush()


def test_journal_is_followed_by_another_process(opened: Callable[[], Journal]) -> None:
    """What one flushes the other reads, once, in order; nothing before it is flushed."""
    writer, reader = opened(), opened()
    writer.add(extent(0))
    assert list(reader.follow()) == []
    write(writer, 1)
    assert list(reader.follow()) == [extent(0), extent(1)]
    write(writer, 2)
    assert list(reader.follow()) == [extent(2)]
    assert list(reader.follow()) == []


def test_journal_does_not_read_its_own_records_again(opened: Callable[[], Journal]) -> None:
    """Where nobody else wrote, a flush moves the place of reading too."""
    journal = opened()
    write(journal, 0, 1)
    write(journal, 2)
    assert list(journal.follow()) == []


def test_journals_of_two_writers_lose_nothing_to_each_other(opened: Callable[[], Journal]) -> None:
    """Each sees all that the other wrote; its own may come again, and only its own."""
    one, two = opened(), opened()
    write(one, 0)
    write(two, 1)
    write(one, 2)
    write(two, 3)
    assert [record for record in one.follow() if record in (extent(1), extent(3))] == [extent(1), extent(3)]
    assert [record for record in two.follow() if record in (extent(0), extent(2))] == [extent(0), extent(2)]
    write(one, 4)
    assert list(two.follow()) == [extent(4)]
    assert list(opened().follow()) == [extent(number) for number in range(5)]


def test_journal_is_read_whole_by_a_later_life(opened: Callable[[], Journal]) -> None:
    """Of any length: records that lie across the edges of what is read at once too."""
    journal = opened()
    numbers = range(3 * (1 << 20) // len(encode(extent(0))))
    write(journal, *numbers)
    journal.close()
    later = opened()
    assert list(later.follow()) == [extent(number) for number in numbers]
    assert not later.damaged


def test_journal_reads_on_after_a_tail_that_was_torn(opened: Callable[[], Journal], tmp_path: Path) -> None:
    """A record that another process was cut in is passed over by those that follow, once something comes after it."""
    writer, reader = opened(), opened()
    write(writer, 0, 1)
    os.truncate(tmp_path / "a.journal", 2 * len(encode(extent(0))) - 7)
    assert list(reader.follow()) == [extent(0)]
    assert not reader.damaged
    write(writer, 2)
    assert list(reader.follow()) == [extent(2)]
    assert reader.damaged


def test_journal_writes_what_is_pending_when_it_is_closed(opened: Callable[[], Journal]) -> None:
    """An orderly end loses nothing."""
    journal = opened()
    journal.add(extent(7))
    journal.close()
    assert list(opened().follow()) == [extent(7)]


def test_journal_loses_what_was_not_flushed_when_its_process_is_killed(opened: Callable[[], Journal]) -> None:
    """Nothing is half there."""
    journal = opened()
    write(journal, 0)
    journal.add(extent(1))
    assert list(opened().follow()) == [extent(0)]


def test_journal_begins_anew_after_truncate(opened: Callable[[], Journal]) -> None:
    """What was written and what was pending is gone; what comes then is read."""
    journal = opened()
    write(journal, 0)
    journal.add(extent(1))
    journal.truncate()
    write(journal, 2)
    assert list(journal.follow()) == []
    assert list(opened().follow()) == [extent(2)]


def test_journal_keeps_its_records_for_the_next_flush_when_the_disk_is_full(
    opened: Callable[[], Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush that failed, or wrote a part only, is made good by the next one: a pin must not be lost to it."""
    journal, real = opened(), os.write

    def full(_fd: int, _block: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    for fault in (full, lambda fd, block: real(fd, block[:20])):
        monkeypatch.setattr(os, "write", fault)
        journal.add(extent(1))
        with pytest.raises(OSError, match=r"full|whole"):
            journal.flush()
    monkeypatch.setattr(os, "write", real)
    journal.add(extent(2))
    journal.flush()
    later = opened()
    assert set(later.follow()) == {extent(1), extent(2)}

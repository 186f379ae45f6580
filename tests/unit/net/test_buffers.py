"""Buffers that are given away, and used again once nobody holds them."""

import pytest

from streamzip.net.buffers import MUCH, SIZE, SMALLEST, SPARE, TOTAL, Buffers


@pytest.mark.parametrize(("count", "kind"), [(1, bytes), (MUCH - 1, bytes), (MUCH, memoryview), (SIZE, memoryview)])
def test_buffer_is_given_away_only_when_much_of_it_was_filled(count: int, kind: type) -> None:
    """Twenty KiB that wait for their turn do not keep a megabyte."""
    buffers = Buffers()
    before = buffers.current.obj
    buffers.current[:count] = bytes(byte % 251 for byte in range(count))
    taken = buffers.taken(count)
    assert type(taken) is kind
    assert bytes(taken) == bytes(byte % 251 for byte in range(count))
    assert (buffers.current.obj is before) == (kind is bytes)


def test_buffer_is_used_again_once_nobody_holds_any_of_it() -> None:
    """A slice of a slice holds it too."""
    buffers = Buffers()
    first = id(buffers.current.obj)
    piece = memoryview(buffers.taken(SIZE))[10:20]
    buffers.taken(SIZE)
    assert id(buffers.current.obj) != first
    del piece
    buffers.taken(SIZE)
    assert id(buffers.current.obj) == first


def test_buffers_that_are_held_are_never_written_to() -> None:
    """However many there are: more than are looked at again."""
    buffers = Buffers()
    held = []
    for number in range(3 * SPARE):
        buffers.current[:] = bytes([number]) * SIZE
        held.append(buffers.taken(SIZE))
    assert [set(bytes(taken)) for taken in held] == [{number} for number in range(3 * SPARE)]


def test_buffers_that_are_not_needed_any_more_are_not_kept_for_ever() -> None:
    """After a rush only a few stay."""
    buffers = Buffers()
    held = [buffers.taken(SIZE) for _ in range(3 * SPARE)]
    assert len(held) == 3 * SPARE
    assert len(buffers._given) == SPARE


@pytest.mark.parametrize(
    ("connections", "size"),
    [(0, SIZE), (TOTAL // SIZE, SIZE), (2 * TOTAL // SIZE, SIZE // 2), (1000, 33 << 10), (100_000, SMALLEST)],
)
def test_reads_become_smaller_when_there_are_many_connections(connections: int, size: int) -> None:
    """Each connection may have a read or two that wait for its reader: together they have about as much as they may."""
    buffers = Buffers()
    buffers.connections = connections
    assert len(buffers.current) == pytest.approx(size, rel=0.02)
    assert len(buffers.taken(len(buffers.current))) == pytest.approx(size, rel=0.02)

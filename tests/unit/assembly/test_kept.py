"""Small bodies that are kept until they are written: as many as there is room for, and no longer than wanted."""

from streamzip.assembly.kept import OF_ONE, KeptBodies, KeptLimit


def test_bodies_are_kept_while_all_archives_have_room() -> None:
    """What is taken, and what nobody has any more, makes room for others."""
    room = KeptLimit(10)
    one, other = KeptBodies(room), KeptBodies(room)
    one.put(0, b"six --")
    other.put(0, b"five-")
    assert other.pop(0) is None
    other.put(1, b"four")
    assert not one.has_room
    assert (one.pop(0), one.pop(0)) == (b"six --", None)
    other.put(2, b"six --")
    assert (room.held, other.has_room) == (10, False)
    del other
    assert (room.held, one.has_room) == (0, True)


def test_bodies_of_one_archive_leave_room_for_others() -> None:
    """However much there is."""
    room, body = KeptLimit(2 * OF_ONE), bytes(OF_ONE // 2)
    bodies = KeptBodies(room)
    for number in range(3):
        bodies.put(number, body)
    assert (bodies.size, room.held, bodies.has_room) == (OF_ONE, OF_ONE, False)


def test_bodies_are_handed_on_under_the_numbers_of_their_members() -> None:
    """Those of entries that are left out are let go of."""
    room = KeptLimit(100)
    entries = KeptBodies(room)
    for number in range(3):
        entries.put(number, b"%d" % number)
    members = entries.renumbered({0: 0, 2: 1})
    assert (room.held, entries.size, members.size) == (2, 0, 2)
    assert [members.pop(number) for number in range(3)] == [b"0", b"2", None]


def test_bodies_that_several_readers_share_take_up_room_once() -> None:
    """Each takes them for itself."""
    room = KeptLimit(100)
    bodies = KeptBodies(room)
    bodies.put(0, b"body")
    assert [bodies.shared().pop(0) for _ in range(2)] == [b"body"] * 2
    assert room.held == bodies.size == 4

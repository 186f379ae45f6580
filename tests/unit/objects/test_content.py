"""What an object holds, block by block."""

import os
from array import array

import pytest

from streamzip.objects.content import MOST_BLOCKS, SMALLEST_BLOCK, Checksums, Content, block_of
from streamzip.spans import Span

BLOCK = 16
BODY = os.urandom(5 * BLOCK + 3)


def content(body: bytes = BODY) -> Content:
    checksums = Checksums(BLOCK, array("I"))
    for start in range(0, len(body), 7):  # in runs that are no blocks
        checksums.add(body[start : start + 7])
    return Content(
        key="key",
        size=len(body),
        block=BLOCK,
        crcs=checksums.finish(),
        frozen_at=1,
        provable=True,
        container="zip",
    )


def test_whole_blocks_agree_and_any_other_byte_does_not() -> None:
    """Also the last, short one; nor what is too short, too long, or in another place."""
    known = content()
    for span in (Span(0, BLOCK), Span(BLOCK, 3 * BLOCK), Span(4 * BLOCK, len(BODY)), Span(0, len(BODY))):
        right = BODY[span.start : span.stop]
        assert known.agrees(span, right)
        for at in range(len(right)):
            assert not known.agrees(span, right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
        assert not known.agrees(span, right[:-1])
        assert not known.agrees(span, right + b"x")
    assert not known.agrees(Span(0, BLOCK), BODY[BLOCK : 2 * BLOCK])


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 1, (0, 16)),
        (17, 1, (16, 32)),
        (17, 40, (16, 48)),
        (0, 48, (0, 48)),
        (80, 3, (80, 83)),
        (82, 1, (80, 83)),
        (70, 999, (64, 83)),
    ],
)
def test_blocks_around_a_range_are_whole(start: int, length: int, expected: tuple[int, int]) -> None:
    """They hold its first byte, and end within it where they are more than one."""
    assert content().around(start, length) == expected


def test_content_is_stored_and_read_again() -> None:
    """With its CRCs, whatever bytes these have."""
    assert Content.decode(content().encode()) == content()


def test_blocks_grow_so_that_there_are_not_too_many() -> None:
    """The list of a very long archive is some megabytes."""
    assert block_of(1) == SMALLEST_BLOCK
    for size in (SMALLEST_BLOCK * MOST_BLOCKS, SMALLEST_BLOCK * MOST_BLOCKS + 1, 10 << 40):
        assert -(-size // block_of(size)) <= MOST_BLOCKS

"""What is made again must begin with what is there of it; whatever lies beyond is given only after that was seen."""

from collections.abc import AsyncIterator, Sequence
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamzip.assembly.remaking import beyond, check_begins
from streamzip.errors import OriginError


async def made(blocks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for block in blocks:
        yield block


@given(st.lists(st.binary(max_size=5), max_size=6), st.data())
async def test_stream_made_again_goes_on_behind_what_is_there_however_it_is_cut(
    blocks: list[bytes], data: st.DataObject
) -> None:
    """Nothing twice, nothing left out."""
    whole = b"".join(blocks)
    known = data.draw(st.integers(0, len(whole)))
    new = [block async for block in beyond(made(blocks), known, crc32(whole[:known]))]
    assert b"".join(new) == whole[known:]
    check_begins(whole, known, crc32(whole[:known]))


@pytest.mark.parametrize(
    "blocks",
    [[b"abXdefgh"], [b"abX", b"defgh"], [b"ab"], [b"abc"], []],
    ids=["at once", "cut", "short", "less", "empty"],
)
async def test_stream_made_again_gives_nothing_when_it_begins_otherwise(blocks: list[bytes]) -> None:
    """Other bytes under what was given out, or fewer of them: the file changed."""
    given = []
    with pytest.raises(OriginError) as raised:
        async for block in beyond(made(blocks), 4, crc32(b"abcd")):
            given.append(block)
    assert (raised.value.code, given) == ("changed", [])
    with pytest.raises(OriginError):
        check_begins(b"".join(blocks), 4, crc32(b"abcd"))

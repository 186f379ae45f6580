"""How much of a finished copy a reader is handed at once."""

from contextlib import ExitStack

import pytest

from streamzip.assembly.read_size import LARGEST, SMALLEST, ReadSize


@pytest.mark.parametrize(
    ("readers", "size"),
    [(0, LARGEST), (1, LARGEST), (8, LARGEST), (9, (16 << 20) // 9), (64, SMALLEST), (1000, SMALLEST)],
)
def test_runs_become_smaller_the_more_readers_share_them(readers: int, size: int) -> None:
    """A thousand clients that stop taking hold 250 MiB, not 2 GiB."""
    runs = ReadSize()
    with ExitStack() as stack:
        for _ in range(readers):
            stack.enter_context(runs.shared())
        assert runs.size == size
    assert runs.size == LARGEST


def test_runs_are_shared_by_one_less_when_a_reader_fails() -> None:
    """Whatever ends it."""
    runs = ReadSize(total=2 * LARGEST)
    with runs.shared(), runs.shared():
        with pytest.raises(ConnectionError), runs.shared():
            assert runs.size < LARGEST
            raise ConnectionError
        assert runs.size == LARGEST

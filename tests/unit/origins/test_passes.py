"""When origins last let a request through, as all workers know it."""

from pathlib import Path

from streamzip.origins.passes import Passes


def test_what_one_worker_notes_the_other_knows(tmp_path: Path) -> None:
    """For so many seconds; of another origin it tells nothing, nor of none."""
    one, other = Passes(tmp_path / "passes"), Passes(tmp_path / "passes")
    place, another = Passes.place("a.example:443"), Passes.place("b.example:443")
    assert not other.lately(place, 100.0, 10.0)
    one.note(place, 1000.0)
    assert other.lately(place, 1009.0, 10.0)
    assert not other.lately(place, 1011.0, 10.0)
    assert not other.lately(another, 1001.0, 10.0)


def test_time_of_an_earlier_boot_counts_for_nothing(tmp_path: Path) -> None:
    """The monotonic clock begins anew: what lies ahead of it was noted before."""
    place = Passes.place("a.example:443")
    Passes(tmp_path / "passes").note(place, 1_000_000.0)
    assert not Passes(tmp_path / "passes").lately(place, 50.0, 10.0)


def test_passes_of_one_process_take_no_file() -> None:
    passes = Passes()
    passes.note(Passes.place("a.example:443"), 5.0)
    assert passes.lately(Passes.place("a.example:443"), 6.0, 10.0)

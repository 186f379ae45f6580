"""When something was last seen of an origin, as all workers know it."""

from pathlib import Path

from streamzip.origins.sightings import Sightings


def test_what_one_worker_notes_the_other_knows(tmp_path: Path) -> None:
    """For so many seconds; of another origin it tells nothing, nor of none."""
    one, other = Sightings(tmp_path / "passes"), Sightings(tmp_path / "passes")
    place, another = Sightings.place("a.example:443"), Sightings.place("b.example:443")
    assert not other.lately(place, 100.0, 10.0)
    assert not other.lately(place, 5.0, 10.0)  # right after the machine's start
    one.note(place, 1000.0)
    assert other.lately(place, 1009.0, 10.0)
    assert not other.lately(place, 1011.0, 10.0)
    assert not other.lately(another, 1001.0, 10.0)


def test_time_of_an_earlier_boot_counts_for_nothing(tmp_path: Path) -> None:
    """The monotonic clock begins anew: what lies ahead of it was noted before."""
    place = Sightings.place("a.example:443")
    Sightings(tmp_path / "passes").note(place, 1_000_000.0)
    assert not Sightings(tmp_path / "passes").lately(place, 50.0, 10.0)


def test_sightings_of_one_process_take_no_file() -> None:
    """A program that packs zips for itself has no data folder."""
    passes = Sightings()
    passes.note(Sightings.place("a.example:443"), 5.0)
    assert passes.lately(Sightings.place("a.example:443"), 6.0, 10.0)

"""What the benchmarks print of their samples; the figures themselves are no test's matter."""

from xml.etree import ElementTree

from benchmarks.bench import Result, Sample
from benchmarks.picture import draw
from benchmarks.summary import summarise


def result(title: str, *, far: bool = False, **seconds: float) -> Result:
    samples = {
        name.replace("_", " "): [Sample(wall=2 * cpu, first_byte=0.0, cpu=cpu, size=1)] for name, cpu in seconds.items()
    }
    return Result(title, "GiB", 2.0, samples, far=far)


def test_summary_has_a_column_a_workload_and_marks_the_least_that_makes_an_archive() -> None:
    """A hop of nginx is never marked: it makes none. Who did not take part has an empty cell."""
    large = result("large", nginx_hop=1.0, streamzip=2.0, other=3.0)
    small = result("small", streamzip=5.0, other=4.0)
    assert summarise([large, small]).splitlines() == [
        "| CPU s (wall s) | large | small |",
        "|---|---:|---:|",
        "| nginx hop | 1.00 (2.00) |  |",
        "| streamzip | **2.00** (**4.00**) | 5.00 (10.00) |",
        "| other | 3.00 (6.00) | **4.00** (**8.00**) |",
    ]


def test_picture_draws_a_bar_of_the_right_length_for_each() -> None:
    """The shortest first, by processor time for a unit, or by wall time where the origin is far; names are escaped."""
    drawn = ElementTree.fromstring(draw([result("a & b", slow=4.0, streamzip=1.0), result("far", far=True, one=1.0)]))
    bars = [
        (rect.get("class"), float(rect.get("width", ""))) for rect in drawn.iter("{http://www.w3.org/2000/svg}rect")
    ]
    assert bars == [("ours", 95.0), ("other", 380.0), ("other", 380.0)]
    assert drawn[0].text == "a & b: streamzip 0.5, slow 2; far: one 2"

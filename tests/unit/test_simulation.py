"""The simulation of many gateways: nothing is lost or made up, and small cases are what a hand counts."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulation import limits, tables
from benchmarks.simulation.caches import Cache
from benchmarks.simulation.limits import Costs, loads
from benchmarks.simulation.model import AHEAD, Counts, Node, Scenario, Simulation, size_of
from benchmarks.simulation.ring import Ring

ROOT = Path(__file__).parents[2]


def run(**given: float) -> Counts:
    """Simulate; what is not said is one archive, and downloads that are never cut, one after the other."""
    usual: dict[str, float] = {"nodes": 1, "archives": 1, "downloads": 3, "rate": 0.001, "cut": 0.0, "once": 0.0}
    return Simulation(Scenario(**(usual | given))).run()  # type: ignore[arg-type]


SCENARIOS = st.builds(
    Scenario,
    nodes=st.integers(1, 5),
    archives=st.integers(1, 20),
    downloads=st.integers(1, 30),
    rate=st.sampled_from([0.2, 20.0]),
    seed=st.integers(0, 999),
    mean_size=st.sampled_from([1.0, 6.0, 20.0]),
    cut=st.sampled_from([0.0, 0.5]),
    deaths=st.sampled_from([0.0, 0.02, 0.2]),
    away=st.sampled_from([0.5, 8.0]),
    level_1=st.sampled_from([0, 10, 1000]),
    bucket=st.booleans(),
    affinity=st.booleans(),
    regions=st.integers(0, 3),
    edge=st.sampled_from([0, 30, 1000]),
    once=st.sampled_from([0.0, 0.3]),
)


@settings(max_examples=40, deadline=None)
@given(SCENARIOS)
def test_simulation_delivers_each_block_once_and_each_has_a_source(scenario: Scenario) -> None:
    """Whatever is cut and dies: clients get what they asked for, out of the CDN, disks, the bucket and the origins."""
    counts = Simulation(scenario).run()
    assert counts.asked == scenario.downloads
    assert counts.delivered == counts.wanted
    assert counts.delivered == counts.edge + counts.total("sent")
    assert counts.total("ahead") <= AHEAD * counts.deaths * scenario.downloads
    if not scenario.bucket:
        assert counts.total("bucket") == counts.total("put") == 0
    if not scenario.regions:
        assert counts.edge == 0
    if not scenario.deaths:
        assert counts.deaths == counts.total("ahead") == 0


@settings(max_examples=10, deadline=None)
@given(SCENARIOS)
def test_simulation_is_the_same_for_the_same_seed(scenario: Scenario) -> None:
    """A table that is printed again has the same figures."""
    assert Simulation(scenario).run() == Simulation(scenario).run()


def test_one_gateway_pulls_an_archive_once_and_reads_its_disk_after() -> None:
    """Counted by hand: three downloads, one after the other, of one archive."""
    size = size_of(0, 32)
    counts = run(bucket=False)
    assert (counts.nodes[0].pulled, counts.nodes[0].disk, counts.nodes[0].bucket) == (size, 2 * size, 0)
    assert (counts.creates, counts.nodes[0].opened, counts.nodes[0].first) == (1, 3, 1)


def test_one_gateway_reads_the_bucket_where_its_disk_has_no_room() -> None:
    """Counted by hand: without any disk a copy is gone before it is put, and each download is pulled. Where there is
    room for one archive of two, the other one is read from the bucket.
    """
    size = size_of(0, 32)
    assert run(level_1=0).nodes[0].pulled == 3 * size
    two = run(archives=2, downloads=40, zipf=0.0, level_1=max(size, size_of(1, 32)))
    assert two.nodes[0].pulled == size + size_of(1, 32)
    assert two.nodes[0].put == two.nodes[0].pulled
    assert two.nodes[0].bucket > 0


def test_many_readers_cost_one_pull_for_each_gateway_that_they_ask() -> None:
    """As three real gateways and fifty readers at once: each file once behind affinity, and three times without."""
    size = size_of(0, 32)
    asked = {"nodes": 3, "downloads": 50, "rate": 1000.0, "bucket": False}
    assert run(**asked).total("pulled") == size
    assert run(**asked, affinity=False).total("pulled") == 3 * size


def test_dying_gateway_costs_what_it_was_ahead() -> None:
    """As a real one killed in the middle of a download: the next one pulls the rest alone."""
    size = size_of(0, 400)
    runs = [run(nodes=3, downloads=1, mean_size=400, deaths=0.02, seed=seed, bucket=False) for seed in range(20)]
    cut = [counts for counts in runs if counts.resumes]
    assert cut, "none of these seeds kills the gateway in mid-download"
    for counts in cut:
        assert counts.total("pulled") == size
        assert 0 < counts.total("ahead") <= AHEAD * counts.resumes


def test_cache_gives_up_what_is_elsewhere_first_and_nothing_that_is_read() -> None:
    """The least recently read first of what the bucket has, then of the rest."""
    shared: set[int] = {2}
    cache = Cache(3, shared)
    for archive in (1, 2, 3):
        cache.begin(archive)
        cache.end(archive, 1)
    cache.begin(1)
    cache.begin(4)
    cache.end(4, 1)
    assert [cache.blocks(archive) for archive in (1, 2, 3, 4)] == [1, 0, 1, 1]
    cache.begin(5)
    cache.end(5, 1)
    assert [cache.blocks(archive) for archive in (1, 3, 4, 5)] == [1, 0, 1, 1]
    assert cache.used == 3


def test_ring_moves_the_share_of_who_is_away_alone() -> None:
    """All other archives stay where they are; each gateway has some."""
    ring = Ring(5)
    before = [ring.owner(archive, ()) for archive in range(500)]
    after = [ring.owner(archive, {3}) for archive in range(500)]
    assert set(before) == {0, 1, 2, 3, 4}
    assert all(was == 3 if was != now else was != 3 for was, now in zip(before, after, strict=True))
    assert ring.owner(1, {0, 1, 2, 3, 4}) is None


def test_loads_are_those_of_the_busiest_gateway() -> None:
    """Counted by hand: one GiB pulled and sent in ten seconds by one of two gateways, and four from the bucket."""
    costs = Costs.read()
    counts = Counts([Node(pulled=128, opened=1, first=1), Node(bucket=512, opened=1)], creates=1, ended=10.0)
    found = loads(counts, costs)
    assert found.network == pytest.approx(512 * (8 << 20) * 8 / 1e9 / 10 / costs.network_limit)
    assert found.processor == pytest.approx((4 * costs.from_bucket + costs.create / 2) / 10 / costs.cores)
    spent = costs.store_create + costs.store_first + costs.store_again + costs.store_gib + 20 * costs.store_idle
    assert found.store == pytest.approx(spent / 10 / costs.store_limit)
    assert found.bucket == pytest.approx(51.2 / costs.gets_limit)
    assert found.origins == pytest.approx(128 * (8 << 20) * 8 / 1e9 / 10 / costs.origins_limit)
    assert found.by_size()[0] == ("network", found.network)


def test_costs_say_by_what_they_are_known(tmp_path: Path) -> None:
    """A value without a unit or a source, and one that is missing, is refused."""
    text = limits.COSTS.read_text()
    for cut in (r'unit = "transactions a second that one primary commits"\n', r"\[create\]\n(.+\n)+"):
        (tmp_path / "costs.toml").write_text(re.sub(cut, "", text))
        with pytest.raises(ValueError, match=r"costs\.toml"):
            Costs.read(tmp_path / "costs.toml")


@pytest.mark.parametrize("at", [0, 2, pytest.param(None, marks=pytest.mark.slow)])
def test_scaling_page_has_the_tables_that_are_printed(at: int | None) -> None:
    """Row by row: the first ones at each run of the tests, all of them among the slow proofs."""
    page, costs = (ROOT / "docs" / "scaling.md").read_text(), Costs.read()
    rows = [row for table in tables.tables() for row in table.rows]
    for first, scenario in rows if at is None else [rows[at]]:
        assert tables.row(first, Simulation(scenario).run(), costs) in page

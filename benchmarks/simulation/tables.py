"""`python -m benchmarks simulate`: the tables of docs/scaling.md, or one row of your own."""

import argparse
import sys
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from benchmarks.simulation.limits import COSTS, Costs, gbits, loads, transactions
from benchmarks.simulation.model import Counts, Scenario, Simulation

A_NODE: Final = {"archives": 50, "downloads": 200, "rate": 0.5}  # of each gateway
FEWEST: Final = 4_000  # downloads: with fewer, chance decides
LEVEL_1: Final = 800  # blocks: half of what the archives of a gateway have, 50 × 32
A_DAY: Final = 1 / 86_400

_HEAD: Final = (
    "gateways",
    "upstream ÷ sent",
    "level 1",
    "level 2",
    "sent Gbit/s",
    "S3 requests/s",
    "S3 egress Gbit/s",
    "PostgreSQL tx/s",
    "first limits",
)


@dataclass(frozen=True, slots=True)
class Table:
    """A title, and its rows: what the first column says, and the scenario."""

    title: str
    rows: list[tuple[str, Scenario]]


def scenario(nodes: int, **given: float) -> Scenario:
    """Return the scenario that the tables begin with, for so many gateways: all grows with them."""
    downloads = max(FEWEST, round(nodes * A_NODE["downloads"]))
    usual = {
        "archives": round(nodes * A_NODE["archives"]),
        "downloads": downloads,
        "rate": nodes * A_NODE["rate"],
        "deaths": nodes * A_DAY,
        "level_1": LEVEL_1,
        "warm": downloads // 2,
    }
    made: dict[str, float] = {**usual, **given}
    return Scenario(nodes=nodes, **made)  # type: ignore[arg-type]


def tables() -> list[Table]:
    """Return those of docs/scaling.md."""
    region = [(str(nodes), scenario(nodes)) for nodes in (1, 3, 10, 30, 100, 300, 1000)]
    ways = [
        ("30, as above", scenario(30)),
        ("30, no affinity", scenario(30, affinity=False)),
        ("30, no bucket", scenario(30, bucket=False)),
        ("30, neither", scenario(30, affinity=False, bucket=False)),
        ("30, disks of a fifth", scenario(30, level_1=LEVEL_1 // 5)),
        ("30, one dies each minute", scenario(30, deaths=1 / 60)),
    ]
    edges = [
        (
            f"{nodes}, {regions} region{'s' if regions > 1 else ''}",
            scenario(nodes, regions=regions, edge=nodes * LEVEL_1 // 4),
        )
        for nodes in (30, 300)
        for regions in (1, 4)
    ]
    return [
        Table("One region, affinity, a bucket", region),
        Table("What affinity, the bucket, disks and deaths are worth", ways),
        Table("Behind a CDN that ranges through, with a cache in each region", edges),
    ]


def row(first: str, counts: Counts, costs: Costs) -> str:
    """Return one row of a table."""
    seconds = counts.ended - counts.began
    sent, gets, puts = counts.total("sent"), counts.total("bucket"), counts.total("puts")
    upstream = counts.total("pulled") + counts.total("ahead")
    cells = [
        first,
        f"{upstream / counts.delivered:.3f}" if counts.delivered else "",
        f"{counts.total('disk') / sent:.0%}" if sent else "",
        f"{counts.total('bucket') / sent:.0%}" if sent else "",
        f"{gbits(counts.delivered, seconds):.1f}",
        f"{(gets + puts) / seconds:.1f}" if seconds else "",
        f"{gbits(gets, seconds):.2f}",
        f"{transactions(counts, costs) / seconds:.0f}" if seconds else "",
        ", ".join(f"{name} {used:.0%}" for name, used in loads(counts, costs).by_size()[:2]),
    ]
    if counts.edge:
        cells[1] += f" ({counts.edge / counts.delivered:.0%} by the CDN)"
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> None:
    """Print the tables, or one row for the scenario that is named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks simulate", description=__doc__)
    parser.add_argument("--costs", type=Path, default=COSTS, help="what is measured; default: costs.toml")
    parser.add_argument("--nodes", type=int, help="one row, of so many gateways; and for it:")
    for each in fields(Scenario):
        if each.name != "nodes":
            parser.add_argument(f"--{each.name.replace('_', '-')}", type=float, metavar="NUMBER")
    asked = parser.parse_args(arguments)
    given = {
        each.name: int(value) if each.type == "int" else bool(value) if each.type == "bool" else value
        for each in fields(Scenario)
        if each.name != "nodes" and (value := getattr(asked, each.name)) is not None
    }
    if given and asked.nodes is None:
        parser.error("say --nodes too")
    try:
        costs = Costs.read(asked.costs)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    mine = Table("As asked", [(str(asked.nodes), scenario(asked.nodes, **given))]) if asked.nodes else None
    for table in [mine] if mine else tables():
        print(f"## {table.title}\n\n| {' | '.join(_HEAD)} |\n|---|{'---:|' * (len(_HEAD) - 2)}---|")
        began = time.monotonic()
        for first, chosen in table.rows:
            print(row(first, Simulation(chosen).run(), costs), flush=True)
        print(f"{table.title}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        print()

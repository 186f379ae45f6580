"""The board, the alerts and their documentation name what is served, and nothing is left out."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from streamzip import metrics

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"\bstreamzip_[a-z_]+[a-z]")
SUFFIXES = ("_bucket", "_sum", "_count")


def named(text: str) -> set[str]:
    """The metrics that a text names; a histogram's series are it."""
    found = set()
    for name in NAMED.findall(text):
        suffix = next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")
        found.add(name.removesuffix(suffix) if name not in metrics.names() else name)
    return found


def labels(*names: str) -> set[str]:
    """The labels that these metrics are declared with."""
    return {label for metric in metrics._every if metric.name in names for label in metric.labels}


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    found = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def first_column(heading: str) -> list[str]:
    """What the table under this heading of docs/monitoring.md explains."""
    section = (ROOT / "docs/monitoring.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


def test_board_shows_every_metric_and_no_other() -> None:
    """A name that nobody serves is an empty panel, which looks like peace."""
    board = json.loads((ROOT / "deploy/grafana.json").read_text())
    shown = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    assert named(shown) == metrics.names().keys()


def test_alerts_name_metrics_that_are_served() -> None:
    """An alert on a name that nobody serves never rings."""
    for rule in rules():
        assert named(rule["expr"]), rule["alert"]
        assert named(rule["expr"]) <= metrics.names().keys(), rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]


def test_board_and_alerts_ask_for_labels_that_their_metrics_have() -> None:
    """A matcher on a label that a metric has not matches nothing, and a sum by it adds up all."""
    board = json.loads((ROOT / "deploy/grafana.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in (*asked, *(rule["expr"] for rule in rules())):
        of = {label for name in named(expression) for label in labels(name)}
        for name, matchers in re.findall(r"\b(streamzip_\w+)\{([^}]*)\}", expression):
            wanted = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
            assert wanted <= {*labels(*named(name)), "instance"}, expression
        for grouped in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression):
            assert set(re.split(r",\s*", grouped)) <= of | {"instance", "le"}, expression


def test_alerts_on_events_of_the_log_name_documented_ones() -> None:
    """So with events: each stands in the table of docs/operations.md, but for `unexpected`."""
    documented = set(re.findall(r"^\| `(\w+)` \| [a-z, ]+ \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    for rule in rules():
        for matched in re.findall(r'event=~?"([a-z_|]+)"', rule["expr"]):
            assert set(matched.split("|")) <= documented | {"unexpected"}, rule["alert"]


def test_monitoring_page_explains_every_metric_and_every_alert() -> None:
    """Each has its row, and no other has."""
    assert sorted(first_column("Metrics")) == sorted(metrics.names())
    assert first_column("Alerts") == [rule["alert"] for rule in rules()]

"""A gateway's metrics, as Prometheus reads them."""

import time
from collections.abc import Callable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.gateway import Gateway

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Scraped:
    """What was served at one moment."""

    def __init__(self, gateway: Gateway) -> None:
        url = gateway.logged("metrics_listening")["url"]
        self.text = httpx.get(url, trust_env=False).text
        self.samples: Samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def sum(self, name: str, **labels: str) -> float:
        """Return what all samples of this name with these labels are together."""
        return sum(value for (other, has), value in self.samples.items() if other == name and labels.items() <= has)

    def labelled(self, name: str, label: str) -> dict[str, float]:
        """Return the samples of this name, added up by one of their labels."""
        found: dict[str, float] = {}
        for (other, has), value in self.samples.items():
            if other == name and value:
                key = dict(has)[label]
                found[key] = found.get(key, 0.0) + value
        return found


def until(gateway: Gateway, reached: Callable[[Scraped], bool], seconds: float = 20.0) -> Scraped:
    """Scrape until it is so, or fail."""
    deadline = time.monotonic() + seconds
    while not reached(scraped := Scraped(gateway)):
        assert time.monotonic() < deadline, scraped.text
        time.sleep(0.05)
    return scraped

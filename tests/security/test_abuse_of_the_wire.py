"""While the worst is sent that a wire can carry, others are answered within half a second, and memory stays."""

import asyncio
from itertools import count

import pytest

from tests.support.abuse import (
    CLIENTS,
    CONTENTS,
    ORIGINS,
    PAGES,
    Abuse,
    abuse_for,
    median_of_three,
    ranges,
    worst_answer,
)
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern

MIB = 1 << 20
ANSWERED_WITHIN = 0.5  # seconds
HELD = 96 * MIB  # two bodies of 4 MiB at once, what one of them is made into, and what each connection holds
READ = 160 * MIB  # eight pages of 8 MiB while they come, each once more when it is whole or on its way to the parser
numbers = count()
RANGES = [
    "ranges by the thousand",
    "ranges of one byte",
    "ranges that overlap",
    "ranges of many digits",
    "ranges of nothing",
]


@pytest.fixture
def attacked(launch: Launch) -> Gateway:
    """A gateway of its own: the most memory of its life is measured. Its creates' bodies are short."""
    return launch(max_body_bytes="4MiB", max_attempts="1")


def finished(gateway: Gateway, origin: Origin) -> str:
    """An archive whose copy is whole."""
    origin.serve("/abuse/finished", File(Pattern(MIB)))
    hash: str = gateway.create(urls=[origin.url("/abuse/finished")], compression="store")["archive_hash"]
    gateway.download(hash)
    gateway.until(hash)
    return hash


def slowest(gateway: Gateway, abuses: list[Abuse], seconds: float) -> float:
    """Return how long others waited for the gateway while clients sent this."""
    return worst_answer(gateway.port, gateway.pid, lambda: asyncio.run(abuse_for(seconds, gateway.port, abuses)))


def held_up(gateway: Gateway, origin: Origin, kinds: list[str], count: int) -> float:
    """Return how long others waited for the gateway while `count` of each of these origins were asked."""
    urls = []
    for kind in kinds:
        path = "/abuse/" + kind.replace(" ", "-")
        origin.serve(path, ORIGINS[kind])
        urls += [f"{origin.url(path)}?{number}" for number in range(count)]

    def asked() -> None:
        hash = gateway.create(urls=urls, refresh=True, compression="store")["archive_hash"]
        reader = Abuse(f"GET /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\n\r\n".encode(), b"")
        asyncio.run(abuse_for(2.0, gateway.port, [reader]))

    return worst_answer(gateway.port, gateway.pid, asked)


def held_up_by_pages(gateway: Gateway, origin: Origin, kinds: list[str], count: int, seconds: float = 3.0) -> float:
    """Return how long others waited for the gateway while the images of `count` of each of these pages were sought."""

    def asked() -> None:
        polls = []
        for kind in kinds:
            path = "/abuse/" + kind.replace(" ", "-")
            origin.serve(path, PAGES[kind])
            for _ in range(count):
                answer = gateway.client.post("/download", json={"url": f"{origin.url(path)}?{next(numbers)}"})
                poll = f"GET /download/{answer.json()['download_id']} HTTP/1.1\r\nHost: a\r\n\r\n"
                polls.append(Abuse(poll.encode(), b""))
        asyncio.run(abuse_for(seconds, gateway.port, polls))

    return worst_answer(gateway.port, gateway.pid, asked)


def test_nobody_is_held_up_by_clients_that_send_the_worst(attacked: Gateway, origin: Origin) -> None:
    """One of each kind, all at once."""
    abuses = [*CLIENTS.values(), *ranges(finished(attacked, origin)).values()]
    idle = attacked.memory()
    assert median_of_three(lambda: slowest(attacked, abuses, 0.7)) < ANSWERED_WITHIN
    assert attacked.peak_memory() - idle < 64 * MIB
    assert not [line for line in attacked.log if line["level"] == "error"]


def test_nobody_is_held_up_by_what_clients_ask_for(attacked: Gateway) -> None:
    """One of each kind of document, name, list and form, all at once; none of them is a failure."""
    idle = attacked.memory()
    assert median_of_three(lambda: slowest(attacked, list(CONTENTS.values()), 0.7)) < ANSWERED_WITHIN
    assert attacked.peak_memory() - idle < HELD
    assert not [line for line in attacked.log if line["level"] == "error"]


def test_nobody_is_held_up_by_origins_that_send_the_worst(attacked: Gateway, origin: Origin) -> None:
    """One of each kind, all in one archive."""
    idle = attacked.memory()
    assert held_up(attacked, origin, list(ORIGINS), 1) < ANSWERED_WITHIN
    assert attacked.peak_memory() - idle < 64 * MIB
    assert not [line for line in attacked.log if line["level"] == "error"]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 50])
@pytest.mark.parametrize("kind", [*CLIENTS, *RANGES, *CONTENTS])
def test_nobody_is_held_up_by_clients(attacked: Gateway, origin: Origin, kind: str, count: int) -> None:
    """Each kind alone, and fifty at once."""
    abuse = (CLIENTS | CONTENTS | ranges(finished(attacked, origin)))[kind]
    idle = attacked.memory()
    assert median_of_three(lambda: slowest(attacked, [abuse] * count, 2.0)) < ANSWERED_WITHIN
    assert attacked.peak_memory() - idle < (HELD if kind in CONTENTS else 64 * MIB)


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 50])
@pytest.mark.parametrize("kind", ORIGINS)
def test_nobody_is_held_up_by_origins(attacked: Gateway, origin: Origin, kind: str, count: int) -> None:
    """Each kind alone, and fifty at once."""
    idle = attacked.memory()
    assert median_of_three(lambda: held_up(attacked, origin, [kind], count)) < ANSWERED_WITHIN
    assert attacked.peak_memory() - idle < 64 * MIB


def test_nobody_is_held_up_by_pages_that_are_hostile(attacked: Gateway, origin: Origin) -> None:
    """One of each kind, all at once."""
    idle = attacked.memory()
    assert held_up_by_pages(attacked, origin, list(PAGES), 1, 1.0) < ANSWERED_WITHIN
    assert attacked.peak_memory() - idle < READ
    assert not [line for line in attacked.log if line["level"] == "error"]


@pytest.mark.slow
@pytest.mark.parametrize("many", [1, 50])
@pytest.mark.parametrize("kind", PAGES)
def test_nobody_is_held_up_by_pages(attacked: Gateway, origin: Origin, kind: str, many: int) -> None:
    """Each kind alone, and fifty at once."""
    idle = attacked.memory()
    assert median_of_three(lambda: held_up_by_pages(attacked, origin, [kind], many)) < ANSWERED_WITHIN
    assert attacked.peak_memory() - idle < (64 * MIB if many == 1 else READ)

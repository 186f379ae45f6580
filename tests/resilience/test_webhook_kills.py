"""kill -9 at any moment between a create and its acknowledged webhook: no event is lost, and each keeps its id."""

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.fixtures import Launch
from tests.support.origin import File, Origin
from tests.support.receiver import Receiver, Reply

AT_ONCE = 3  # creates in each life


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(900)])])
def test_every_acknowledged_create_is_told_of_when_the_gateway_is_killed_again_and_again(
    launch: Launch, origin: Origin, receiver: Receiver, kills: int
) -> None:
    """At least once each, always under one id, as the reference verifier accepts it; the receiver is away now and then,
    and its word is lost with the gateway that it was given to.
    """
    gateway = launch(allow=[receiver.authority])
    origin.serve("/kills/a", File(b"x" * 300_000))
    secret = gateway.create(urls=[origin.url("/kills/a")], webhook=receiver.url())["webhook_secret"]
    chance = random.Random(21)
    receiver.answer("/hook", *[Reply(chance.choice((204, 204, 204, 503, 500, 302))) for _ in range(2 * kills)], Reply())
    acknowledged: set[str] = set()
    ids: defaultdict[str, set[str]] = defaultdict(set)
    seen = 0

    def create(name: str) -> None:
        entries = [{"name": name, "url": origin.url("/kills/a")}]
        body = {"entries": entries, "webhook": receiver.url(), "prefetch": True}
        try:
            answer = httpx.post(f"{gateway.base}/api/archive/create", json=body, trust_env=False, timeout=30)
        except httpx.HTTPError:
            return  # killed before it answered: nothing was promised
        assert answer.status_code == 201
        acknowledged.add(answer.json()["archive_hash"])

    def look() -> None:
        nonlocal seen
        for message in receiver.messages()[seen:]:
            seen += 1
            document = message.verified(secret)
            assert document["type"] == "archive.completed"
            ids[document["data"]["archive_hash"]].add(message.id)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for kill in range(kills):
            if kill % 5 == 3:
                receiver.close()
            made = [pool.submit(create, f"{kill}-{number}") for number in range(AT_ONCE)]
            time.sleep(chance.random() ** 2 * 0.6)  # the moment is the matter here
            gateway.kill()
            for each in made:
                each.result()
            if kill % 5 == 3:
                receiver.open()
            gateway.start()
            look()
    create("last")

    def told(receiver: Receiver) -> bool:
        look()
        return acknowledged <= set(ids)

    deadline = time.monotonic() + 120
    while not told(receiver):
        assert time.monotonic() < deadline, acknowledged - set(ids)
        time.sleep(0.05)
    assert len(acknowledged) > kills // 2
    assert {len(each) for each in ids.values()} == {1}
    assert len({next(iter(each)) for each in ids.values()}) == len(ids)

"""Ids that nobody was given lead nowhere, and tell nothing: neither what there is, nor how near a guess was."""

import http.client
import random
import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin
from tests.support.own_ids import common, common_fields
from tests.support.timing import separation
from tests.support.words import ask


@pytest.fixture(scope="module")
def signing(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that gives archives to signed links alone."""
    with Gateway(tmp_path_factory.mktemp("signing") / "data", allow=[origin.authority], signed_links="on") as gateway:
        yield gateway


def archive(gateway: Gateway, origin: Origin) -> str:
    origin.serve("/guessed", File(b"what is in it"))
    hash: str = gateway.create(urls=[origin.url("/guessed")])["archive_hash"]
    return hash


def guesses(count: int, hash: str) -> Iterator[str]:
    """Paths of ids: random ones, and those that differ from a right one by a digit or its case."""
    chance = random.Random(count)
    for number in range(count):
        guess = f"{chance.getrandbits(128):032x}"
        if number % 4 == 3:
            place = chance.randrange(32)
            guess = f"{hash[:place]}{chance.choice('0123456789ABCDEF')}{hash[place + 1 :]}"
            guess = hash.upper() if guess == hash else guess
        yield chance.choice(
            (
                f"/archive/get/{guess}.zip",
                f"/api/archive/status/{guess}",
                f"/archive_img/{guess}",
                f"/download/{uuid.UUID(guess, version=4)}",
                f"/archive/{guess}/",
            )
        )


@pytest.mark.parametrize("count", [2_000, pytest.param(1_000_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
def test_no_guessed_id_is_a_hit(gateway: Gateway, origin: Origin, count: int) -> None:
    """404 for all of them, with the same words for each kind; the right one is there all the while."""
    hash = archive(gateway, origin)
    assert not hash.isdigit()
    bodies = set()
    for answer in ask(gateway.port, guesses(count, hash)):
        assert answer.status == 404, answer
        bodies.add(common(answer.body))
    assert len(bodies) <= 5
    assert gateway.get(hash).status_code == 200


def test_forbidden_archive_is_answered_as_one_that_is_not_there(signing: Gateway, origin: Origin) -> None:
    """Without its signature, or with a wrong one: the same status, headers and words, for every way to ask."""
    hash = archive(signing, origin)
    signing.get(hash)
    for path in ("/archive/get/{}.zip", "/archive_img/{}"):
        for query in ("", "?expires=1999999999&signature=" + "0" * 64, "?x=1"):
            for method in ("GET", "HEAD"):
                there, missing = (
                    signing.client.request(method, path.format(each) + query) for each in (hash, "0" * 32)
                )
                assert there.status_code == 403
                assert there.status_code == missing.status_code
                assert common(there.content) == common(missing.content)
                assert common_fields(there.headers) == common_fields(missing.headers)


@pytest.mark.slow
def test_forbidden_archive_takes_as_long_as_one_that_is_not_there(signing: Gateway, origin: Origin) -> None:
    """Nothing is looked up before the signature is right (Welch's t below 3.3: p > 0.001); in random order."""
    hash = archive(signing, origin)
    missing = hash[::-1]
    chance = random.Random(19)
    order = [hash, missing] * 5_000
    chance.shuffle(order)
    times: dict[str, list[int]] = {hash: [], missing: []}
    with closing(http.client.HTTPConnection("127.0.0.1", signing.port)) as connection:
        for each in order:
            began = time.perf_counter_ns()
            connection.request("GET", f"/archive/get/{each}.zip")
            response = connection.getresponse()
            response.read()
            times[each].append(time.perf_counter_ns() - began)
            assert response.status == 403
    assert separation(times[hash], times[missing]) < 3.3

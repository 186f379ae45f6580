"""Links that are good for one request."""

import io
import zipfile

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Status

BODY = Pattern(3_000_000)[:]


@pytest.mark.parametrize("prefetch", [False, True], ids=["streamed", "prefetched"])
@pytest.mark.parametrize("given", [{}, {"size": len(BODY)}], ids=["no size", "its size"])
def test_one_time_link_is_asked_for_once(
    given: dict[str, int], prefetch: bool, gateway: Gateway, origin: Origin
) -> None:
    """One plain GET, when the file is pulled; the copy serves every later download."""
    path = f"/once/{len(given)}-{prefetch}"
    origin.serve(path, File(BODY), Status(410))
    entry = {"url": origin.url(path), "name": "a.png", "probe": False, **given}
    hash = gateway.create(entries=[entry], compression="store", prefetch=prefetch)["archive_hash"]
    if prefetch:
        gateway.until(hash)
    for _ in range(2):
        with zipfile.ZipFile(io.BytesIO(gateway.download(hash))) as opened:
            assert opened.read("a.png") == BODY
        gateway.until(hash)
    assert ["range" in asked.fields for asked in origin.requests(path)] == [False]


def test_one_time_link_is_another_archive_than_the_same_link_that_may_be_probed(
    gateway: Gateway, origin: Origin
) -> None:
    """The option is covered by the hash; where it is not used, or true, the hash is what it always was."""
    url = origin.url("/once/hash")
    hashes = [gateway.create(entries=[{"url": url, **more}])["archive_hash"] for more in OPTIONS]
    assert hashes[0] == hashes[1] != hashes[2]


OPTIONS: list[dict[str, bool]] = [{}, {"probe": True}, {"probe": False}]


def test_probe_takes_true_or_false_alone(gateway: Gateway, origin: Origin) -> None:
    body = {"entries": [{"url": origin.url("/once/hash"), "probe": "no"}]}
    response = gateway.client.post("/api/archive/create", json=body)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/entries/0/probe")

"""What an origin that does everything right is asked for a file: no more requests and bytes than are needed."""

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern

PART = 8 << 20

SIZES: dict[int, list[str | None]] = {  # the requests for a file of so many bytes: one to ask, one for each part
    0: ["bytes=0-0", None],
    1: ["bytes=0-0", None],
    2: ["bytes=0-0", None],
    2_000: ["bytes=0-0", None],
    64 << 10: ["bytes=0-0", None],
    1 << 20: ["bytes=0-0", None],
    PART + 1: ["bytes=0-0", f"bytes=0-{PART - 1}", f"bytes={PART}-"],
    2 * PART: ["bytes=0-0", f"bytes=0-{PART - 1}", f"bytes={PART}-"],
}


@pytest.mark.parametrize("size", SIZES)
def test_file_costs_one_byte_and_one_request_more_than_itself(size: int, gateway: Gateway, origin: Origin) -> None:
    """Planned first, then pulled; each range once."""
    path = f"/costs/{size}"
    origin.serve(path, File(Pattern(size)))
    hash = gateway.create(urls=[origin.url(path)], compression="store")["archive_hash"]
    origin.until(lambda origin: bool(origin.requests(path)))  # before somebody waits
    gateway.download(hash)
    asked = [request.fields.get("range") for request in origin.requests(path)]
    assert sorted(map(str, asked)) == sorted(map(str, SIZES[size]))
    assert origin.sent(path) <= size + 1


def test_small_files_that_somebody_waits_for_come_with_their_probe(gateway: Gateway, origin: Origin) -> None:
    """One request for each of them, and for whatever the probe had asked before its reader came one more."""
    paths = [f"/costs/few/{number}" for number in range(300)]
    for path in paths:
        origin.serve(path, File(Pattern(60_000)))
    hash = gateway.create(urls=[origin.url(path) for path in paths], compression="store")["archive_hash"]
    gateway.download(hash)
    asked = [request.fields.get("range") for path in paths for request in origin.requests(path)]
    assert asked.count("bytes=0-65536") + asked.count("bytes=0-0") == len(paths)
    assert asked.count(None) == asked.count("bytes=0-0")

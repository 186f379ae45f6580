"""Ten thousand entries: an answer in under a second, and the right archive."""

import io
import time
import zipfile

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin

COUNT = 10_000


def test_ten_thousand_entries_are_created_in_under_a_second_and_packed_right(gateway: Gateway, origin: Origin) -> None:
    """Create only keeps the list; the GET that follows has every file under its name, in order, as announced."""
    for number in range(COUNT):
        origin.serve(f"/ten-thousand/{number:05d}.jpg", File(b"file %d" % number))
    urls = [origin.url(f"/ten-thousand/{number:05d}.jpg") for number in range(COUNT)]
    began = time.perf_counter()
    created = gateway.create(urls=urls)
    took = time.perf_counter() - began
    assert took < 1.0
    assert created["entries"] == COUNT

    response = gateway.get(created["archive_hash"])
    assert len(response.content) == int(response.headers["content-length"])
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.namelist() == [f"{number:05d}.jpg" for number in range(COUNT)]
        assert all(archive.read(f"{number:05d}.jpg") == b"file %d" % number for number in range(COUNT))
    assert gateway.until(created["archive_hash"])["errors"] == []

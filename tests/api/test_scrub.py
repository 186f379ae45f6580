"""Scrub on a running gateway: a copy that the disk changed is found, told, and pulled again."""

import random
import stat

import pytest

from tests.support.damage import flip
from tests.support.fixtures import Launch
from tests.support.origin import File, Origin


@pytest.mark.alone
def test_copy_that_the_disk_changed_is_pulled_again(launch: Launch, origin: Origin) -> None:
    """Found though nobody reads it; a whole one beside it stays as it is. The same bytes are there afterwards."""
    for name in ("damaged", "whole"):
        origin.serve(f"/scrubbed/{name}", File(b"bytes" * 10_000))
    gateway = launch(scrub_daily_bytes="100TiB")
    hashes = [gateway.create(urls=[origin.url(f"/scrubbed/{name}")])["archive_hash"] for name in ("damaged", "whole")]
    bodies = [gateway.download(hash) for hash in hashes]
    for hash in hashes:
        gateway.until(hash)
    gateway.stop()
    damaged, whole = (gateway.copy(hash) for hash in hashes)
    before, asked = whole.stat(), len(origin.requests("/scrubbed/whole"))
    flip(damaged, random.Random(1))
    gateway.start()
    line = gateway.logged("scrub_damaged")
    assert (line["level"], line["archive"]) == ("error", hashes[0])
    gateway.logged("archive_completed", after=gateway.log.index(line))
    assert damaged.read_bytes() == bodies[0]
    assert (whole.stat().st_ino, whole.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert len(origin.requests("/scrubbed/whole")) == asked
    assert [line["archive"] for line in gateway.log if line["event"] == "scrub_damaged"] == hashes[:1]
    # It names an archive, and the name opens it.
    assert stat.S_IMODE((gateway.data / "scrub").stat().st_mode) == 0o600

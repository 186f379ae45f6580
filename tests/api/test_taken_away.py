"""What is taken away beneath a running gateway: it says so, acknowledges nothing that is lost, never fails by 500."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from streamzip.files.locks import FINISH, LockFile
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern

SIZE = 3_000_000


@pytest.mark.alone
@pytest.mark.parametrize("replaced", [False, True])
def test_no_create_is_acknowledged_once_the_database_is_gone(launch: Launch, origin: Origin, replaced: bool) -> None:
    """A file that was removed takes all that is written to it along; a copy of it in its place is another file."""
    gateway = launch()
    origin.serve("/taken/a", File(b"content"))
    gateway.create(urls=[origin.url("/taken/a")])
    database = gateway.data / "streamzip.db"
    moved = database.rename(gateway.data / "moved.db")
    if replaced:
        shutil.copy(moved, database)
    ready = gateway.client.get("/readyz")
    assert (ready.status_code, ready.json()["code"]) == (503, "store_unavailable")
    refused = gateway.client.post("/api/archive/create", json={"urls": [origin.url("/taken/a?2")]})
    assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
    moved.replace(database)
    assert gateway.client.get("/readyz").status_code == 200
    gateway.create(urls=[origin.url("/taken/a?2")])


def test_copies_that_were_altered_or_removed_are_told_of(launch: Launch, origin: Origin) -> None:
    """One that is altered while the gateway is down, one that is removed while it is open: whole for the reader, and a
    line for the operator.
    """
    gateway = launch()
    origin.serve("/taken/copy", File(Pattern(SIZE)))
    made = gateway.create(urls=[origin.url("/taken/copy")])["archive_hash"]
    whole = gateway.download(made)
    gateway.until(made)
    gateway.stop()
    copy = gateway.copy(made)
    with copy.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    gateway.start()
    assert gateway.download(made) == whole
    assert gateway.logged("copy_altered")["archive"] == made
    assert gateway.logged("copy_damaged")["archive"] == made
    shutil.rmtree(copy.parent)
    assert gateway.download(made) == whole
    assert gateway.logged("copy_removed")["archive"] == made


def test_reader_of_a_copy_that_is_taken_away_beneath_it_begins_again(launch: Launch, origin: Origin) -> None:
    """As another process does with one that it found damaged: the archive is still there, and no reader gets 404."""
    gateway = launch()
    origin.serve("/taken/beneath", File(Pattern(SIZE)), File(Pattern(SIZE), hold_at=0), File(Pattern(SIZE)))
    made = gateway.create(urls=[origin.url("/taken/beneath")])["archive_hash"]
    assert gateway.client.head(f"/archive/get/{made}.zip").status_code == 200
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(gateway.get, made)
        origin.until(lambda origin: len(origin.requests("/taken/beneath")) == 2)
        shutil.rmtree(gateway.copy(made).parent)
        origin.release("/taken/beneath")
        answer = reading.result()
    assert answer.status_code == 200, answer.text
    assert Pattern(SIZE)[:] in answer.content
    assert gateway.until(made)["cached"]


def test_archive_that_is_deleted_while_its_copy_is_finished_is_nobodys_failure(
    gateway: Gateway, origin: Origin
) -> None:
    """Its owner's word came before the copy had its name: one line says so, without a trace."""
    origin.serve("/taken/finishing", File(b"content"))
    created = gateway.create(urls=[origin.url("/taken/finishing")])
    made = created["archive_hash"]
    assert gateway.client.head(f"/archive/get/{made}.zip").status_code == 200
    before = len(gateway.log)
    finishing = LockFile(gateway.copy(made).with_suffix(".lock"))
    with closing(finishing):
        assert finishing.try_exclusive(FINISH)  # as another process has it
        gateway.download(made)
        deleted = gateway.client.delete(f"/api/archive/{made}", headers={"X-Delete-Token": created["delete_token"]})
        assert deleted.status_code == 204
    told = gateway.logged("copy_not_finished", after=before)
    assert (told["archive"], told["code"]) == (made, "not_found")
    assert not [line for line in gateway.log[before:] if line["level"] == "error"]


def test_a_disk_that_cannot_be_used_is_503(launch: Launch, origin: Origin) -> None:
    """A file where the copies' folder is to be: the operator's to mend, and the client's to try again."""
    gateway = launch()
    origin.serve("/taken/spool", File(Pattern(SIZE)))
    made = gateway.create(urls=[origin.url("/taken/spool")])["archive_hash"]
    spool: Path = gateway.data / "spool"
    shutil.rmtree(spool, ignore_errors=True)
    spool.write_text("no folder")
    answer = gateway.get(made)
    assert (answer.status_code, answer.json()["code"]) == (503, "disk_unavailable")
    problem = gateway.logged("problem")
    assert (problem["code"], problem["archive"]) == ("disk_unavailable", made)
    assert gateway.client.get("/readyz").status_code == 503
    spool.unlink()
    assert gateway.get(made).status_code == 200
    assert not [line for line in gateway.log if line["event"] == "unexpected failure"]

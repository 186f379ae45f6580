"""What a running gateway leaves on disk is its own user's alone, whatever part of it wrote the file."""

import stat

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin


def test_no_file_of_a_gateway_is_open_to_other_users(gateway: Gateway, origin: Origin) -> None:
    """Also where the operator made the data folder, and left it open."""
    origin.serve("/modes/a", File(b"bytes"))
    gateway.client.post("/upload/modes.txt", content=b"text")
    hash = gateway.create(urls=[origin.url("/modes/a"), "upload:modes.txt"])["archive_hash"]
    gateway.download(hash)
    gateway.until(hash)
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in gateway.data.rglob("*")}
    assert gateway.copy(hash) in found
    assert {path.name: oct(mode) for path, mode in found.items() if mode & 0o077} == {}

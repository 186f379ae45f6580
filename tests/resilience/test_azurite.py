"""Objects of Azure's stores, before Microsoft's own emulator: what it takes as signed, and how it lists."""

import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest

from tests.support import azurite
from tests.support.gateway import Gateway
from tests.support.origin import Pattern
from tests.support.signed_requests import AzureAccount

pytestmark = [pytest.mark.slow, pytest.mark.needs("azurite")]

NAMES = ["ä b+c%20d & x'.txt", "deep/er/2.txt", *(f"many/{number:04}.txt" for number in range(2_100))]
LARGE = Pattern(9 << 20)


@pytest.mark.timeout(300)
def test_emulator_of_microsoft_takes_what_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Private blobs, a prefix of two pages, parts, resume, a cold blob, a wrong key, a container that is none."""
    with azurite.running(tmp_path / "azurite") as films:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda name: films.put(f"all/{name}", name.encode()), NAMES))
        films.put("large.bin", bytes(LARGE[:]))
        films.put("cold.bin", b"cold")
        films.archive("cold.bin")
        (tmp_path / "wrong").write_text(AzureAccount("another").key)
        monkeypatch.setenv("AZURE_STORAGE_KEY", films.account.key)
        place = f"account={films.account.name}&endpoint={films.endpoint}"
        wrong = f"{place}&credentials=file:{tmp_path}/wrong"
        sources = f"az://films?{place},az://none?{place},az://wrong?{wrong}"
        with Gateway(tmp_path / "data", object_sources=sources) as gateway:
            created = gateway.create(urls=["az://films/all/"], compression="store")
            assert created["entries"] == len(NAMES)
            with zipfile.ZipFile(BytesIO(gateway.download(created["archive_hash"]))) as archive:
                assert {each: archive.read(each) for each in archive.namelist()} == {
                    name: name.encode() for name in NAMES
                }
            mixed = ["az://films/large.bin", "az://films/cold.bin", "az://none/a.txt", "az://wrong/a.txt"]
            hash = gateway.create(urls=mixed)["archive_hash"]
            whole = gateway.download(hash)
            # A signature that is wrong is AuthorizationFailure here; Azure itself says AuthenticationFailed.
            left_out = {each["url"]: each["code"] for each in gateway.left_out(hash)}
            assert left_out == dict(zip(mixed[1:], ["cold_storage", "no_bucket", "access_denied"], strict=True))
            rest = gateway.get(hash, {"Range": "bytes=5000000-"})
            assert (rest.status_code, rest.content) == (206, whole[5_000_000:])
            with zipfile.ZipFile(BytesIO(whole)) as archive:
                assert archive.read("large.bin") == bytes(LARGE[:])

"""Hostile names in other people's unzippers: each file lands once, beneath the folder, and nobody complains."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.gateway import Gateway
from tests.support.hostile_names import CLASHES, hostile_names
from tests.support.origin import File, Origin
from tests.support.unzippers import EXTRACTORS, PROGRAMS, Readers, python

pytestmark = pytest.mark.needs(*PROGRAMS)


def is_text(name: str) -> bool:
    """Whether it can be written in UTF-8: half a surrogate pair is refused, with its pointer."""
    return name.encode(errors="replace").decode() == name


def wished() -> list[str]:
    """Every hostile name that is text, and those that clash, in one list."""
    return [
        name for name in [*hostile_names(), *(name for names in CLASHES.values() for name in names)] if is_text(name)
    ]


@pytest.fixture(scope="module")
def archive(gateway: Gateway, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them in one archive, each with bytes of its own."""
    entries = []
    for number, name in enumerate(wished()):
        origin.serve(f"/hostile/{number}", File(f"payload {number}".encode()))
        entries.append({"url": origin.url(f"/hostile/{number}"), "name": name})
    path = tmp_path_factory.mktemp("hostile") / "archive.zip"
    path.write_bytes(gateway.download(gateway.create(entries=entries, compression="store")["archive_hash"]))
    return path


def test_hostile_names_are_clean_in_every_reader(archive: Path, readers: Readers) -> None:
    """Each payload once, in the order of the list, and not a warning."""
    names = [member.name for member in python(archive)]
    assert len(names) == len(wished()) >= 190
    readers.check(archive, {name: f"payload {n}".encode() for n, name in enumerate(names)}, streaming=True)


@pytest.mark.parametrize("extract", EXTRACTORS.values(), ids=EXTRACTORS)
def test_hostile_names_are_unpacked_beneath_the_folder(archive: Path, tmp_path: Path, extract: object) -> None:
    """Every file is there under the archive's own name for it, none over another, and nothing beside the folder."""
    assert callable(extract)
    folder = tmp_path / "a" / "b" / "c" / "unpacked"
    folder.mkdir(parents=True)
    extract(archive, folder)
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if not path.is_dir()}
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    names = [member.name for member in python(archive)]
    assert sorted(found) == sorted(names)
    assert [found[name].read_text() for name in names] == [f"payload {n}" for n in range(len(names))]
    outside = [path for path in tmp_path.rglob("*") if path != folder and folder not in path.parents]
    assert outside == [tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "b" / "c"]


def test_hostile_names_in_urls_are_clean_too(
    gateway: Gateway, origin: Origin, readers: Readers, tmp_path: Path
) -> None:
    """The same names as URLs' last segments, percent-encoded; the name is the gateway's own choice then."""
    urls, payloads = [], []
    for number, name in enumerate(wished()):
        path = f"/hostile-url/{number}/{quote(name, safe='')[:6000]}"
        origin.serve(path, File(f"url {number}".encode()))
        urls.append(origin.url(path))
        payloads.append(f"url {number}".encode())
    path_of_it = tmp_path / "archive.zip"
    path_of_it.write_bytes(gateway.download(gateway.create(urls=urls, compression="store")["archive_hash"]))
    names = [member.name for member in python(path_of_it)]
    readers.check(path_of_it, dict(zip(names, payloads, strict=True)), streaming=True)


@pytest.mark.parametrize("name", [name for name in hostile_names() if not is_text(name)], ids=ascii)
def test_create_refuses_a_name_that_is_no_text(gateway: Gateway, name: str) -> None:
    """Half a surrogate pair, as JSON can spell it: 422 that names the field."""
    body = json.dumps({"entries": [{"url": "http://example.com/", "name": name}]})
    response = gateway.client.post("/api/archive/create", content=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/entries/0/name"

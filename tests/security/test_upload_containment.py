"""Whatever an upload is called, it lies in its place, replaces nothing, and leads to nothing else."""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.hostile_names import hostile_names
from tests.support.words import ask, random_words, words

SENTINEL = b"the bytes outside, which nobody may see"
GETS = ("/download/{}", "/download/{}secret", "/download/a.txt{}", "/upload/{}")


@pytest.fixture
def gateway(launch: Launch, tmp_path: Path) -> Gateway:
    """One with a file, among others that are none of its uploads."""
    gateway = launch("around/data", upload_extensions="txt,keys,db,json,png,jpg")
    for place in (tmp_path, tmp_path / "around", gateway.data, gateway.data / "uploads"):
        (place / "secret").write_bytes(SENTINEL)
        (place / "secret.txt").write_bytes(SENTINEL)
    assert gateway.client.post("/upload/a.txt", content=b"inside").status_code == 201
    return gateway


def tree(folder: Path) -> dict[str, bytes]:
    """Every file that is no upload, with its bytes; of the store, which changes, only the name."""
    found = {}
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if path.is_file() and "uploads" not in place.parts[:-1]:
            found[str(place)] = b"" if ".db" in path.name else path.read_bytes()
    return found


def check(gateway: Gateway, tried: Iterable[str]) -> int:
    count = 0
    for answer in ask(gateway.port, (template.format(word) for word in tried for template in GETS)):
        count += 1
        assert SENTINEL not in answer.body, answer.target
        assert answer.status < 500, answer
    return count


def test_download_paths_lead_nowhere_when_all_short_words_are_tried(gateway: Gateway) -> None:
    """Every word of up to three tokens of the traversals' alphabet: no byte from outside."""
    assert check(gateway, words(3)) == 4 * (9 + 81 + 729)


@pytest.mark.slow
def test_download_paths_lead_nowhere_when_a_million_are_tried(gateway: Gateway) -> None:
    """All words of up to five tokens, and 190,000 of up to nine: over a million requests."""
    assert check(gateway, words(5)) + check(gateway, random_words(190_000, 9, seed=9)) > 1_000_000


def test_uploads_and_deletions_change_nothing_else_when_words_are_their_names(gateway: Gateway, tmp_path: Path) -> None:
    """Every word of up to two tokens, and longer ones, with an extension that is taken: all else stays as it was."""
    before = tree(tmp_path)
    paths = [
        f"/upload/{word}{end}" for word in (*words(2), *random_words(200, 6, seed=6)) for end in ("", "secret.txt")
    ]
    for method in ("POST", "DELETE"):
        for answer in ask(gateway.port, paths, method=method, body="x"):
            assert answer.status < 500, answer
    assert tree(tmp_path) == before
    assert sorted(os.listdir(gateway.data / "uploads" / "arriving")) == []


def test_hostile_names_are_refused_or_lie_in_their_place(gateway: Gateway, tmp_path: Path) -> None:
    """As paths and as forms, bare and with an extension: no file outside, none overwritten, each found by its name."""
    before = tree(tmp_path)
    taken: set[str] = set()
    for hostile in hostile_names():
        for name in (hostile, f"{hostile}.txt"):
            encoded = name.encode(errors="surrogatepass")
            path = quote(encoded, safe="")
            raw = gateway.client.post(f"/upload/{path[:8_000]}", content=b"raw")  # of 8 KiB at most
            header = b'Content-Disposition: form-data; name="file"; filename="%b"' % encoded.replace(b'"', b"%22")
            form = b"--b\r\n" + header + b"\r\n\r\nform\r\n--b--\r\n"
            sent = gateway.client.post(
                "/upload", content=form, headers={"Content-Type": "multipart/form-data; boundary=b"}
            )
            for response in (raw, sent):
                assert response.status_code in (201, 307, 400, 404, 405, 409, 415, 422), (name, response.text)
                if response.status_code == 201:
                    taken.add(response.json()["filename"])
    assert taken
    assert tree(tmp_path) == before
    assert {row["filename"] for row in gateway.client.get("/download").json()} == taken | {"a.txt"}
    for name in taken:
        assert gateway.client.get(f"/download/{quote(name, safe='')}").content in (b"raw", b"form")
    assert gateway.client.get("/download/a.txt").content == b"inside"

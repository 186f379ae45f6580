"""Downloads from a server that lies, and into a folder in which others write."""

import os
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from streamzip.client import BadAnswer, Busy, CannotSave, Client, DownloadBroken
from streamzip.client.download import filename, part_path

SERVER = "https://zip.example.com"
LINK = "/archive/get/3bea29ccabbbf64bdebcc055319c5745.zip"
TAG = {"ETag": '"e"'}


@pytest.fixture
def router() -> respx.Router:
    """A gateway that describes an archive of ten bytes."""
    router = respx.Router(assert_all_called=False)
    router.head(f"{SERVER}{LINK}").respond(200, headers=TAG | {"Content-Length": "10"})
    return router


@pytest.fixture
def client(router: respx.Router) -> Client:
    """A client of that gateway."""
    return Client(SERVER, http=httpx.Client(transport=httpx.MockTransport(router.handler)))


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, which nobody waits for."""
    taken: list[float] = []
    monkeypatch.setattr("streamzip.client.blocking.time.sleep", taken.append)
    return taken


def part_of(target: Path) -> Path:
    """The file in which the download waits."""
    return part_path(target, LINK, '"e"')


def ranged(total: str) -> Any:
    """Answers a byte of what is asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        start = int(request.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        told = {"Content-Range": f"bytes {start}-{start}/{total}"}
        return httpx.Response(206, headers=TAG | told, content=b"x")

    return answer


def test_answers_that_end_early_are_not_asked_for_without_an_end(
    client: Client, router: respx.Router, tmp_path: Path
) -> None:
    """A whole answer that is shorter than was said, again and again, brings nothing."""
    route = router.get(f"{SERVER}{LINK}").respond(200, content=b"short", headers=TAG)
    with pytest.raises(DownloadBroken, match=r"before the archive's end; 5 bytes are kept"):
        client.download(LINK, tmp_path / "a.zip", attempts=4)
    assert route.call_count == 5
    assert part_of(tmp_path / "a.zip").read_bytes() == b"short"


def test_answers_that_bring_a_little_each_are_gone_on_from(
    client: Client, router: respx.Router, tmp_path: Path
) -> None:
    """Each of them is an advance."""
    router.get(f"{SERVER}{LINK}").mock(side_effect=ranged("10"))
    assert client.download(LINK, tmp_path / "a.zip", attempts=2).read_bytes() == b"x" * 10


def test_nothing_is_written_beyond_the_length(client: Client, router: respx.Router, tmp_path: Path) -> None:
    """Else a server could fill the disk."""
    router.get(f"{SERVER}{LINK}").respond(200, content=b"x" * 1000, headers=TAG)
    with pytest.raises(BadAnswer, match="more than the archive has"):
        client.download(LINK, tmp_path / "a.zip")
    assert part_of(tmp_path / "a.zip").stat().st_size <= 10


@pytest.mark.parametrize("total", ["11", "9" * 5000, "", "x"])
def test_range_of_another_length_is_refused(client: Client, router: respx.Router, tmp_path: Path, total: str) -> None:
    """It is of another archive, whatever its ETag says."""
    router.get(f"{SERVER}{LINK}").mock(side_effect=ranged(total))
    with pytest.raises(BadAnswer, match="another range"):
        client.download(LINK, tmp_path / "a.zip")


def test_length_of_thousands_of_digits_is_none(client: Client, router: respx.Router, tmp_path: Path) -> None:
    """Python's int() raises on it."""
    router.head(f"{SERVER}{LINK}").respond(200, headers=TAG | {"Content-Length": "9" * 5000})
    router.get(f"{SERVER}{LINK}").respond(200, content=b"PK", headers=TAG)
    assert client.download(LINK, tmp_path / "a.zip").read_bytes() == b"PK"


@pytest.mark.parametrize("head", [200, 503])
def test_server_is_waited_for_no_longer_than_the_patience(
    client: Client, router: respx.Router, tmp_path: Path, pauses: list[float], head: int
) -> None:
    """Whatever its Retry-After says, before the download and in it."""
    busy = {"code": "not_ready", "detail": "later"}
    router.head(f"{SERVER}{LINK}").respond(head, headers=TAG | {"Content-Length": "10"})
    router.get(f"{SERVER}{LINK}").respond(503, json=busy, headers={"Retry-After": "86400"})
    with pytest.raises(Busy):
        client.download(LINK, tmp_path / "a.zip", patience=20)
    assert 20 <= sum(pauses) <= 21


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("x" * 1000 + ".zip", "x" * 196 + ".zip"),
        ("é" * 500 + ".zip", "é" * 98 + ".zip"),
        ("a." + "x" * 1000, "a." + "x" * 198),
        ("evil\u202egnp.exe\x1b[31m\x9b", "evilgnp.exe[31m"),
        (".hidden", "hidden"),
        ("\u202e", "archive.zip"),
        ("..", "archive.zip"),
    ],
)
def test_name_that_a_server_chose_is_short_and_visible(said: str, name: str) -> None:
    """So that it can be a file's, with the ending of its part, and says what it is."""
    quoted = "".join(f"%{byte:02x}" for byte in said.encode())
    assert filename(f"attachment; filename*=utf-8''{quoted}") == name


def test_part_is_never_opened_through_what_is_no_file(client: Client, router: respx.Router, tmp_path: Path) -> None:
    """In a folder that others may write to a link would lead anywhere, and a pipe would wait for ever."""
    router.get(f"{SERVER}{LINK}").respond(200, content=b"x" * 10, headers=TAG)
    target, victim = tmp_path / "a.zip", tmp_path / "victim"
    victim.write_text("mine")
    part_of(target).symlink_to(victim)
    with pytest.raises(CannotSave, match="cannot be written"):
        client.download(LINK, target)
    assert victim.read_text() == "mine"
    part_of(target).unlink()
    os.mkfifo(part_of(target))
    with pytest.raises(CannotSave, match="it is no file"):
        client.download(LINK, target)


@pytest.mark.parametrize("links", [True, False], ids=["links", "no links"])
def test_file_that_came_meanwhile_is_not_replaced(
    client: Client, router: respx.Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Who asked for no replacing has a file of that name, and the download beside it."""
    target = tmp_path / "a.zip"

    def answer(request: httpx.Request) -> httpx.Response:
        target.write_text("mine")
        return httpx.Response(200, content=b"x" * 10, headers=TAG)

    def no_links(*_: Any, **_also: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr("streamzip.client.download.os.link", no_links)
    router.get(f"{SERVER}{LINK}").mock(side_effect=answer)
    with pytest.raises(CannotSave, match="exists by now"):
        client.download(LINK, target)
    assert target.read_text() == "mine"
    assert part_of(target).read_bytes() == b"x" * 10
    assert client.download(LINK, target, replace=True).read_bytes() == b"x" * 10
    target.unlink()
    router.get(f"{SERVER}{LINK}").respond(200, content=b"x" * 10, headers=TAG)
    assert client.download(LINK, target).read_bytes() == b"x" * 10
    assert not part_of(target).exists()

"""What origins tell of a file beside its bytes: its name, and that it is a web page in the place of a file."""

import io
import json
import zipfile
from typing import Any

import pytest

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Status

PDF = ("Content-Type", "application/pdf")
HTML = ("Content-Type", "text/html; charset=utf-8")


def disposed(name: str) -> tuple[str, str]:
    return ("Content-Disposition", f'attachment; filename="{name}"')


def opened(gateway: Gateway, hash: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(gateway.download(hash)))


def test_files_have_the_names_that_their_origins_give(gateway: Gateway, origin: Origin) -> None:
    """Numbered where they clash; what the client named keeps its name; the same after the copy is there."""
    for number, fields in enumerate([(disposed("a.pdf"),), (disposed("a.pdf"),), (PDF,), (disposed("b.pdf"), PDF)]):
        origin.serve(f"/named/{number}/download", File(b"%d" % number * 100, fields=fields))
    entries: list[dict[str, Any]] = [{"url": origin.url(f"/named/{number}/download")} for number in range(4)]
    entries.append({"url": origin.url("/named/0/download"), "name": "a.pdf"})
    created = gateway.create(entries=entries, compression="store")
    hash = created["archive_hash"]
    assert [each["name"] for each in created["renamed"]] == ["download (2)", "download (3)", "download (4)"]
    names = ["a (2).pdf", "a (3).pdf", "download (3).pdf", "b.pdf", "a.pdf"]
    with opened(gateway, hash) as archive:
        assert archive.namelist() == names
        assert [archive.read(name)[:1] for name in names] == [b"0", b"1", b"2", b"3", b"0"]
    gateway.until(hash)
    members = gateway.client.get(f"/api/archive/status/{hash}", params={"entries": "1"}).json()["members"]
    assert [member["name"] for member in members] == names


def test_names_are_numbered_in_the_entries_order(gateway: Gateway, origin: Origin) -> None:
    """An origin that answers last does not change the name: the same answers give the same archive."""
    first, second = (File(b"%d" % number, fields=(disposed("a.pdf"),)) for number in range(2))
    origin.serve("/ordered/0", Status(500), Status(500), first)
    origin.serve("/ordered/1", second)
    hash = gateway.create(urls=[origin.url(f"/ordered/{number}") for number in range(2)])["archive_hash"]
    with opened(gateway, hash) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.pdf": b"0", "a (2).pdf": b"1"}


def test_name_that_the_client_gave_is_another_archive(gateway: Gateway, origin: Origin) -> None:
    """The same name, learned or given, is not the same wish: the origin may say another one tomorrow."""
    origin.serve("/named/x.png", File(b"x"))
    entry = {"url": origin.url("/named/x.png")}
    hashes = [gateway.create(entries=[entry | more])["archive_hash"] for more in ({}, {"name": "x.png"})]
    assert hashes[0] != hashes[1]


@pytest.fixture
def walled(origin: Origin) -> list[str]:
    """Return the URLs of a page that has a PDF's name, of a page, and of a PDF."""
    origin.serve("/walled/report.pdf", File(b"<html>log in", fields=(HTML,)))
    origin.serve("/walled/about.html", File(b"<html>about", fields=(HTML,)))
    origin.serve("/walled/other.pdf", File(b"%PDF", fields=(PDF,)))
    return [origin.url(f"/walled/{name}") for name in ("report.pdf", "about.html", "other.pdf")]


def test_page_in_the_place_of_a_file_is_warned_of(gateway: Gateway, walled: list[str]) -> None:
    """By default it is packed as it came; status and report say so."""
    hash = gateway.create(urls=walled)["archive_hash"]
    with opened(gateway, hash) as archive:
        assert archive.read("report.pdf") == b"<html>log in"
        report = json.loads(archive.read("archive-report.json"))
    status = gateway.until(hash)
    assert status["errors"] == report["skipped"] == []
    assert status["warnings"] == report["warnings"]
    assert [(each["index"], each["name"], each["code"]) for each in status["warnings"]] == [
        (0, "report.pdf", "html_page")
    ]


@pytest.mark.parametrize("where", ["archive", "entry"])
def test_page_in_the_place_of_a_file_is_left_out_where_that_is_asked(
    where: str, gateway: Gateway, walled: list[str]
) -> None:
    """By an option of the archive, or of its entry."""
    if where == "archive":
        asked: dict[str, Any] = {"urls": walled, "on_html": "skip"}
    else:
        asked = {"entries": [{"url": url, "on_html": "skip"} for url in walled]}
    hash = gateway.create(**asked)["archive_hash"]
    with opened(gateway, hash) as archive:
        assert archive.namelist() == ["about.html", "other.pdf", "archive-report.json"]
    assert [error["code"] for error in gateway.status(hash)["errors"]] == ["html_page"]


def test_page_in_the_place_of_a_file_fails_the_archive_where_that_is_asked(gateway: Gateway, walled: list[str]) -> None:
    """`on_html` decides, whatever `on_error` says of other entries."""
    hash = gateway.create(urls=walled, on_html="fail")["archive_hash"]
    response = gateway.get(hash)
    assert (response.status_code, response.json()["code"]) == (502, "entry_failed")

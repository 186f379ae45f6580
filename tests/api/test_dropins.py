"""The interfaces of other gateways, asked as their own documentation does.

What zipstreamer and mod_zip answer was recorded of their programs (tests/support/recorded_peers.py); zipstreamer's
errors below too, with these very calls.
"""

import hashlib
import json
import uuid
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import recorded_peers
from tests.support.gateway import Gateway
from tests.support.nginx import NginxOrigin, NginxPrefix
from tests.support.origin import File, HangUp, Origin, Reply, Request, Status, redirect
from tests.support.recorded_peers import ONE, TWO, A, B, line


@pytest.fixture(scope="module")
def private() -> Iterator[Origin]:
    """An upstream with its file server and its descriptors, which no client of the gateway may name."""
    with Origin() as origin:
        origin.serve("/file1.txt", File(ONE))
        origin.serve("/file%202.txt", File(TWO))
        yield origin


@pytest.fixture(scope="module")
def gateway(origin: Origin, private: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that stands in for zipstreamer and for an nginx with mod_zip."""
    own = f"http://{private.authority}"
    settings = {"compat_list_prefix": f"{own}/lists/", "upstream": own, "upstream_files": own, "cors_origins": "*"}
    settings["max_entries"] = "6"
    data = tmp_path_factory.mktemp("dropins") / "data"
    with Gateway(data, allow=[origin.authority], compat="zipstreamer,mod_zip", **settings) as gateway:
        yield gateway


@pytest.fixture
def descriptor(origin: Origin) -> bytes:
    """The README's example, with files that are here."""
    origin.serve("/a.txt", File(A))
    origin.serve("/b.txt", File(B))
    files = [("/a.txt", "a.txt"), ("/b.txt", "in-a-sub-folder/b.txt")]
    rows = [{"url": origin.url(path), "zipPath": name} for path, name in files]
    return json.dumps({"suggestedFilename": "tps_reports.zip", "files": rows}).encode()


MEMBERS = {"a.txt": A, "in-a-sub-folder/b.txt": B}


def members(response: httpx.Response) -> dict[str, bytes]:
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def check_documented_zip(response: httpx.Response) -> None:
    assert members(response) == MEMBERS
    assert response.headers["content-type"] == "application/zip"
    assert response.headers["content-disposition"].startswith('attachment; filename="tps_reports.zip"')


def test_zipstreamers_documented_calls_give_the_zip(gateway: Gateway, private: Origin, descriptor: bytes) -> None:
    """POST and GET /download, and a link, give the same archive, which can be resumed besides."""
    private.serve("/lists/82a1b54c", File(descriptor))
    check_documented_zip(gateway.client.post("/download", content=descriptor))
    check_documented_zip(gateway.client.get("/download", params={"zsid": "82a1b54c"}))
    created = gateway.client.post("/create_download_link", content=descriptor)
    assert created.status_code == 200
    assert created.json() == {"status": "ok", "link_id": str(uuid.UUID(created.json()["link_id"], version=4))}
    link = f"/download_link/{created.json()['link_id']}"
    whole = gateway.client.get(link)
    check_documented_zip(whole)
    head = gateway.client.head(link)
    assert int(head.headers["content-length"]) == len(whole.content)
    part = gateway.client.get(link, headers={"Range": "bytes=10-", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[10:])


def test_script_of_any_site_calls_zipstreamers_interface(gateway: Gateway, descriptor: bytes) -> None:
    """There it always may; here where STREAMZIP_CORS_ORIGINS says `*`."""
    site = {"Origin": "https://app.example"}
    created = gateway.client.post("/create_download_link", content=descriptor, headers=site)
    link = f"/download_link/{created.json()['link_id']}"
    wishes = site | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    asked = gateway.client.options("/create_download_link", headers=wishes)
    for answer in (created, asked, gateway.client.get(link, headers=site)):
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


def test_descriptor_is_fetched_from_where_its_url_says(gateway: Gateway, origin: Origin, descriptor: bytes) -> None:
    """GET /download?zsurl=, along a redirect too."""
    origin.serve("/descriptors/1", redirect(origin.url("/descriptors/2")))
    origin.serve("/descriptors/2", File(descriptor))
    check_documented_zip(gateway.client.get("/download", params={"zsurl": origin.url("/descriptors/1")}))


INVALID_BODY = (400, "invalid body")
INVALID_ENTRIES = (400, "invalid entries")


@pytest.mark.parametrize(
    ("method", "target", "body", "recorded"),
    [
        ("POST", "/download", b'{"files":[]}', INVALID_ENTRIES),
        ("POST", "/download", b"{}", INVALID_ENTRIES),
        ("POST", "/download", b"null", INVALID_ENTRIES),
        ("POST", "/download", b"{", INVALID_BODY),
        ("POST", "/download", b"", INVALID_BODY),
        ("POST", "/download", b'{"files":"x"}', INVALID_BODY),
        ("POST", "/download", b'{"files":[{"url":1}]}', INVALID_BODY),
        ("POST", "/download", b"[]", INVALID_BODY),
        ("GET", "/download?zsurl=", None, (400, "invalid parameters")),
        ("GET", "/download?zsurl=ORIGIN/gone", None, (404, "file not found")),
        ("GET", "/download?zsurl=ORIGIN/html", None, (404, "file not found")),
        ("GET", "/download?zsid=unknown", None, (404, "file not found")),
        ("GET", "/download_link/7b0dc7a5-52d2-4b0e-a0c5-4e6d3a0f3b6e", None, (404, "link not found")),
        ("GET", "/download_link/nonsense", None, (404, "link not found")),
        ("POST", "/create_download_link", b'{"files":[]}', (400, "no files to download")),
        ("POST", "/create_download_link", b"{", INVALID_BODY),
    ],
)
def test_zipstreamers_errors_are_those_that_were_recorded(
    gateway: Gateway, origin: Origin, method: str, target: str, body: bytes | None, recorded: tuple[int, str]
) -> None:
    """Status and document are its own; what ours knows besides stands under other keys."""
    origin.serve("/html", File(b"<html><body>Log in</body></html>"))
    answer = gateway.client.request(method, target.replace("ORIGIN", f"http://{origin.authority}"), content=body)
    assert (answer.status_code, answer.json()["error"]) == recorded
    assert answer.json()["status"] == "error"


@pytest.mark.parametrize(
    ("zsid", "zsurl"),
    [
        ("../secret", None),
        ("a/%2e%2e/secret", None),
        ("a/..;/secret", None),
        ("..\\secret", None),
        (None, "http://127.0.0.1:1/x"),
        (None, "PRIVATE"),
    ],
)
def test_descriptors_are_not_fetched_from_elsewhere(
    gateway: Gateway, private: Origin, descriptor: bytes, zsid: str | None, zsurl: str | None
) -> None:
    """An id stays below its prefix, and what the operator named for ids is no address for clients."""
    private.serve("/lists/found", File(descriptor))
    private.serve("/secret", File(descriptor))
    before = len(private.requests("/secret")) + len(private.requests("/lists/found"))
    url = f"http://{private.authority}/lists/found" if zsurl == "PRIVATE" else zsurl
    params = {"zsid": zsid} if zsid is not None else {"zsurl": url}
    answer = gateway.client.get("/download", params=params)
    assert (answer.status_code, answer.json()["error"]) == (404, "file not found")
    assert len(private.requests("/secret")) + len(private.requests("/lists/found")) == before


@pytest.mark.parametrize(("dest", "status"), [("image", 403), ("iframe", 403), ("empty", 403), ("document", 200)])
def test_page_of_another_site_may_only_lead_to_a_descriptor(
    gateway: Gateway, origin: Origin, descriptor: bytes, dest: str, status: int
) -> None:
    """Its image would have the gateway fetch and keep whatever it names; a link is what the interface is for."""
    path = f"/descriptors/site/{dest}"
    origin.serve(path, File(descriptor))
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": dest}
    answer = gateway.client.get("/download", params={"zsurl": origin.url(path)}, headers=headers)
    assert answer.status_code == status
    assert len(origin.requests(path)) == (status == 200)


def test_descriptor_of_nine_mebibytes_is_refused(gateway: Gateway, origin: Origin) -> None:
    """It is not read to its end, and nothing is stored."""
    origin.serve("/nine", File(b'{"x": "' + bytes(9 << 20)))
    answer = gateway.client.get("/download", params={"zsurl": origin.url("/nine")})
    assert (answer.status_code, answer.json()["code"]) == (413, "list_too_large")
    assert "8 MiB" in answer.json()["error"]


def test_origin_that_has_none_of_the_files_is_told_in_zipstreamers_shape(gateway: Gateway, origin: Origin) -> None:
    """Its program sends 200 and drops the connection; here the status is there before the first byte."""
    files = [{"url": origin.url("/missing"), "zipPath": "x"}]
    answer = gateway.client.post("/download", json={"files": files})
    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (502, "error", "no_entries")


def test_gateways_own_download_calls_are_as_they_were(gateway: Gateway, origin: Origin) -> None:
    """A web page is asked for with `url`, and GET /download without a query lists uploads."""
    page = gateway.client.post("/download", json={"url": origin.url("/page")})
    assert (page.status_code, list(page.json())) == (202, ["download_id"])
    assert gateway.client.get("/download").json() == []
    refused = gateway.client.post("/download", json={"url": "ftp://x/"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_link_expires(origin: Origin, tmp_path: Any, descriptor: bytes) -> None:
    """After STREAMZIP_COMPAT_LINK_TTL it is as if it had never been; zipstreamer's own variables are read."""
    allow, under = [origin.authority], ["env", "ZS_COMPRESSION=DEFLATE"]
    with Gateway(tmp_path / "data", allow=allow, under=under, compat="zipstreamer", compat_link_ttl="0.2") as gateway:
        link = gateway.client.post("/create_download_link", content=descriptor).json()["link_id"]
        while gateway.client.head(f"/download_link/{link}").status_code != 404:
            pass
        answer = gateway.client.post("/download", content=descriptor)
        assert members(answer) == MEMBERS
        with zipfile.ZipFile(BytesIO(answer.content)) as archive:
            assert archive.getinfo("in-a-sub-folder/b.txt").compress_type == zipfile.ZIP_DEFLATED


def test_keys_guard_what_makes_archives_and_a_link_is_for_whoever_has_it(
    origin: Origin, tmp_path: Any, descriptor: bytes
) -> None:
    """An application with a key makes the link, and a browser without one downloads, after a restart too."""
    settings = {
        "compat": "zipstreamer",
        "api_keys": f"app:{hashlib.sha256(b'secret').hexdigest()}",
        "signed_links": "on",
    }
    with Gateway(tmp_path / "data", allow=[origin.authority], **settings) as gateway:
        for method, target in (
            ("POST", "/download"),
            ("POST", "/create_download_link"),
            ("GET", f"/download?zsurl={origin.url('/x')}"),
        ):
            refused = gateway.client.request(method, target, content=descriptor if method == "POST" else None)
            assert (refused.status_code, refused.json()["status"], refused.json()["code"]) == (
                401,
                "error",
                "unauthorized",
            )
        key = {"Authorization": "Bearer secret"}
        link = gateway.client.post("/create_download_link", content=descriptor, headers=key).json()["link_id"]
        check_documented_zip(gateway.client.get(f"/download_link/{link}"))
        assert not [line for line in gateway.log if link in json.dumps(line)]
        gateway.kill()
        gateway.start()
        check_documented_zip(gateway.client.get(f"/download_link/{link}"))


def test_nothing_of_it_is_there_by_default(tmp_path: Any) -> None:
    """The paths are unknown where the setting does not name the program."""
    with Gateway(tmp_path / "data") as gateway:
        assert gateway.client.post("/create_download_link", content=b"{}").status_code == 404
        assert gateway.client.get("/no/such/path").status_code == 404


def listed(body: bytes, *fields: tuple[str, str]) -> Status:
    """An upstream's answer that is a list."""
    return Status(200, (("X-Archive-Files", "zip"), *fields), body)


def test_upstreams_list_becomes_the_zip(gateway: Gateway, private: Origin) -> None:
    """CRCs, folders, escaped locations with a query; the upstream names the file; lengths are exact."""
    body = line(ONE, "/file1.txt", "My Document1.txt") + line(TWO, "/file%202.txt?x=1", "dir/two.txt")
    body += b"0        0      @directory My empty directory\n"
    private.serve("/zip/full", listed(body, ("Content-Disposition", 'attachment; filename="foobar.zip"')))
    answer = gateway.client.get("/zip/full?q=%20", headers={"Range": "bytes=5-", "Cookie": "session=1", "X-Other": "1"})
    assert answer.status_code == 206
    whole = gateway.client.get("/zip/full?q=%20")
    assert members(whole) == {"My Document1.txt": ONE, "dir/two.txt": TWO, "My empty directory/": b""}
    assert whole.content[5:] == answer.content
    assert whole.headers["content-disposition"].startswith('attachment; filename="foobar.zip"')
    head = gateway.client.head("/zip/full?q=%20")
    assert int(head.headers["content-length"]) == len(whole.content)
    asked = private.requests("/zip/full")[0]
    assert asked.target == "/zip/full?q=%20"
    assert private.requests("/file%202.txt")[0].target == "/file%202.txt?x=1"
    assert asked.fields["cookie"] == "session=1"
    assert asked.fields["x-forwarded-for"] == "127.0.0.1"
    assert (asked.fields["x-forwarded-proto"], asked.fields["x-forwarded-host"]) == (
        "http",
        f"127.0.0.1:{gateway.port}",
    )
    assert not {"range", "if-range", "x-other"} & asked.fields.keys()
    assert asked.fields["accept-encoding"] == "identity"


def test_upstream_is_asked_each_time_and_told_who_asks(gateway: Gateway, private: Origin) -> None:
    """It decides at every request, also of a range, whether this client may; the zip has no fields of its answer."""
    fields = (("ETag", '"app"'), ("Last-Modified", "Mon, 01 Jun 2026 10:00:00 GMT"), ("Set-Cookie", "a=1"))
    body = line(ONE, "/file1.txt", "a.txt")
    private.serve("/zip/asked", listed(body, *fields), listed(body), Status(403))
    told = {"Authorization": "Bearer x", "User-Agent": "ua", "Referer": "http://a/", "Accept-Language": "de"}
    whole = gateway.client.get("/zip/asked", headers=told | {"Accept": "application/zip"})
    assert members(whole) == {"a.txt": ONE}
    assert "set-cookie" not in whole.headers
    assert whole.headers["etag"] != '"app"' and whole.headers["last-modified"] != fields[1][1]
    part = gateway.client.get("/zip/asked", headers={"Range": "bytes=9-", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[9:])
    assert gateway.client.get("/zip/asked", headers={"Range": "bytes=9-"}).status_code == 403
    asked = private.requests("/zip/asked")[0].fields
    assert {name: asked[name.lower()] for name in told} == told
    assert asked["accept"] == "application/zip"


def test_names_are_read_in_the_character_set_that_the_upstream_says(gateway: Gateway, private: Origin) -> None:
    """X-Archive-Charset and X-Archive-Name-Sep; in the zip they are UTF-8."""
    charset = ("X-Archive-Charset", "ISO-8859-1;")
    private.serve("/zip/latin", listed(line(ONE, "/file1.txt", "").rstrip() + b" \xe9.txt\n", charset))
    assert members(gateway.client.get("/zip/latin")) == {"é.txt": ONE}
    both = line(ONE, "/file1.txt", "").rstrip() + " \N{LATIN SMALL LETTER E WITH ACUTE}.txt".encode("cp437")
    native = (("X-Archive-Charset", "native;"), ("X-Archive-Name-Sep", "|;"))
    private.serve("/zip/native", listed(both + "|é.txt\n".encode(), *native))
    assert members(gateway.client.get("/zip/native")) == {"é.txt": ONE}


@pytest.mark.needs("nginx")
def test_file_server_may_be_an_nginx_with_a_root_and_a_proxy_may_change_the_paths(
    private: Origin, tmp_path: Path
) -> None:
    """As the two were one before: `location` with `root` for the files, and `/zip/` in front of the application."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "file 2.txt").write_bytes(TWO)
    private.serve("/7", listed(line(TWO, "/file%202.txt", "b.txt")))
    with NginxOrigin(tmp_path / "files", root) as files:
        settings = {"compat": "mod_zip", "upstream": private.url(""), "upstream_files": files.base}
        with (
            Gateway(tmp_path / "data", allow=[], **settings) as gateway,
            NginxPrefix(tmp_path / "front", "/zip/", f"127.0.0.1:{gateway.port}") as front,
        ):
            assert members(httpx.get(f"{front.base}/zip/7", trust_env=False)) == {"b.txt": TWO}
    assert private.requests("/7")


def test_range_is_answered_for_a_list_without_checksums(gateway: Gateway, private: Origin) -> None:
    """RomM's list, whose lines have `-`: mod_zip ignores Range there, and its clients begin anew."""
    # As rommapp/romm writes it: no newline at its end, locations quoted, `-` where it knows no CRC-32.
    rows = [
        line(ONE, "/file1.txt", "Game (USA)/disc 1.bin", "-"),
        line(TWO, "/file%202.txt?x=1", "Game (USA).m3u", "-"),
    ]
    disposition = "attachment; filename*=UTF-8''Game%20%28USA%29.zip; filename=\"Game%20%28USA%29.zip\""
    private.serve("/api/roms/1/content", listed(b"".join(rows).rstrip(b"\n"), ("Content-Disposition", disposition)))
    whole = gateway.client.get("/api/roms/1/content")
    assert members(whole) == {"Game (USA)/disc 1.bin": ONE, "Game (USA).m3u": TWO}
    assert "Game%20%28USA%29.zip" in whole.headers["content-disposition"]
    part = gateway.client.get("/api/roms/1/content", headers={"Range": "bytes=20-", "If-Range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[20:])


def test_clients_fields_go_to_the_files_where_the_upstream_says_so(gateway: Gateway, private: Origin) -> None:
    """X-Archive-Pass-Headers, for files that a session guards."""

    def choose(request: Request) -> File | Status:
        return File(ONE) if request.fields.get("x-auth-token") == "42" else Status(403)

    private.serve("/guarded.txt", Reply(choose))
    private.serve(
        "/zip/guarded", listed(line(ONE, "/guarded.txt", "a"), ("X-Archive-Pass-Headers", "Cookie:X-Auth-Token"))
    )
    assert members(gateway.client.get("/zip/guarded", headers={"X-Auth-Token": "42"})) == {"a": ONE}
    refused = gateway.client.get("/zip/guarded")
    assert (refused.status_code, refused.json()["code"]) == (502, "origin_failed")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"- 1 /file1.txt a\nnonsense\n", "line 2: expected"),
        (b"<html><body>Log in</body></html>", "line 1: expected"),
        (b"", "it has no entries"),
        (b"- 1 http://other.example/a a\n", "line 1: the location begins with a slash"),
        (b" " * ((16 << 20) + 1), "longer than 16 MiB"),
        (b"- 1 /file1.txt a\n" * 7, "line 7: the list has more than 6"),
    ],
    ids=["a line", "a page", "nothing", "a URL", "too long", "too many"],
)
def test_list_that_cannot_be_read_is_refused_with_its_line(
    gateway: Gateway, private: Origin, body: bytes, why: str
) -> None:
    """mod_zip cuts the connection and logs that the list is invalid."""
    private.serve("/zip/bad", listed(body))
    answer = gateway.client.get("/zip/bad")
    assert (answer.status_code, answer.json()["code"]) == (502, "bad_list")
    assert why in answer.json()["detail"]


def test_file_that_is_not_as_listed_fails_the_archive(gateway: Gateway, private: Origin) -> None:
    """A wrong size, a wrong checksum, a file that is gone: no download ends well with it."""
    for number, row in enumerate(
        (
            line(ONE + b"x", "/file1.txt", "a", "-"),
            line(ONE, "/file1.txt", "a", "00000001"),
            line(ONE, "/gone.txt", "a"),
        )
    ):
        private.serve(f"/zip/wrong/{number}", listed(row))
        try:
            answer = gateway.client.get(f"/zip/wrong/{number}")
        except httpx.RemoteProtocolError:
            continue
        assert answer.status_code in (409, 502), answer.text


def test_what_is_no_list_passes_as_it_is(gateway: Gateway, private: Origin) -> None:
    """Status, fields and body, also of HEAD; the gateway's own paths stay its own."""
    fields = (("Content-Type", "text/html"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("ETag", 'W/"1"'))
    private.serve("/page", Status(418, fields, b"<p>hello</p>"))
    answer = gateway.client.get("/page")
    assert (answer.status_code, answer.content) == (418, b"<p>hello</p>")
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["etag"] == 'W/"1"'
    head = gateway.client.head("/page")
    assert (head.status_code, head.content, head.headers["content-length"]) == (418, b"", "12")
    private.serve("/away", redirect("https://elsewhere.example/"))
    assert gateway.client.get("/away").headers["location"] == "https://elsewhere.example/"
    private.serve("/healthz", Status(418))
    assert gateway.client.get("/healthz").json()["status"] == "ok"
    assert gateway.client.post("/page").status_code == 404


def test_upstream_that_does_not_answer_is_a_bad_gateway(gateway: Gateway, private: Origin) -> None:
    """502, before the first byte."""
    private.serve("/silent", HangUp())
    answer = gateway.client.get("/silent")
    assert (answer.status_code, answer.json()["code"]) == (502, "upstream_failed")


def test_no_client_names_the_operators_own_servers(gateway: Gateway, private: Origin) -> None:
    """What the settings name is dialled for lists and their files, and for no create."""
    for url in (f"http://{private.authority}/file1.txt", "upstream:/file1.txt"):
        answer = gateway.client.post("/api/archive/create", json={"urls": [url]})
        assert answer.status_code == 422, url


def test_list_of_an_interface_that_was_switched_off_is_a_problem(
    origin: Origin, private: Origin, tmp_path: Path
) -> None:
    """What was kept of it names files that nobody reads any more: each is left out with that reason, and none asked."""
    own = f"http://{private.authority}"
    private.serve("/zip/later", listed(b"- 8 /later.txt a\n"))
    private.serve("/later.txt", HangUp())
    settings = {"compat": "mod_zip", "upstream": own, "upstream_files": own, "upstream_sizes": "asked"}
    gateway = Gateway(tmp_path / "data", allow=[origin.authority], **settings)
    with gateway:
        gateway.client.get("/zip/later")
        kept = gateway.logged("request")["archive"]
    with Gateway(tmp_path / "data", allow=[origin.authority]) as after:
        answer = after.get(kept)
        assert (answer.status_code, answer.json()["code"]) == (502, "entry_failed")
        assert [each["code"] for each in after.status(kept)["errors"]] == ["unsafe_url"]


@pytest.mark.parametrize("case", recorded_peers.ZIPSTREAMER)
def test_descriptor_gives_what_zipstreamer_gave(gateway: Gateway, origin: Origin, case: str) -> None:
    """Names, order and bytes of the members, and the file name, side by side with what its program answered."""
    origin.serve("/a.txt", File(A))
    origin.serve("/b.txt", File(B))
    origin.serve("/moved", redirect(origin.url("/a.txt")))
    peer = recorded_peers.ZIPSTREAMER[case]
    body = json.dumps(peer.body)
    for path in ("/a.txt", "/b.txt", "/gone", "/moved"):
        for key in ("url", "Url", "URL"):
            body = body.replace(f'"{key}": "{path}"', f'"{key}": "{origin.url(path)}"')
    answer = gateway.client.post("/download", content=body.encode())
    expected = peer.ours or peer.members
    assert [name for name, _ in expected] == list(members(answer))
    assert all(members(answer)[name] == content for name, content in expected if content)
    disposition = answer.headers["content-disposition"]
    assert (peer.our_filename or f'attachment; filename="{peer.filename}"') in disposition
    assert bool(peer.why) == (peer.ours is not None or peer.our_filename is not None)


@pytest.mark.parametrize("case", recorded_peers.MOD_ZIP)
def test_list_gives_what_mod_zip_gave(gateway: Gateway, private: Origin, case: str) -> None:
    """Names, order and bytes of the members, and Range, side by side with what nginx answered; where that drops the
    connection, a problem says why.
    """
    peer = recorded_peers.MOD_ZIP[case]
    target = f"/side/{case.replace(' ', '-')}"
    private.serve(target, listed(peer.body, ("Content-Disposition", 'attachment; filename="foobar.zip"')))
    answer = gateway.client.get(target)
    if isinstance(peer.ours, str):
        assert (answer.status_code // 100 in (4, 5), answer.json()["code"]) == (True, peer.ours)
        return
    expected = peer.ours or peer.members
    assert expected is not None
    assert list(members(answer).items()) == list(expected)
    assert answer.headers["content-disposition"].startswith('attachment; filename="foobar.zip"')
    part = gateway.client.get(target, headers={"Range": "bytes=10-"})
    assert (part.status_code, part.content) == (206, answer.content[10:])
    assert peer.why or peer.ours is None

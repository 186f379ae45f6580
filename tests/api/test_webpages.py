"""The images of a web page, by its clients' own calls: post the page's URL, ask with the id until the zip is there."""

import gzip
import io
import sqlite3
import time
import uuid
import zipfile
import zlib
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx
import pytest

from streamzip.access.api_keys import new_key
from tests.support.fixtures import Launch
from tests.support.gateway import POLL, Gateway
from tests.support.origin import Answer, File, HangUp, Origin, Silence, Status, redirect

HTML = ("Content-Type", "text/html; charset=utf-8")


def call(gateway: Gateway, method: str, path: str, **options: Any) -> httpx.Response:
    """One request of a plain client."""
    return httpx.request(method, gateway.base + path, trust_env=False, timeout=30, **options)


def page(*references: str, **options: Any) -> File:
    """A page with these images."""
    html = "<!doctype html><title>Bilder</title>" + "".join(f'<p><img src="{each}">' for each in references)
    return File(html.encode(), etag=None, modified=None, ranges=False, fields=(HTML,), **options)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw"])
def test_page_that_was_compressed_unasked_is_read(coding: str, gateway: Gateway, origin: Origin) -> None:
    """Hosts compress pages whatever they are asked; a page's bytes are nobody's archive."""
    serve_images(origin, f"/packed/{coding}/a.png")
    html = page("a.png").body[:]
    packer = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(html),
        "deflate": zlib.compress(html),
        "raw": packer.compress(html) + packer.flush(),
    }
    told = "deflate" if coding == "raw" else coding
    origin.serve(f"/packed/{coding}/page", replace(page(), body=packed[coding], encoding=told))
    got = await_answer(gateway, ask(gateway, origin.url(f"/packed/{coding}/page")))
    assert got.status_code == 200, got.text


def image(name: str) -> bytes:
    """An image of its own."""
    return b"\x89PNG" + name.encode() * 500


def serve_images(origin: Origin, *paths: str) -> None:
    """Put an image at each path."""
    for path in paths:
        origin.serve(path, File(image(path.rpartition("/")[2])))


def ask(gateway: Gateway, url: str) -> str:
    """POST /download: the id."""
    posted = call(gateway, "POST", "/download", json={"url": url})
    assert posted.status_code == 202
    assert list(posted.json()) == ["download_id"]
    return str(posted.json()["download_id"])


def await_answer(gateway: Gateway, id: str, seconds: float = 20.0) -> httpx.Response:
    """GET /download/{id} as its clients do, until the answer is another than 202."""
    deadline = time.monotonic() + seconds
    while True:
        got = call(gateway, "GET", f"/download/{id}")
        if got.status_code != 202:
            return got
        assert int(got.headers["retry-after"]) >= 1
        assert got.json()["download_id"] == id
        assert time.monotonic() < deadline, got.text
        time.sleep(POLL)


def members(got: httpx.Response) -> dict[str, bytes]:
    """What the zip holds, after its reader has checked it."""
    assert got.status_code == 200, got.text
    assert got.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(got.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_download_gives_the_images_of_a_page(gateway: Gateway, origin: Origin) -> None:
    """POST /download {"url"} → 202 {"download_id": uuid}; GET /download/{uuid} → 202 until the zip is there."""
    serve_images(origin, "/wp/one.png", "/wp/sub/two.png", "/wp/big.png")
    html = (
        '<!doctype html><meta property="og:image" content="/wp/big.png"><h1>Größe</h1>'
        '<img src="one.png"><img src="data:image/gif;base64,R0lGOD" data-src="sub/two.png">'
        '<img srcset="/wp/none.png 1x, /wp/one.png 2x">'
    )
    origin.serve("/wp/page", File(html.encode(), hold_at=10, fields=(HTML,)))
    posted = call(gateway, "POST", "/download", json={"url": origin.url("/wp/page")})
    id = posted.json()["download_id"]
    assert (posted.status_code, uuid.UUID(id).version) == (202, 4)
    assert posted.headers["location"] == f"{gateway.base}/download/{id}"

    early = call(gateway, "GET", f"/download/{id}")
    assert (early.status_code, early.json()) == (202, {"download_id": id, "status": "pending"})
    assert early.headers["retry-after"] == "1"
    origin.release("/wp/page")

    got = await_answer(gateway, id)
    assert list(members(got)) == ["big.png", "one.png", "two.png"]
    assert members(got)["two.png"] == image("two.png")
    assert got.headers["content-disposition"].startswith('attachment; filename="127.0.0.1.zip"')


def test_download_resumes_and_tells_its_length_as_archives_do(gateway: Gateway, origin: Origin) -> None:
    """HEAD has the length, and a Range is the slice of the whole."""
    serve_images(origin, "/ranged/a.png", "/ranged/b.png")
    origin.serve("/ranged/page", page("a.png", "b.png"))
    id = ask(gateway, origin.url("/ranged/page"))
    whole = await_answer(gateway, id).content
    head = call(gateway, "HEAD", f"/download/{id}")
    part = call(gateway, "GET", f"/download/{id}", headers={"Range": "bytes=50-149"})
    assert int(head.headers["content-length"]) == len(whole)
    assert (part.status_code, part.content) == (206, whole[50:150])


def test_download_takes_the_first_fifty_images(gateway: Gateway, origin: Origin) -> None:
    """Of sixty different images, each twice, the first fifty in the page's order."""
    names = [f"{number:02}.png" for number in range(60)]
    serve_images(origin, *(f"/many/{name}" for name in names))
    origin.serve("/many/page", page(*(name for name in names for _ in range(2))))
    got = members(await_answer(gateway, ask(gateway, origin.url("/many/page"))))
    assert list(got) == names[:50]


def test_download_takes_as_many_images_as_the_setting_says(launch: Launch, origin: Origin) -> None:
    """STREAMZIP_PAGE_IMAGES; and without a copy the zip is pulled as it is sent."""
    serve_images(origin, "/few/a.png", "/few/b.png", "/few/c.png")
    origin.serve("/few/page", page("a.png", "b.png", "c.png"))
    gateway = launch(page_images="2", cache_max_bytes="0")
    assert list(members(await_answer(gateway, ask(gateway, origin.url("/few/page"))))) == ["a.png", "b.png"]


def test_download_reads_the_page_where_its_redirects_end(gateway: Gateway, origin: Origin) -> None:
    """Relative references belong to the last URL, and the encoding to the page."""
    serve_images(origin, "/moved/deep/größe.png".encode().decode("latin-1"))
    origin.serve("/moved/deep/gr%C3%B6%C3%9Fe.png", File(image("x")))
    origin.serve("/moved", redirect("/moved/next", 301))
    origin.serve("/moved/next", redirect(origin.url("/moved/deep/page"), 307))
    html = '<meta charset="windows-1252"><img src="größe.png">'.encode("cp1252")
    origin.serve("/moved/deep/page", File(html, chunked=True, fields=(("Content-Type", "text/html"),)))
    assert members(await_answer(gateway, ask(gateway, origin.url("/moved")))) == {"größe.png": image("x")}


def test_download_leaves_out_images_that_cannot_be_had(gateway: Gateway, origin: Origin) -> None:
    """They are skipped, and named in the archive's report."""
    serve_images(origin, "/gaps/a.png")
    origin.serve("/gaps/page", page("a.png", "missing.png"))
    got = members(await_answer(gateway, ask(gateway, origin.url("/gaps/page"))))
    assert list(got) == ["a.png", "archive-report.json"]
    assert b"http_404" in got["archive-report.json"]


def test_download_tells_that_no_image_could_be_had(gateway: Gateway, origin: Origin) -> None:
    """A page whose images are all missing is a problem of the archive: 502."""
    origin.serve("/hollow/page", page("a.png", "b.png"))
    got = await_answer(gateway, ask(gateway, origin.url("/hollow/page")))
    assert (got.status_code, got.json()["code"]) == (502, "no_entries")


LARGE = b"<p>" + b" " * (8 << 20)
PAGES: list[tuple[str, tuple[Answer, ...], int, str]] = [
    ("missing", (Status(404),), 502, "page_unreachable"),
    ("forbidden", (Status(403, (HTML,), b"<img src=a.png>"),), 502, "page_unreachable"),
    ("loop", (redirect("loop"),), 502, "page_unreachable"),
    ("private", (redirect("http://127.0.0.1:9/"),), 502, "page_unreachable"),
    ("scheme", (redirect("file:///etc/passwd"),), 502, "page_unreachable"),
    ("gzip", (page("a.png", encoding="gzip"),), 502, "page_unreachable"),
    ("text", (File(b"<img src=a.png>", fields=(("Content-Type", "text/plain"),)),), 422, "not_html"),
    ("json", (File(b"{}", fields=(("Content-Type", "application/json"),)),), 422, "not_html"),
    ("unknown", (File(b"\x89PNG\r\n"),), 422, "not_html"),
    ("plain", (page(),), 422, "no_images"),
    ("inline", (page("data:image/png;base64,AAAA"),), 422, "no_images"),
    ("inner", (page("http://10.0.0.1/a.png", "http://localhost.:80@x/"),), 422, "no_images"),
    ("large", (File(LARGE, fields=(HTML,)),), 422, "page_too_large"),
    ("endless", (File(LARGE, chunked=True, fields=(HTML,)),), 422, "page_too_large"),
]


@pytest.mark.parametrize(("name", "answers", "status", "code"), PAGES, ids=[each[0] for each in PAGES])
def test_download_tells_why_a_page_gives_no_images(
    gateway: Gateway, origin: Origin, name: str, answers: tuple[Answer, ...], status: int, code: str
) -> None:
    """502 where the page cannot be had, 422 where it is no page with images; the same at every later call."""
    origin.serve(f"/bad/{name}", *answers)
    before = gateway.stored()
    id = ask(gateway, origin.url(f"/bad/{name}"))
    for _ in range(2):
        got = await_answer(gateway, id)
        assert (got.status_code, got.json()["code"]) == (status, code)
        assert got.headers["content-type"] == "application/problem+json"
        assert got.json()["detail"]
    assert gateway.stored() == before


def test_download_tries_a_page_again_that_may_pass(gateway: Gateway, origin: Origin) -> None:
    """An origin that hangs up, then is overloaded, then answers, costs its client a wait only."""
    serve_images(origin, "/flaky/a.png")
    origin.serve("/flaky/page", HangUp(), HangUp(), Status(503), page("a.png"))
    assert list(members(await_answer(gateway, ask(gateway, origin.url("/flaky/page"))))) == ["a.png"]


def test_download_tries_a_page_again_in_time_when_another_is_slow(gateway: Gateway, origin: Origin) -> None:
    """What is to be tried again in a second does not wait for whatever else is being read."""
    serve_images(origin, "/patient/a.png")
    origin.serve("/patient/slow", page("a.png", hold_at=20))
    origin.serve("/patient/flaky", HangUp(), HangUp(), page("a.png"))
    slow = ask(gateway, origin.url("/patient/slow"))
    origin.until(lambda origin: len(origin.requests("/patient/slow")) == 1)
    assert list(members(await_answer(gateway, ask(gateway, origin.url("/patient/flaky"))))) == ["a.png"]
    origin.release("/patient/slow")
    assert list(members(await_answer(gateway, slow))) == ["a.png"]


def test_download_gives_up_a_page_that_never_answers(launch: Launch, origin: Origin) -> None:
    """A silent origin is 502 once its attempts are over."""
    origin.serve("/silent/page", Silence())
    gateway = launch(read_timeout="0.05", connect_timeout="0.05")
    got = await_answer(gateway, ask(gateway, origin.url("/silent/page")))
    assert (got.status_code, got.json()["code"]) == (502, "page_unreachable")
    assert len(origin.requests("/silent/page")) == 4


def test_download_survives_a_kill_while_the_page_is_read(launch: Launch, origin: Origin) -> None:
    """kill -9 in the middle of the page, a start on the same data: the download is finished under its id."""
    serve_images(origin, "/killed/a.png")
    origin.serve("/killed/page", page("a.png", hold_at=20), page("a.png"))
    gateway = launch()
    id = ask(gateway, origin.url("/killed/page"))
    origin.until(lambda origin: len(origin.requests("/killed/page")) == 1)
    gateway.kill()
    gateway.start()
    assert members(await_answer(gateway, id)) == {"a.png": image("a.png")}


def test_download_survives_a_kill_while_the_images_are_pulled(launch: Launch, origin: Origin) -> None:
    """kill -9 in the middle of an image: the build goes on in the next life, and problems are remembered too."""
    body = image("long.png") * 500
    origin.serve("/pulled/long.png", File(body, hold_at=1000))
    origin.serve("/pulled/page", page("long.png"))
    gateway = launch()
    failed = ask(gateway, origin.url("/pulled/none"))
    assert await_answer(gateway, failed).status_code == 502
    id = ask(gateway, origin.url("/pulled/page"))
    origin.until(lambda origin: origin.sent("/pulled/long.png") >= 1000)
    pulling = call(gateway, "GET", f"/download/{id}")
    assert (pulling.status_code, pulling.json()["status"]) == (202, "in-progress")
    gateway.kill()
    origin.release("/pulled/long.png")
    gateway.start()
    assert members(await_answer(gateway, id)) == {"long.png": body}
    assert call(gateway, "GET", f"/download/{failed}").json()["code"] == "page_unreachable"


@pytest.mark.alone
def test_download_that_failed_is_gone_after_a_week(launch: Launch, origin: Origin) -> None:
    """Until then it says why; what nobody asks for any more is not kept for ever."""
    gateway = launch()
    old, new = (ask(gateway, origin.url(f"/week/{name}")) for name in ("old", "new"))
    assert {await_answer(gateway, id).status_code for id in (old, new)} == {502}
    gateway.stop()
    with closing(sqlite3.connect(gateway.data / "streamzip.db")) as store:
        store.execute("UPDATE webpages SET created_at = created_at - 7 * 86400 WHERE id = ?", (old,))
        store.commit()
    gateway.start()
    deadline = time.monotonic() + 20
    while call(gateway, "GET", f"/download/{old}").status_code != 404:
        assert time.monotonic() < deadline
        time.sleep(POLL)
    assert call(gateway, "GET", f"/download/{new}").json()["code"] == "page_unreachable"


def test_download_is_gone_with_its_archive(gateway: Gateway, origin: Origin) -> None:
    """An archive that is deleted takes its download along: 404."""
    serve_images(origin, "/gone/a.png")
    origin.serve("/gone/page", page("a.png"))
    id = ask(gateway, origin.url("/gone/page"))
    await_answer(gateway, id)
    headers = {"Referer": origin.url("/gone/page")}  # as the page's images are asked for
    entries = [{"url": origin.url("/gone/a.png"), "headers": headers}]
    created = gateway.create(entries=entries, filename="127.0.0.1.zip")
    token = {"X-Delete-Token": created["delete_token"]}
    assert call(gateway, "DELETE", f"/api/archive/{created['archive_hash']}", headers=token).status_code == 204
    assert call(gateway, "GET", f"/download/{id}").status_code == 404


def test_download_belongs_to_the_key_that_asked(launch: Launch, origin: Origin) -> None:
    """Where keys are set, POST needs one and the archive is its; the id is enough to have the zip."""
    serve_images(origin, "/owned/a.png")
    origin.serve("/owned/page", page("a.png"))
    key, line = new_key("anna")
    gateway = launch(api_keys=line)
    assert call(gateway, "POST", "/download", json={"url": origin.url("/owned/page")}).status_code == 401
    bearer = {"Authorization": f"Bearer {key}"}
    posted = call(gateway, "POST", "/download", json={"url": origin.url("/owned/page")}, headers=bearer)
    assert list(members(await_answer(gateway, posted.json()["download_id"]))) == ["a.png"]
    listed = call(gateway, "GET", "/api/archive", headers=bearer).json()["archives"]
    assert [each["filename"] for each in listed] == ["127.0.0.1.zip"]


def test_download_knows_only_ids_that_it_gave_out(gateway: Gateway) -> None:
    """404 for an id of the right form that nobody was given."""
    for method in ("GET", "HEAD"):
        assert call(gateway, method, f"/download/{uuid.uuid4()}").status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        (b"", 400, None),
        (b"url=https://example.com", 400, None),
        (b'{"url": "https://example.com", "url": "https://example.com"}', 400, None),
        (b"[]", 422, ""),
        (b'"https://example.com/"', 422, ""),
        (b"{}", 422, "/url"),
        (b'{"url": null}', 422, "/url"),
        (b'{"url": 1}', 422, "/url"),
        (b'{"url": ""}', 422, "/url"),
        (b'{"url": "example.com"}', 422, "/url"),
        (b'{"url": "ftp://example.com/"}', 422, "/url"),
        (b'{"url": "http://127.0.0.1/"}', 422, "/url"),
        (b'{"url": "http://[::1]/"}', 422, "/url"),
        (b'{"url": "http://user@example.com/"}', 422, "/url"),
        (b'{"url": "https://example.com/", "urls": []}', 422, "/urls"),
        (b'{"url": "https://example.com/"}'.ljust(16_385), 413, None),
    ],
    ids=lambda value: str(value)[:60],
)
def test_download_refuses_what_names_no_page(gateway: Gateway, body: bytes, status: int, pointer: str | None) -> None:
    """A problem that names the field, at once."""
    response = call(gateway, "POST", "/download", content=body)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    if pointer is not None:
        assert response.json()["errors"][0]["pointer"] == pointer


@pytest.mark.slow
def test_download_stays_responsive_while_a_hostile_page_is_read(gateway: Gateway, origin: Origin) -> None:
    """Nesting that takes the parser minutes is given up after seconds, and nobody else waits for it."""
    origin.serve("/deep/page", File(b"<div>" * 1_000_000 + b"<img src=a.png>", fields=(HTML,)))
    id = ask(gateway, origin.url("/deep/page"))
    slowest = 0.0
    while (got := call(gateway, "GET", f"/download/{id}")).status_code == 202:
        began = time.monotonic()
        call(gateway, "GET", "/healthz")
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(POLL)
    assert (got.status_code, got.json()["code"]) == (422, "page_too_large")
    assert slowest < 1.0

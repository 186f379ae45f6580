"""The pages without a script: a new archive, its page, its files, its end; problems as pages; hostile names as text."""

import io
import re
import zipfile
from collections.abc import Iterator

import httpx
import pytest

from streamzip.access.api_keys import new_key
from tests.support.clients import asked_meanwhile
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Status

ANN, ANN_LINE = new_key("ann")
HTML = "text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.fixture
def browser(gateway: Gateway) -> Iterator[httpx.Client]:
    """A client that asks as browsers do, keeps cookies and follows redirects."""
    with visitor(gateway) as client:
        yield client


def visitor(gateway: Gateway, language: str = "en") -> httpx.Client:
    headers = {"Accept": HTML, "Accept-Language": language, "Origin": gateway.base, "Sec-Fetch-Site": "same-origin"}
    return httpx.Client(base_url=gateway.base, headers=headers, follow_redirects=True, trust_env=False, timeout=30)


def make(browser: httpx.Client, *links: str, **fields: str) -> httpx.Response:
    return browser.post("/new", data={"links": "\n".join(links), **fields})


def href(page: httpx.Response, text: str) -> str:
    """Where the link with this text leads."""
    found = re.search(rf'<a [^>]*href="([^"]*)"[^>]*>{text}</a>', page.text)
    assert found is not None, page.text
    return str(page.url.join(found[1].replace("&amp;", "&")))


def action(page: httpx.Response, verb: str) -> str:
    found = re.search(rf'<form[^>]* action="([^"]*/{verb})"', page.text)
    assert found is not None, page.text
    return str(page.url.join(found[1]))


def token_of(page: httpx.Response, verb: str) -> str:
    """The token in the form of this action."""
    found = re.search(rf'<form[^>]* action="[^"]*/{verb}">(.*?)</form>', page.text, re.DOTALL)
    assert found is not None
    (token,) = re.findall(r'name="token" value="([0-9a-f]+)"', found[1])
    return str(token)


def test_pasted_links_become_an_archive_with_a_page(browser: httpx.Client, origin: Origin, gateway: Gateway) -> None:
    """The main job by hand: paste, make, download; then the page says that it is complete."""
    origin.serve("/site/a", File(b"a" * 70_000))
    origin.serve("/site/b", File(b"b"))
    page = make(browser, f"{origin.url('/site/a')}\tholiday/a.png", origin.url("/site/b"), filename="mine")
    assert (page.status_code, page.url.path.startswith("/a/")) == (200, True)
    assert "<h1>mine.zip</h1>" in page.text
    zipped = browser.get(href(page, "Download"))
    assert zipped.headers["content-type"] == "application/zip"
    gateway.until(page.url.path.removeprefix("/a/"))
    after = browser.get(page.url)
    assert "Complete" in after.text
    assert f"{len(zipped.content) / 1000:.1f} kB ({len(zipped.content):,} bytes)" in after.text
    files = browser.get(href(after, "Show the files"))
    assert "holiday/a.png" in files.text


def test_page_shows_what_was_left_out_and_why(browser: httpx.Client, origin: Origin) -> None:
    """Beside what arrived."""
    origin.serve("/site/there", File(b"x"))
    page = make(browser, origin.url("/site/there"), origin.url("/site/missing.txt"))
    browser.get(href(page, "Download"))
    after = browser.get(page.url)
    assert "Left out" in after.text
    assert " 1 file " in after.text  # that is in it
    assert re.search("<strong>missing.txt</strong>: <span[^>]*>the origin answered 404", after.text)


def test_form_keeps_what_was_written_and_says_what_is_wrong(browser: httpx.Client) -> None:
    """Each wrong entry is named; nothing is created; nothing that was written is lost."""
    refused = make(browser, "https://example.com/a", "ftp://example.com/b", filename="mine")
    assert refused.status_code == 422
    assert "ftp://example.com/b: only http:// and https:// URLs are taken" in refused.text
    assert "ftp://example.com/b</textarea>" in refused.text
    assert 'value="mine"' in refused.text
    assert make(browser, "").status_code == 422
    broken = make(browser, "[nonsense")
    assert "begins like JSON and is none" in broken.text


def test_program_that_posts_the_form_gets_a_problem(gateway: Gateway) -> None:
    """One that does not name HTML is no person."""
    refused = gateway.client.post("/new", data={"links": ""})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_archive_is_deleted_by_the_browser_that_made_it_alone(
    browser: httpx.Client, origin: Origin, gateway: Gateway
) -> None:
    """Another one sees no button, and is refused."""
    origin.serve("/site/deleted", File(b"x"))
    page = make(browser, origin.url("/site/deleted"))
    with visitor(gateway) as other:
        seen = other.get(page.url)
        assert "/delete" not in seen.text
        assert other.post(f"{page.url}/delete").status_code == 403
    gone = browser.post(action(page, "delete"))
    assert (gone.status_code, "Deleted" in gone.text) == (200, True)
    assert browser.get(page.url).status_code == 404


def test_archive_is_made_again_by_the_browser_that_made_it_alone(
    browser: httpx.Client, origin: Origin, gateway: Gateway
) -> None:
    """What was left out is there by now: another archive of the same list, an upload in it too, which is its own."""
    origin.serve("/site/late", Status(404))
    assert browser.post("/upload", files={"file": ("again.txt", b"uploaded")}).status_code == 200
    page = make(browser, origin.url("/site/late"), upload="again.txt")
    assert gateway.download(page.url.path.removeprefix("/a/"))
    seen = browser.get(page.url)
    again = action(seen, "again")
    with visitor(gateway) as other:
        assert "/again" not in other.get(page.url).text
        assert other.post(again).status_code == 403
    origin.serve("/site/late", File(b"here"))
    fresh = browser.post(again)
    assert (fresh.status_code, fresh.url.path.startswith("/a/")) == (200, True)
    assert fresh.url.path != page.url.path
    with zipfile.ZipFile(io.BytesIO(browser.get(href(fresh, "Download")).content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"late": b"here", "again.txt": b"uploaded"}
    assert action(fresh, "delete"), "it is this browser's own"


def test_page_says_when_it_expires_and_how_large_its_files_are(browser: httpx.Client, origin: Origin) -> None:
    """In days and as an instant; sizes beside the names."""
    origin.serve("/site/sized", File(b"x" * 70_000))
    page = make(browser, origin.url("/site/sized"), expires_in="604800")
    assert re.search(r"Expires in 7 days \([0-9-]+ [0-9:]+ UTC\)", page.text)
    browser.get(href(page, "Download"))
    files = browser.get(href(page, "Show the files"))
    assert '<td>sized</td><td class="number">70.0 kB</td><td>' in files.text


def test_archive_is_built_from_its_page(browser: httpx.Client, origin: Origin, gateway: Gateway) -> None:
    """Back on the page; without a script it loads itself again while something is under way."""
    origin.serve("/site/built", File(b"x" * 9000, hold_at=5000))
    page = make(browser, origin.url("/site/built"))
    back = browser.post(action(page, "build"))
    assert (back.status_code, back.url.path) == (200, page.url.path)
    assert '<noscript><meta http-equiv="refresh"' in back.text
    origin.release("/site/built")
    gateway.until(page.url.path.removeprefix("/a/"))
    assert '<meta http-equiv="refresh"' not in browser.get(page.url).text


def test_uploads_are_zipped_from_their_page(browser: httpx.Client) -> None:
    """Chosen by their boxes."""
    for name in ("one.txt", "two.txt"):
        assert browser.post("/upload", files={"file": (name, name.encode())}).status_code == 200
    page = browser.post("/new", data={"upload": ["one.txt", "two.txt"]})
    files = browser.get(href(page, "Show the files"))
    assert "one.txt" in files.text and "two.txt" in files.text


def test_upload_is_deleted_from_its_page(browser: httpx.Client, origin: Origin) -> None:
    """Its own button does it; one that an unfinished archive needs stays, and the page says why."""
    for name in ("needed ä.txt", "spare ä.txt"):
        assert browser.post("/upload", files={"file": (name, b"x")}).status_code == 200
    assert browser.post("/new", data={"upload": "needed ä.txt"}).status_code == 200
    page = browser.get("/upload")
    buttons = [str(page.url.join(found)) for found in re.findall(r'formaction="([^"]*)"', page.text)]
    needed, spare = (next(each for each in buttons if name in each) for name in ("needed", "spare"))
    after = browser.post(spare)
    assert (after.status_code, after.url.path) == (200, "/upload")
    assert "spare" not in after.text
    refused = browser.post(needed)
    assert (refused.status_code, "The file was not deleted" in refused.text) == (409, True)
    assert "upload_in_use" in refused.text
    assert browser.get(href(refused, "Back to the files")).status_code == 200
    assert browser.post(spare, headers={"Accept": "*/*"}).json()["code"] == "not_found"


def test_images_of_a_page_are_waited_for_and_come_as_a_zip(browser: httpx.Client, origin: Origin) -> None:
    """The browser is led to the download, which loads itself again until it is there."""
    origin.serve("/site/image.png", File(b"image", hold_at=2))
    origin.serve("/site/page", File(b"<img src=image.png>", fields=(("Content-Type", "text/html"),)))
    waiting = browser.post("/new", data={"page": origin.url("/site/page")})
    assert waiting.status_code == 202
    assert 'http-equiv="refresh"' in waiting.text
    origin.release("/site/image.png")
    while (answer := browser.get(waiting.url)).status_code == 202:
        pass
    assert answer.headers["content-type"] == "application/zip"


HOSTILE = "<script>alert(1)</script>\"'&.txt"


def test_hostile_names_and_reasons_are_text(browser: httpx.Client, origin: Origin) -> None:
    """Wherever a name shows: title, list, commands, what was left out, the form that is shown again."""
    origin.serve("/site/hostile", File(b"x"))
    page = make(
        browser, f"{origin.url('/site/hostile')}\t{HOSTILE}", f"{origin.url('/site/x')}\t{HOSTILE}", filename=HOSTILE
    )
    browser.get(href(page, "Download"))
    shown = [page, browser.get(page.url), browser.get(href(page, "Show the files")), make(browser, f"x\t{HOSTILE}")]
    shown.append(browser.get(f"/a/{HOSTILE}"))
    for response in shown:
        assert "alert(1)</script>" not in response.text
        assert "<script>" not in response.text


def test_pages_speak_the_readers_language(gateway: Gateway) -> None:
    """By Accept-Language; the page says which it is."""
    with visitor(gateway, "de-AT,de;q=0.9,en;q=0.5") as german:
        page = german.get("/")
    assert '<html lang="de">' in page.text
    assert "Zip erstellen" in page.text
    assert page.headers["content-language"] == "de"


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        (f"/archive/get/{'0' * 32}.zip", 404, "There is nothing here"),
        (f"/a/{'0' * 32}", 404, "There is nothing here"),
        ("/archive/nothing/", 404, "There is nothing here"),
        ("/download/none.txt", 404, "There is nothing here"),
        ("/a/x/files/1", 404, "There is nothing here"),
    ],
)
def test_link_that_leads_nowhere_is_a_page_to_a_person(
    browser: httpx.Client, gateway: Gateway, path: str, status: int, says: str
) -> None:
    """With the same status, what to do, and the code; a program gets the document as before."""
    page = browser.get(path)
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert says in page.text and "not_found" in page.text
    assert gateway.client.get(path).json()["code"] == "not_found"


def test_failed_and_stale_archives_say_what_helps(browser: httpx.Client, origin: Origin) -> None:
    """The origins' fault, in words, at the link itself."""
    origin.serve("/site/away", Status(404))
    page = make(browser, origin.url("/site/away"))
    failed = browser.get(href(page, "Download"))
    assert failed.status_code == 502
    assert "The files could not be fetched" in failed.text


def test_signed_page_opens_its_download_and_no_longer_than_itself(launch: Launch, origin: Origin) -> None:
    """The link of the page is the right; what it gives out ends with it."""
    gateway = launch(signed_links="on")
    origin.serve("/site/signed", File(b"x"))
    with visitor(gateway) as browser:
        page = make(browser, origin.url("/site/signed"))
        assert page.status_code == 200
        link = href(page, "Download")
        assert httpx.URL(link).params["expires"] == page.url.params["expires"]
        assert browser.get(link).status_code == 200
        bare = browser.get(page.url.copy_with(query=None))
        assert (bare.status_code, "not valid" in bare.text) == (403, True)
        assert browser.get(href(page, "Show the files")).status_code == 200


def test_pages_with_keys_ask_for_one_and_belong_to_it(launch: Launch, origin: Origin) -> None:
    """Logged in: made, shown as one's own, deleted; each form with its session's token."""
    gateway = launch(api_keys=ANN_LINE)
    origin.serve("/site/keyed", File(b"x"))
    with visitor(gateway) as browser:
        assert browser.get("/").status_code == 401
        home = browser.post("/login", data={"key": ANN, "to": "."})
        token = re.findall(r'name="token" value="([0-9a-f]+)"', home.text)[0]
        assert make(browser, origin.url("/site/keyed")).status_code == 403
        page = make(browser, origin.url("/site/keyed"), token=token)
        assert page.status_code == 200
        built = browser.post(action(page, "build"), data={"token": token_of(page, "build")})
        assert (built.status_code, built.url.path) == (200, page.url.path)
        assert browser.post(action(page, "delete")).status_code == 403
        with visitor(gateway) as other:
            assert other.post(action(page, "delete"), data={"token": token}).status_code == 401
        assert browser.post(action(page, "delete"), data={"token": token}).status_code == 200


def test_assets_are_kept_for_ever_and_older_ones_are_gone(browser: httpx.Client) -> None:
    """Their names hold their hash; the first view is small."""
    page = browser.get("/")
    paths = re.findall(r'(?:href|src)="(assets/[^"]+)"', page.text)
    assert len(paths) == 2
    for path in paths:
        asset = browser.get(f"/{path}")
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers["x-content-type-options"] == "nosniff"
    assert browser.get("/assets/app.000000000000.js").status_code == 404
    assert sum(len(browser.get(f"/{path}").content) for path in paths) + len(page.content) < 25_000


def test_what_is_shown_again_is_bounded_and_odd_numbers_are_no_failure(browser: httpx.Client) -> None:
    """A form of many quotes would come back five times as long, to who may not even read it."""
    refused = make(browser, '"' * 2_000_000)
    assert refused.status_code == 422
    assert len(refused.content) < 500_000
    assert make(browser, "[" * 100_000).status_code == 422
    assert make(browser, "https://example.com/a", expires_in="9" * 5000).status_code == 422
    assert make(browser, "url,size\nhttps://example.com/a," + "9" * 5000).status_code == 422
    assert make(browser, "url\n" + '"' + "a" * 200_000).status_code == 422


def test_pasted_list_that_is_hostile_stops_nobody(browser: httpx.Client, gateway: Gateway) -> None:
    """Twenty thousand columns and as many rows took eight seconds, in which nobody was answered."""
    with asked_meanwhile(gateway.port, "/healthz") as times:
        refused = make(browser, "url" + "," * 20_000 + "\n" + "a\n" * 20_000)
    assert refused.status_code == 422
    assert max(times) < 0.5

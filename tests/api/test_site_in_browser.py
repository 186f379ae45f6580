"""The pages in a real browser: by mouse, by keyboard alone, without a script; live; read by axe-core; hostile names."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamzip.access.api_keys import new_key
from tests.support.chromium import Chromium
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern, Status
from tests.support.screen import AXE, Screen, quoted

pytestmark = [pytest.mark.slow, pytest.mark.needs("chromium"), pytest.mark.timeout(600)]

HOSTILE = "<img src=x onerror=window.seen.ran=true><script>window.seen.ran=true</script>.txt"
STREAMS = """
window.streams = [];
window.EventSource = class extends EventSource { constructor(url) { super(url); window.streams.push(this); } };
"""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with Chromium(tmp_path / "browser") as browser:
        yield browser


def hash_of(screen: Screen) -> str:
    found: str = screen.evaluate("location.pathname.split('/').pop()")
    return found


def test_main_job_by_keyboard_alone(browser: Chromium, gateway: Gateway, origin: Origin) -> None:
    """The field has the focus; Tab leads to the button, Enter presses it, the page's first link downloads."""
    origin.serve("/screen/key", File(Pattern(700_000)))
    screen = Screen(browser)
    screen.open(f"{gateway.base}/")
    assert screen.evaluate("document.activeElement.id") == "links"
    screen.type(f"{origin.url('/screen/key')}\thello.bin\n{origin.url('/screen/key')}\nnonsense")
    screen.until("document.querySelector('[data-counts]').textContent.includes('1 not usable')")
    assert "2 links · 1 twice · 1 not usable" in screen.text()
    screen.evaluate(f"document.activeElement.value = {quoted(origin.url('/screen/key'))}")
    screen.tab_to("it.textContent.trim() === 'Make the zip'")
    screen.press("Enter", 13)
    screen.until("location.pathname.startsWith('/a/')")
    screen.tab_to("it.textContent.trim() === 'Download'")
    screen.press("Enter", 13)
    screen.until("document.querySelector('article')?.dataset.state === 'completed'", 60)
    assert browser.finish(most=0) == []
    (file,) = browser.finished()
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
    seen = screen.seen()
    assert seen["broken"] == []


def test_bar_grows_while_the_archive_is_built(browser: Chromium, gateway: Gateway, origin: Origin) -> None:
    """By events, without a reload; and ends as the page of a complete archive."""
    origin.serve("/screen/live", File(Pattern(16_000_000), hold_at=12_000_000, pause=0.02))
    screen = Screen(browser)
    screen.open(f"{gateway.base}/")
    screen.type(origin.url("/screen/live"))
    screen.evaluate("document.querySelector('[data-new]').requestSubmit()")
    screen.until("location.pathname.startsWith('/a/') && document.readyState === 'complete'")
    screen.evaluate("window.same = true")
    gateway.client.post(f"/api/archive/prefetch/{hash_of(screen)}")
    screen.until("document.querySelector('progress').value > 1000000")
    screen.until("/ · [0-9]+ s left$/.test(document.querySelector('[data-numbers]').textContent)")
    assert screen.evaluate("window.same") is True
    assert screen.seen()["shift"] == 0
    assert "Fetching the files" in screen.text()
    origin.release("/screen/live")
    screen.until("document.querySelector('article').dataset.state === 'completed'", 60)
    assert screen.seen()["broken"] == []


def test_hidden_page_listens_to_nothing_and_catches_up(browser: Chromium, gateway: Gateway, origin: Origin) -> None:
    """A browser has six connections for a host: a tab behind another holds none, and is right when shown."""
    origin.serve("/screen/behind", File(Pattern(4_000_000), hold_at=2_000_000))
    made = gateway.create(urls=[origin.url("/screen/behind")], prefetch=True)
    screen = Screen(browser)
    screen.before_each_page(STREAMS)
    screen.open(f"{gateway.base}/a/{made['archive_hash']}")
    screen.until("document.querySelector('progress').value > 1000000")
    screen.until("streams.length === 1 && streams[0].readyState === EventSource.OPEN")
    other = Screen(browser)
    other.to_front()
    screen.until("document.hidden && streams[0].readyState === EventSource.CLOSED")
    origin.release("/screen/behind")
    gateway.until(made["archive_hash"])
    assert screen.evaluate("[streams.length, document.querySelector('article').dataset.state]") == [1, "in-progress"]
    screen.to_front()
    screen.until("document.querySelector('article').dataset.state === 'completed'", 60)


def test_link_that_fails_says_so_and_the_zip_is_deleted(browser: Chromium, gateway: Gateway, origin: Origin) -> None:
    """By mouse: what was left out stands on the page as it is learned; deleting asks once more."""
    origin.serve("/screen/there", File(b"x" * 5000))
    origin.serve("/screen/notes.txt", Status(404))
    screen = Screen(browser)
    screen.open(f"{gateway.base}/")
    screen.type(f"{origin.url('/screen/there')}\n{origin.url('/screen/notes.txt')}")
    screen.evaluate("document.querySelector('[data-new] button').click()")
    screen.until("location.pathname.startsWith('/a/')")
    screen.evaluate("[...document.querySelectorAll('button')].find(each => each.textContent === 'Build now').click()")
    screen.until("document.querySelector('article')?.dataset.state === 'completed'", 60)
    assert "notes.txt: the origin answered 404" in screen.text()
    screen.evaluate("[...document.querySelectorAll('summary')].find(each => each.textContent === 'Delete').click()")
    screen.evaluate("document.querySelector('.danger').click()")
    screen.until("document.body.innerText.includes('The zip and its link are gone')")


def test_images_of_a_page_arrive_by_themselves(browser: Chromium, gateway: Gateway, origin: Origin) -> None:
    """The page that waits is not loaded again, which would be read aloud anew; then it downloads, and says so."""
    origin.serve("/screen/image.png", File(b"image", hold_at=2))
    origin.serve("/screen/album", File(b"<img src=image.png>", fields=(("Content-Type", "text/html"),)))
    screen = Screen(browser)
    screen.open(f"{gateway.base}/")
    screen.evaluate(f"document.querySelector('#page').value = {quoted(origin.url('/screen/album'))}")
    screen.evaluate("document.querySelector('#page').form.requestSubmit()")
    screen.until("location.pathname.startsWith('/download/') && document.readyState === 'complete'")
    screen.evaluate("window.same = true")
    origin.until(lambda origin: len(origin.requests("/screen/image.png")) > 0)
    assert screen.evaluate("document.querySelector('progress') !== null")
    origin.release("/screen/image.png")
    screen.until("document.body.innerText.includes('The download has started')")
    assert screen.evaluate("window.same") is True
    assert browser.finish(most=0) == []
    (file,) = browser.finished()
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["image.png"]


def test_ten_thousand_pasted_links_become_one_zip(browser: Chromium, launch: Launch, origin: Origin) -> None:
    """The page of it comes soon, with its size still to be learned, and 200 files a page."""
    gateway = launch()
    screen = Screen(browser)
    screen.open(f"{gateway.base}/")
    screen.evaluate(
        "document.querySelector('#links').value = "
        f"Array.from({{length: 10000}}, (_, n) => `{origin.url('/screen/many')}/${{n}}.png`).join('\\n')"
    )
    screen.evaluate("document.querySelector('[data-new]').requestSubmit()")
    screen.until("location.pathname.startsWith('/a/') && document.readyState === 'complete'", 30)
    assert "Files (10,000)" in screen.text()
    screen.open(screen.evaluate("location.href") + "/files/50")
    assert screen.evaluate("document.querySelectorAll('#files tbody tr').length") == 200
    assert screen.evaluate("document.querySelector('#files tbody').innerText.includes('9999.png')")


def test_recent_archives_are_remembered_by_the_browser(browser: Chromium, gateway: Gateway, origin: Origin) -> None:
    """On the first page, by name, until they are forgotten."""
    screen = Screen(browser)
    screen.open(
        f"{gateway.base}/a/{gateway.create(urls=[origin.url('/screen/recent')], filename='mine')['archive_hash']}"
    )
    screen.open(f"{gateway.base}/")
    assert "mine.zip" in screen.text()
    screen.evaluate("document.querySelector('[data-recent] button').click()")
    screen.open(f"{gateway.base}/")
    assert "mine.zip" not in screen.text()


def test_hundred_thousand_links_hold_nothing_up(browser: Chromium, gateway: Gateway) -> None:
    """Counted in slices: no task of the page's own over 50 ms; nothing of the page moves."""
    screen = Screen(browser)
    screen.open(f"{gateway.base}/")
    fill = (
        "(() => { const area = document.querySelector('#links');"
        "area.value = Array.from({length: 100000}, (_, n) => `https://example.com/${n}.png`).join('\\n'); })()"
    )
    screen.evaluate(fill)
    screen.evaluate("new Promise(done => setTimeout(done, 1000))")
    screen.evaluate("window.seen.longest = 0; window.seen.shift = 0")
    screen.evaluate("document.querySelector('#links').dispatchEvent(new Event('input'))")
    screen.until("document.querySelector('[data-counts]').textContent.startsWith('100,000 links')")
    seen = screen.seen()
    assert seen["longest"] <= 50
    assert seen["shift"] == 0


def test_pasted_markup_becomes_its_links(browser: Chromium, gateway: Gateway) -> None:
    """What is copied from a page is markup; its links are taken out of it, and nothing of it runs."""
    screen = Screen(browser)
    screen.open(f"{gateway.base}/")
    markup = (
        '<p>See <a href="https://example.com/a?x=1&amp;y=2">a</a>, <img src=x onerror="seen.ran=true"><a href=b>b</a>'
    )
    paste = (
        "(() => { const data = new DataTransfer(); "
        f"data.setData('text/html', {quoted(markup)}); data.setData('text/plain', 'See a, b');"
        "const pasted = new ClipboardEvent('paste', {clipboardData: data, cancelable: true});"
        "document.querySelector('#links').dispatchEvent(pasted);"
        "return document.querySelector('#links').value; })()"
    )
    assert screen.evaluate(paste) == "https://example.com/a?x=1&y=2\n"
    assert screen.seen()["ran"] is False


def test_hostile_names_never_run(browser: Chromium, gateway: Gateway, origin: Origin) -> None:
    """In the title, the list, what was left out and the recent ones."""
    origin.serve("/screen/hostile", File(b"x"))
    entries = [
        {"url": origin.url("/screen/hostile"), "name": HOSTILE},
        {"url": origin.url("/screen/x"), "name": HOSTILE},
    ]
    made = gateway.create(entries=entries, filename=HOSTILE)["archive_hash"]
    gateway.download(made)
    screen = Screen(browser)
    for path in (f"/a/{made}", f"/a/{made}/files/1", "/", f"/archive/get/{HOSTILE}", f"/a/{HOSTILE}"):
        screen.open(f"{gateway.base}{path}")
        seen = screen.seen()
        assert (seen["ran"], seen["broken"]) == (False, []), path


def states(gateway: Gateway, origin: Origin) -> dict[str, str]:
    """A path for each screen in each state that it can have."""
    origin.serve("/screen/done", File(b"x" * 5000))
    origin.serve("/screen/running", File(b"x" * 5000, hold_at=2000))
    origin.serve("/screen/away", Status(404))
    done = gateway.create(urls=[origin.url("/screen/done"), origin.url("/screen/none")])["archive_hash"]
    gateway.download(done)
    running = gateway.create(urls=[origin.url("/screen/running")])["archive_hash"]
    gateway.client.post(f"/api/archive/prefetch/{running}")
    failed = gateway.create(urls=[origin.url("/screen/away")])["archive_hash"]
    gateway.client.get(f"/archive/get/{failed}.zip")
    pending = gateway.create(urls=[origin.url("/screen/done")], filename="pending")["archive_hash"]
    origin.serve("/screen/page", File(b"<img src=running>", fields=(("Content-Type", "text/html"),)))
    page = gateway.client.post("/download", json={"url": origin.url("/screen/page")}).json()["download_id"]
    stale = gone_stale(gateway, origin)
    paths = {
        "home": "/",
        "uploads": "/upload",
        "docs": "/docs",
        "gone": f"/a/{'0' * 32}",
        "link": f"/archive/get/{'0' * 32}.zip",
        "link of what cannot be had": f"/archive/get/{failed}.zip",
        "link of what has changed": f"/archive/get/{stale}.zip",
        "images are collected": f"/download/{page}",
    }
    archives = {"done": done, "running": running, "failed": failed, "pending": pending, "stale": stale}
    return paths | {name: f"/a/{found}" for name, found in archives.items()} | {"files": f"/a/{done}/files/1"}


def gone_stale(gateway: Gateway, origin: Origin) -> str:
    """Return an archive of which bytes were given out before its file became another one."""
    origin.serve("/screen/stale", File(Pattern(9_000_000)))
    made: str = gateway.create(urls=[origin.url("/screen/stale")])["archive_hash"]
    link = f"/archive/get/{made}.zip"
    gateway.client.get(link, headers={"Range": "bytes=0-99"})
    origin.serve("/screen/stale", File(Pattern(9_000_000)[::-1], etag='"v2"'))
    gateway.client.get(link, headers={"Range": "bytes=-200"})
    gateway.until(made, lambda status: status["status"] == "failed")
    return made


def fill(screen: Screen, links: str) -> None:
    """Send the form with these links."""
    screen.evaluate(f"document.querySelector('#links').value = {quoted(links)}")
    screen.evaluate("document.querySelector('[data-new]').requestSubmit()")


def made_by_hand(screen: Screen, gateway: Gateway, origin: Origin) -> Iterator[str]:
    """Bring a person's own screens up one after the other, and name each: with buttons that others do not see."""
    screen.open(f"{gateway.base}/")
    fill(screen, "ftp://example.com/a")
    screen.until("document.readyState === 'complete' && document.querySelector('.alert') !== null")
    yield "refused form"
    screen.open(f"{gateway.base}/upload")
    screen.evaluate(
        "(() => { const files = new DataTransfer(); files.items.add(new File(['x'], 'a.exe'));"
        "document.querySelector('#file').files = files.files; document.querySelector('[data-upload]').submit(); })()"
    )
    screen.until("document.readyState === 'complete' && document.querySelector('[role=alert]') !== null")
    yield "refused upload"
    screen.open(f"{gateway.base}/")
    fill(screen, f"{origin.url('/screen/done')}\n{origin.url('/screen/away')}\tmine {screen.evaluate('Math.random()')}")
    screen.until("location.pathname.startsWith('/a/')")
    gateway.download(hash_of(screen))
    gateway.until(hash_of(screen))
    screen.open(screen.evaluate("location.href"))
    assert "Make it again" in screen.text()
    yield "own archive, with a file left out"
    screen.evaluate("document.querySelector('.danger').click()")
    screen.until("document.body.innerText.includes('are gone') && document.readyState === 'complete'")
    yield "deleted"


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not here: scripts/test-tools --slow")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_axe_finds_nothing_wrong(
    browser: Chromium, gateway: Gateway, launch: Launch, origin: Origin, width: int, dark: bool
) -> None:
    """Every screen in every state: names, contrast, regions, order; and none is wider than its window."""
    found: dict[str, Any] = {}
    screen = Screen(browser, width=width, dark=dark)
    locked = launch(api_keys=new_key("ann")[1], signed_links="on")
    gateway.client.post("/upload/axe.txt", content=b"x")
    urls = {name: f"{gateway.base}{path}" for name, path in states(gateway, origin).items()}
    urls |= {"link that is not signed": f"{locked.base}/archive/get/{'0' * 32}.zip", "login": f"{locked.base}/"}

    def shown() -> Iterator[str]:
        for name, url in urls.items():
            screen.open(url)
            yield name
        screen.evaluate("[document.querySelector('#key').value = 'wrong', document.forms[0].submit()].length")
        screen.until("document.readyState === 'complete' && document.querySelector('.alert') !== null")
        yield "refused login"
        yield from made_by_hand(screen, gateway, origin)

    for name in shown():
        assert screen.seen()["shift"] < 0.001, name  # less than a pixel of a word
        screen.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        if wrong := screen.violations():
            found[name] = wrong
        if name != "docs":
            assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
    assert found == {}


def test_first_view_is_small(browser: Chromium, gateway: Gateway) -> None:
    """The page, its style, its script; an icon that is no request; 25 kB in all, with their fields."""
    screen = Screen(browser)
    screen.open(f"{gateway.base}/")
    count = "performance.getEntriesByType('resource').filter(each => each.name.startsWith('http')).length"
    assert screen.evaluate(count) <= 3
    sent = "performance.getEntries().reduce((all, each) => all + (each.transferSize ?? 0), 0)"
    assert 0 < screen.evaluate(sent) <= 25_000


def test_main_job_without_a_script(browser: Chromium, launch: Launch, origin: Origin) -> None:
    """The forms and links alone, by keyboard: what is wrong with the links, make, download, see it complete, delete."""
    gateway = launch()
    origin.serve("/screen/plain", File(b"x" * 5000))
    screen = Screen(browser, script=False)
    screen.open(f"{gateway.base}/")
    screen.type(f"{origin.url('/screen/plain')}\tplain.txt\nnonsense")
    screen.tab_to("it.textContent.trim() === 'Make the zip'")
    screen.press("Enter", 13)
    screen.until("document.querySelector('.alert')?.innerText.startsWith('nonsense: ') === true")
    screen.evaluate("document.querySelector('#links').focus()")
    screen.evaluate("document.activeElement.value = document.activeElement.value.replace('nonsense', '')")
    screen.tab_to("it.textContent.trim() === 'Make the zip'")
    screen.press("Enter", 13)
    screen.until("location.pathname.startsWith('/a/')")
    screen.tab_to("it.textContent.trim() === 'Download'")
    screen.press("Enter", 13)
    assert browser.finish(most=0) == []
    (file,) = browser.finished()
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["plain.txt"]
    gateway.until(hash_of(screen))
    screen.open(screen.evaluate("location.href"))
    assert "Complete" in screen.text()
    screen.tab_to("it.tagName === 'SUMMARY' && it.textContent === 'Delete'")
    screen.press("Enter", 13)
    screen.tab_to("it.textContent.startsWith('Yes, delete it')")
    screen.press("Enter", 13)
    screen.until("document.body.innerText.includes('are gone')")

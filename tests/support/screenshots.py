"""The pictures of the README: the real pages of a running gateway, in a real browser.

python -m tests.support.screenshots docs/images
"""

import sys
import tempfile
from pathlib import Path

from tests.support.chromium import Chromium
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.support.screen import Screen, quoted

FILES = {"/holiday/beach.jpg": 4_200_000, "/holiday/film.mov": 31_000_000, "/holiday/map.pdf": 700_000}


def main(folder: Path) -> None:
    """Write `new.png` and `archive.png` into the folder."""
    with tempfile.TemporaryDirectory() as name, Origin() as origin:
        for path, size in FILES.items():
            origin.serve(path, File(Pattern(size), hold_at=18_000_000 if path.endswith(".mov") else None))
        with Gateway(Path(name) / "data", allow=[origin.authority]) as gateway, Chromium(Path(name) / "b") as browser:
            links = "\n".join(f"https://files.example.com{path}" for path in FILES)
            screen = Screen(browser, width=760)
            screen.open(f"{gateway.base}/")
            screen.evaluate(f"document.querySelector('#links').value = {quoted(links)}")
            screen.evaluate("document.querySelector('#links').dispatchEvent(new Event('input'))")
            screen.until("document.querySelector('[data-counts]').textContent.startsWith('3')")
            screen.screenshot(folder / "new.png")
            urls = [*map(origin.url, FILES), origin.url("/holiday/notes.txt")]
            made = gateway.create(urls=urls, filename="holiday.zip")["archive_hash"]
            gateway.client.post(f"/api/archive/prefetch/{made}")
            origin.until(lambda origin: origin.sent("/holiday/film.mov") >= 18_000_000)
            screen.open(f"{gateway.base}/a/{made}")
            screen.until("document.querySelector('progress').value > 15000000")
            screen.screenshot(folder / "archive.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

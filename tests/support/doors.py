"""Every way in which a client can have the gateway dial a URL: named itself, or by a redirect, at each moment."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html import escape
from itertools import count
from typing import Any

import httpx

from tests.support.gateway import POLL, Gateway
from tests.support.origin import File, Origin, Pattern, Status, redirect

REDIRECTS = (301, 302, 303, 307, 308)
WAYS = len(REDIRECTS) + 2
TURNING = re.compile("http://(rebinding|flipping)")  # names whose address is another one each time it is asked for
AT_ONCE = 8
IMAGES = 45  # of one page; the gateway takes fifty
LARGE = File(Pattern(200_000))  # more than a probe keeps: its file is pulled by a request of its own


def as_location(url: str) -> bool:
    """Whether the URL can stand in a header field at all."""
    return "\r" not in url and "\n" not in url and url.isascii()


class Doors:
    """The doors of one gateway, for these URLs; the origin is one that it may dial, and has `/good`.

    `step`: of the doors that each take an archive or a page of its own, every so manieth URL is enough. Beyond 1, each
    URL is redirected to in one of the ways, the next one in the next way, and not in all of them.
    """

    def __init__(self, gateway: Gateway, origin: Origin, urls: Sequence[str], step: int) -> None:
        self._gateway = gateway
        self._origin = origin
        self._urls = urls
        self._locations = [url for url in urls if as_location(url)]
        self._some_locations = self._locations[::step]
        self._in_all_ways = step == 1
        self._numbers = count()
        self._clients = threading.local()

    @property
    def _client(self) -> httpx.Client:
        """One of this thread's own: shared ones were seen to close a connection beneath another thread."""
        if not hasattr(self._clients, "client"):
            self._clients.client = httpx.Client(base_url=self._gateway.base, trust_env=False, timeout=60)
        client: httpx.Client = self._clients.client
        return client

    # -- named by the client -----------------------------------------------------------------------------

    def named_to_create(self) -> dict[int, int]:
        """How often create answered with which status, one URL at a time."""
        return self._asked("/api/archive/create", [{"urls": [url]} for url in self._urls])

    def named_as_hook(self) -> dict[int, int]:
        """The same for webhooks, each of an archive that is built at once."""
        before = len(self._gateway.log)
        statuses = self._asked("/api/archive/create", [self._hooked(url) for url in self._urls])
        self._wait(lambda: self._delivered(before) >= statuses.get(201, 0))
        return statuses

    def named_as_page(self) -> dict[int, int]:
        """The same for web pages whose images are wanted, with what became of those that were taken."""
        return self._asked("/download", [{"url": url} for url in self._urls])

    def named(self) -> dict[str, Any]:
        """One archive of all those that create takes, and one of the names that turn: what is public when it is probed
        and not when it is pulled fails its archive, and takes the others with it.
        """
        taken = [url for url in self._urls if self._post("/api/archive/create", {"urls": [url]}) < 400]
        turning = [url for url in taken if TURNING.match(url)]
        self.archived(*turning)
        return self.archived(*(url for url in taken if url not in turning), self._origin.url("/good"))

    # -- named by an origin ------------------------------------------------------------------------------

    def redirected(self) -> dict[str, Any]:
        """One archive of redirects: with each code, of two hops, and where an origin was asked again.

        And one of those to the names that turn, which may rightly be had while they are public: who dials them is seen.
        """
        turning = [url for url in self._locations if TURNING.match(url)]
        self.archived(*self._redirects(turning))
        fixed = [url for url in self._locations if url not in turning]
        return self.archived(*self._redirects(fixed), self._origin.url("/good"))

    def _redirects(self, locations: Sequence[str]) -> list[str]:
        wanted = []
        for number, url in enumerate(locations):
            ways = range(WAYS) if self._in_all_ways else [number % WAYS]
            wanted += [self._redirect(url, way) for way in ways]
        return wanted

    def _redirect(self, url: str, way: int) -> str:
        """With each code, of two hops, and where an origin was asked again."""
        if way < len(REDIRECTS):
            return self._serve(redirect(url, REDIRECTS[way]))
        if way == len(REDIRECTS):
            return self._serve(redirect(self._serve(redirect(url))))
        return self._serve(Status(503), redirect(url))

    def turned(self) -> dict[str, int]:
        """Archives of a file that is there when it is probed, and a redirect once it is pulled."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            turned = list(pool.map(self._turned, enumerate(self._some_locations)))
        return {
            "archives": len(turned),
            "probed": turned.count((200, 502)),
            "given": sum(get < 400 for _, get in turned),
        }

    def _turned(self, numbered: tuple[int, str]) -> tuple[int, int]:
        """What HEAD answered, which waits for the probe and pulls nothing, and then GET."""
        number, url = numbered
        turned = self._serve(LARGE, redirect(url, REDIRECTS[number % 5]))
        path = f"/archive/get/{self._gateway.create(urls=[turned])['archive_hash']}.zip"
        return self._client.head(path).status_code, self._client.get(path).status_code

    def redirected_hooks(self) -> int:
        """Webhooks that answer with a redirect."""
        hooks = [self._serve(redirect(url, REDIRECTS[n % 5])) for n, url in enumerate(self._some_locations)]
        for hook in hooks:
            self._gateway.create(**self._hooked(hook))
        self._wait(lambda: self._asked_of(hooks) == len(hooks))
        return len(hooks)

    def _hooked(self, url: str) -> dict[str, Any]:
        name = f"hook {next(self._numbers)}.zip"  # an archive takes no more than 16
        return {"urls": [self._origin.url("/good")], "filename": name, "prefetch": True, "webhook": url}

    def redirected_pages(self) -> dict[int, int]:
        """Pages that redirect."""
        pages = [self._serve(redirect(url, REDIRECTS[n % 5])) for n, url in enumerate(self._some_locations)]
        return self._asked("/download", [{"url": page} for page in pages])

    def imaged(self) -> dict[str, Any]:
        """Pages whose images they are; an attribute may hold any letter."""
        urls = [url for url in self._urls if not re.search("[\ud800-\udfff]", url)]
        bodies = []
        for first in range(0, len(urls), IMAGES):
            images = [self._origin.url("/good"), *urls[first : first + IMAGES]]
            page = "".join(f'<img src="{escape(image)}">' for image in images).encode()
            page_url = self._serve(File(page, fields=(("Content-Type", "text/html; charset=utf-8"),)))
            bodies.append(self._page(page_url)[1])
        return {
            "good": all(b"good bytes" in body for body in bodies),
            "pages": len(bodies),
        }

    # -- the gateway -------------------------------------------------------------------------------------

    def archived(self, *urls: str) -> dict[str, Any]:
        """What an archive of these holds, and how many of them it lacks."""
        hash = self._gateway.create(urls=urls)["archive_hash"]
        archive = self._gateway.get(hash).content
        errors = self._gateway.status(hash)["errors_total"]
        return {"good": b"good bytes" in archive, "secret": b"secret" in archive, "errors": errors, "asked": len(urls)}

    def _serve(self, *answers: File | Status) -> str:
        path = f"/doors/{next(self._numbers)}"
        self._origin.serve(path, *answers)
        return self._origin.url(path)

    def _asked(self, path: str, bodies: Sequence[object]) -> dict[int, int]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            if path == "/download":
                return dict(Counter(status for status, _ in pool.map(self._page_of, bodies)))
            return dict(Counter(pool.map(lambda body: self._post(path, body), bodies)))

    def _post(self, path: str, body: object) -> int:
        return self._client.post(path, content=json.dumps(body)).status_code

    def _page(self, url: str) -> tuple[int, bytes]:
        return self._page_of({"url": url})

    def _page_of(self, body: object) -> tuple[int, bytes]:
        """The status and body of what a page became, or of the refusal to read it."""
        answer = self._client.post("/download", content=json.dumps(body))
        if answer.status_code != 202:
            return answer.status_code, answer.content
        path = f"/download/{answer.json()['download_id']}"
        deadline = time.monotonic() + 60
        while (answer := self._client.get(path)).status_code == 202:
            assert time.monotonic() < deadline
            time.sleep(POLL)
        return answer.status_code, answer.content

    def _delivered(self, before: int) -> int:
        events = {"delivered", "delivery_put_off", "delivery_given_up"}
        return sum(line.get("event") in events for line in self._gateway.log[before:])

    def _wait(self, reached: Any) -> None:
        deadline = time.monotonic() + 60
        while not reached():
            assert time.monotonic() < deadline
            time.sleep(POLL)

    def _asked_of(self, urls: Sequence[str]) -> int:
        paths = [url.partition(self._origin.authority)[2] for url in urls]
        return sum(bool(self._origin.requests(path)) for path in paths)

"""Canaries in every place of a secret: after everything that can go right and wrong, they are nowhere to be read."""

import io
import json
import re
import socket
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from streamzip.access.api_keys import new_key
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.hostile_names import hostile_names
from tests.support.hostile_urls import JUDGED_AT_DIAL, hostile_urls
from tests.support.origin import Answer, File, HangUp, Origin, Pattern, Raw, Status, redirect
from tests.support.receiver import Receiver, Reply
from tests.support.workers import family

CANARY = "canary5ecret"
WEBHOOK_SECRET = "whsec_Y2FuYXJ5NXNlY3JldGNhbmFyeTVzZWNyZXQ="
LARGE = File(Pattern(3 << 20))


def secret(word: str) -> str:
    """A secret that can be told apart from the others."""
    return f"{CANARY}-{word}"


def told(gateway: Gateway, answers: list[httpx.Response], archives: list[bytes]) -> dict[str, str]:
    """All that anybody can read of it: answers, archives' reports, logs, the process's title and its files of state."""
    found = {
        f"{answer.request.method} {answer.request.url.path} {n}": _shown(answer) for n, answer in enumerate(answers)
    }
    for number, archive in enumerate(archives):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(archive)) as opened:
            found[f"archive {number}"] = repr([opened.read(name) for name in opened.namelist() if "report" in name])
    found["log"] = json.dumps(gateway.log)
    process = Path(f"/proc/{gateway.pid}")
    found["title"] = (process / "cmdline").read_text() + (process / "comm").read_text()
    found["files"] = " ".join(str(path) for path in gateway.data.rglob("*"))
    return found


def _shown(answer: httpx.Response) -> str:
    return f"{answer.headers} {answer.text}"


def test_no_secret_is_told_when_everything_goes_right_and_wrong(launch: Launch, origin: Origin) -> None:
    """Of URLs' queries and credentials, entries' headers, keys and webhooks: in logs at their most talkative, statuses,
    events, errors, reports, titles and names of files.
    """
    key, line = new_key("ann")
    with Receiver() as receiver:
        own, hook = f"/own?token={secret('own')}", f"/hook?token={secret('hook')}"
        receiver.answer(own, Reply(500, body=secret("reply").encode()), Reply(204))
        receiver.answer(hook, Reply(302, (("Location", f"http://127.0.0.1/?{secret('location')}"),)), Reply(204))
        gateway = launch(
            allow=[receiver.authority],
            api_keys=line,
            log_level="debug",
            secret_keys=f"k1:{secret('ring')}-0123456789abcdef",
            webhook_secret=WEBHOOK_SECRET,
            webhook_url=receiver.url(own),
            signed_links="on",
            max_attempts="2",
            connect_timeout="2",
            read_timeout="2",
            throttle_wait="1",
        )
        gateway.client.headers["Authorization"] = f"Bearer {key}"
        answers, archives = everything(gateway, origin, receiver.url(hook))
        receiver.next(own)
        receiver.next(hook)
    gateway.stop()
    gateway.start()
    wrong_key = gateway.client.get("/api/archive", headers={"Authorization": f"Bearer {secret('key')}"})
    assert wrong_key.status_code == 401
    found = told(gateway, [*answers, wrong_key], archives)
    for where, text in found.items():
        assert CANARY not in text, (where, text[max(0, text.index(CANARY) - 200) :][:300])
        assert key not in text, where
        assert "Y2FuYXJ5NXNlY3JldG" not in text, where
    assert len(found) > 30
    for path in gateway.data.glob("streamzip.db*"):
        assert CANARY.encode() not in path.read_bytes(), path.name


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_process_leaves_a_core_file(launch: Launch, workers: str) -> None:
    """It would hold every secret; a crash is told by its exit status and the log."""
    gateway = launch(workers=workers)
    for pid in family(gateway):
        assert re.search(r"^Max core file size +0 ", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)


def everything(gateway: Gateway, origin: Origin, hook: str) -> tuple[list[httpx.Response], list[bytes]]:
    """What a client may ask for, with a secret in each place: the answers, and the archives among them."""
    bad: dict[str, Answer] = {
        "good": LARGE,
        "forbidden": Status(403, (("X-Why", secret("header")),), secret("body").encode()),
        "elsewhere": redirect(f"http://127.0.0.1/?{secret('redirect')}"),
        "loop": redirect(origin.url("/canary/loop") + f"?again={secret('loop')}"),
        "gone": HangUp(reset=True),
        "garbage": Raw(f"{secret('garbage')}\r\n\r\n".encode()),
        "unwilling": Status(503, (("Retry-After", "0"),), secret("busy").encode()),
        "encoded": File(b"x" * 100, encoding=secret("encoding")),
        "lying": File(Pattern(5000), etag=f'"{secret("etag")}"', claims=9000, ranges=False),
        "page": File(
            f'<img src="/canary/good?{secret("image")}"><img src="/canary/forbidden?{secret("image")}">'.encode(),
            fields=(("Content-Type", "text/html"),),
        ),
    }
    for name, answer in bad.items():
        origin.serve(f"/canary/{name}", answer)
    urls = {
        name: f"{origin.url(f'/canary/{name}')}?X-Amz-Signature={secret(name)}#{secret('fragment')}" for name in bad
    }
    fields = {"Authorization": f"Bearer {secret('bearer')}", "X-Api-Key": secret("field"), "Cookie": secret("cookie")}
    answers: list[httpx.Response] = []
    archives: list[bytes] = []

    def ask(method: str, path: str, body: object = None) -> httpx.Response:
        answers.append(gateway.client.request(method, path, content=None if body is None else json.dumps(body)))
        return answers[-1]

    def make(*names: str, **options: Any) -> None:
        entries = [{"url": urls[name], "headers": fields} for name in names]
        created = ask("POST", "/api/archive/create", {"entries": entries, **options})
        document = {name: value for name, value in created.json().items() if name != "delete_token"}
        assert created.status_code == 201, created.text
        with suppress(httpx.RemoteProtocolError):  # cut: the origin broke off
            download = gateway.client.get(created.json()["url"])
            if download.status_code == 200:
                archives.append(download.content)
                assert CANARY not in str(download.headers)
            else:
                answers.append(download)
        for path in ("status", "events"):
            ask("GET", f"/api/archive/{path}/{document['archive_hash']}?entries=1")

    make(*bad)
    for name in bad:
        make(name, on_error="fail", filename=f"{name}.zip")
    make("good", prefetch=True, filename="prefetched.zip", webhook=hook)
    for url in (
        f"http://user:{secret('password')}@example.com/",
        f"ftp://example.com/?{secret('scheme')}",
        f"http://127.0.0.1/?{secret('private')}",
        f"http://{secret('host')}_!/?{secret('host')}",
        f"http://exa mple.com/?{secret('blank')}",
    ):
        refused = ask("POST", "/api/archive/create", {"urls": [url]})
        assert refused.status_code == 422
        answers.pop()  # it may name the client's own wish to the client
        for body in ({"url": url}, {"url": urls["page"] + "%"}):
            ask("POST", "/download", body)
            answers.pop()
        assert (
            gateway.client.post("/api/archive/create", json={"urls": [urls["good"]], "webhook": url}).status_code == 422
        )
    broken = json.dumps({"entries": [{"url": urls["good"], "headers": fields | {"X-Bad": f"{secret('crlf')}\r\n"}}]})
    answers.append(gateway.client.post("/api/archive/create", content=broken))
    answers.append(gateway.client.post("/api/archive/create", content=broken[:-2]))
    page = ask("POST", "/download", {"url": urls["page"]})
    while (collected := gateway.client.get(f"/download/{page.json()['download_id']}")).status_code == 202:
        pass
    archives.append(collected.content)
    ask("GET", "/api/archive")
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", f"/archive/get/{'0' * 32}.zip?signature={CANARY}"):
        ask("GET", path)
    return answers, archives


@pytest.mark.parametrize("level", ["debug"])
def test_every_line_of_the_log_is_one_event_when_names_and_urls_are_hostile(
    launch: Launch, origin: Origin, level: str
) -> None:
    """Line feeds, bidi marks and quotes of 190 names and 400 URLs neither end a line nor begin one."""
    gateway = launch(log_level=level, max_attempts="1", connect_timeout="1", read_timeout="1")
    origin.serve("/lines/missing", Status(404))
    names = [name for name in hostile_names() if name.isprintable() or name.encode(errors="replace").decode() == name]
    for number, name in enumerate(names):
        entry = {"url": origin.url(f"/lines/missing?{number}"), "name": name}
        body = {"entries": [entry], "filename": name[:1000], "on_error": "fail", "prefetch": number % 10 == 0}
        created = gateway.client.post("/api/archive/create", content=json.dumps(body))
        assert created.status_code == 201, name
        assert gateway.get(created.json()["archive_hash"]).status_code == 502
    for url in [*hostile_urls(), *JUDGED_AT_DIAL]:
        gateway.client.post("/api/archive/create", content=json.dumps({"urls": [url]}))
        gateway.client.post("/download", content=json.dumps({"url": url}))
        gateway.client.get(f"/archive/get/{quote(url, safe='', errors='replace')[:4000]}")
    gateway.stop()
    lines = gateway.log
    assert not [line for line in lines if line["event"] == "not JSON"]
    assert sum(line["event"] == "problem" for line in lines) >= len(names)
    assert all({"time", "level", "logger", "event"} <= line.keys() for line in lines)


FILENAMES = [
    'a"; filename="evil.exe',
    "a\r\nX-Injected: 1",
    "a\nSet-Cookie: x=1",
    "a\0b",
    "a\\",
    '\\"; x="',
    "a; filename*=UTF-8''evil.exe",
    "\u202egpj.exe",
    "日本語\u2028",
    "../../etc/passwd",
    "a\x85b\x1b[31m",
    "%0d%0aX-Injected: 1",
]


@pytest.mark.parametrize("filename", FILENAMES, ids=ascii)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_hostile_file_name_injects_no_header(gateway: Gateway, origin: Origin, method: str, filename: str) -> None:
    """The head has the lines that it has for any name, and one quoted string and one encoded one in its disposition."""
    origin.serve("/named/file", File(b"file"))
    heads = []
    for name in ("plain", filename):
        hash = gateway.create(urls=[origin.url("/named/file")], filename=name)["archive_hash"]
        with socket.create_connection(("127.0.0.1", gateway.port), 10) as client:
            client.sendall(
                f"{method} /archive/get/{hash}.zip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
            )
            heads.append(b"".join(iter(lambda: client.recv(1 << 16), b"")).partition(b"\r\n\r\n")[0])
    names = [[line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]] for head in heads]
    assert set(names[0]) ^ set(names[1]) <= {b"x-accel-buffering", b"connection"}  # live, or completed meanwhile
    assert len(names[1]) == len(set(names[1]))
    assert heads[1].isascii()
    assert re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", heads[1]) is None
    (line,) = [line for line in heads[1].split(b"\r\n") if line.lower().startswith(b"content-disposition")]
    value = line.partition(b": ")[2].decode()
    assert re.fullmatch(
        r"""attachment; filename="(?:[^"\\]|\\.)*"; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]*""", value
    )

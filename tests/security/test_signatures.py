"""Signed links: what is given out lets in, and nothing that was made of it does."""

import http.client
import random
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from streamzip.access.keyring import KeyRing
from streamzip.access.signed_links import SignedLinks
from streamzip.errors import Forbidden
from tests.support.fixtures import Launch
from tests.support.gateway import COMMAND, POLL, Gateway
from tests.support.origin import File, Origin
from tests.support.own_ids import common
from tests.support.timing import separation

NOW = 1_800_000_000.0
PATH = "/archive/get/3bea29ccabbbf64bdebcc055319c5745.zip"
RING = KeyRing.parse("new:the second secret,old:the first secret")
LINKS = SignedLinks(RING, lifetime=600)


def lets_in(query: bytes, *, path: bytes = PATH.encode(), method: str = "GET", now: float = NOW) -> bool:
    try:
        LINKS.check(method, path, query, now=now)
    except Forbidden:
        return False
    return True


def test_link_lets_in_until_it_expires() -> None:
    """For GET and HEAD, to the second; an expired one says so, a wrong one does not say that it would be expired."""
    query = LINKS.query(PATH, now=NOW).encode()
    assert lets_in(query) and lets_in(query, method="HEAD")
    assert lets_in(query, now=NOW + 599.9)
    assert not lets_in(query, now=NOW + 600)
    with pytest.raises(Forbidden) as expired:
        LINKS.check("GET", PATH.encode(), query, now=NOW + 601)
    assert expired.value.code == "link_expired"
    with pytest.raises(Forbidden) as wrong:
        LINKS.check("GET", PATH.encode(), query[:-1] + b"0" if query[-1:] != b"0" else query[:-1] + b"1", now=NOW + 601)
    assert wrong.value.code == "forbidden"
    for method in ("POST", "DELETE", "get", "PUT"):
        assert not lets_in(query, method=method)


def test_link_of_an_older_key_lets_in_until_that_key_is_taken_out() -> None:
    """Rotation: new links are signed with the new key, old ones stay good."""
    old = SignedLinks(KeyRing.parse("old:the first secret"), lifetime=600).query(PATH, now=NOW).encode()
    new = LINKS.query(PATH, now=NOW).encode()
    assert lets_in(old) and lets_in(new) and old != new
    alone = SignedLinks(KeyRing.parse("new:the second secret"), lifetime=600)
    alone.check("GET", PATH.encode(), new, now=NOW)
    with pytest.raises(Forbidden):
        alone.check("GET", PATH.encode(), old, now=NOW)


def test_link_is_bound_to_its_keys_id() -> None:
    """The id is in what is signed: the same secret under another id signs otherwise."""
    other = SignedLinks(KeyRing.parse("other:the second secret"), lifetime=600).query(PATH, now=NOW).encode()
    assert not lets_in(other)


def mutations(query: str, path: str, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """(query, path) pairs that differ from the good one, without end."""
    chance = random.Random(seed)
    good = (query.encode(), path.encode())
    expires, signature = query[len("expires=") :].split("&signature=")
    other = "f" * 64
    kinds = 14
    number = 0
    while True:
        changed, where, kind = query, path, number % kinds
        number += 1
        at = chance.randrange(len(query))
        if kind == 0:  # one bit of anything
            changed = query[:at] + chr(ord(query[at]) ^ (1 << chance.randrange(7))) + query[at + 1 :]
        elif kind == 1:  # one digit of the signature
            place = chance.randrange(64)
            digit = chance.choice("0123456789abcdefABCDEFg %+")
            changed = f"expires={expires}&signature={signature[:place]}{digit}{signature[place + 1 :]}"
        elif kind == 2:  # upper case, in part or all
            cased = "".join(letter.upper() if chance.random() < 0.5 else letter for letter in signature)
            changed = f"expires={expires}&signature={cased}"
        elif kind == 3:  # truncated, padded
            length = chance.randrange(64)
            changed = f"expires={expires}&signature={signature[:length]}{chance.choice(['', '=', '0', '%00'])}"
        elif kind == 4:  # the expiry, a little or a lot
            moved = int(expires) + chance.choice([-1, 1, 60, 10**6, -(10**6), chance.randrange(1, 10**9)])
            changed = f"expires={moved}&signature={signature}"
        elif kind == 5:  # the same number, written otherwise
            written = chance.choice(
                [
                    f"0{expires}",
                    f"+{expires}",
                    f"{expires}.0",
                    f"{expires}e0",
                    f" {expires}",
                    f"{expires[:1]}_{expires[1:]}",
                ]
            )
            changed = f"expires={written}&signature={signature}"
        elif kind == 6:  # one parameter more, before, between and after
            extra = chance.choice(
                ["a=1", "expires=9999999999", f"signature={other}", "response-content-type=text/html", ""]
            )
            parts = [f"expires={expires}", f"signature={signature}"]
            parts.insert(chance.randrange(3), extra)
            changed = "&".join(parts)
        elif kind == 7:  # another order, another separator, another name
            changed = chance.choice(
                [
                    f"signature={signature}&expires={expires}",
                    f"expires={expires};signature={signature}",
                    f"Expires={expires}&signature={signature}",
                    f"expires={expires}&Signature={signature}",
                    f"expires={expires}&signature={signature}&",
                    f"&expires={expires}&signature={signature}",
                    f"expires[]={expires}&signature={signature}",
                ]
            )
        elif kind == 8:  # a letter percent-encoded
            changed = query[:at] + f"%{ord(query[at]):02x}" + query[at + 1 :]
        elif kind == 9:  # the path: a letter of it
            place = chance.randrange(1, len(path))
            where = path[:place] + chance.choice("0123456789abcdefXYZ./-") + path[place + 1 :]
        elif kind == 10:  # the path: the same resource, written otherwise
            where = chance.choice(
                [
                    path.replace("/get/", "%2Fget/"),
                    path.replace("/get/", "/get%2f"),
                    path.replace("get", "%67et"),
                    "/" + path,
                    path + "/",
                    path.replace("/get/", "/./get/"),
                    path.replace("/get/", "/x/../get/"),
                    path + "%00",
                    path.replace(".zip", "%2Ezip"),
                    path.upper(),
                ]
            )
        elif kind == 11:  # another key's signature, over the same or less
            foreign = SignedLinks(KeyRing.parse(f"new:{chance.random():.16f}"), lifetime=600)
            changed = foreign.query(path, now=NOW)
        elif kind == 12:  # a good signature of another path
            changed = LINKS.query(path + chance.choice("abc/"), now=NOW)
        else:  # bytes moved from one signed part to the next
            changed = f"expires={expires[1:]}&signature={signature}"
            where = path + expires[:1]
        pair = (changed.encode("latin-1"), where.encode())
        if pair != good:
            yield pair


def refused(count: int) -> None:
    pairs = mutations(LINKS.query(PATH, now=NOW), PATH, seed=count)
    accepted = [pair for pair in (next(pairs) for _ in range(count)) if lets_in(pair[0], path=pair[1])]
    assert accepted == []


def test_no_mutated_link_is_accepted() -> None:
    """Ten thousand of them."""
    refused(10_000)


@pytest.mark.slow
def test_no_mutated_link_of_a_million_is_accepted() -> None:
    """The same, a million times."""
    refused(1_000_000)


@pytest.mark.slow
def test_time_does_not_tell_how_much_of_a_signature_is_right() -> None:
    """A wrong first digit is refused as fast as a wrong last one (Welch's t below 3.3: p > 0.001; 20,000 of each).

    In random order, each in bytes of its own: else the machine's own rhythm, or an address, is what is measured.
    """
    expires, signature = LINKS.query(PATH, now=NOW)[len("expires=") :].split("&signature=")
    chance = random.Random(18)
    places = [0] * 20_000 + [63] * 20_000
    chance.shuffle(places)
    times: dict[int, list[int]] = {0: [], 63: []}
    for place in places:
        digit = chance.choice([digit for digit in "0123456789abcdef" if digit != signature[place]])
        query = f"expires={expires}&signature={signature[:place]}{digit}{signature[place + 1 :]}".encode()
        began = time.thread_time_ns()
        lets_in(query)
        times[place].append(time.thread_time_ns() - began)
    assert separation(*times.values()) < 3.3


@pytest.fixture(scope="module")
def signing(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that gives archives to signed links alone."""
    data = tmp_path_factory.mktemp("signing") / "data"
    with Gateway(
        data, allow=[origin.authority], signed_links="on", secret_keys="k2:the second secret,k1:the first secret"
    ) as gateway:
        yield gateway


def created(gateway: Gateway, origin: Origin, name: str) -> dict[str, str]:
    origin.serve(f"/signed/{name}", File(b"bytes"))
    document: dict[str, str] = gateway.create(urls=[origin.url(f"/signed/{name}")])
    return document


def test_gateway_gives_archives_to_signed_links_alone(signing: Gateway, origin: Origin) -> None:
    """create and status give links that work, for GET, HEAD and ranges; the bare path is 403, known or not."""
    document = created(signing, origin, "a")
    hash, url = document["archive_hash"], document["url"]
    body = signing.client.get(url)
    assert body.status_code == 200
    assert signing.client.head(url).headers["content-length"] == str(len(body.content))
    assert signing.client.get(url, headers={"Range": "bytes=1-2"}).content == body.content[1:3]
    status = signing.client.get(document["status_url"], headers={"X-Delete-Token": document["delete_token"]}).json()
    assert signing.client.get(status["url"]).content == body.content
    answers = [signing.get(hash), signing.get("0" * 32), signing.client.get(f"/archive_img/{hash}")]
    assert {(answer.status_code, common(answer.content)) for answer in answers} == {(403, common(answers[0].content))}
    assert answers[0].json()["code"] == "forbidden"


def test_gateway_refuses_every_kind_of_mutated_link(signing: Gateway, origin: Origin) -> None:
    """Also as they arrive over HTTP: encoded, doubled, in another order, with parameters more."""
    url = urlsplit(created(signing, origin, "b")["url"])
    pairs = mutations(url.query, url.path, seed=1)
    assert url.port is not None
    for query, path in (next(pairs) for _ in range(300)):
        target = path + b"?" + query
        if re.fullmatch(rb"[!-~]+", target) is None:  # no request line could hold it
            continue
        connection = http.client.HTTPConnection("127.0.0.1", url.port)  # httpx would mend the path
        connection.putrequest("GET", target.decode("ascii"))
        connection.endheaders()
        status = connection.getresponse().status
        connection.close()
        # A fragment is cut off by the server, which leaves less than a link; another path is 404.
        assert status in (400, 403, 404), target


def test_gateway_refuses_a_link_once_it_has_expired(signing: Gateway, origin: Origin) -> None:
    """The signature is right, the time is over: 403 with a code of its own."""
    url = urlsplit(created(signing, origin, "c")["url"])
    ring = KeyRing.parse("k1:the first secret")
    past = SignedLinks(ring, lifetime=1).query(url.path, now=time.time() - 2)
    response = signing.client.get(f"{url.path}?{past}")
    assert (response.status_code, response.json()["code"]) == (403, "link_expired")
    good = SignedLinks(ring, lifetime=60).query(url.path, now=time.time())
    assert signing.client.get(f"{url.path}?{good}").status_code == 200


def test_gateway_gives_uploads_to_signed_links_alone(signing: Gateway) -> None:
    """A file's name can be guessed: its upload's answer, the list and the page have links that work."""
    sent = signing.client.post("/upload/a%20b.txt", content=b"text")
    row = next(row for row in signing.client.get("/download").json() if row["filename"] == "a b.txt")
    shown = re.search(r'href="(download/a%20b\.txt\?[^"]+)"', signing.client.get("/upload").text)
    assert shown is not None
    for url in (sent.json()["url"], sent.headers["location"], row["url"], f"/{shown[1].replace('&amp;', '&')}"):
        assert signing.client.get(url).content == b"text"
        assert signing.client.head(url).headers["content-length"] == "4"
    answers = [signing.client.get(path) for path in ("/download/a%20b.txt", "/download/none.txt")]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(403, "forbidden")}
    assert common(answers[0].content) == common(answers[1].content)


def test_gateway_gives_a_pages_images_to_signed_links_alone(signing: Gateway, origin: Origin) -> None:
    """The `Location` of the answer that has the id; the bare id tells not even whether there is one."""
    origin.serve("/signed/image.png", File(b"image"))
    origin.serve("/signed/page", File(b"<img src=image.png>", fields=(("Content-Type", "text/html"),)))
    posted = signing.client.post("/download", json={"url": origin.url("/signed/page")})
    while (got := signing.client.get(posted.headers["location"])).status_code == 202:
        time.sleep(POLL)
    assert got.status_code == 200
    answers = [signing.client.get(f"/download/{id}") for id in (posted.json()["download_id"], uuid.uuid4())]
    assert {(answer.status_code, common(answer.content)) for answer in answers} == {(403, common(answers[0].content))}


@pytest.mark.alone
def test_gateway_gives_folders_to_links_that_its_command_signed(launch: Launch, tmp_path: Path) -> None:
    """`streamzip sign`, word for word; the bare name of the folder is no longer enough, and neither is it known."""
    (tmp_path / "root" / "7kna5e8zq1").mkdir(parents=True)
    (tmp_path / "root" / "7kna5e8zq1" / "a.txt").write_text("text")
    gateway = launch(signed_links="on", folders_dir=str(tmp_path / "root"))
    for path in ("/archive/7kna5e8zq1/", "/archive/7kna5e8zq1", "/archive/none/"):
        assert gateway.client.get(path).status_code == 403
    url = f"{gateway.base}/archive/7kna5e8zq1/"
    command = [str(COMMAND), "sign", url, "--expires", "60", "--data", str(gateway.data)]
    link = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout.strip()
    assert link.startswith(f"{url}?expires=")
    got = gateway.client.get(link)
    part = gateway.client.get(link, headers={"Range": "bytes=0-9", "If-Range": got.headers["etag"]})
    assert (got.status_code, part.status_code, part.content) == (200, 206, got.content[:10])
    assert gateway.client.get(link.replace("7kna5e8zq1", "7kna5e8zq2")).status_code == 403


def test_links_need_no_signature_unless_they_are_to_be_signed(launch: Launch, origin: Origin) -> None:
    """Off by default: a query means nothing, as ever."""
    gateway = launch()
    document = created(gateway, origin, "d")
    assert "?" not in document["url"]
    assert gateway.client.get(document["url"] + "?expires=1&signature=x").status_code == 200

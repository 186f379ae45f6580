"""The matrix of preconditions, over the wire: an archive answers each row as the pure rules say, in every state."""

import socket
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple

import pytest

from streamzip.edge.conditionals import Decision
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern
from tests.unit.edge import test_conditionals as rules

LONGEST = 4000  # of a field's value: longer ones are refused before they are read
ROWS = {case: row for case, row in rules.DECISIONS.items() if all(len(value) <= LONGEST for value in row[0].values())}
FILES = {"/matrix/a.png": 5000, "/matrix/b.png": 300_000}


class Answer(NamedTuple):
    """What came back."""

    status: int
    fields: dict[str, str]
    body: bytes


class Site:
    """A gateway, and archives of the same two files."""

    def __init__(self, gateway: Gateway, origin: Origin) -> None:
        self.gateway = gateway
        self._urls = [origin.url(path) for path in FILES]
        for path, size in FILES.items():
            origin.serve(path, File(Pattern(size)))
        self.whole = gateway.download(self.new("whole.zip"))
        self.finished = self.new("finished.zip")
        gateway.download(self.finished)
        gateway.until(self.finished)

    def new(self, filename: str) -> str:
        """One that nobody has pulled."""
        hash: str = self.gateway.create(urls=self._urls, filename=filename)["archive_hash"]
        return hash

    def ask(self, method: str, hash: str, fields: dict[str, str]) -> Answer:
        """One request whose fields go out as they are."""
        lines = [f"{method} /archive/get/{hash}.zip HTTP/1.1", "Host: a", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        received = bytearray()
        with closing(socket.create_connection(("127.0.0.1", self.gateway.port), timeout=30)) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            while block := client.recv(1 << 18):
                received += block
        head, _, body = bytes(received).partition(b"\r\n\r\n")
        status, *told = head.decode("latin-1").split("\r\n")
        named = (line.partition(":") for line in told)
        return Answer(int(status.split()[1]), {name.lower(): value.strip() for name, _, value in named}, body)


@pytest.fixture(scope="module")
def site(gateway: Gateway, origin: Origin) -> Site:
    """The shared gateway's."""
    return Site(gateway, origin)


def spoken(fields: dict[str, str], head: Answer) -> dict[str, str]:
    """The row's fields, of this archive: its ETag and times in the place of those that the row was written for."""
    modified = parsedate_to_datetime(head.fields["last-modified"])
    words: dict[str, str] = {rules.ETAG: head.fields["etag"]}
    for moment, seconds in ((rules.EARLIER, -1), (rules.DATE, 0), (rules.LATER, 1)):
        words[moment] = formatdate(modified.timestamp() + seconds, usegmt=True)
    then = datetime.fromtimestamp(rules.MODIFIED, UTC)
    forms: list[Callable[[datetime], str]] = [
        lambda moment: moment.strftime("%A, %d-%b-%y %H:%M:%S GMT"),
        lambda moment: moment.strftime(f"%a %b {moment.day:2} %H:%M:%S %Y"),
    ]
    words |= {form(then): form(modified) for form in forms}
    told = {}
    for name, text in fields.items():
        for word, real in words.items():
            text = text.replace(word, real)
        told[name] = text
    return told


def check(answer: Answer, decision: Decision, method: str, head: Answer, whole: bytes) -> None:
    """The status that was decided, with the fields and the body that belong to it."""
    partial = decision.use_range and method == "GET"
    assert answer.status == (206 if partial else decision.status)
    if answer.status in (200, 206, 304):
        assert (answer.fields["etag"], answer.fields["last-modified"]) == (
            head.fields["etag"],
            head.fields["last-modified"],
        )
    if partial:
        assert answer.fields["content-range"] == f"bytes 0-1/{len(whole)}"
        assert answer.body == whole[:2]
    elif answer.status == 200:
        assert answer.fields["content-length"] == str(len(whole))
        assert answer.body == (whole if method == "GET" else b"")
    elif answer.status == 304 or method == "HEAD":
        assert answer.body == b""


@pytest.mark.parametrize("case", ROWS)
def test_archive_answers_as_decided_when_nothing_of_it_was_pulled(case: str, site: Site) -> None:
    """Each row on an archive of its own: GET, and HEAD before it."""
    fields, decision = ROWS[case]
    hash = site.new(f"{list(ROWS).index(case)}.zip")
    head = site.ask("HEAD", hash, {})
    for method in ("HEAD", "GET"):
        check(site.ask(method, hash, spoken(fields, head)), decision, method, head, site.whole)


@pytest.mark.parametrize("case", ROWS)
def test_archive_answers_as_decided_when_it_is_finished(case: str, site: Site) -> None:
    """The same from the finished copy."""
    fields, decision = ROWS[case]
    head = site.ask("HEAD", site.finished, {})
    for method in ("HEAD", "GET"):
        check(site.ask(method, site.finished, spoken(fields, head)), decision, method, head, site.whole)

"""The matrix of ranges and preconditions over HTTP: each row is answered alike by an archive that nobody has pulled, by
one that is there in part, by a finished one, and through a real nginx; every part is exactly the slice of the whole.
"""

import email
import email.policy
import http.client
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from email.utils import formatdate, parsedate_to_datetime
from itertools import count, pairwise
from typing import Any, NamedTuple

import pytest

from streamzip.edge.ranges import MOST_RANGES
from streamzip.zip.layout import HELD_LIMIT
from tests.support.gateway import Gateway
from tests.support.nginx import NginxFront
from tests.support.origin import File, Origin, Pattern
from tests.support.zip_structure import boundaries, random_spans, spans_at
from tests.unit.edge import test_ranges as parsing

SEED = 20260714
FRAMING = 250  # bytes that stand about one part of a multipart body, at most
NGINX_LINE = 8 << 10  # bytes of a header field that nginx takes

SENDFILE = {"direct": "off", "nginx": "off", "x-accel": "x-accel"}
BEHIND, SLOW = pytest.mark.needs("nginx"), pytest.mark.slow
STATES = pytest.mark.parametrize(
    ("site", "state"),
    [
        ("direct", "cold"),
        ("direct", "partly"),
        ("direct", "finished"),
        pytest.param("nginx", "cold", marks=BEHIND),
        pytest.param("nginx", "partly", marks=[BEHIND, SLOW]),
        pytest.param("nginx", "finished", marks=[BEHIND, SLOW]),
        pytest.param("x-accel", "cold", marks=[BEHIND, SLOW]),
        pytest.param("x-accel", "partly", marks=[BEHIND, SLOW]),
        pytest.param("x-accel", "finished", marks=BEHIND),
    ],
    indirect=["site"],
)

# Members that are held in memory, one that is not, one of no bytes; with and without a strong validator.
FILES = {
    "small.png": File(Pattern(5000)),
    "empty.png": File(b""),
    "weak.png": File(Pattern(70_000), etag=None),
    "long.png": File(Pattern(HELD_LIMIT + 4321)),
    "最後.png": File(Pattern(1), etag=None),
}


@dataclass(frozen=True)
class Row:
    """What is asked, and the right answer: its status, and for a 206 the spans that it holds, in this order."""

    fields: dict[str, str]
    status: int
    spans: tuple[tuple[int, int], ...] = ()
    method: str = "GET"


class Answer(NamedTuple):
    """What came back."""

    status: int
    fields: http.client.HTTPMessage
    body: bytes


def ranges(n: int) -> dict[str, Row]:
    """What may stand in a Range field, for an archive of `n` bytes (RFC 9110 §14)."""
    last, half = n - 1, n // 2
    many = range(0, 4 * MOST_RANGES, 4)
    satisfied: dict[str, tuple[Any, ...]] = {
        "first byte": ("bytes=0-0", (0, 1)),
        "first bytes": ("bytes=0-4", (0, 5)),
        "inner bytes": (f"bytes={half}-{half + 9}", (half, half + 10)),
        "open end": (f"bytes={n - 100}-", (n - 100, n)),
        "everything by an open end": ("bytes=0-", (0, n)),
        "everything by both ends": (f"bytes=0-{last}", (0, n)),
        "all but the last byte": (f"bytes=0-{last - 1}", (0, last)),
        "all but the first byte": ("bytes=1-", (1, n)),
        "last byte by an open end": (f"bytes={last}-", (last, n)),
        "last byte by both ends": (f"bytes={last}-{last}", (last, n)),
        "last byte as a suffix": ("bytes=-1", (last, n)),
        "suffix": ("bytes=-500", (n - 500, n)),
        "suffix one shorter than the whole": (f"bytes=-{last}", (1, n)),
        "suffix as long as the whole": (f"bytes=-{n}", (0, n)),
        "suffix one longer than the whole": (f"bytes=-{n + 1}", (0, n)),
        "end clamped by one": (f"bytes=0-{n}", (0, n)),
        "end clamped by two": (f"bytes={last}-{n + 1}", (last, n)),
        "end clamped by much": (f"bytes={n - 7}-999999999999", (n - 7, n)),
        "end at 63 bits": (f"bytes={n - 7}-{2**63 - 1}", (n - 7, n)),
        "end beyond 63 bits": (f"bytes={n - 7}-{2**63}", (n - 7, n)),
        "end beyond 64 bits, that would wrap round": (f"bytes={n - 7}-{2**64 + 5}", (n - 7, n)),
        "end of a thousand digits": (f"bytes=1-{'9' * 1000}", (1, n)),
        "suffix of a thousand digits": (f"bytes=-{'9' * 1000}", (0, n)),
        "leading zeros": ("bytes=0000-0004", (0, 5)),
        "a thousand leading zeros": (f"bytes={'0' * 1000}1-{'0' * 1000}4", (1, 5)),
        "unit in capitals": ("BYTES=0-4", (0, 5)),
        "blanks about the value": (" bytes=0-4 ", (0, 5)),
        "empty elements at the ends": ("bytes=,0-0, ,", (0, 1)),
        "first and last byte": ("bytes=0-0,-1", (0, 1), (last, n)),
        "two that touch": ("bytes=500-600,601-999", (500, 601), (601, 1000)),
        "two that touch and make the whole": (f"bytes=0-{half - 1},{half}-", (0, half), (half, n)),
        "descending order kept": ("bytes=8-9,4-5,0-1", (8, 10), (4, 6), (0, 2)),
        "blanks and tabs about commas": (f"bytes=0-0 \t,\t 2-2, {n - 7}-", (0, 1), (2, 3), (n - 7, n)),
        "empty element between": ("bytes=0-0,,2-3", (0, 1), (2, 4)),
        "one that begins at the end left out": (f"bytes={n}-,0-5", (0, 6)),
        "one of four left out": (f"bytes=0-9, -10, {n + 5}-, 10-19", (0, 10), (n - 10, n), (10, 20)),
        "empty suffix left out": ("bytes=-0,0-0", (0, 1)),
        "as many as are served": (f"bytes={','.join(f'{at}-{at}' for at in many)}", *((at, at + 1) for at in many)),
    }
    unsatisfied = {
        "begins at the end": f"bytes={n}-",
        "begins at the end, with a last": f"bytes={n}-{n + 1}",
        "begins after the end": f"bytes={n + 1}-{n + 1}",
        "begins far beyond": f"bytes={10 * n}-{11 * n}",
        "none of several has a byte": f"bytes={n}-,{n + 1}-{n + 2},-0",
        "empty suffix": "bytes=-0",
        "empty suffix in more zeros": "bytes=-000",
        "begins beyond 64 bits": f"bytes={2**64}-",
        "begins at a thousand digits": f"bytes={'9' * 1000}-",
    }
    not_here = {"overlap of suffix and start", "overlap after clamping", "suffix of nothing", "line end"}
    ignored = {case: value for case, (value, _) in parsing.IGNORED.items() if case not in not_here}
    ignored |= {
        "overlap of suffix and start": f"bytes=0-{half},-{half + 5}",
        "overlap after clamping": f"bytes=0-{n + 5}, 0-0",
        "the whole two hundred times": "bytes=" + ",".join(["0-"] * 200),
        "the last byte two thousand times": "bytes=" + ",".join(["-1"] * 2000),
        "two thousand bytes, each another": "bytes=" + ",".join(f"{2 * at}-{2 * at}" for at in range(2000)),
        "two thousand that overlap": "bytes=0-," + ",".join(f"{at}-" for at in range(1, 2000)),
    }
    rows = {case: Row({"Range": value}, 206, tuple(spans)) for case, (value, *spans) in satisfied.items()}
    rows |= {case: Row({"Range": value}, 416) for case, value in unsatisfied.items()}
    return rows | {case: Row({"Range": value}, 400 if _control(value) else 200) for case, value in ignored.items()}


def _control(value: str) -> bool:
    """What no header field may hold (RFC 9110 §5.5), and is refused before anybody reads it."""
    return any(letter < " " and letter != "\t" for letter in value)


def preconditions(n: int, etag: str, modified: int) -> dict[str, Row]:
    """Ranges under conditions (RFC 9110 §13). `etag` and `modified` (epoch seconds): the archive's."""
    own, earlier, later = (formatdate(modified + moved, usegmt=True) for moved in (0, -1, 1))
    part, beyond = {"Range": "bytes=5-9"}, {"Range": f"bytes={n}-"}
    weak, other = f"W/{etag}", '"other"'
    old_form = parsedate_to_datetime(own).strftime("%A, %d-%b-%y %H:%M:%S GMT")
    served, whole, unchanged = (206, (5, 10)), (200,), (304,)
    answers: dict[str, tuple[dict[str, str], tuple[Any, ...]]] = {
        "If-Range: its ETag": (part | {"If-Range": etag}, served),
        "If-Range: its ETag, two ranges": ({"Range": "bytes=5-9,-1", "If-Range": etag}, (206, (5, 10), (n - 1, n))),
        "If-Range: its ETag, nothing there": (beyond | {"If-Range": etag}, (416,)),
        "If-Range: its ETag, made weak": (part | {"If-Range": weak}, whole),
        "If-Range: another ETag": (part | {"If-Range": other}, whole),
        "If-Range: another ETag, nothing there": (beyond | {"If-Range": other}, whole),
        "If-Range: two ETags": (part | {"If-Range": f"{etag}, {other}"}, whole),
        "If-Range: a star": (part | {"If-Range": "*"}, whole),
        "If-Range: its date": (part | {"If-Range": own}, served),
        "If-Range: its date in RFC 850's form": (part | {"If-Range": old_form}, served),
        "If-Range: a second earlier": (part | {"If-Range": earlier}, whole),
        "If-Range: a second later": (part | {"If-Range": later}, whole),
        "If-Range: no date": (part | {"If-Range": "yesterday"}, whole),
        "If-Range: its ETag, without a range": ({"If-Range": etag}, whole),
        "If-Range: another ETag, without a range": ({"If-Range": other}, whole),
        "If-None-Match: its ETag": (part | {"If-None-Match": etag}, unchanged),
        "If-None-Match: its ETag, made weak": (part | {"If-None-Match": weak}, unchanged),
        "If-None-Match: its ETag among others": (part | {"If-None-Match": f"{other}, {etag}"}, unchanged),
        "If-None-Match: a star": (part | {"If-None-Match": "*"}, unchanged),
        "If-None-Match: another ETag": (part | {"If-None-Match": other}, served),
        "If-None-Match: its ETag, nothing there": (beyond | {"If-None-Match": etag}, unchanged),
        "If-None-Match: its ETag beats an earlier date": (
            {"If-None-Match": etag, "If-Modified-Since": earlier},
            unchanged,
        ),
        "If-None-Match: another ETag beats its date": (
            part | {"If-None-Match": other, "If-Modified-Since": own},
            served,
        ),
        "If-None-Match: its ETag beats If-Range": (part | {"If-None-Match": etag, "If-Range": other}, unchanged),
        "If-Modified-Since: its date": (part | {"If-Modified-Since": own}, unchanged),
        "If-Modified-Since: a second later": (part | {"If-Modified-Since": later}, unchanged),
        "If-Modified-Since: a second earlier": (part | {"If-Modified-Since": earlier}, served),
        "If-Modified-Since: no date": (part | {"If-Modified-Since": "yesterday"}, served),
        "If-Match: its ETag": (part | {"If-Match": etag}, served),
        "If-Match: a star": (part | {"If-Match": "*"}, served),
        "If-Match: its ETag, made weak": (part | {"If-Match": weak}, (412,)),
        "If-Match: another ETag": (part | {"If-Match": other}, (412,)),
        "If-Match: its ETag beats an earlier date": (part | {"If-Match": etag, "If-Unmodified-Since": earlier}, served),
        "If-Unmodified-Since: its date": (part | {"If-Unmodified-Since": own}, served),
        "If-Unmodified-Since: a second earlier": (part | {"If-Unmodified-Since": earlier}, (412,)),
    }
    return {case: Row(fields, status, tuple(spans)) for case, (fields, (status, *spans)) in answers.items()}


def of_head(rows: Mapping[str, Row]) -> dict[str, Row]:
    """The same rows for HEAD, to which ranges mean nothing (§14.2)."""
    return {
        f"HEAD, {case}": Row(row.fields, 200 if row.status in (206, 416) else row.status, method="HEAD")
        for case, row in rows.items()
    }


@dataclass(frozen=True)
class Site:
    """A gateway, the port at which it is asked, and archives of the same files."""

    gateway: Gateway
    origin: Origin
    port: int
    through_nginx: bool
    _numbers: Iterator[int] = field(default_factory=count)

    def cold(self) -> str:
        """An archive that nobody has pulled."""
        urls = [{"name": name, "url": self.origin.url(f"/matrix/{at}.png")} for at, name in enumerate(FILES)]
        hash: str = self.gateway.create(entries=urls, filename=f"{next(self._numbers)}.zip")["archive_hash"]
        return hash

    def partly(self) -> str:
        """One that has its first member, and not its last."""
        hash = self.cold()
        assert self.gateway.get(hash, {"Range": "bytes=100-199"}).status_code == 206
        assert self.gateway.status(hash)["status"] != "completed"
        return hash

    def finished(self) -> str:
        """One of which there is a copy."""
        hash = self.cold()
        self.gateway.download(hash)
        self.gateway.until(hash)
        return hash


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A gateway asked directly, through nginx, or through an nginx that sends the finished copies."""
    for number, file in enumerate(FILES.values()):
        origin.serve(f"/matrix/{number}.png", file)
    folder = tmp_path_factory.mktemp("matrix")
    settings = {"sendfile": SENDFILE[request.param], "trusted_proxies": "127.0.0.1"}
    with Gateway(folder / "data", allow=[origin.authority], **settings) as gateway:
        if request.param == "direct":
            yield Site(gateway, origin, gateway.port, through_nginx=False)
            return
        address, spool = f"127.0.0.1:{gateway.port}", gateway.data / "spool"
        with NginxFront(folder / "nginx", gateway=address, spool=spool) as front:
            yield Site(gateway, origin, front.port, through_nginx=True)


@pytest.fixture(scope="module")
def whole(site: Site) -> bytes:
    """The bytes of all the archives."""
    return site.gateway.download(site.cold())


def ask(site: Site, method: str, hash: str, fields: Mapping[str, str]) -> Answer:
    """One request on a connection of its own; the body is as long as was said."""
    with closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)) as connection:
        encoded = {name: value.encode() for name, value in fields.items()}
        connection.request(method, f"/archive/get/{hash}.zip", headers=encoded)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def wrong(row: Row, answer: Answer, whole: bytes, etag: str) -> str:
    """What is wrong with the answer to a row; empty where nothing is."""
    status, fields, body = answer
    if status != row.status:
        return f"{status} instead of {row.status}"
    if status == 400:
        return ""
    if len(body) > len(whole) + FRAMING * MOST_RANGES:
        return f"{len(body)} bytes sent of {len(whole)}"
    if status in (200, 206, 304) and fields["ETag"] != etag:
        return f"the ETag is {fields['ETag']}"
    if row.method == "HEAD":
        length = fields["Content-Length"] if status == 200 else str(len(whole))
        return "" if not body and length == str(len(whole)) else f"HEAD with {len(body)} bytes, length {length}"
    if status == 416:
        return "" if fields["Content-Range"] == f"bytes */{len(whole)}" else str(fields["Content-Range"])
    if status == 200:
        return "" if body == whole and fields["Content-Range"] is None else "not the whole"
    if status == 206:
        told, right = parts(fields, body), [(f"bytes {a}-{b - 1}/{len(whole)}", whole[a:b]) for a, b in row.spans]
        return "" if told == right else f"{[(where, len(part)) for where, part in told]}"
    return "a body" if status == 304 and body else ""


def parts(fields: http.client.HTTPMessage, body: bytes) -> list[tuple[str, bytes]]:
    """Each part of a 206: its Content-Range, and its bytes."""
    if "multipart/byteranges" not in str(fields["Content-Type"]):
        return [(str(fields["Content-Range"]), body)]
    head = f"Content-Type: {fields['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    return [(str(part["Content-Range"]), _payload(part)) for part in message.iter_parts()]


def _payload(part: email.message.Message) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def differences(site: Site, new: Callable[[], str], whole: bytes) -> dict[str, str]:
    """The rows whose answers are wrong, each asked of what `new` gives, and HEAD of one of them; and what is wrong."""
    found = {}

    def check(case: str, row: Row, hash: str, etag: str | None = None) -> None:
        if site.through_nginx and any(len(value) > NGINX_LINE for value in row.fields.values()):
            row = replace(row, status=400)
        answer = ask(site, row.method, hash, row.fields)
        if etag is None:
            etag, _ = validators(site, hash)
        if text := wrong(row, answer, whole, etag):
            found[case] = text

    for case, row in ranges(len(whole)).items():
        check(case, row, new())  # as the first request for it
    for case in preconditions(len(whole), "", 0):
        etag, modified = validators(site, hash := new())
        check(case, preconditions(len(whole), etag, modified)[case], hash, etag)
    etag, modified = validators(site, hash := new())
    for case, row in of_head(ranges(len(whole)) | preconditions(len(whole), etag, modified)).items():
        check(case, row, hash, etag)
    return found


def validators(site: Site, hash: str) -> tuple[str, int]:
    """The archive's ETag, and its Last-Modified in epoch seconds, as HEAD has them."""
    fields = ask(site, "HEAD", hash, {}).fields
    return str(fields["ETag"]), int(parsedate_to_datetime(str(fields["Last-Modified"])).timestamp())


def in_state(site: Site, state: str) -> Callable[[], str]:
    """What gives archives in the state: a finished one stays so."""
    if state != "finished":
        each: Callable[[], str] = getattr(site, state)
        return each
    hash = site.finished()
    return lambda: hash


@STATES
def test_archive_answers_every_row(site: Site, whole: bytes, state: str) -> None:
    """No row is answered otherwise in one state than in another."""
    assert differences(site, in_state(site, state), whole) == {}


@STATES
def test_parts_are_slices_at_every_boundary(site: Site, whole: bytes, state: str) -> None:
    """±1 about each structure's begin and end, and 300 random spans, of one archive that they fill in."""
    chance = random.Random(SEED)
    spans = spans_at(boundaries(whole), len(whole)) + random_spans(len(whole), 300, chance)
    chance.shuffle(spans)
    hash = in_state(site, state)()
    etag, _ = validators(site, hash)
    for start, stop in spans:
        row = Row({"Range": f"bytes={start}-{stop - 1}"}, 206, ((start, stop),))
        assert not wrong(row, ask(site, "GET", hash, row.fields), whole, etag), row


@STATES
def test_several_parts_are_slices_and_together_no_more_than_the_whole(site: Site, whole: bytes, state: str) -> None:
    """Up to as many disjoint spans as are served, anywhere and in any order; some touch and make the whole."""
    chance = random.Random(SEED)
    new = in_state(site, state)
    for _ in range(10):
        hash = new()
        etag, _ = validators(site, hash)
        for row in (spread(whole, chance), cut_up(whole, chance)):
            assert not wrong(row, ask(site, "GET", hash, row.fields), whole, etag), row


def spread(whole: bytes, chance: random.Random) -> Row:
    """Two or more disjoint spans of the archive, in any order."""
    edges = sorted(chance.sample(range(len(whole) + 1), 2 * chance.randint(2, MOST_RANGES)))
    return of_spans(list(zip(edges[::2], edges[1::2], strict=True)), chance)


def cut_up(whole: bytes, chance: random.Random) -> Row:
    """All of the archive, in pieces, in any order."""
    edges = [0, *sorted(chance.sample(range(1, len(whole)), chance.randint(1, MOST_RANGES - 1))), len(whole)]
    return of_spans(list(pairwise(edges)), chance)


def of_spans(spans: list[tuple[int, int]], chance: random.Random) -> Row:
    """A request for them, shuffled."""
    chance.shuffle(spans)
    return Row({"Range": "bytes=" + ",".join(f"{start}-{stop - 1}" for start, stop in spans)}, 206, tuple(spans))

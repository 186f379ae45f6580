"""Origins that fail, one failure a case: what can be mended is byte-exact, what cannot fails visibly, and nothing is
silently wrong; neither streamed to a reader nor built in the background.
"""

import io
import json
import re
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count, cycle
from typing import Any

import httpx
import pytest

from tests.support.faults import FAULTS, Ending, Fault
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Request, Status
from tests.support.resuming import is_stale

FIRST, LAST = b"first" * 100, b"last" * 100
MOST_ATTEMPTS = 60
_NUMBERS = count()

AT_ONCE = 12  # cases: most of them wait for a time-out or between two attempts
IMPATIENT = {"connect_timeout": "2", "read_timeout": "2", "max_attempts": "4", "connections_per_origin": "64"}


# Some faults make their origin's tags doubtful; these are of one whose tags count.
WHERE_TAGS_ARE_BELIEVED = frozenset({"lost its tag in the middle"})


@dataclass
class Case:
    """An archive with the failing entry in its middle."""

    gateway: Gateway
    origin: Origin
    fault: Fault
    path: str = field(default_factory=lambda: f"/faults/{next(_NUMBERS)}")
    hash: str = ""

    def create(self, **options: Any) -> str:
        """Create it; its hash."""
        entries = [
            {"url": self.origin.url("/faults/first"), "name": "first.bin"},
            {"url": self.origin.url(self.path), "name": "faulty.bin", **self.fault.given},
            {"url": self.origin.url("/faults/last"), "name": "last.bin"},
        ]
        hash: str = self.gateway.create(entries=entries, **options)["archive_hash"]
        return hash

    def begin(self, **options: Any) -> None:
        """Script the origin and create the archive."""
        self.origin.serve("/faults/first", File(FIRST))
        self.origin.serve("/faults/last", File(LAST))
        self.origin.serve(self.path, *self.fault.answers)
        if self.fault.also is not None:
            self.fault.also(self.origin, self.path)
        self.hash = self.create(**options)

    def heal(self) -> None:
        """From now on the origin is as it should be."""
        self.origin.serve(self.path, self.fault.healthy)
        self.origin.release(self.path)

    def requests(self) -> list[Request]:
        """What was asked of the entry's origin, redirects followed."""
        return [asked for asked in self.origin.requests() if re.match(rf"{self.path}(/|$)", asked.target)]

    def check_requests(self) -> None:
        """Attempts are bounded, and none goes on in the middle of a file without naming the version."""
        asked = self.requests()
        assert len(asked) <= MOST_ATTEMPTS
        for request in asked:
            begins = re.fullmatch(r"bytes=(\d+)-\d*", request.fields.get("range", "bytes=0-"))
            assert begins is not None
            if int(begins[1]) > 0:
                assert request.fields["if-range"].startswith('"')

    def check_members(self, body: bytes, *, whole: bool = True) -> None:
        """The archive has these members, byte for byte; without the failing one its report says so."""
        with zipfile.ZipFile(io.BytesIO(body)) as opened:
            members = {name: opened.read(name) for name in opened.namelist()}
        assert members.pop("first.bin") == FIRST
        assert members.pop("last.bin") == LAST
        if whole:
            assert members.pop("faulty.bin") == self.fault.body
        else:
            skipped = json.loads(members.pop("archive-report.json"))["skipped"]
            assert [(entry["index"], entry["code"]) for entry in skipped] == [(1, self.fault.code)]
        assert not members

    def check_status(self) -> None:
        """The status tells how it ended, and names what was left out."""
        ended = self.gateway.until(
            self.hash, lambda status: status["status"] in ("completed", "failed"), seconds=60, poll=0.1
        )
        left_out = [(error["index"], error["name"], error["code"]) for error in ended["errors"]]
        if self.fault.ending in (Ending.EXACT, Ending.LEFT_OUT):
            assert ended["status"] == "completed"
            expected = [] if self.fault.ending is Ending.EXACT else [(1, "faulty.bin", self.fault.code)]
            assert left_out == expected, ended["errors"]
        else:
            assert (ended["status"], ended["code"]) == ("failed", self.fault.code)
            assert left_out == []

    def check_healed(self) -> None:
        """What failed is what it should be, once the origin is."""
        if self.fault.ending is Ending.STALE:
            assert is_stale(self.gateway, self.hash)
        if self.fault.ending in (Ending.STALE, Ending.LEFT_OUT):
            again = self.create(refresh=self.fault.ending is Ending.LEFT_OUT)
            assert again != self.hash
            self.check_members(self.gateway.download(again))
        elif self.fault.code not in ("crc_mismatch", "size_mismatch") and self.fault.given.get("size") in (
            None,
            self.fault.size,
        ):
            self.check_members(self.gateway.download(self.hash))
            self.gateway.until(self.hash, poll=0.1)


def streamed(gateway: Gateway, hash: str) -> tuple[int, bytes, bool]:
    """The status of a GET, what came of its body, and whether the client took that for the end."""
    body, deadline = bytearray(), time.monotonic() + 90
    with gateway.client.stream("GET", f"/archive/get/{hash}.zip") as response:
        try:
            for block in response.iter_raw():
                body += block
                assert time.monotonic() < deadline, "its origin drips, and nobody ends it"
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return response.status_code, bytes(body), False
    return response.status_code, bytes(body), True


def check_streamed(gateway: Gateway, origin: Origin, fault: Fault) -> None:
    """One reader, and the same archive again once its origin has healed."""
    case = Case(gateway, origin, fault)
    case.begin()
    status, body, ended = streamed(gateway, case.hash)
    if fault.ending in (Ending.EXACT, Ending.LEFT_OUT):
        assert (status, ended) == (200, True), body[:300]
        case.check_members(body, whole=fault.ending is Ending.EXACT)
    else:
        assert not (status == 200 and ended)
        assert not zipfile.is_zipfile(io.BytesIO(body))
    case.check_requests()
    case.check_status()
    case.heal()
    if fault.ending is not Ending.EXACT:
        case.check_healed()


def learned_anew(fault: Fault) -> Fault:
    """The fault of a file that changed or went, as it ends where its origin is asked again."""
    last = fault.answers[-1]
    if isinstance(last, File):
        return replace(fault, ending=Ending.EXACT, code="", now=last)
    assert isinstance(last, Status)
    return replace(fault, ending=Ending.LEFT_OUT, code=f"http_{last.code}")


def check_prefetched(gateway: Gateway, origin: Origin, fault: Fault) -> None:
    """A background build, and a reader once its origin has healed."""
    if fault.ending is Ending.STALE:  # nothing was given out: its origin is asked anew
        fault = learned_anew(fault)
    case = Case(gateway, origin, fault)
    case.begin(prefetch=True)
    case.check_status()
    case.check_requests()
    case.heal()
    if fault.ending in (Ending.EXACT, Ending.LEFT_OUT):
        case.check_members(gateway.download(case.hash), whole=fault.ending is Ending.EXACT)
    if fault.ending is not Ending.EXACT:
        case.check_healed()


def test_a_streamed_archive_is_right_or_visibly_broken(
    launch: Launch, origin: Origin, subtests: pytest.Subtests
) -> None:
    """A reader gets every byte as its origin meant it, or a problem, or a connection that is cut."""
    with Origin() as other, ThreadPoolExecutor(AT_ONCE) as pool:
        gateway = launch(allow=[other.authority], **IMPATIENT)
        homes = [(fault, other if fault.name in WHERE_TAGS_ARE_BELIEVED else origin) for fault in FAULTS]
        checks = [(fault, pool.submit(check_streamed, gateway, home, fault)) for fault, home in homes]
        for fault, check in checks:
            with subtests.test(fault.name):
                check.result()


def test_a_prefetched_archive_is_right_or_failed(launch: Launch, origin: Origin, subtests: pytest.Subtests) -> None:
    """The background build ends with every byte as its origin meant it, or as failed, with a code."""
    gateways = [launch(name, **IMPATIENT) for name in ("first", "second", "third")]  # each builds four at once
    with ThreadPoolExecutor(4 * len(gateways)) as pool:
        pairs = zip(FAULTS, cycle(gateways), strict=False)
        checks = [(fault, pool.submit(check_prefetched, gateway, origin, fault)) for fault, gateway in pairs]
        for fault, check in checks:
            with subtests.test(fault.name):
                check.result()

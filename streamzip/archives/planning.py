"""The plan: what the origins say of the entries, asked before the layout is frozen.

It starts at create, in the background, and whoever needs the layout waits for it. Sizes given with an entry skip it,
and are verified as bytes pass. While somebody waits, small bodies come with the answer and are kept, so that they are
not asked for twice. Nothing is decided because of time: an entry is unavailable only when its origin has said so, or
when all attempts failed with a reader waiting.
"""

import asyncio
import json
import logging
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from streamzip.archives.aside import aside
from streamzip.archives.types import compresses, is_page_in_its_place
from streamzip.assembly.kept import KeptBodies
from streamzip.assembly.pulling import Pulling
from streamzip.errors import OriginError
from streamzip.manifest.learned_names import learned_name
from streamzip.manifest.model import Manifest
from streamzip.manifest.names import unique_names
from streamzip.origins.port import Facts
from streamzip.zip.deflate import this_compressor
from streamzip.zip.layout import Layout, Planned, freeze

logger = logging.getLogger(__name__)

PROBES = 128  # probes of one archive at once; each origin has its own limit besides
KEEP_SIZE = 64 << 10  # a body up to this size comes with its probe, where somebody waits
UNAWAITED_ATTEMPTS = 2  # at an entry that nobody waits for: who does asks again
WORTH_COMPRESSING = 0.10  # `auto`: below this share of the known bytes, the archive stays stored and exact
REPORT_NAME = "archive-report.json"
MOST_WARNINGS = 100
PAGE = "html_page"
_PAGE_CAME = "a web page came where the name says another kind of file"


@dataclass(frozen=True, slots=True)
class EntryError:
    """Why an entry is not in the archive."""

    index: int
    name: str
    url: str  # without query and credentials
    code: str
    message: str

    def document(self) -> dict[str, Any]:
        """Return the entry as it stands in the status, the webhook and the report."""
        return {"index": self.index, "name": self.name, "url": self.url, "code": self.code, "message": self.message}


def public_url(url: str) -> str:
    """Return the URL without what may be secret in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


class Planning:
    """The probing of one manifest's entries. `rounds`: how often they were asked anew."""

    def __init__(self, manifest: Manifest, pulling: Pulling, rounds: int = 0) -> None:
        self.manifest = manifest
        self._rounds = rounds
        self._pulling = pulling
        self._facts: dict[int, Facts] = {}
        self._errors: dict[int, OriginError] = {}
        self._names: dict[int, str] = {}  # that origins give to files for which the client named none
        self._pages: set[int] = set()  # entries in whose place a web page came
        for index, entry in enumerate(manifest.entries):
            if entry.size and entry.size > pulling.bounds.entry:
                self._judge(index, entry.size)
            if manifest.format == "tar" and entry.size is None and not (entry.probe or entry.is_folder):
                self._errors[index] = _sizeless()
        self._waiting = False
        self._bodies = KeptBodies(pulling.kept)

    def waited_for(self) -> None:
        """Note that a reader needs the answers: from now on attempts that fail are counted against the entry, and small
        bodies are kept.
        """
        self._waiting = True

    async def probe(self) -> bool:
        """Ask for what is not known yet; True once every entry's fate is settled."""
        files = await aside(self.manifest, self._open_files)
        if not files:
            return True
        following = iter(files)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(PROBES, len(files))):
                group.create_task(self._probe_some(following))
        return next(self._open_entries(), None) is None

    def _open_files(self) -> list[Sequence[int]]:
        """Return the open entries, those of one file together: a list that names it often asks for it once."""
        files: dict[Hashable, tuple[int] | list[int]] = {}
        for index in self._open_entries():
            entry = self.manifest.entries[index]
            file = (entry.url, entry.headers, entry.decode) if entry.headers or entry.decode else entry.url
            known = files.get(file)
            if known is None:
                files[file] = (index,)  # of a million, a list each would be much
            elif isinstance(known, list):
                known.append(index)
            else:
                files[file] = [*known, index]
        return list(files.values())

    def _open_entries(self) -> Iterator[int]:
        # A file whose size was given may be the one that made the last layout void: it is asked for as well.
        trusted = self.manifest.generation == 1 and not self._rounds
        for index, entry in enumerate(self.manifest.entries):
            if entry.is_folder:
                continue
            if entry.probe and not (trusted and entry.size) and index not in self._facts and index not in self._errors:
                yield index

    async def _probe_some(self, files: Iterator[Sequence[int]]) -> None:
        for indices in files:
            await self._probe_one(indices)

    async def _probe_one(self, indices: Sequence[int]) -> None:
        """Ask for a file, for all entries that name it."""
        entry, failures = self.manifest.entries[indices[0]], 0
        url = entry.url
        registry, lanes, patience = self._pulling.registry, self._pulling.lanes, self._pulling.patience
        origin = registry.origin(url)
        begun = None
        while True:
            await lanes.enter(origin, lambda: self._waiting)
            begun = self._pulling.clock.monotonic() if begun is None else begun
            try:
                keep = KEEP_SIZE if self._waiting and self._bodies.has_room else 0
                facts = await registry.for_entry(entry).probe(url, keep=keep, patient=self._waiting)
            except OriginError as error:
                failure = error
            else:
                for index in indices:
                    self._note(index, facts)
                return
            finally:
                lanes.leave(origin)
            failures += 1
            begun += failure.waited
            delay = patience.delay(failures, failure.retry_after)
            late = self._pulling.clock.monotonic() + delay - begun > patience.seconds
            most = patience.fruitless if self._waiting else UNAWAITED_ATTEMPTS
            if not failure.transient or failures >= most or late:
                if not failure.transient or self._waiting:
                    self._errors.update(dict.fromkeys(indices, failure))
                return
            await asyncio.sleep(delay)

    def _note(self, index: int, facts: Facts) -> None:
        size = self.manifest.entries[index].size
        if size is not None and facts.size != size and (size == 0 or facts.size is not None):
            # Otherwise a size that is given is verified as bytes pass; of an empty file none would.
            self._errors[index] = OriginError(
                "size_mismatch", f"the file does not have the {size} bytes that were given"
            )
            return
        if facts.size is not None and not self._judge(index, facts.size):
            return
        if size is None and facts.size is None and self.manifest.format == "tar":
            self._errors[index] = _sizeless()
            return
        if facts.body is not None:
            self._bodies.put(index, facts.body)
        self._facts[index] = facts._replace(body=None, disposition=None)
        self._judge_page(index, facts)

    def _judge_page(self, index: int, facts: Facts) -> None:
        """Learn the file's name, and whether it is the file at all: login walls and the like answer 200 with a page."""
        entry = self.manifest.entries[index]
        name = entry.name if entry.named else learned_name(entry.name, facts.disposition, facts.content_type)
        if name != entry.name:
            self._names[index] = name
        if is_page_in_its_place(name, facts.content_type):
            if (entry.on_html or self.manifest.on_html) == "keep":
                self._pages.add(index)
            else:
                self._errors[index] = OriginError(PAGE, _PAGE_CAME)

    def _judge(self, index: int, size: int) -> bool:
        """Return whether the entry may be as large as it is said to be."""
        try:
            self._pulling.bounds.check_entry(size)
        except OriginError as error:
            self._errors[index] = error
        return index not in self._errors

    def errors(self) -> list[EntryError]:
        """Return the entries that cannot be had, in order."""
        entries = self.manifest.entries
        return [
            EntryError(index, entries[index].name, public_url(entries[index].url), error.code, error.message)
            for index, error in sorted(self._errors.items())
        ]

    def warnings(self) -> list[dict[str, Any]]:
        """Return what is odd about entries that are in the archive, in order, as the status and the report have it."""
        entries = self.manifest.entries
        return [
            {"index": index, "name": self._names.get(index, entries[index].name), "code": PAGE, "message": _PAGE_CAME}
            for index in sorted(self._pages)[:MOST_WARNINGS]
        ]

    def refused(self) -> EntryError | None:
        """Return the first entry without which there is to be no archive; None: it is made without those that cannot
        be had.
        """
        archive = self.manifest
        for error in self.errors():
            on_html = archive.entries[error.index].on_html or archive.on_html
            if (on_html if error.code == PAGE else archive.on_error) == "fail":
                return error
        return None

    def freeze(self, *, now: int) -> Layout:
        """Return the layout of the entries that can be had; the others stand in a report at its end, and warnings about
        those that are there. `now`: epoch seconds.
        """
        self._number()
        errors, warnings = self.errors(), self.warnings()
        report = None
        if (errors or warnings) and len(errors) < len(self.manifest.entries):
            told: dict[str, Any] = {"skipped": [error.document() for error in errors]}
            if warnings:
                told["warnings"] = warnings
            body = json.dumps(told, indent=2, ensure_ascii=False)
            report = (_free_name({row.name.casefold() for row in self._rows()}), body.encode())
        deflate = self._deflated()
        compressor = this_compressor() if deflate else ""
        return freeze(
            self._rows(deflate),
            frozen_at=now,
            compressor=compressor,
            report=report,
            rounds=self._rounds,
            container=self.manifest.format,
        )

    def bodies_in(self, layout: Layout) -> KeptBodies:
        """Hand on the small bodies that the probe has kept, by their member in the layout that was made of it."""
        return self._bodies.renumbered({entry: member for member, entry in enumerate(layout.entries)})

    def _number(self) -> None:
        """Make the names that were learned unique among all: what the client named keeps its name."""
        entries = self.manifest.entries
        # In the entries' order, not that in which their origins answered: the same answers give the same archive.
        learned = sorted(index for index in self._names if index not in self._errors)
        if not learned:
            return
        others = [index for index in range(len(entries)) if index not in self._names and index not in self._errors]
        folders = [at for at, index in enumerate(others) if entries[index].is_folder]
        wished = [entries[index].name for index in others] + [self._names[index] for index in learned]
        self._names = dict(zip(learned, unique_names(wished, folders)[len(others) :], strict=True))

    def _rows(self, deflate: frozenset[int] = frozenset()) -> Iterator[Planned]:
        for index in range(len(self.manifest.entries)):
            if index not in self._errors:
                yield self._row(index, index in deflate)

    def _row(self, index: int, deflate: bool) -> Planned:
        entry, facts = self.manifest.entries[index], self._facts.get(index)
        name = self._names.get(index, entry.name)
        if entry.is_folder:
            return Planned(index, entry.name, entry.mtime, 0, 0)
        if facts is None:
            return Planned(index, entry.name, entry.mtime, entry.size, entry.crc32, deflate)
        mtime = facts.mtime if entry.mtime is None else entry.mtime
        validator = "" if facts.validator is None else ("s" if facts.validator.strong else "w") + facts.validator.value
        size = entry.size if facts.size is None else facts.size
        return Planned(index, name, mtime, size, entry.crc32, deflate, facts.ranges, validator)

    def _deflated(self) -> frozenset[int]:
        if self.manifest.compression == "store" or self.manifest.format == "tar":
            return frozenset()
        if self.manifest.compression == "deflate":
            return frozenset(row.entry for row in self._rows() if row.size != 0)
        chosen, known, total = [], 0, 0
        for row in self._rows():
            total += row.size or 0
            if row.size != 0 and compresses(row.name, self._content_type(row.entry)):
                chosen.append(row.entry)
                known += row.size or 0
        return frozenset() if known <= WORTH_COMPRESSING * total else frozenset(chosen)

    def _content_type(self, index: int) -> str | None:
        facts = self._facts.get(index)
        return None if facts is None else facts.content_type


def _sizeless() -> OriginError:
    return OriginError("size_unknown", "its origin does not tell the file's size, which a tar needs before its bytes")


def _free_name(taken: set[str]) -> str:
    stem, _, suffix = REPORT_NAME.rpartition(".")
    name, number = REPORT_NAME, 2
    while name.casefold() in taken:
        name, number = f"{stem} ({number}).{suffix}", number + 1
    return name

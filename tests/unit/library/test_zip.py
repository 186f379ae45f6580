"""`streamzip.Zip`: what may be packed, what comes out, what goes wrong, and what is left when it is closed."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import threading
import zipfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx

from streamzip import InvalidEntries, Item, NothingToZip, Origins, SourceChanged, SourceFailed, Zip, ZipError
from tests.support.origin import File, HangUp, Origin, Pattern, Status


@pytest.fixture(scope="module")
def origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture
async def origins() -> AsyncIterator[Origins]:
    async with Origins(allow_private=True) as origins:
        yield origins


async def whole(archive: Zip, start: int = 0) -> bytes:
    return b"".join([chunk async for chunk in archive.stream(start)])


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_every_kind_of_entry_is_packed_in_order(origin: Origin, origins: Origins, tmp_path: Path) -> None:
    """URLs, files, folders, bytes and iterators stand in one archive, each under its name, none of them twice."""
    origin.serve("/kinds/a.png", File(b"picture"))
    (tmp_path / "album" / "inner").mkdir(parents=True)
    (tmp_path / "album" / "inner" / "z").write_bytes(b"z")
    (tmp_path / "album" / "b").write_bytes(b"b")
    (tmp_path / "alone.txt").write_bytes(b"alone")

    async def later() -> AsyncIterator[bytes]:
        yield b"la"
        yield b"ter"

    entries: list[Item] = [
        origin.url("/kinds/a.png"),
        {"url": origin.url("/kinds/a.png"), "name": "pictures/b.png"},
        tmp_path / "alone.txt",
        ("renamed.txt", tmp_path / "alone.txt"),
        tmp_path / "album",
        ("bytes", b"bytes"),
        ("bytes", memoryview(b"again")),
        ("async", later()),
        ("sync", (chunk for chunk in (b"sy", b"nc"))),
    ]
    async with Zip(entries, origins=origins) as archive:
        assert archive.length is None, "an iterator's length shows at its end"
        assert archive.renamed == (("bytes", "bytes (2)"),)
        content = await whole(archive)
    assert unpacked(content) == {
        "a.png": b"picture",
        "pictures/b.png": b"picture",
        "alone.txt": b"alone",
        "renamed.txt": b"alone",
        "album/b": b"b",
        "album/inner/z": b"z",
        "bytes": b"bytes",
        "bytes (2)": b"again",
        "async": b"later",
        "sync": b"sync",
    }


async def test_an_exact_archive_is_the_same_from_any_offset(origin: Origin, origins: Origins) -> None:
    """Length and ETag are known before the first byte, and two Zips of the same files give the same bytes."""
    origin.serve("/exact/large", File(Pattern(2_500_000)))
    entries: list[Item] = [origin.url("/exact/large"), ("note", b"note")]
    async with Zip(entries, origins=origins) as archive, Zip(list(entries), origins=origins) as other:
        content = await whole(archive)
        assert archive.length == len(content)
        assert archive.etag is not None
        assert archive.etag == other.etag
        for start in (0, 1, 40_000, len(content) - 5, len(content)):
            assert await whole(other, start) == content[start:]


@pytest.mark.parametrize(
    ("entries", "pointer"),
    [
        ([], ""),
        (["ftp://example.com/a"], "/entries/0/url"),
        ([("ok", b""), "http://127.0.0.1/x"], "/entries/1/url"),
        ([("ok", b""), ("b", 7)], "/entries/1"),
        ([{"url": "https://example.com/a", "nam": "b"}], "/entries/0/nam"),
        ([{"content": b"x", "size": 1}], "/entries/0"),
        (["/etc/passwd"], "/entries/0/url"),
        ([("ok", b""), "upload:a.txt"], "/entries/1/url"),
        ([("ok", b""), "s3://bucket/photos/"], "/entries/1/url"),
    ],
)
def test_what_cannot_be_packed_is_named_by_its_place(entries: list[Any], pointer: str) -> None:
    """A wrong entry is refused before anything is asked for; a text is never taken for a path."""
    with pytest.raises(InvalidEntries) as refused:
        Zip(entries)
    assert [place for place, _ in refused.value.errors] == [pointer]


async def test_what_cannot_be_had_is_left_out_or_fails(origin: Origin, origins: Origins, tmp_path: Path) -> None:
    """`skip` leaves an entry out and reports it; `fail`, and a list of which nothing is left, raise before a byte."""
    origin.serve("/gone", Status(404))
    gone, missing = origin.url("/gone"), tmp_path / "missing"
    async with Zip([("a", b"a"), gone, missing], origins=origins) as archive:
        assert [(each.index, each.code) for each in archive.left_out] == [(1, "http_404"), (2, "unreadable")]
        assert set(unpacked(await whole(archive))) == {"a", "archive-report.json"}
    with pytest.raises(NothingToZip) as failed:
        await Zip([("a", b"a"), gone], on_error="fail", origins=origins).open()
    assert failed.value.code == "entry_failed"
    with pytest.raises(NothingToZip) as empty:
        await Zip([gone, missing], origins=origins).open()
    assert (empty.value.code, len(empty.value.left_out)) == ("no_entries", 2)


async def test_a_file_that_changes_is_never_spliced(tmp_path: Path) -> None:
    """A file that is another one when it is read than when it was looked at ends the archive."""
    path = tmp_path / "file"
    path.write_bytes(b"before" * 1000)
    async with Zip([path]) as archive:
        path.write_bytes(b"after" * 1000)
        with pytest.raises(SourceChanged):
            await whole(archive)


async def test_an_iterator_that_raises_ends_the_archive() -> None:
    """The program's own error is what ended it; a second reading of an iterator is refused as such."""

    def broken() -> Iterator[bytes]:
        yield b"x" * 100_000
        raise LookupError("lost")

    async with Zip([("a", broken())]) as archive:
        with pytest.raises(SourceFailed, match="LookupError"):
            await whole(archive)
        with pytest.raises(SourceFailed, match="cannot be read again"):
            await whole(archive)


async def test_an_origin_that_breaks_for_good_ends_the_stream(origin: Origin, origins: Origins) -> None:
    """What is given out is never finished as if it were whole."""
    origin.serve("/breaks", File(Pattern(3_000_000)), Status(404))
    async with Zip([origin.url("/breaks")], origins=origins) as archive:
        with pytest.raises(ZipError):
            await whole(archive)


async def test_closing_frees_sockets_tasks_and_threads(origin: Origin) -> None:
    """A reader that leaves in mid-stream, and a Zip that is closed, leave nothing behind."""
    origin.serve("/held", File(Pattern(20_000_000)))
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    async with Origins(allow_private=True) as origins:
        archive = await Zip([origin.url("/held")], origins=origins).open()
        stream = archive.stream()
        await anext(stream)
        await stream.aclose()
        assert asyncio.all_tasks() == tasks
        answer = await archive.answer()
        await anext(answer.body)
        await archive.aclose()
        with pytest.raises(ZipError):
            async for _ in answer.body:
                pass
    assert asyncio.all_tasks() == tasks
    await origin.reached(lambda origin: origin.live == 0)
    for thread in set(threading.enumerate()) - threads:
        if thread.name.startswith(("streamzip", "resolver")):
            await asyncio.to_thread(thread.join, 5)
            assert not thread.is_alive()


def test_programs_that_block_use_it_too(origin: Origin) -> None:
    """`with`, `iter` and `answer_blocking` work without an event loop, and within a running one."""
    origin.serve("/blocking", File(Pattern(700_000)))
    before = set(threading.enumerate())
    with Origins(allow_private=True) as origins:
        with Zip([origin.url("/blocking")], origins=origins) as archive:
            content = b"".join(archive.iter())
            assert len(content) == archive.length
            assert b"".join(archive.iter(1000, 2000)) == content[1000:2000]
        answer = Zip([origin.url("/blocking")], origins=origins).answer_blocking("GET", {"Range": "bytes=5-9"})
        assert (answer.status, b"".join(answer.body)) == (206, content[5:10])
        unread = Zip([origin.url("/blocking")], origins=origins).answer_blocking()
        unread.body.close()
        assert list(unread.body) == []

    async def within() -> bytes:
        with Zip([("a", b"a")]) as archive:
            return b"".join(archive.iter())

    assert unpacked(asyncio.run(within())) == {"a": b"a"}
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name == "streamzip"]


def test_threads_of_a_server_share_origins(origin: Origin) -> None:
    """Requests that come at the same moment, each in a thread of its own, use one loop and its connections."""
    origin.serve("/threads", File(Pattern(50_000)))
    with Origins(allow_private=True) as origins, ThreadPoolExecutor(8) as pool:
        together = threading.Barrier(8)

        def request(_: int) -> bytes:
            together.wait(10)
            return b"".join(Zip([origin.url("/threads")], origins=origins).answer_blocking().body)

        assert len({hash(content) for content in pool.map(request, range(8))}) == 1


async def test_private_addresses_need_leave(origin: Origin) -> None:
    """The dial guard of the gateway stands before the library's origins too."""
    with pytest.raises(InvalidEntries, match="address"):
        Zip([origin.url("/private")])
    async with Origins(allow_hosts=[origin.authority]) as origins:
        origin.serve("/private", File(b"private"))
        async with Zip([origin.url("/private")], origins=origins) as archive:
            assert unpacked(await whole(archive)) == {"private": b"private"}
    with pytest.raises(ValueError, match="host:port"):
        Origins(allow_hosts=["nonsense"])


async def test_origins_refuse_a_second_loop() -> None:
    """A connection belongs to one event loop: that is said, instead of a hang."""
    async with Origins() as origins:
        await Zip([("a", b"a")], origins=origins).open()

        async def elsewhere() -> None:
            await Zip([("a", b"a")], origins=origins).open()

        with pytest.raises(RuntimeError, match="event loop"):
            await asyncio.to_thread(asyncio.run, elsewhere())


async def test_a_problem_before_the_first_byte_is_raised_by_the_answer(origin: Origin, origins: Origins) -> None:
    """An origin that breaks before any byte of the archive gives no status of success."""
    origin.serve("/never", File(Pattern(2_000_000)), HangUp(), Status(410))
    with pytest.raises(ZipError):
        await Zip([origin.url("/never")], origins=origins).answer()


async def test_compressed_archives_have_no_length(tmp_path: Path) -> None:
    """`compression` is create's; what is deflated is as long as it turns out."""
    (tmp_path / "a.txt").write_bytes(b"text " * 10_000)
    async with Zip([tmp_path / "a.txt"], compression="deflate") as archive:
        assert (archive.length, archive.etag) == (None, None)
        content = await whole(archive)
        assert len(content) < 5000
        assert unpacked(content) == {"a.txt": b"text " * 10_000}
        with pytest.raises(ValueError, match="not known"):
            await whole(archive, 5)


def test_import_is_cheap() -> None:
    """`import streamzip` loads nothing until a name of it is used; each name of `__all__` is there."""
    probe = (
        "import sys, streamzip; loaded = [name for name in sys.modules if name.startswith('streamzip.')]; "
        "assert not loaded, loaded; assert 'httpx' not in sys.modules; "
        "[getattr(streamzip, name) for name in streamzip.__all__]"
    )
    subprocess.run([sys.executable, "-c", probe], check=True, env=os.environ, timeout=60)
    with pytest.raises(AttributeError):
        _ = __import__("streamzip").nothing


DOCUMENT = Path(__file__).parent.parent.parent.parent / "docs" / "library.md"


async def test_documented_programs_run(tmp_path: Path) -> None:
    """Each program in docs/library.md runs as it stands there."""
    programs = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    for program in programs:
        exec(compile(program, str(DOCUMENT), "exec"), names)
    (tmp_path / "terms.pdf").write_bytes(b"terms")
    with contextlib.chdir(tmp_path):
        await names["save"]([], tmp_path / "album.zip")
    assert unpacked((tmp_path / "album.zip").read_bytes()) == {"terms.pdf": b"terms", "hello.txt": b"hello"}
    await names["origins"].aclose()


async def test_a_client_of_httpx_may_carry_the_requests() -> None:
    """`Origins(client=…)`: for proxies and certificates, and for tests of a program that uses the library."""
    router = respx.Router()
    fields = {"ETag": '"v1"', "Content-Range": "bytes 0-4/5"}
    router.get("https://files.example/a").mock(
        side_effect=lambda _: httpx.Response(206, content=b"hello", headers=fields)
    )
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler)) as client,
        Origins(client=client) as origins,
        Zip(["https://files.example/a"], origins=origins) as archive,
    ):
        assert unpacked(await whole(archive)) == {"a": b"hello"}

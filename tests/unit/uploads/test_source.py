"""Uploaded files as a source: the port's promises, and pins to the content."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamzip.errors import InvalidRequest, OriginError
from streamzip.manifest.parse import Limits, parse_create
from streamzip.manifest.uploads import pinned_url
from streamzip.origins.port import Validator
from streamzip.uploads.files import UploadFolder
from streamzip.uploads.on_disk import UploadsOnDisk
from streamzip.uploads.pins import UploadPins
from streamzip.uploads.port import Upload, Uploads
from streamzip.uploads.source import UploadSource

BODY = bytes(range(256)) * 20_000


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    with ThreadPoolExecutor(1) as pool:
        yield UploadsOnDisk(UploadFolder(tmp_path / "uploads", most=1 << 30, quota=1 << 30, files=1000), pool)


@pytest.fixture
def source(uploads: Uploads) -> UploadSource:
    return UploadSource(uploads)


async def put(uploads: Uploads, name: str = "a.png", body: bytes = BODY) -> Upload:
    async with await uploads.receive(name) as arriving:
        await arriving.add(body)
        return await arriving.keep(now=1001)


def url_of(upload: Upload) -> str:
    return pinned_url(upload.name, upload.sha256)


async def test_probe_tells_all_when_the_file_is_there(uploads: Uploads, source: UploadSource) -> None:
    """Size, time, type, ranges, and its digest for a strong validator."""
    upload = await put(uploads)
    facts = await source.probe(url_of(upload))
    assert facts.size == len(BODY)
    assert facts.validator == Validator(f'"{upload.sha256}"', strong=True)
    assert (facts.ranges, facts.mtime, facts.content_type) == (True, 1000, "image/png")


@pytest.mark.parametrize(("start", "stop"), [(0, None), (0, 10), (1 << 20, (1 << 20) + 1), (5, 3 << 20), (100, None)])
async def test_open_gives_just_the_bytes_that_are_asked_for(
    uploads: Uploads, source: UploadSource, start: int, stop: int | None
) -> None:
    """Any run of the file, from its first byte on."""
    upload = await put(uploads)
    async with source.open(url_of(upload), start=start, stop=stop) as opened:
        assert opened.start == start
        assert b"".join([chunk async for chunk in opened.chunks]) == BODY[start:stop]


async def test_source_refuses_another_content_under_the_same_name(uploads: Uploads, source: UploadSource) -> None:
    """The file that was meant is gone: `http_404`, and no other attempt helps."""
    url = url_of(await put(uploads))

    async def never(_: str) -> bool:
        return False

    await uploads.delete("a.png", never)
    for expected in ("gone", "replaced"):
        with pytest.raises(OriginError) as caught:
            await source.probe(url)
        assert (caught.value.code, caught.value.transient) == ("http_404", False), expected
        with pytest.raises(OriginError):
            async with source.open(url):
                pass
        if expected == "gone":
            await put(uploads, body=b"other")


@pytest.mark.parametrize("url", ["upload:a.png", "upload:../a#sha256=00", "upload:"])
async def test_source_refuses_a_url_that_pins_nothing(source: UploadSource, url: str) -> None:
    """What create did not pin is not served."""
    with pytest.raises(OriginError) as caught:
        await source.probe(url)
    assert caught.value.code == "unsafe_url"


async def test_request_is_pinned_to_the_content_that_its_files_have(uploads: Uploads) -> None:
    """The digest is in the manifest's hash, also where an id would stand for the URL; the CRC is known."""
    upload = await put(uploads)
    body = b'{"entries": [{"url": "upload:a.png", "id": "same"}, {"url": "https://example.com/b"}]}'
    request = parse_create(body, Limits(max_entries=10))
    async with UploadPins(uploads).pinned(request) as fixed:
        first, second = fixed.manifest.entries
        await UploadPins(uploads).note_needs(fixed.manifest, "hash")
    assert first.url == url_of(upload)
    assert (first.name, first.crc32) == ("a.png", upload.crc32)
    assert second == request.manifest.entries[1]
    assert upload.sha256.encode() in b"".join(fixed.manifest.canonical())


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"urls": ["https://example.com/a", "upload:b.png"]}', "/urls/1"),
        (b'{"entries": [{"url": "upload:b.png"}]}', "/entries/0/url"),
    ],
)
async def test_request_is_refused_when_a_file_is_not_there(uploads: Uploads, body: bytes, pointer: str) -> None:
    """The wrong field is named."""
    with pytest.raises(InvalidRequest) as caught:
        async with UploadPins(uploads).pinned(parse_create(body, Limits(max_entries=10))):
            pass
    assert [error.pointer for error in caught.value.errors] == [pointer]

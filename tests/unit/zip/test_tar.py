"""The records of a tar: their bytes are written down, because an archive is made again by another release of Python."""

import hashlib
import io
import tarfile

import pytest

from streamzip.errors import Damaged
from streamzip.spans import Span
from streamzip.zip.layout import Layout, Planned, freeze
from streamzip.zip.offsets import Offsets
from streamzip.zip.tar import header

FAR = 1 << 40


@pytest.mark.parametrize(
    ("name", "mtime", "size", "length", "digest"),
    [
        ("a.txt", 1777629600, 5, 512, "3cd2af1c338e68e2"),
        ("empty/", 0, 0, 512, "22f3a5354510080e"),
        ("n" * 200, None, 5, 1536, "2f8b4bde9aa66fc4"),
        ("größe.txt", 1777629600, 5, 1536, "4719174510f69c2d"),
        ("a.bin", 1777629600, FAR, 1536, "36d8b5a3aea4a23e"),
        ("old.txt", -1, 5, 1536, "1c7f3887c259670b"),
    ],
)
def test_header_has_the_bytes_that_are_written_down(
    name: str, mtime: int | None, size: int, length: int, digest: str
) -> None:
    """Each case of an extended header, and the plain ones; what they say is what was asked for."""
    rendered = header(name=name, mtime=mtime, size=size)
    assert (len(rendered), hashlib.sha256(rendered).hexdigest()[:16]) == (length, digest)
    with tarfile.open(fileobj=io.BytesIO(rendered + bytes(1024))) as archive:
        read = archive.next()
    assert read is not None
    assert (read.name, read.mtime, read.size) == (name.rstrip("/"), mtime or 0, size)
    assert read.isdir() == name.endswith("/")


def test_members_lie_beyond_eight_gigabytes_and_at_any_size() -> None:
    """Lengths and bytes are of one rule: the header, the bytes, the zeros up to the next block."""
    sizes = [0, 1, 511, 512, 513, FAR, 2 << 20]
    rows = [Planned(index, f"{index}", None, size, None) for index, size in enumerate(sizes)]
    offsets = Offsets(freeze(rows, frozen_at=0, compressor="", container="tar"))
    expected = 0
    for member, size in enumerate(sizes):
        assert offsets.offset(member) == expected
        padding = offsets.descriptor(member, 0)
        assert padding == bytes(-size % 512)
        expected += len(offsets.header(member, 0)) + size + len(padding)
    assert offsets.length == expected + 1024
    assert offsets.directory(Span(expected + 1000, expected + 1024)) == bytes(24)
    assert not offsets.is_in_end_records(expected)  # it stands for the members before it: they are proven first


def test_layout_of_a_tar_is_read_again_and_of_no_older_release() -> None:
    """Its version is another one, which a release that knows zip alone refuses; another container, another digest."""
    layout = freeze([Planned(0, "a", None, 5, None)], frozen_at=1, compressor="", container="tar")
    assert Layout.decode(layout.encode()) == layout
    zip_ = freeze([Planned(0, "a", None, 5, None)], frozen_at=1, compressor="")
    assert layout.digest() != zip_.digest()
    assert Layout.decode(zip_.encode()).container == "zip"
    with pytest.raises(Damaged):
        Layout.decode(b"")

"""Which files are compressed by default."""

import pytest

from streamzip.archives.types import compresses


@pytest.mark.parametrize(
    ("name", "content_type", "expected"),
    [
        ("a.txt", None, True),
        ("folder.zip/A.CSV", "application/octet-stream", True),
        ("photo.JPG", "text/plain", False),
        ("archive.tar.gz", None, False),
        ("report.pdf", None, False),
        ("noextension", None, False),
        ("noextension", "text/html; charset=utf-8", True),
        ("noextension", "TEXT/HTML", True),
        ("noextension", "application/json", True),
        ("noextension", "application/vnd.api+json", True),
        ("noextension", "application/atom+xml;type=feed", True),
        ("noextension", "application/octet-stream", False),
        ("noextension", "image/png", False),
        ("noextension", "image/svg+xml", True),
        ("noextension", "", False),
        ("noextension", "application/", False),
        ("noextension", "json", False),
        ("data.v2", "text/csv", True),
        (".txt", None, False),
        ("", None, False),
    ],
)
def test_compresses_goes_by_the_extension_then_by_the_type(name: str, content_type: str | None, expected: bool) -> None:
    """A known extension decides whatever its case and the type; otherwise the type's own kind does."""
    assert compresses(name, content_type) is expected

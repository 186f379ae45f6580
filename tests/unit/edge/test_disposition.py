"""The name that a download is saved by, for readers of both forms."""

from urllib.parse import quote

import pytest

from streamzip.edge.disposition import attachment


@pytest.mark.parametrize(
    ("filename", "in_ascii"),
    [
        ("holiday.zip", "holiday.zip"),
        ("Über 2.zip", "Uber 2.zip"),
        ("日本語.zip", "archive.zip"),
        ("日本-語.zip", "archive.zip"),
        ("фото.png", "file.png"),
        ("фото 2.png", "2.png"),
        ("日本", "archive.zip"),
        ("plain", "plain"),
        ('a"b\\c.zip', 'a\\"b\\\\c.zip'),
    ],
)
def test_attachment_has_a_stem_in_ascii_whatever_the_name(filename: str, in_ascii: str) -> None:
    """Old readers get a name that is no hidden file; all others the name itself."""
    rest = quote(filename, safe="!#$&+-.^_`|~")
    assert attachment(filename) == f"attachment; filename=\"{in_ascii}\"; filename*=UTF-8''{rest}"

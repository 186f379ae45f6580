"""The names that origins give to files for which the client named none."""

import pytest

from streamzip.manifest.learned_names import learned_name

CASES = [
    ("download", 'attachment; filename="report.pdf"', None, "report.pdf"),
    ("download", "attachment; filename=report.pdf", None, "report.pdf"),
    ("download", "attachment; filename=\"x.pdf\"; filename*=UTF-8''%e2%82%ac%20rates.pdf", None, "€ rates.pdf"),
    ("download", 'attachment; filename="фото.jpg"'.encode().decode("latin-1"), None, "фото.jpg"),
    ("download", 'attachment; filename="caf\xe9.jpg"', None, "café.jpg"),
    ("download", 'attachment; filename="../../etc/passwd"', None, "passwd"),
    ("download", 'attachment; filename="C:\\\\Users\\\\a\\\\b.png"', None, "b.png"),
    ("download", 'filename="a.png"', None, "a.png"),
    ("download", "inline", "image/png", "download.png"),
    ("download", 'attachment; filename=""', "image/png", "download.png"),
    ("download", 'attachment; filename="/"', None, "download"),
    ("image", None, "image/jpeg", "image.jpg"),
    ("image", None, "IMAGE/JPEG; q=1", "image.jpg"),
    ("image", None, "application/octet-stream", "image"),
    ("image", 'attachment; filename="photo"', "image/webp", "photo.webp"),
    ("a.bin", None, "image/jpeg", "a.bin"),
    (".htaccess", None, "text/plain", ".htaccess.txt"),
    ("file", None, None, "file"),
    ("con", None, "image/png", "con.png"),
]


@pytest.mark.parametrize(("name", "disposition", "content_type", "learned"), CASES)
def test_name_is_what_the_origin_calls_the_file(
    name: str, disposition: str | None, content_type: str | None, learned: str
) -> None:
    """Its last segment, in the charset that it was sent in; an extension is added only where there is none."""
    if name == "con":
        learned = "_con.png"
    assert learned_name(name, disposition, content_type) == learned

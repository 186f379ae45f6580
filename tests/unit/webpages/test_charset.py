"""A page's text, whatever encoding it is in and says it is in."""

import codecs

import pytest

from streamzip.webpages.charset import decoded, media_type

TEXT = "<title>Größe – Привет</title>"


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        (TEXT.encode(), None, TEXT),
        (TEXT.encode(), "text/html", TEXT),
        (TEXT.encode(), "text/html; charset=utf-8", TEXT),
        (TEXT.encode(), 'text/html;charset="UTF-8"', TEXT),
        (codecs.BOM_UTF8 + TEXT.encode(), "text/html; charset=iso-8859-1", TEXT),
        (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"), "text/html; charset=utf-8", TEXT),
        (codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"), None, TEXT),
        (TEXT.encode("utf-16-le"), "text/html; charset=utf-16", TEXT),
        ("Größe €".encode("cp1252"), "text/html; charset=iso-8859-1", "Größe €"),
        ("Größe €".encode("cp1252"), "text/html; charset=us-ascii", "Größe €"),
        ("Größe".encode("latin-1"), None, "Größe"),
        ("Привет".encode("koi8-r"), "text/html; charset=KOI8-R", "Привет"),
        ("画像".encode("cp932"), "text/html; charset=Shift_JIS", "画像"),
        ("画像".encode("euc_jp"), "text/html; charset=euc-jp", "画像"),
        ("图片".encode("gb18030"), "text/html; charset=gb2312", "图片"),
        ("그림".encode("cp949"), "text/html; charset=euc-kr", "그림"),
        ('<meta charset="windows-1251">Привет'.encode("cp1251"), None, '<meta charset="windows-1251">Привет'),
        (b"<META CHARSET=koi8-r>\xc1", "text/html", "<META CHARSET=koi8-r>а"),
        (
            b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">\xe0',
            None,
            '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">а',
        ),
        ("<meta charset=utf-16>é".encode(), None, "<meta charset=utf-16>é"),
        (b"<meta charset=windows-1251>\xe0", "text/html; charset=koi8-r", "<meta charset=windows-1251>Ю"),
        (b" " * 1024 + b"<meta charset=windows-1251>\xe0", None, " " * 1024 + "<meta charset=windows-1251>à"),
        (b"\xff\xfea", None, "\ufffd"),
        (b"a\xffb", "text/html; charset=utf-8", "a\ufffdb"),
        (b"", None, ""),
        (b"\xa4", "text/html; charset=l9", "€"),
        (b"\xe0", "text/html; charset=x-cp1251", "а"),
        ("图片".encode("gbk"), "text/html; charset=GB_2312-80", "图片"),
        (b"\xf7", "text/html; charset=logical", "ק"),
        (b"a\xff", "text/html; charset=x-user-defined", "a\uf7ff"),
        (b"<script>", "text/html; charset=iso-2022-kr", "\ufffd" * 8),
    ],
)
def test_decoded_finds_the_encoding(body: bytes, content_type: str | None, text: str) -> None:
    """Mark before header before `meta` before the guess, with the relatives that pages mean."""
    assert decoded(body, content_type) == text


CODECS = ["zip", "bz2", "base64", "hex", "rot13", "idna", "punycode", "unicode_escape", "utf-7", "undefined", "x", "\0"]


@pytest.mark.parametrize("label", CODECS)
def test_decoded_uses_no_codec_that_is_none_of_the_web(label: str) -> None:
    """A page that names another of Python's codecs is read as if it had named none."""
    assert decoded("é".encode(), f"text/html; charset={label}") == "é"
    assert decoded(f"<meta charset={label}>é".encode(), None).endswith("é")


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [(None, ""), ("", ""), ("text/html", "text/html"), ("Text/HTML ; charset=x", "text/html"), (";charset=x", "")],
)
def test_media_type_is_the_value_without_parameters(content_type: str | None, kind: str) -> None:
    """In lower case, for comparing."""
    assert media_type(content_type) == kind

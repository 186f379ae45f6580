"""The file's name in a Content-Disposition field, as each of its senders meant it."""

import pytest

from streamzip.manifest.dispositions import MOST_LONG, filename, parameters


def name_in(field: str) -> str | None:
    return filename(parameters(field))


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ('form-data; name="file"; filename="a.txt"', "a.txt"),
        ("attachment; filename=a.txt", "a.txt"),
        ("attachment;filename = a.txt ; size=3", "a.txt"),
        ('attachment; FileName="фото.png"', "фото.png"),
        ('attachment; filename="a\\"b\\\\c.txt"', 'a"b\\c.txt'),
        ('attachment; filename="C:\\dir\\a.txt"', "a.txt"),
        ('attachment; filename="a;b=c.txt"; x=y', "a;b=c.txt"),
        ("attachment; filename=\"f.txt\"; filename*=UTF-8''%D1%84.txt", "ф.txt"),
        ("attachment; filename*=UTF-8''%D1%84.txt; filename=\"f.txt\"", "ф.txt"),
        ("form-data; name=file; filename*=utf-8'en'na%C3%AFve.txt", "naïve.txt"),
        ("attachment; filename*=iso-8859-1''%A3.txt", "£.txt"),
        ("attachment; filename*=utf-8''%FF.txt; filename=b.txt", "b.txt"),
        ("attachment; filename*=koi8-r''%C6.txt; filename=b.txt", "b.txt"),
        ("attachment; filename*=utf-8''a b.txt", None),
        ('form-data; name=file; filename="=?utf-8?B?0YTQvtGC0L4ucG5n?="', "фото.png"),
        ("form-data; name=file; filename==?utf-8?B?0YTQvtGC0L4ucG5n?=", "фото.png"),
        ('form-data; filename="=?utf-8?Q?=D1=84_1.png?="', "ф 1.png"),
        ('form-data; filename="=?utf-8?B?0YTQvtGC?= =?utf-8?B?0L4ucG5n?="', "фото.png"),
        ('form-data; filename="=?utf-8?B?0YTQvtGC0?="', "=?utf-8?B?0YTQvtGC0?="),
        ('form-data; filename="=?x-unknown?B?0YTQ?="', "=?x-unknown?B?0YTQ?="),
        ('form-data; name="file"; filename="%D1%84%D0%BE%D1%82%D0%BE%201.png"', "фото 1.png"),
        ('form-data; name="file"; filename="a%20b.txt"', "a%20b.txt"),
        ('form-data; name="file"; filename="100%.txt"', "100%.txt"),
        ('form-data; name="file"; filename="%D1.txt"', "%D1.txt"),
        ('form-data; name="file"; filename="%D1%84 1.png"', "%D1%84 1.png"),
        ('form-data; filename=""', ""),
        ("attachment", None),
        ('attachment; filename="unended.txt', "unended.txt"),
        ('attachment; filename="' + "a" * MOST_LONG, None),
    ],
)
def test_filename_is_what_its_sender_meant(field: str, name: str | None) -> None:
    """Browsers, curl, .NET and aiohttp each write it otherwise; what may be a plain name is one."""
    assert name_in(field) == name

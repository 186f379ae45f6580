"""mod_zip's lists, read as its grammar has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamzip.dropins.mod_zip import ListError, Names, read
from streamzip.manifest.model import Entry


def entries(body: bytes, names: Names = Names(), *, most: int = 10, sized: bool = True) -> list[Entry]:  # noqa: B008
    return list(read(body, names, most=most, sized=sized))


def test_documented_list_is_read() -> None:
    """The example of its README."""
    body = (
        b"1034ab38 428    /foo.txt   My Document1.txt\n"
        b"83E8110B 100339 /bar.txt   My Other Document1.txt\n"
        b"0        0      @directory My empty directory\n"
    )
    assert entries(body) == [
        Entry("upstream:/foo.txt", "My Document1.txt", size=428, crc32=0x1034AB38),
        Entry("upstream:/bar.txt", "My Other Document1.txt", size=100339, crc32=0x83E8110B),
        Entry("", "My empty directory/"),
    ]


@pytest.mark.parametrize(
    ("line", "url"),
    [
        (b"- 1 /a%20b+c.txt n", "upstream:/a%20b+c.txt"),
        (b"- 1 /a%2Fb n", "upstream:/a/b"),
        (b"- 1 /\xc3\xa9%C3%A9 n", "upstream:/%C3%A9%C3%A9"),
        (b"- 1 /100% n", "upstream:/100%25"),
        (b"- 1 /decode?value=YQ==%2f&x=? n", "upstream:/decode?value=YQ==%2f&x=?"),
        (b'- 1 /q?"<> n', "upstream:/q?%22%3C%3E"),
        (b"- 1 //host/x n", "upstream://host/x"),
    ],
)
def test_location_is_decoded_before_its_query_and_left_after(line: bytes, url: str) -> None:
    """nginx asks for the decoded path, and for the query as it stands."""
    assert entries(line) == [Entry(url, "n", size=1)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"- 1 /a a\nnonsense\n", "line 2: expected"),
        (b"- 1 /a a\r\n\r\n- x /b b", "line 3: expected"),
        (b"- 1 /a a\r\r\r- 1 /b", "line 4: expected"),
        (b"<html><body>log in</body></html>", "line 1: expected"),
        (b"- 1 /a \xff", "line 1: the name is not in UTF-8"),
        (b"- 1 http://other/a a", "line 1: the location begins with a slash"),
        (b"- 1 /x/%2e%2e/a a", "line 1: the location leads out"),
        (b"- 1 /x/..%5ca a", "line 1: the location leads out"),
        (b"- 1 /x/..;v=1/a a", "line 1: the location leads out"),
        (b"- 1 /a a\n- 1 /b b\n- 1 /c c", "line 3: the list has more than 2"),
        (b"123456789 1 /a a", "line 1: expected"),
    ],
)
def test_wrong_line_is_named(body: bytes, why: str) -> None:
    """Whoever writes the list finds the line."""
    with pytest.raises(ListError, match=why):
        entries(body, most=2)


def test_names_are_in_the_character_set_that_the_upstream_says() -> None:
    """X-Archive-Charset, `native`, and the UTF-8 half behind X-Archive-Name-Sep."""
    assert entries(b"- 1 /a \xe9", Names.of("ISO-8859-1;", None))[0].name == "é"
    assert entries(b"- 1 /a \x82", Names.of("native;", None))[0].name == "é"
    assert entries(b"- 1 /a \x82|\xc3\xa9", Names.of("native;", "|;"))[0].name == "é"
    with pytest.raises(ListError, match="'klingon' is not known"):
        Names.of("klingon", None)


def test_sizes_are_asked_for_where_lists_are_not_to_be_believed() -> None:
    """STREAMZIP_UPSTREAM_SIZES=asked; a CRC is verified all the same."""
    assert entries(b"0a0b0c0d 5 /a a", sized=False) == [Entry("upstream:/a", "a", crc32=0x0A0B0C0D)]


def test_folder_that_is_listed_again_is_passed_over() -> None:
    """An archive has it once."""
    assert [entry.name for entry in entries(b"0 0 @directory x\n0 0 @directory x/\n")] == ["x/"]


@given(st.binary(max_size=60))
def test_any_body_is_a_list_or_refused(body: bytes) -> None:
    """No bytes of an upstream lead to an error that nobody foresaw."""
    try:
        found = entries(body)
    except ListError:
        return
    assert all(entry.name for entry in found)

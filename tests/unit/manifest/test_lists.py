"""Lists as people have them: each form gives the entries that its own tool would fetch."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamzip.manifest.lists import ListError, parse

A, B = "https://a.example/1.png", "https://b.example/2.mov"


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", []),
        ("\n# a comment\n\n", []),
        (f"{A}\n{B}\n", [{"url": A}, {"url": B}]),
        (f"\ufeff{A}\r\n\r\n{B}", [{"url": A}, {"url": B}]),
        (f"{A}\tholiday/one.png\n{B}", [{"url": A, "name": "holiday/one.png"}, {"url": B}]),
        # aria2: mirrors behind a tab, options below the line
        (f"{A}\t{B}\n  out=one.png\n  header=Cookie: a=b\n{B}", [
            {"url": A, "name": "one.png", "headers": {"Cookie": "a=b"}}, {"url": B}]),
        (f"url,name,size\n{A},one.png,5\n{B},,\n", [{"url": A, "name": "one.png", "size": 5}, {"url": B}]),
        (f"name;URL\n\"semi;colon\";{A}\n", [{"url": A, "name": "semi;colon"}]),
        (f'["{A}", {{"url": "{B}", "name": "two"}}]', [{"url": A}, {"url": B, "name": "two"}]),
        (json.dumps({"urls": [A]}), [{"url": A}]),
        (json.dumps({"entries": [{"url": A, "crc32": "0a1b2c3d"}]}), [{"url": A, "crc32": "0a1b2c3d"}]),
        (json.dumps({"files": [{"url": A, "zipPath": "x/y"}]}), [{"url": A, "name": "x/y"}]),
        (json.dumps({"entries": [{"Url": A, "ZipPath": "x"}]}), [{"url": A, "name": "x"}]),
        (f'{{"url": "{A}"}}\n{{"url": "{B}", "filename": "two"}}\n', [{"url": A}, {"url": B, "name": "two"}]),
        (f"1034ab38 428 {A} My Document1.txt\n- 100339 {B} two.mov\n", [
            {"url": A, "name": "My Document1.txt", "size": 428, "crc32": "1034ab38"},
            {"url": B, "name": "two.mov", "size": 100339}]),
    ],
)  # fmt: skip
def test_a_list_is_read_in_the_form_it_has(text: str, entries: list[dict[str, object]]) -> None:
    """What a person pipes in needs no flag that names its form."""
    assert parse(text) == entries


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("  out=one.png\n", "line 1: an option"),
        (f"{A}\n  nonsense\n", "line 2: an option"),
        (f"url,size\n{A},many\n", "row 2: the size 'many' is no number"),
        ("url,name\n,one.png\n", "row 2: it has no url"),
        ("[1]", "entry 1: neither a URL nor an object"),
        ('{"hello": 1}', "entry 1: it has no url"),
        ('{"entries": {"a": 1}}', "has no list of links"),
        ("[nonsense", "begins like JSON and is none"),
        ("- 428 /internal/a.txt a.txt", "line 1: /internal/a.txt is a place on mod_zip's server"),
        (f"- 428 {A} a.txt\nnonsense", "line 2: expected CRC, size, URL and name"),
    ],
)
def test_a_list_that_cannot_be_read_names_the_place(text: str, why: str) -> None:
    """So that it can be mended; nothing is created of half a list."""
    with pytest.raises(ListError, match=why):
        parse(text)


@given(st.text(alphabet=st.sampled_from('[{"url:,]}\t\n# -=10ahtps/.é\ufeff')))
def test_any_text_is_a_list_or_an_error_that_says_so(text: str) -> None:
    """Never another exception, whatever is piped in."""
    try:
        entries = parse(text)
    except ListError:
        return
    assert all(isinstance(entry["url"], str) and entry["url"] for entry in entries)

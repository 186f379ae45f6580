"""Lists as people have them: each form gives the entries that its own tool would fetch."""

import json
import time
from collections.abc import Callable
from contextlib import suppress

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
        # gallery-dl -g: other places of the file above
        (f"{A}\n| {B}\n| {B}\n{B}\n", [{"url": A}, {"url": B}]),
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
        (f"- 1 {A} 1.png\n0 0 @directory an empty folder\n", [
            {"url": A, "name": "1.png", "size": 1}, {"name": "an empty folder/"}]),
    ],
)  # fmt: skip
def test_a_list_is_read_in_the_form_it_has(text: str, entries: list[dict[str, object]]) -> None:
    """What a person pipes in needs no flag that names its form."""
    assert parse(text, most=100_000) == entries


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("  out=one.png\n", "line 1: an option"),
        (f"{A}\n  nonsense\n", "line 2: an option"),
        (f"url,size\n{A},many\n", "row 2: the size 'many' is no number"),
        ("url,name\n,one.png\n", "row 2: it has no url"),
        ("url\n" + "a" * 70_000, "line 2: it is longer than"),
        ("url" + ",x" * 64 + f"\n{A}", "row 1: it has more than 64 columns"),
        (f"url,size\n{A},{'9' * 5000}\n", "row 2: the size '9999"),
        ("[" * 100_000, "begins like JSON and is none"),
        ("[" + "9" * 5000 + "]", "begins like JSON and is none"),
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
        parse(text, most=100_000)


@given(st.text(alphabet=st.sampled_from('[{"url:,]}\t\n# -=10ahtps/.é\ufeff')))
def test_any_text_is_a_list_or_an_error_that_says_so(text: str) -> None:
    """Never another exception, whatever is piped in."""
    try:
        entries = parse(text, most=100_000)
    except ListError:
        return
    assert all(isinstance(entry["url"], str) and entry["url"] for entry in entries)


FORMS: dict[str, Callable[[int], str]] = {
    "plain": lambda count: f"{A}\n" * count,
    "json": lambda count: json.dumps([A] * count),
    "json lines": lambda count: f'{{"url": "{A}"}}\n' * count,
    "objects": lambda count: json.dumps([{"url": A}] * count),
    "csv": lambda count: "url\n" + f"{A}\n" * count,
    "mod_zip": lambda count: f"- 1 {A} a\n" * count,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_list_has_as_many_entries_as_may_be_and_no_more(form: str) -> None:
    """The limit is the gateway's; one more is refused, by its number."""
    assert len(parse(FORMS[form](50), most=50)) == 50
    with pytest.raises(ListError, match=r"more than 5\d* |more than \d+ (bare|JSON) values"):
        parse(FORMS[form](400), most=50)


HOSTILE = {
    "many columns and many rows": "url" + "," * 20_000 + "\n" + "a\n" * 20_000,
    "many lines": "a\n" * 4_000_000,
    "many strings": "[" + '"a",' * 2_000_000 + '"a"]',
    "many lists, a line each": "{}\n" + "[]\n" * 2_000_000,
    "many objects": "[" + "{}," * 2_000_000 + "{}]",
    "one line": "a" * 8_000_000,
    "one number": "[" + "9" * 8_000_000 + "]",
    "one quoted field": 'url\n"' + "a\n" * 2_000_000,
    "many options": f"{A}\n" + " header=a:b\n" * 300_000,
}


@pytest.mark.parametrize("form", HOSTILE)
def test_a_hostile_list_costs_no_more_than_one_that_is_taken(form: str) -> None:
    """Millions of lines, columns and values are refused, or read, in the time of a hundred thousand entries."""
    began = time.thread_time()
    with suppress(ListError):
        parse(HOSTILE[form], most=100_000)
    assert time.thread_time() - began < 2

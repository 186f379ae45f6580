import re
import sys
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamzip.manifest.names import clean_filename, clean_name, name_from_url, unique_names
from tests.support.hostile_names import CLASHES, NAMES, hostile_names

DEVICES = {"CON", "PRN", "AUX", "NUL", "CLOCK$", "CONIN$", "CONOUT$"} | {
    f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"
}

# Text in which the letters that mean something to a file system are as frequent as the others.
awkward = st.text(
    st.one_of(
        st.sampled_from('\u200c\u200d\u0645./\\ :*?"<>|\0\ta A1é\u0301\u00a0\u202e\ud800\ue000ß(2)con;1'),
        st.characters(),
    )
)


def joining(name: str, at: int) -> set[str]:
    """The category that a joiner may have, where it stands between two characters that are not ASCII."""
    between = name[at - 1 : at] + name[at + 1 : at + 2]
    stands = name[at] in "\u200c\u200d" and len(between) == 2 and not any(char.isascii() for char in between)
    return {"Cf"} if stands else set()


def broken_rules(name: str) -> list[str]:
    """The rules of names.py that `name` breaks, judged without its code."""
    broken = []
    if unicodedata.normalize("NFC", name) != name:
        broken.append("NFC")
    if "\\" in name:
        broken.append("backslash")
    if re.search(r'[<>:"|?*]', name):
        broken.append("forbidden letter")
    if any(
        unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"} - joining(name, at)
        for at, char in enumerate(name)
    ):
        broken.append("category")
    if len(name.encode(errors="replace")) > 1024:
        broken.append("whole too long")
    for part in name.split("/"):
        if part in {"", ".", ".."}:
            broken.append("empty or dots")
        if part != part.strip() or part.endswith("."):
            broken.append("edges")
        if part.partition(".")[0].strip().upper() in DEVICES:
            broken.append("device")
        if re.search(r";[0-9]*\Z", part):
            broken.append("version")
        if len(part.encode(errors="replace")) > 255:
            broken.append("part too long")
    return broken


def folded(name: str) -> str:
    """The name as a file system that ignores case and normal form may see it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def assert_can_be_unpacked(names: list[str]) -> None:
    """No two names are one file, and no file has to be a folder as well, on any file system."""
    keys = [folded(name) for name in names]
    assert len(set(keys)) == len(keys)
    folders = {key[:at] for key in keys for at in range(len(key)) if key[at] == "/"}
    assert folders.isdisjoint(keys)


def test_hostile_names_are_enough() -> None:
    """The table that the unpacking tests share keeps its size."""
    assert len(hostile_names()) >= 190


@pytest.mark.parametrize("name", hostile_names(), ids=ascii)
def test_clean_name_keeps_every_rule_when_the_name_is_hostile(name: str) -> None:
    """No hostile name is refused, and what comes of it is safe and already clean."""
    cleaned = clean_name(name)
    assert broken_rules(cleaned) == []
    assert clean_name(cleaned) == cleaned


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "holiday/a.png",
        "Ünïcödé/日本語.txt",
        ".htaccess",
        "a b (1) [x] {y} #z.tar.gz",
        "Screen\u202fshot.png",
        "con1",
        "comx",
        "a" * 255,
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.txt",
        "\u0915\u094d\u200d\u0937.pdf",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
        "\u2764\ufe0f\u200d\U0001f525.jpg",
        "\u0378\U0001fadf\U00011de0.txt",
    ],
)
def test_clean_name_changes_nothing_when_the_name_is_safe(name: str) -> None:
    """What is safe on every system stays as it was asked for."""
    assert clean_name(name) == name


@pytest.mark.parametrize(
    ("requested", "cleaned"),
    [
        ("../../x", "x"),
        ("C:\\w\\x", "C_/w/x"),
        ("/etc/passwd", "etc/passwd"),
        ("a/../b", "a/b"),
        ("e\u0301", "é"),
        ("\u212aon", "Kon"),
        ("a\u202egnp.exe", "a_gnp.exe"),
        ("a\u200db.txt", "a_b.txt"),
        ("\u0645\u200c.txt", "\u0645_.txt"),
        ("\u0645\u200c\u200d\u0645", "\u0645__\u0645"),
        ("\u0645\u200c", "\u0645_"),
        ("\u0645\u00a0\u200c\u0645", "\u0645\u00a0_\u0645"),
        ("\ufffe\U0001ffff\ufdd0\U000e0001\u2065", "_____"),
        ("\u0645\u200c" * 60 + ".txt", "\u0645\u200c" * 49 + "\u0645.txt"),
        ("\ud800.txt", "_.txt"),
        ("a<b>|c", "a_b__c"),
        ("x. ", "x"),
        (";", "_"),
        ("a.txt;12", "a.txt_12"),
        ("a;b;1;2/c;d.txt", "a;b;1_2/c;d.txt"),
        ("con .txt", "_con .txt"),
        ("a/NUL.tar.gz", "a/_NUL.tar.gz"),
        ("COM¹", "_COM¹"),
        ("", "file"),
        ("..", "file"),
        ("a" * 300 + ".jpg", "a" * 251 + ".jpg"),
        ("é" * 200, "é" * 127),
        ("con" + " " * 300 + "x", "_con"),
        (
            "d" * 200 + "/" + "e" * 200 + "/" + "f" * 200 + "/" + "g" * 200 + "/" + "h" * 250,
            "/".join(c * 200 for c in "def") + "/" + "h" * 250,
        ),
    ],
)
def test_clean_name_follows_each_rule(requested: str, cleaned: str) -> None:
    """Each rule has its example."""
    assert clean_name(requested) == cleaned


@settings(deadline=None, max_examples=500)
@given(awkward)
@example("con" + " " * 252 + "." + "x" * 20)
@example("a" * 240 + " ." + "é" * 10)
@example("a" * 253 + ";1234")
def test_clean_name_keeps_every_rule_whatever_it_is_given(name: str) -> None:
    """Any string at all becomes a safe name that is already clean."""
    cleaned = clean_name(name)
    assert broken_rules(cleaned) == []
    assert clean_name(cleaned) == cleaned


@pytest.mark.parametrize("names", CLASHES.values(), ids=CLASHES)
def test_unique_names_can_be_unpacked_when_they_clash(names: tuple[str, ...]) -> None:
    """Clashing names come out safe and apart on every file system, the same each time."""
    unique = unique_names(names)
    assert len(unique) == len(names)
    assert [broken_rules(name) for name in unique] == [[]] * len(names)
    assert_can_be_unpacked(unique)
    assert unique_names(names) == unique


@pytest.mark.parametrize(
    ("requested", "unique"),
    [
        (["a.png", "a.png", "A.PNG"], ["a.png", "a (2).png", "A (3).PNG"]),
        (["a", "a", "a (2)"], ["a", "a (3)", "a (2)"]),
        (["a", "a/b"], ["a (2)", "a/b"]),
        (["a/b", "a"], ["a/b", "a (2)"]),
        (["a", "a/b", "a (2)/c"], ["a (3)", "a/b", "a (2)/c"]),
        (["x/.env", "x/.env"], ["x/.env", "x/.env (2)"]),
        (["a.b/c", "a.b/c"], ["a.b/c", "a.b/c (2)"]),
        (["", ""], ["file", "file (2)"]),
        (["\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u062e"], ["\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u062e (2)"]),
        (["a", "b", "A/x", "a/X"], ["a (2)", "b", "A/x", "a/X (2)"]),
    ],
)
def test_unique_names_number_what_clashes_and_nothing_else(requested: list[str], unique: list[str]) -> None:
    """The first keeps its name, folders keep theirs, and a number never takes a name that somebody asked for."""
    assert unique_names(requested) == unique


def test_unique_names_can_be_unpacked_when_all_hostile_names_come_together() -> None:
    """The whole table is one list too."""
    unique = unique_names([*hostile_names(), *(name for names in CLASHES.values() for name in names)])
    assert_can_be_unpacked(unique)
    assert not any(broken_rules(name) for name in unique)


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.one_of(awkward, st.sampled_from(["a", "A", "a/b", "a (2)", "a (2)/b", "a/B", "é", "e\u0301", "é/x"])),
        max_size=12,
    )
)
def test_unique_names_can_be_unpacked_whatever_they_are(names: list[str]) -> None:
    """Any list at all can be unpacked on any file system, and what did not clash keeps its clean name."""
    unique = unique_names(names)
    assert_can_be_unpacked(unique)
    keys = [folded(clean_name(name)) for name in names]
    for index, key in enumerate(keys):
        is_folder = any(other.startswith(key + "/") for other in keys)
        if key not in keys[:index] and not is_folder:
            assert unique[index] == clean_name(names[index])


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "names",
    [
        ["a.png"] * 100_000,
        [f"{'x' * 243}{number:08d}.png" for number in range(25_000)] * 2,
        ["a"] * 20_000
        + [f"a ({number})" for number in range(20_000)]
        + [f"a ({number})/b" for number in range(20_000, 40_000)],
        ["a/" * 511 + str(number) for number in range(5_000)],
    ],
    ids=["equal", "equal once cut", "numbers taken", "deep"],
)
def test_unique_names_take_linear_time_when_they_are_made_to_clash(names: list[str]) -> None:
    """No list makes the numbering quadratic: 100,000 steps take a second, 100,000² would take hours."""
    assert len({name.casefold() for name in unique_names(names)}) == len(names)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/a/b.png", "b.png"),
        ("https://h/a/b%20c.png?x=/y.gif#/z", "b c.png"),
        ("https://h/%E6%97%A5%E6%9C%AC.txt", "日本.txt"),
        ("https://h/caf%E9.txt", "caf_.txt"),
        ("https://h", "file"),
        ("https://h/", "file"),
        ("https://h/a/", "file"),
        ("https://h?a/b.png", "file"),
        ("https://h#a/b.png", "file"),
        ("https://h/%2e%2e", "file"),
        ("https://h/..%2f..%2fetc%2fpasswd", ".._.._etc_passwd"),
        ("https://h/..%5c..%5ca", ".._.._a"),
        ("https://h/a%00b%0a.png", "a_b_.png"),
        ("https://h/con.txt", "_con.txt"),
        ("https://h/a%252fb", "a%2fb"),
        ("https://h/a+b;v=1", "a+b;v=1"),
    ],
)
def test_name_from_url_is_the_last_segment_decoded_once(url: str, name: str) -> None:
    """A URL suggests one safe part: an encoded slash opens no folder."""
    assert name_from_url(url) == name


@pytest.mark.parametrize(
    ("requested", "filename"),
    [
        ("holiday", "holiday.zip"),
        ("holiday.ZIP", "holiday.zip"),
        ("reports/2026", "reports_2026.zip"),
        ("../../x.zip", "x.zip"),
        ("", "archive.zip"),
        (".zip", "archive.zip"),
        ("..", "archive.zip"),
        ("con.zip", "_con.zip"),
        ('a"\r\nX: y', "a___X_ y.zip"),
        ("x" * 400, "x" * 251 + ".zip"),
        ("é" * 400, "é" * 125 + ".zip"),
    ],
)
def test_clean_filename_is_one_part_ending_in_zip(requested: str, filename: str) -> None:
    """The archive's own name is one safe part."""
    assert clean_filename(requested) == filename


@settings(deadline=None)
@given(awkward)
def test_clean_filename_keeps_every_rule_whatever_it_is_given(name: str) -> None:
    """Any string at all becomes a safe file name that is already clean."""
    filename = clean_filename(name)
    assert broken_rules(filename) == []
    assert "/" not in filename
    assert filename.endswith(".zip")
    assert clean_filename(filename) == filename


def test_clean_name_depends_on_no_interpreter() -> None:
    """Which characters go is written down: what Unicode 14 hides, and nothing that a later one may know."""
    gone = {
        char for char in map(chr, range(sys.maxunicode + 1)) if clean_name(f"\u0645{char}\u0645") == "\u0645_\u0645"
    }
    hidden = {char for char in gone if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}}
    assert {"\x00", "\xad", "\u200b", "\u202e", "\ud800", "\ue000", "\u2028", "\U000e0041"} <= hidden
    others = {unicodedata.category(char) for char in gone - hidden}
    assert others <= {"Cn", "Pc", "Po", "Sm"}
    unassigned = [ord(char) for char in gone if unicodedata.category(char) == "Cn"]
    never = [code for code in unassigned if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF]
    assert len(never) == 66
    assert all(code in (0x2065, *range(0xFFF0, 0xFFF9)) or code >= 0xE0000 for code in set(unassigned) - set(never))


def test_hostile_names_come_in_every_class() -> None:
    """No class of the table is empty."""
    assert all(NAMES.values())


def test_clean_name_keeps_both_ends_of_a_path_with_more_parts_than_fit() -> None:
    """Of a name of 40,000 folders the first one and the file are kept, in a name that fits."""
    cleaned = clean_name("first/" + "x/" * 40_000 + "last.png")
    assert cleaned.startswith("first/x/")
    assert cleaned.endswith("last.png")
    assert len(cleaned.encode()) <= 1024

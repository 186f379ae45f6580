import sys
import unicodedata
from unicodedata import combining, normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.manifest.text import MOST_MARKS, nfc, stream_safe

MARKS = "\u0301\u0316\u0344\u0f73\u0345"
with_marks = st.text(st.sampled_from("ae\u1ea1\u1f82" + MARKS), max_size=120)


def longest_run(text: str) -> int:
    """The most combining marks in a row, as UAX #15 counts them."""
    longest = run = 0
    for char in normalize("NFD", text):
        run = run + 1 if combining(char) else 0
        longest = max(longest, run)
    return longest


def test_a_character_has_at_most_three_marks_and_all_on_one_side_of_its_letter() -> None:
    """What a run's search and its count rely on holds for every character of this Python's Unicode."""
    for char in map(chr, range(sys.maxunicode + 1)):
        if not combining(char) and not unicodedata.decomposition(char):
            continue
        classes = [bool(combining(each)) for each in normalize("NFD", char)]
        assert sum(classes) <= 3, ascii(char)
        assert classes in (sorted(classes), [True] * len(classes)), ascii(char)


@settings(max_examples=400)
@given(with_marks)
def test_stream_safe_cuts_each_run_at_thirty_and_nothing_else(text: str) -> None:
    """Longer runs are cut, other text stays, and what was cut once is not cut again, in whatever form it is."""
    safe = stream_safe(text)
    assert longest_run(safe) <= MOST_MARKS
    assert (safe == text) == (longest_run(text) <= MOST_MARKS)
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert stream_safe(normalize(form, safe)) == normalize(form, safe)


@given(st.text(max_size=40))
def test_nfc_is_pythons_for_text_that_is_not_hostile(text: str) -> None:
    """A name that is nobody's attack keeps its bytes."""
    assert nfc(text) == normalize("NFC", text)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("a" + "\u0301" * 31 + "b", "a" + "\u0301" * 30 + "b"),
        ("a" + "\u0301" * 30 + "b", "a" + "\u0301" * 30 + "b"),
        ("\u0f73" * 16 + "b", "\u0f73" * 15 + "b"),
        ("x" * 9 + "\u1f82" + "\u0301" * 40, "x" * 9 + "\u1f82" + "\u0301" * 27),
        ("a" + "\u0301" * 20 + "\u034f" + "\u0301" * 20, "a" + "\u0301" * 20 + "\u034f" + "\u0301" * 20),
    ],
)
def test_stream_safe_counts_marks_as_they_are_decomposed(text: str, safe: str) -> None:
    """A mark that is two in NFD counts twice, marks of a letter before the run count, a joiner begins a new one."""
    assert stream_safe(text) == safe

"""One word for one thing: the classes of the rooms where archives are made are named by the glossary."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import streamzip

PACKAGE = Path(streamzip.__file__).parent
GLOSSARY = PACKAGE.parent / "docs" / "glossary.md"
ROOMS = ("archives", "assembly", "origins", "spool", "zip")

# Words of any program, which need no entry.
GENERAL = frozenset(
    re.findall(
        r"\w+",
        """
        bound bounds bytes chunk chunks content cookies counted drop examined fetched fetcher finished flow
        head http joined kept keeping kind limited limits loader memory method needs opened opener pace
        page planned progress proofs read recent registry removal renamed for sink signals size tries waiting
        asked boot brotli zstd range reading
        """,
    )
)
# What these things were once called: a word that comes back would be a second one for the same.
GONE = frozenset({"Demand", "Filling", "Frozen", "Listing", "Most", "Places", "Room", "Runs", "Works"})


def terms() -> frozenset[str]:
    """Return the words that the glossary explains."""
    rows = re.findall(r"^- .*(?:\n  .*)*", GLOSSARY.read_text(), re.MULTILINE)
    return frozenset(
        word.lower() for row in rows for term in re.findall(r"\*\*([^*]+)\*\*", row) for word in term.split()
    )


def classes(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the public classes, each with the words of its name."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                words = [word.lower() for word in re.findall(r"[A-Z][a-z0-9]*", node.name)]
                yield f"{path.relative_to(PACKAGE)}:{node.name}", words


def test_classes_are_named_by_the_glossary() -> None:
    """Each has a word that the glossary explains, in any form of it, or is of words that need no explanation."""
    known = terms()
    strangers = [
        name
        for room in ROOMS
        for name, words in classes(PACKAGE / room)
        if not any(word.startswith(term) for word in words for term in known) and not GENERAL.issuperset(words)
    ]
    assert strangers == [], "explain the word in docs/glossary.md, or take one that stands there"


def test_words_that_are_gone_stay_gone() -> None:
    """No class of the gateway has one of the names that were given up."""
    assert [name for name, _ in classes(PACKAGE) if name.partition(":")[2] in GONE] == []


def test_general_words_are_used() -> None:
    """A word that no class has any more leaves the list."""
    used = {word for room in ROOMS for _, words in classes(PACKAGE / room) for word in words}
    assert used >= GENERAL, sorted(GENERAL - used)


# Words that a clause or a bare noun begins with, and no sentence that says what a function does.
NO_VERBS = frozenset(
    re.findall(
        r"\w+",
        """
        A All An As Bytes Every How It Its More Nothing One Seconds So Some That The Their Those What When Where Whether
        Which Who Why
        """,
    )
)


def test_docstrings_say_what_a_function_does() -> None:
    """The first word is a verb: what it returns, raises, yields or does, and not a clause that must be read twice."""
    functions = (
        (f"{path.relative_to(PACKAGE)}:{node.name}", ast.get_docstring(node) or "")
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    assert [name for name, said in functions if re.split(r"\W", said, maxsplit=1)[0] in NO_VERBS] == []

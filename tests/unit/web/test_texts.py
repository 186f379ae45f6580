"""The pages' texts: every key that a template uses is there in every language, and no text waits for nothing."""

import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamzip.web.texts import LANGUAGES, TEXTS, language, text
from streamzip.web.views import _BY_CODE, _BY_STATUS, kind_of

TEMPLATES = {
    path.name: path.read_text() for path in (resources.files("streamzip.web") / "templates").iterdir() if path.is_file()
}
FAMILIES = ("state_", "member_", "problem_", "do_", "expires_")  # keys that a template puts together


def used() -> set[str]:
    """The keys that templates and the pages' modules name."""
    sources = [*TEMPLATES.values()]
    for folder in ("api", "guards", "uploads", "web", "webpages"):
        modules = (path for path in resources.files(f"streamzip.{folder}").iterdir() if path.name.endswith(".py"))
        sources.extend(module.read_text() for module in modules if module.name != "texts.py")
    return {name for source in sources for name in re.findall(r"""["']([a-z][a-z_-]*)["']""", source)}


@pytest.mark.parametrize("key", TEXTS)
def test_text_is_there_in_every_language_with_the_same_values(key: str) -> None:
    """A value that one language shows, the others show too."""
    assert len(TEXTS[key]) == len(LANGUAGES)
    values = [sorted(re.findall(r"{(\w+)}", each)) for each in TEXTS[key]]
    assert all(each == values[0] for each in values)
    assert all(TEXTS[key])


def test_every_key_of_the_templates_has_a_text() -> None:
    """Else a page would fail in the hands of a person."""
    named = {name for source in TEMPLATES.values() for name in re.findall(r"""\bt\(["']([a-z_-]+)["'][,)]""", source)}
    assert named <= TEXTS.keys()


def test_no_text_is_left_over() -> None:
    """What no page says is not kept."""
    assert {key for key in TEXTS if not key.startswith(FAMILIES)} <= used()


def test_every_kind_of_problem_has_its_texts() -> None:
    """What is wrong, and what to do."""
    for kind in {*_BY_CODE.values(), *_BY_STATUS.values(), kind_of(418, "teapot")}:
        assert TEXTS[f"problem_{kind}"] and TEXTS[f"do_{kind}"]


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH", "de"),
        ("DE-ch,en;q=0.5", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("fr,de;q=0.5", "de"),
        ("fr", "en"),
        ("en;q=0.1,de;q=0.9", "de"),
        ("de;q=0", "en"),
        ("de;q=nonsense", "en"),
        ("*", "en"),
    ],
)
def test_language_is_the_best_liked_one(accepted: str, expected: str) -> None:
    """RFC 9110 §12.5.4; a language that we do not have is passed over."""
    assert language(accepted) == expected


@given(st.text())
def test_any_field_gives_a_language(accepted: str) -> None:
    """Whatever a client sends."""
    assert text("home", language(accepted))

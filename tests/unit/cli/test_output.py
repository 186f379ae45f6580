"""What commands print: nothing that a terminal obeys, or does not show."""

import json
import sys

import pytest
import typer

from streamzip.cli.documents import Made
from streamzip.cli.ending import printable, stop
from streamzip.cli.output import meter, print_json, say, tell, tell_file

HOSTILE = "a\x1b]0;b\x07\x9b31mc\u202ed\r\ne\x7f\ud800\U000e0001é🎉"
SHOWN = "a\\u001b]0;b\\u0007\\u009b31mc\\u202ed\\r\\ne\\u007f\\ud800\\udb40\\udc01é🎉"


def test_text_of_others_reaches_a_terminal_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """Another server, a file or an argument has a say in it: one line, and no command to the terminal."""
    assert printable(HOSTILE) == SHOWN
    say(HOSTILE)
    tell(HOSTILE)
    with pytest.raises(typer.Exit):
        stop(HOSTILE, code=1)
    print_json({HOSTILE: HOSTILE})
    out, err = capsys.readouterr()
    assert err == f"streamzip: {SHOWN}\n" * 2
    told, document = out.splitlines()
    assert told == SHOWN
    assert document.isprintable()
    assert json.loads(document) == {HOSTILE: HOSTILE}


def test_progress_of_others_is_escaped(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A status is another server's text, too."""
    monkeypatch.setattr("streamzip.cli.output.PLAIN_EVERY", 0)
    with meter("waiting", quiet=False) as shown:
        shown.show(1, 2, HOSTILE)
    assert SHOWN in capsys.readouterr().err


@pytest.mark.parametrize(
    ("terminals", "quiet", "said", "printed"),
    [
        pytest.param(("out", "err"), False, True, False, id="a terminal"),
        pytest.param(("err",), False, True, True, id="stdout elsewhere"),
        pytest.param((), False, False, True, id="no terminal"),
        pytest.param(("out", "err"), True, False, True, id="quiet"),
    ],
)
def test_what_was_made_is_said_on_a_terminal_alone(
    terminals: tuple[str, ...],
    quiet: bool,
    said: bool,
    printed: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One line for a person; the path alone for programs, and where --quiet asks for nothing else."""
    for name in ("out", "err"):
        monkeypatch.setattr(getattr(sys, f"std{name}"), "isatty", lambda name=name: name in terminals)
    made: Made = {"path": "a.zip", "bytes": 2_500_000, "entries": 1200, "seconds": 1.25}
    tell_file(made, 3, quiet=quiet)
    out, err = capsys.readouterr()
    assert err == ("streamzip: a.zip: 2.5 MB, 1,200 files, in 1.2 s; 3 left out\n" if said else "")
    assert out == ("a.zip\n" if printed else "")

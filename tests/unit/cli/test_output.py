"""What commands print: nothing that a terminal obeys, or does not show."""

import json

import pytest
import typer

from streamzip.cli.ending import printable, stop
from streamzip.cli.output import meter, print_json, say, tell

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

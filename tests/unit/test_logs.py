"""Log lines: one event, one line of JSON, and nothing in it that is secret or moves a terminal."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from streamzip.logs import LIMIT, JsonFormatter, TextFormatter, configure, event, redact
from streamzip.settings_values import LogLevel


@pytest.fixture(autouse=True)
def loggers_as_before() -> Iterator[None]:
    names = [None, "streamzip", "uvicorn", "uvicorn.error", "uvicorn.access"]
    before = [(logging.getLogger(name), list(logging.getLogger(name).handlers)) for name in names]
    levels = [(logger, logger.level, logger.propagate) for logger, _ in before]
    yield
    logging.captureWarnings(False)
    for logger, handlers in before:
        logger.handlers = handlers
    for logger, level, propagate in levels:
        logger.setLevel(level)
        logger.propagate = propagate


def render(message: str, *args: Any, error: BaseException | None = None, **fields: Any) -> str:
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("streamzip.gateway", logging.INFO, "x.py", 1, message, args, info)
    record.fields = fields
    return JsonFormatter().format(record)


def test_line_holds_event_and_fields_when_one_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """An event is one JSON object with time, level, logger, event and its own fields."""
    configure("info")
    event(logging.getLogger("streamzip.gateway"), logging.INFO, "archive_created", hash="3bea", entries=2, cold=True)
    line = json.loads(capsys.readouterr().err)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "streamzip.gateway",
        "event": "archive_created",
        "hash": "3bea",
        "entries": 2,
        "cold": True,
    }


def test_time_is_utc_with_milliseconds_when_a_line_is_made() -> None:
    """Lines of several machines sort by their time."""
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "y", (), None)
    record.created = 1_777_629_600.1239
    assert json.loads(JsonFormatter().format(record))["time"] == "2026-05-01T10:00:00.123Z"


def test_field_keeps_out_of_the_way_when_it_has_a_reserved_name() -> None:
    """A field cannot pass for the line's own time or level."""
    line = json.loads(render("x", level="fatal"))
    assert (line["level"], line["level_"]) == ("info", "fatal")


@pytest.mark.parametrize(
    "text",
    [
        "https://host/a?token=hunter2",
        "https://host/a?x=1&y=%68unter2#hunter2",
        "https://host/a#access_token=hunter2",
        "https://hunter2@host/a",
        "https://user:hunter2@host/a",
        "https://user:x@hunter2@host/a",
        "//user:hunter2@host/a",
        "https://user:\x1f \nhunter2@host/a",
        "https:\\\\user:hunter2@host/a",
        "https://host/a?q=b lank hunter2",
        "https://host/a?q=line\nfeed hunter2",
        "https://host/a?q=\x1f\x85\u2028hunter2",
        "refused https://host/a?q=\x1f\x85\u2028hunter2",
        'could not fetch "https://host/a?sig=hunter2": timed out',
        '127.0.0.1:9 - "GET /archive/get/ab.zip?signature=hunter2 HTTP/1.1" 200',
        "Authorization: Bearer hunter2",
        "{'Authorization': 'Basic hunter2'}",
        "authorization=hunter2",
        '{"api_key": "hunter2"}',
        "X-Delete-Token: hunter2",
        "secret whsec_hunter2==",
    ],
)
def test_line_shows_no_secret_when_a_text_holds_one(text: str) -> None:
    """Queries, fragments, userinfo and named credentials are gone, wherever in the record they stand."""
    try:
        raise ValueError(text)
    except ValueError as error:
        line = render("%s", text, error=error, url=text, list=[{"deep": text}])
    assert "unter2" not in line
    assert json.loads(line)["url"] != ""


@pytest.mark.parametrize("name", ["authorization", "cookie", "delete_token", "webhook_secret", "signature", "api_key"])
def test_field_is_hidden_when_its_name_says_secret(name: str) -> None:
    """What is named a secret is not shown, at any depth."""
    secret: dict[str, Any] = {name: "hunter2"}
    assert "hunter2" not in render("x", headers={name.title(): "hunter2"}, **secret)


@pytest.mark.parametrize(
    "text",
    ["archive_created", "entry #3 of 9: not found", "https://host/a/b%20c.png", "a & b = c", "the signature is wrong"],
)
def test_text_stays_when_nothing_in_it_is_secret(text: str) -> None:
    """Redaction leaves ordinary sentences and bare URLs readable."""
    assert redact(text) == text


def test_url_keeps_host_and_path_when_its_query_is_hidden() -> None:
    """An operator can still tell which file it was."""
    assert redact("https://u:p@host:8443/a.png?x=1") == "https://[redacted]@host:8443/a.png?[redacted]"


@pytest.mark.parametrize("hostile", ["\r\n{}", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e", "\u200f", "\ud800", "\0"])
def test_line_is_printable_ascii_when_a_text_is_hostile(hostile: str) -> None:
    """No line feed, control, bidi mark or half a pair reaches a terminal or splits a record in two."""
    line = render(f"name {hostile}", name=hostile, raw=hostile.encode("utf-8", "surrogatepass"))
    assert line.isascii()
    assert line.isprintable()
    json.loads(line)["name"].encode()  # fails on half a pair


@pytest.mark.parametrize("letter", ["x", "\x7f", "\u202e", "\U0001f600", "\\", '"'])
def test_value_is_cut_when_it_is_long(letter: str) -> None:
    """No value takes more than 2 kB of its line, whatever it is made of."""
    line = json.loads(render(letter * 100_000, url=letter * 100_000, many=[letter * 500] * 100))
    for name in ("event", "url", "many"):
        assert 1000 <= len(json.dumps(line[name]).replace("\x7f", "\\u007f")) <= LIMIT + 2


def test_line_is_bounded_when_a_collection_is_deep_or_wide() -> None:
    """Nested and endless collections are cut, not followed."""
    ring: list[Any] = []
    ring.append(ring)
    line = render("x", ring=ring, wide=list(range(10**6)), keys={"k" * 10_000 + str(number): 1 for number in range(50)})
    assert len(line) < 4 * LIMIT


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 10**6000, object(), {1: (2,)}, {3}, b"\xff", ValueError()],
    ids=lambda value: type(value).__name__,
)
def test_line_parses_when_a_value_is_odd(value: object) -> None:
    """Whatever is logged, the line is strict JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(render("x", value=value), parse_constant=refuse)


def test_line_is_made_when_the_record_itself_is_broken() -> None:
    """Arguments that do not fit and a __str__ that raises cost their text, not the line."""

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert json.loads(render("%d files", "many"))["event"] == "%d files"
    assert json.loads(render("x", value=Broken()))["value"] == "<Broken>"


def test_trace_ends_with_the_error_when_it_is_long() -> None:
    """Of a long traceback the end is kept, where the cause stands."""

    def fall(depth: int) -> None:
        if depth == 0:
            raise LookupError("the cause")
        if depth % 2:
            fall(depth - 1)
        else:
            fall(depth - 1)

    try:
        fall(100)
    except LookupError as error:
        line = json.loads(render("x", error=error))
    assert line["error"] == "LookupError: the cause"
    assert line["trace"].endswith(" fall\nLookupError: the cause")
    assert len(json.dumps(line["trace"])) <= LIMIT + 2


def test_trace_shows_causes_and_members_when_errors_are_nested() -> None:
    """What a task group or a wrapping error hides is named too, each message redacted."""
    try:
        try:
            raise ExceptionGroup("tasks", [OSError("https://host/a?q=b lank hunter2"), KeyError("second")])
        except ExceptionGroup as group:
            raise RuntimeError("outer") from group
    except RuntimeError as error:
        trace = json.loads(render("x", error=error))["trace"].splitlines()
    heads = [line for line in trace if not line.startswith("  ")]
    assert heads == [
        "OSError: https://host/a?[redacted]",
        "KeyError: 'second'",
        "ExceptionGroup: tasks (2 sub-exceptions)",
        "RuntimeError: outer",
    ]


@pytest.mark.parametrize("text", ["://", "//@", "?", "token", "token ", "bearer ", "a:/", "#", "whsec_", "'\"", "a:/?"])
def test_redaction_takes_linear_time_when_a_text_is_built_to_be_slow(text: str) -> None:
    """A client's text of 16 KiB costs milliseconds of CPU, whatever it is."""
    before = time.process_time()
    render("x", value=text * (20_000 // len(text)))
    assert time.process_time() - before < 0.5


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("off", []),
        ("error", ["error"]),
        ("warning", ["warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("debug", ["debug", "info", "warning", "error"]),
    ],
)
def test_configure_shows_what_the_level_asks_for_when_events_come(
    level: LogLevel, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The level holds for the gateway, and each line is written once. Of uvicorn's lines only errors are shown."""
    configure("debug")
    configure(level)
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger("streamzip.api").log(number, "x")
        logging.getLogger("uvicorn.access").log(min(number, logging.WARNING), "x")
    assert [json.loads(line)["level"] for line in capsys.readouterr().err.splitlines()] == shown


def test_configure_keeps_libraries_quiet_when_the_level_is_debug(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's debug lines, which carry statements with their parameters, stay out; its warnings come as JSON."""
    configure("debug")
    logging.getLogger("sqlalchemy").debug("executing INSERT https://host/?token=hunter2")
    logging.getLogger("sqlalchemy").warning("slow")
    assert json.loads(capsys.readouterr().err)["event"] == "slow"


def test_configure_takes_over_when_uvicorn_set_its_own_handlers(capsys: pytest.CaptureFixture[str]) -> None:
    """What uvicorn says leaves as JSON, without the query."""
    logging.getLogger("uvicorn.access").handlers = [logging.StreamHandler(sys.stderr)]
    logging.getLogger("uvicorn.access").propagate = False
    configure("info")
    arguments = ("127.0.0.1:9", "GET", "/archive/get/ab.zip?signature=hunter2", "1.1", 200)
    logging.getLogger("uvicorn.access").error('%s - "%s %s HTTP/%s" %d', *arguments)
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == '127.0.0.1:9 - "GET /archive/get/ab.zip?[redacted] HTTP/1.1" 200'


def render_text(message: str, error: BaseException | None = None, **fields: Any) -> str:
    info = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("streamzip.gateway", logging.INFO, "x.py", 1, message, (), info)
    record.created = 1_777_629_600.1239
    record.fields = fields
    return TextFormatter().format(record)


def test_text_is_one_readable_line_for_a_person() -> None:
    """Time of day, level, event, fields; a word needs no quotes."""
    line = render_text("listening", url="http://127.0.0.1:8000", workers=2, cold=True, detail="two words")
    assert line == '10:00:00 info    listening url=http://127.0.0.1:8000 workers=2 cold=true detail="two words"'


@pytest.mark.parametrize("hostile", ["a\nb", "\x1b[2J", "\u202e", 'say "x" y=z', "", "a=\x00"])
def test_text_obeys_no_letter_of_a_value(hostile: str) -> None:
    """What would move a terminal, or look like another field or line, is escaped as in JSON."""
    line = render_text("x", name=hostile)
    assert line == f"10:00:00 info    x name={json.dumps(hostile)}"
    assert line.isprintable()


def test_text_hides_what_json_hides_and_shows_the_trace_below() -> None:
    """One door for both: the same redaction, the same cuts."""
    try:
        raise ValueError("https://u:p@h/a?token=1")
    except ValueError as error:
        first, *below = render_text("failed", error, api_key="sz_1").split("\n")
    assert "sz_1" not in first and "token=1" not in first and "u:p@" not in first
    assert any("test_logs.py" in line for line in below)
    assert all(line.startswith("    ") for line in below)


def test_log_is_text_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless the setting says otherwise."""
    for form, terminal, text in (
        (None, True, True),
        (None, False, False),
        ("json", True, False),
        ("text", False, True),
    ):
        monkeypatch.setattr(sys.stderr, "isatty", lambda terminal=terminal: terminal)
        configure("info", form)  # type: ignore[arg-type]
        event(logging.getLogger("streamzip.gateway"), logging.INFO, "there")
        assert capsys.readouterr().err.startswith("{") is not text

"""One line for each event, on stderr, safe to keep: no secret of a URL, no character that moves a terminal.

    {"time": "2026-05-01T10:00:00.123Z", "level": "info", "logger": "streamzip.gateway", "event": "archive_created", …}

or, for a person: `10:00:00 info    archive_created archive=3bea29cc…`.

Redaction sits here, in the formatter, because it is the one door that every line passes, uvicorn's and a library's too.
"""

import json
import logging
import math
import re
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any

from streamzip import metrics

if TYPE_CHECKING:  # the library logs too, and needs no settings
    from streamzip.settings_values import LogFormat, LogLevel

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)  # in each line of that request

LIMIT = 2048  # bytes of one value as it stands in the line, escapes included
_SCANNED = 16_384  # characters of a text that are looked at: bounds the work for one value
_WIDTH = 20  # members of one list or mapping that are shown
_DEPTH = 3

_LEVELS: "dict[LogLevel, int]" = {
    "off": logging.CRITICAL + 1,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}

_HIDDEN = "[redacted]"
_SECRET_NAME = re.compile(r"authorization|cookie|secret|token|password|passwd|signature|api.?key|credential", re.I)
# Every pattern is linear in the text: what is logged was chosen by a client, and 16 KiB of "://" must not cost seconds.
_TOKEN = re.compile(r"[^\s\"'<>]+")
_REDACTIONS = (
    (re.compile(r"//[^/\s?#]*@"), f"//{_HIDDEN}@"),  # userinfo
    # A text that begins as a URL is judged as one whole: what is logged as refused may hold blanks and line feeds.
    (re.compile(r"\A([a-z][a-z0-9+.-]*:[/\\]+)[^/\\?#]*@", re.I), rf"\1{_HIDDEN}@"),
    (re.compile(r"\A([a-z][a-z0-9+.-]*:[/\\][^?#]*)[?#].*\Z", re.I | re.S), rf"\1?{_HIDDEN}"),
    (re.compile(r"\?[^ \n\"]+"), f"?{_HIDDEN}"),
    (re.compile(r"\b(bearer|basic|digest) +[^\s\"',]+", re.I), rf"\1 {_HIDDEN}"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), _HIDDEN),
    (
        re.compile(rf"((?:{_SECRET_NAME.pattern})[\"']?\s*[:=]\s*[\"']?)(?!\[redacted)[^\s\"',;&]+", re.I),
        rf"\1{_HIDDEN}",
    ),
)
# A word in which none of these can match, as most are: they cost a line more than all the rest of it.
_PLAIN = re.compile(r"(?!.*whsec_)[\w./-]{0,512}", re.ASCII)
_SURROGATES = re.compile("[\ud800-\udfff]")


def event(logger: logging.Logger, level: int, name: str, /, **fields: Any) -> None:
    """Log the event `name` (snake_case) with its fields; they are rendered, redacted and cut by the formatter."""
    logger.log(level, name, extra={"fields": fields})


def configure(level: "LogLevel", form: "LogFormat | None" = None) -> None:
    """Send every logger's lines to stderr. Call uvicorn with `log_config=None`.

    `form` None: text where stderr is a terminal, else JSON.

    Libraries stay at `warning`: at `debug`, some would log what they are given, whole URLs too. uvicorn stays at
    `error`: what it says below that, the gateway says itself.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(_LEVELS[level])
    for_a_person = form == "text" or (form is None and sys.stderr.isatty())
    handler.setFormatter(TextFormatter() if for_a_person else JsonFormatter())
    root = logging.getLogger()
    root.handlers = [handler, _Counting(logging.WARNING)]  # counted are also those that are not shown
    root.setLevel(logging.WARNING)
    for name in ("streamzip", "uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True
        logger.setLevel(min(_LEVELS[level], logging.WARNING) if name == "streamzip" else logging.ERROR)
    logging.captureWarnings(True)


class _Counting(logging.Handler):
    """Counts events by their name: what nobody foresaw as `unexpected`, a library's as `other`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Count the record."""
        name = "unexpected" if record.exc_info else record.msg if hasattr(record, "fields") else "other"
        metrics.LOG_EVENTS.add(record.levelname.lower(), str(name))


class JsonFormatter(logging.Formatter):
    """A record as one line of ASCII JSON. It never raises: a line that fails would be lost, or printed unredacted."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line feed."""
        return _dumps(self._line(record))

    def _line(self, record: logging.LogRecord) -> dict[str, Any]:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": clean(_message(record)),
        }
        for name, value in getattr(record, "fields", {}).items():
            line[f"{name}_" if name in line else name] = _HIDDEN if _is_secret(name) else clean(value)
        if (request_id := REQUEST_ID.get()) is not None:
            line["request_id"] = request_id
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            line["error"] = _cut(_headline(error))
            line["trace"] = _cut("\n".join(_trace(error, _DEPTH)), tail=True)
        return line


class TextFormatter(JsonFormatter):
    """The same record as a person reads it: time of day (UTC), level, event, and each field as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line feed; a trace stands below it, indented."""
        line = self._line(record)
        time, level, _, happened = (line.pop(name) for name in ("time", "level", "logger", "event"))
        trace = line.pop("trace", "")
        fields = " ".join(f"{name}={_word(value)}" for name, value in line.items())
        said = f"{time[11:19]} {level:<7} {_word(happened, alone=True)} {fields}".rstrip()
        below = "".join(f"\n    {_dumps(each)[1:-1]}" for each in trace.splitlines())
        return said + below


def _word(value: Any, *, alone: bool = False) -> str:
    """Return a value as one word; in quotes where it has blanks, or letters that a terminal would obey.

    `alone`: blanks need no quotes.
    """
    text = _dumps(value)
    if not isinstance(value, str) or not value or '"' in value:
        return text
    plain = text[1:-1]
    return plain if plain == value and (alone or " " not in value) else text


def redact(text: str) -> str:
    """Return the text without what may be secret in it: userinfo, queries and fragments of URLs, credentials by their
    name.
    """
    text = _TOKEN.sub(_without_fragment, text)
    for pattern, replacement in _REDACTIONS:
        text = pattern.sub(replacement, text)
    return text


def clean(value: Any) -> Any:
    """Return the value as a line may show it: JSON types, texts redacted, at most LIMIT bytes."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    shown = _plain(value, _DEPTH)
    if not isinstance(shown, str | dict | list):
        return shown
    return _cut(shown if isinstance(shown, str) else _dumps(shown)) if len(_dumps(shown)) > LIMIT else shown


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() <= 64:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if depth and isinstance(value, Mapping):
        members = ((_plain(_text(name), 0), name, member) for name, member in islice(value.items(), _WIDTH))
        return {
            shown: _HIDDEN if _SECRET_NAME.search(_text(name)) else _plain(member, depth - 1)
            for shown, name, member in members
        }
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_plain(member, depth - 1) for member in islice(value, _WIDTH)]
    return redact(_text(value)[:_SCANNED])


def _text(value: Any) -> str:
    try:
        text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    except Exception:  # some library's __str__
        text = f"<{type(value).__name__}>"
    return _SURROGATES.sub("\ufffd", text)  # strict parsers refuse a line with half a pair


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # arguments that do not fit the format
        return _text(record.msg)


def _headline(error: BaseException) -> str:
    return f"{type(error).__name__}: {redact(_text(error)[:_SCANNED])}"


def _trace(error: BaseException, depth: int) -> list[str]:
    """Frames and message of an error, below those of its cause and of a group's members.

    Made here, not by format_exception: each message is redacted alone, where it is known where it begins and ends.
    """
    causes: list[BaseException] = list(error.exceptions[:_DEPTH]) if isinstance(error, BaseExceptionGroup) else []
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    above = [line for inner in (cause, *causes) if inner and depth for line in _trace(inner, depth - 1)]
    frames = traceback.extract_tb(error.__traceback__)[-_WIDTH:]
    return [*above, *(f"  {frame.filename}:{frame.lineno} {frame.name}" for frame in frames), _headline(error)]


def _without_fragment(token: re.Match[str]) -> str:
    """Return a URL up to its fragment, where some services put tokens; any other word as it is."""
    text = token[0]
    return text.partition("#")[0] + f"#{_HIDDEN}" if "://" in text and "#" in text else text


def _cut(text: str, *, tail: bool = False) -> str:
    """Return as much of the beginning (`tail`: of the end) as fits LIMIT."""
    text = text[-LIMIT:] if tail else text[:LIMIT]
    while len(_dumps(text)) > LIMIT:
        kept = len(text) * 3 // 4
        text = text[-kept:] if tail else text[:kept]
    return text


def _dumps(value: Any) -> str:
    """ASCII JSON on one line: bidi marks, C1 controls, line separators and DEL all leave as \\uXXXX."""
    return json.dumps(value, ensure_ascii=True).replace("\x7f", "\\u007f")

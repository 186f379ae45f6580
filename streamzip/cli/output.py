"""What a person sees while a command works: a bar on a terminal, a plain line now and then elsewhere."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamzip.cli.ending import FAILED, printable, stop

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from streamzip.cli.documents import Made
    from streamzip.library.saving import FileProgress

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs: a document, or a line for each event.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result alone, and errors.")]

LONGEST_NAME = 40  # characters of a file's name beside its bar; of a longer one the end, which tells more
PLAIN_EVERY = 5.0  # seconds between two lines where stderr is no terminal


class Meter:
    """Shows how far something is: bytes of how many, and a text beside them."""

    def __init__(self, label: str, progress: "Progress | None", *, quiet: bool) -> None:
        self._label, self._progress, self._quiet = label, progress, quiet
        self._task = None if progress is None else progress.add_task(label, total=None)
        self._files: dict[str, TaskID] = {}  # their bars, by name
        self._said = time.monotonic()

    def show(self, done: int, total: int | None, text: str = "", files: Sequence["FileProgress"] = ()) -> None:
        """Show the state, on a terminal with a bar for each of the files; a plain line only every few seconds."""
        text = printable(text)
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total, description=text or self._label)
            self._show_files(self._progress, {printable(file.name): file for file in files})
        elif not self._quiet and time.monotonic() - self._said >= PLAIN_EVERY:
            self._said = time.monotonic()
            of = f" of {total:,}" if total else ""
            typer.echo(f"streamzip: {text or self._label}: {done:,}{of} bytes", err=True)

    def _show_files(self, progress: "Progress", files: Mapping[str, "FileProgress"]) -> None:
        for name in self._files.keys() - files.keys():
            progress.remove_task(self._files.pop(name))
        for name, file in files.items():
            if name not in self._files:
                shown = name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"
                self._files[name] = progress.add_task(f"  {shown}", total=file.total)
            progress.update(self._files[name], completed=file.bytes, total=file.total)


@contextmanager
def meter(label: str, *, quiet: bool) -> Iterator[Meter]:
    """Give a Meter on stderr, for as long as the work takes."""
    if quiet or not sys.stderr.isatty():
        yield Meter(label, None, quiet=quiet)
        return
    # Loaded where there is a terminal to show it on: a fifth of what a small zip takes.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Meter(label, None, quiet=quiet)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        yield Meter(label, progress, quiet=quiet)


def print_json(document: Any) -> None:
    """Print one line of JSON to stdout."""
    tell(json.dumps(document, ensure_ascii=False))


def say(sentence: str, *, quiet: bool = False) -> None:
    """Tell a person something, on stderr."""
    if not quiet:
        typer.echo(f"streamzip: {printable(sentence)}", err=True)


def tell(line: str) -> None:
    """Print a line of a result, on stdout."""
    with writing_stdout():
        typer.echo(printable(line))


@contextmanager
def writing_stdout() -> Iterator[None]:
    """End the command with one sentence where stdout cannot be written. Raises BrokenPipeError, which is no fault."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = None  # or the interpreter would flush it at its end, and fail again
        stop(f"stdout cannot be written: {error.strerror}", code=FAILED)


def tell_file(made: "Made", left_out: int, *, quiet: bool) -> None:
    """Say what was made, on a terminal; print its path, unless it stands there already."""
    if quiet or not sys.stderr.isatty():
        tell(made["path"])
        return
    entries = made["entries"]
    files = "" if entries is None else f", {entries:,} {'file' if entries == 1 else 'files'}"
    missing = f"; {left_out:,} left out" if left_out else ""
    say(f"{made['path']}: {size(made['bytes'])}{files}, in {made['seconds']:,.1f} s{missing}")
    if not sys.stdout.isatty():
        tell(made["path"])


def size(count: int | None) -> str:
    """Return a number of bytes as people read it."""
    if count is None:
        return "?"
    amount, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{count} B" if unit == "B" else f"{amount:,.1f} {unit}"

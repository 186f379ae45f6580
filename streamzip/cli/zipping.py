"""`streamzip zip`: one archive, without a server. Run again, it goes on where it ended."""

import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from streamzip.cli.ending import FAILED, SOME_LEFT_OUT, STOPPED, WRONG_USAGE, stop
from streamzip.cli.lists import entries_in
from streamzip.cli.loading import loading
from streamzip.cli.output import Json, Meter, Quiet, meter, print_json, say, size, tell, tell_file, writing_stdout
from streamzip.urls.addresses import NOT_PUBLIC

if TYPE_CHECKING:
    from streamzip import Item, Origins, Zip
    from streamzip.cli.documents import DryRun, LeftOutEntry, NamedSize, Zipped

MOST_FAULTS = 5  # that one sentence names
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_FIELDS = ("{index}", "{name}", "{stem}", "{ext}", "{host}")


def zip_(
    sources: Annotated[
        list[str] | None, typer.Argument(help="URLs, and files and folders of this machine.", metavar="URL|PATH…")
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The file; - is stdout.")
    ] = "archive.zip",
    input_file: Annotated[
        str | None,
        typer.Option("--input", "-i", metavar="FILE", help="A list of links: plain, aria2's, CSV or JSON; - is stdin."),
    ] = None,
    name_template: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help=f"Names of what has a URL, made of {' '.join(_FIELDS)}, as '{{index}}-{{name}}'."
        ),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="A header field for every URL's own origin, as 'Name: value'; repeatable."),
    ] = None,
    compression: Annotated[
        str, typer.Option(metavar="HOW", help="store, deflate, or auto: what compresses.")
    ] = "store",
    on_error: Annotated[
        str, typer.Option(metavar="HOW", help="skip leaves out what cannot be had; fail gives up.")
    ] = "skip",
    jobs: Annotated[int, typer.Option(min=1, max=1024, metavar="N", help="Connections to one origin at once.")] = 32,
    limit_rate: Annotated[
        str | None,
        typer.Option(metavar="RATE", help="Bytes a second that URLs are taken at in all, as 500k or 2M."),
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Dial private addresses, this machine's own too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask for names and sizes, and write nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", "-f", help="Replace a file that is there, and a .part of another list.")
    ] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a zip of URLs and files here, without a server. Run again, it goes on where it ended."""
    if compression not in ("auto", "store", "deflate"):
        stop("--compression is store, deflate or auto", code=WRONG_USAGE)
    if on_error not in ("skip", "fail"):
        stop("--on-error is skip or fail", code=WRONG_USAGE)
    if output == "-" and sys.stdout.isatty() and not dry_run:
        stop("the zip would go to the terminal: name a file with -o, or a pipe behind it", code=WRONG_USAGE)
    if output == "-" and as_json and not dry_run:
        stop("the zip goes to stdout, where JSON cannot stand beside it", code=WRONG_USAGE)
    if not Path(output).name:
        stop(f"--output is a file, or - for stdout, and not {output!r}", code=WRONG_USAGE)
    rate = None if limit_rate is None else _rate(limit_rate)
    items = _items(sources or (), input_file, _fields(header or ()), name_template)
    # Imported here: a wrong list need not load the engine.
    with loading():
        import uvloop

        from streamzip import Origins, Zip

    filename = "archive.zip" if output == "-" else Path(output).name
    with _ending(items, resumes=output != "-" and not dry_run, piped=output == "-" and not dry_run):
        origins = Origins(allow_private=allow_private, connections=jobs, rate=rate)
        options: dict[str, Any] = {"compression": compression, "on_error": on_error}
        archive = Zip(items, filename=filename, origins=origins, **options)
        for asked, name in archive.renamed:
            say(f"renamed: {asked} to {name}", quiet=quiet)
        work = _run(archive, origins, output, dry_run=dry_run, force=force, quiet=quiet or as_json)
        document = uvloop.run(work)
    for entry in archive.left_out:
        say(f"left out: {entry}", quiet=quiet)
    if as_json:
        print_json(document)
    elif document is not None:
        _tell(document, quiet=quiet)
    raise typer.Exit(SOME_LEFT_OUT if archive.left_out else 0)


async def _run(
    archive: "Zip", origins: "Origins", output: str, *, dry_run: bool, force: bool, quiet: bool
) -> "Zipped | DryRun | None":
    """Do the work, and return its document; None where the zip itself went to stdout."""
    began = time.monotonic()
    async with origins:
        if dry_run:
            await archive.open()
            layout = archive.planned.layout
            rows = zip(layout.names, layout.sizes, strict=True)
            named: list[NamedSize] = [{"name": name, "size": None if count < 0 else count} for name, count in rows]
            return {"entries": named, "bytes": archive.length, "left_out": _left_out(archive)}
        with meter("asking for sizes", quiet=quiet) as shown:
            if output == "-":
                await _to_stdout(archive, shown)
                return None
            path = await archive.save(
                output,
                replace=force,
                on_progress=lambda done: shown.show(
                    done.bytes, done.total, f"{done.files:,} of {done.total_files:,} files", done.under_way
                ),
            )
    layout = archive.planned.layout
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "entries": layout.members - bool(layout.report),
        "seconds": round(time.monotonic() - began, 3),
        "resumed_from": archive.resumed_from,
        "left_out": _left_out(archive),
    }


def _left_out(archive: "Zip") -> "list[LeftOutEntry]":
    return [
        {"index": each.index, "name": each.name, "code": each.code, "message": each.message}
        for each in archive.left_out
    ]


def _tell(document: "Zipped | DryRun", *, quiet: bool) -> None:
    """Print the document for a person."""
    if "path" in document:
        tell_file(document, len(document["left_out"]), quiet=quiet)
        return
    for entry in document["entries"]:
        tell(f"{size(entry['size']):>10}  {entry['name']}")
    tell(f"{size(document['bytes']):>10}  in all, {len(document['entries'])} files")


async def _to_stdout(archive: "Zip", shown: Meter) -> None:
    import asyncio  # here: it is a third of what `streamzip --help` would load

    await archive.open()
    out, done = sys.stdout.buffer, 0
    async for chunk in archive.stream():
        with writing_stdout():
            await asyncio.to_thread(out.write, chunk)
        done += len(chunk)
        shown.show(done, archive.length, "writing")
    with writing_stdout():
        await asyncio.to_thread(out.flush)


@contextmanager
def _ending(items: "Sequence[Item]", *, resumes: bool, piped: bool) -> Iterator[None]:
    """End the command with one sentence where the work cannot be done."""
    from streamzip import CannotSave, InvalidEntries, NothingToZip, SourceChanged, ZipError

    again = "; run it again to go on" if resumes else "; what was written is no whole zip" if piped else ""
    try:
        yield
    except KeyboardInterrupt:
        stop(f"stopped{again if resumes else ''}", code=STOPPED)
    except BrokenPipeError:
        sys.stdout = None  # or the interpreter would flush it at its end, and fail again
        raise typer.Exit(FAILED) from None
    except InvalidEntries as error:
        stop(_told(error.errors, items), code=WRONG_USAGE)
    except CannotSave as error:
        hint = "; use --force to replace it" if error.code in ("exists", "other_list") else ""
        stop(f"{error}{again if error.code == 'disk_full' else hint}", code=FAILED)
    except SourceChanged as error:
        stop(f"{error}{'; run it again to begin anew' if resumes else again}", code=FAILED)
    except NothingToZip as error:
        why = "" if error.code != "no_entries" or not error.left_out else f"; {error.left_out[0]}"
        stop(f"{error}{why}", code=FAILED)
    except ZipError as error:
        anew = ", or delete its .part to begin anew" if resumes else ""
        stop(f"{error}{again}{anew}", code=FAILED)


def _told(errors: Sequence[tuple[str, str]], items: "Sequence[Item]") -> str:
    """Return what is wrong with the list, each entry by its URL."""
    faults = []
    for pointer, detail in errors[:MOST_FAULTS]:
        found = re.fullmatch(r"/entries/([0-9]+)(?:/.*)?", pointer)
        item = None if found is None else items[int(found[1])]
        place = item["url"] if isinstance(item, Mapping) else item or pointer
        faults.append(f"{place}: {detail}{'; --allow-private dials it' if detail == NOT_PUBLIC else ''}")
    more = len(errors) - MOST_FAULTS
    return "; ".join(faults) + (f"; and {more:,} more" if more > 0 else "")


def _items(
    sources: "list[str] | tuple[str, ...]", input_file: str | None, headers: dict[str, str], template: str | None
) -> "list[Item]":
    items: list[Item] = []
    listed = [] if input_file is None else entries_in(input_file)
    total, index = len(sources) + len(listed), 0
    for source in sources:
        index += 1
        if "://" in source:
            items.append(_entry({"url": source}, headers, template, index, total))
            continue
        path = Path(source)
        if not source or not path.exists():  # nothing would be this folder, and is rather a variable that is not set
            stop(f"{source or 'an empty text'} is neither a URL nor a file here", code=WRONG_USAGE)
        items.append(path)
    for row in listed:
        index += 1
        items.append(_entry(row, headers, template, index, total))
    if not items:
        stop("name at least one URL or file, or a list with --input", code=WRONG_USAGE)
    return items


def _entry(row: dict[str, Any], headers: dict[str, str], template: str | None, index: int, total: int) -> "Item":
    entry = dict(row)
    if headers:
        entry["headers"] = headers | entry.get("headers", {})
    if template is not None:
        from streamzip.manifest.names import name_from_url

        name = entry.get("name") or name_from_url(entry["url"])
        stem, dot, ext = name.rpartition(".")
        try:
            host = urlsplit(entry["url"]).hostname or ""
        except ValueError:  # its turn to be refused comes
            host = ""
        parts = (str(index).zfill(len(str(total))), name, stem if dot else name, ext if dot else "")
        named = template
        for field, value in zip(_FIELDS, (*parts, host), strict=True):
            named = named.replace(field, value)
        entry["name"] = named
    return entry


def _rate(text: str) -> int:
    found = re.fullmatch("([1-9][0-9]{0,14})([kMG]?)", text)
    if found is None:
        stop(f"--limit-rate is bytes a second, as 500k or 2M, and not {text!r}", code=WRONG_USAGE)
    return int(found[1]) * _UNITS[found[2]]


def _fields(lines: "list[str] | tuple[str, ...]") -> dict[str, str]:
    fields = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            stop(f"--header is a field, as 'Name: value', and not {line!r}", code=WRONG_USAGE)
        fields[name.strip()] = value.strip()
    return fields

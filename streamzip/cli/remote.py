"""Commands that ask a running gateway: create, status, watch, get, list, rm.

Results go to stdout, alone; everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 3 some entries
were left out, 130 stopped.
"""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from streamzip.cli.ending import FAILED, SOME_LEFT_OUT, STOPPED, WRONG_USAGE, stop
from streamzip.cli.lists import entries_in
from streamzip.cli.output import Json, Quiet, meter, print_json, say, size, tell, tell_file

if TYPE_CHECKING:
    from streamzip.cli.documents import Downloaded, Removed

Server = Annotated[str, typer.Option(envvar="STREAMZIP_SERVER", metavar="URL", help="The gateway's own URL.")]
Key = Annotated[
    str | None,
    typer.Option(
        envvar=["STREAMZIP_KEY", "SZ_KEY"],
        metavar="KEY",
        help="An API key. A flag can be read by every user of the machine: use the environment.",
    ),
]
Archive = Annotated[str, typer.Argument(help="Its hash, or its link.", metavar="ARCHIVE")]
MOST_COUNTED = (1 << 63) - 1  # bytes; another server may tell any number
UNAUTHORIZED = 401
_WHERE_TOKENS_ARE = "; give it with --token: create shows it on a terminal, and as delete_token with --json"
LOCAL = "http://127.0.0.1:8000"

_LINK = re.compile(r"(?:(?P<server>https?://.+?)?/archive/get/)?(?P<hash>[0-9a-f]{32})(?:\.zip)?(?:\?.*)?")


def create(
    urls: Annotated[
        list[str] | None,
        typer.Argument(metavar="URL…", help="The files' URLs, or upload:NAME for files that lie there."),
    ] = None,
    server: Server = LOCAL,
    key: Key = None,
    input_file: Annotated[
        str | None,
        typer.Option("--input", "-i", metavar="FILE", help="A list of links: plain, aria2's, CSV or JSON; - is stdin."),
    ] = None,
    filename: Annotated[str | None, typer.Option(metavar="NAME", help="The archive's own file name.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Have it built, and return when it is.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Create an archive on a running gateway, and print its link."""
    entries = [{"url": url} for url in urls or ()] + ([] if input_file is None else entries_in(input_file))
    if not entries:
        stop("name at least one URL, or a list with --input", code=WRONG_USAGE)
    plain = [entry["url"] if entry.keys() == {"url"} else entry for entry in entries]
    options = {} if filename is None else {"filename": filename}
    with _gateway(server, key) as gateway:
        created = gateway.create(plain, **options)
        document, left_out = created.document, 0
        for asked, name in created.renamed:
            say(f"renamed: {asked} to {name}", quiet=quiet)
        if key is None and created.delete_token is not None and sys.stderr.isatty() and not as_json:
            # To the person who may want it: without keys nothing else proves whose archive it is, and nobody keeps it.
            say(f"to delete it: streamzip rm {created.archive_hash} --token {created.delete_token}", quiet=quiet)
        if wait:
            try:
                # By its link: where links are signed, a hash tells nothing.
                last = _built(gateway, created.url, quiet=quiet)
            except KeyboardInterrupt:
                tell(created.url)
                stop("stopped waiting; the gateway goes on, and the link works", code=STOPPED)
            document = document if last is None else last.document
            left_out = 0 if last is None else _say_left_out(last, quiet=quiet)
    if as_json:
        print_json(document)
    else:
        tell(created.url)  # where links are signed, a status may have one without
    raise typer.Exit(SOME_LEFT_OUT if left_out else 0)


def status(
    archive: Archive,
    server: Server = LOCAL,
    key: Key = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing: the exit status tells.")] = False,
) -> None:
    """Print how an archive stands."""
    at, _ = _named(archive, server)
    with _gateway(at, _key_for(at, server, key)) as gateway:
        current = gateway.status(archive)
    if as_json:
        print_json(current.document)
    elif not quiet:
        done = current.progress
        tell(f"{current.status}{f' ({current.code})' if current.code else ''}")
        tell(f"{size(done.bytes)} of {size(done.total_bytes)}, {done.entries} of {done.total_entries} files")
        for entry in current.left_out:
            tell(f"left out: {entry}")
        if current.url:
            tell(current.url)
    raise typer.Exit(_ending(current))


def watch(
    archive: Archive, server: Server = LOCAL, key: Key = None, as_json: Json = False, quiet: Quiet = False
) -> None:
    """Follow an archive until it is completed or failed.

    It is not built for that alone.
    """
    at, _ = _named(archive, server)
    with _gateway(at, _key_for(at, server, key)) as gateway, meter("waiting", quiet=quiet or as_json) as shown:
        current = None
        for current in gateway.events(archive):
            if as_json:
                print_json(current.document)
            done = current.progress
            text = f"{current.status}, {done.entries} of {done.total_entries} files"
            shown.show(done.bytes, done.total_bytes, text)
    if current is None:
        stop("the archive was deleted, or the gateway stopped", code=FAILED)
    if not as_json:
        _say_left_out(current, quiet=quiet)
        tell(f"{current.status}{f' ({current.code})' if current.code else ''}")
    raise typer.Exit(_ending(current))


def get(
    archive: Archive,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The file. Default: the archive's name.")
    ] = None,
    server: Server = LOCAL,
    key: Key = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a file that is there.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Download an archive, by its hash or link. Run again, it goes on where it ended."""
    from streamzip.client import CannotSave, GatewayError

    link, began = archive, time.monotonic()
    at, archive_hash = _named(archive, server)
    with _gateway(at, _key_for(at, server, key)) as gateway:
        try:
            with meter("downloading", quiet=quiet or as_json) as shown:
                path = gateway.download(
                    link if "/" in link else archive_hash,
                    output,
                    replace=force,
                    on_progress=lambda done: shown.show(done.bytes, done.total),
                )
        except KeyboardInterrupt:
            stop("stopped; run it again to go on", code=STOPPED)
        except CannotSave as error:
            stop(f"{error}{'; use --force to replace it' if str(error).endswith(' exists') else ''}", code=FAILED)
        seconds, entries, left_out = round(time.monotonic() - began, 3), None, 0
        try:
            current = gateway.status(link)
            left_out = _say_left_out(current, quiet=quiet)
            entries = max(0, current.progress.total_entries - left_out)  # as another server has it
        except GatewayError:  # the archive is here; its status may be gone by now
            pass
    document: Downloaded = {
        "path": str(path),
        "bytes": path.stat().st_size,
        "entries": entries,
        "seconds": seconds,
        "archive_hash": archive_hash,
        "left_out": left_out,
    }
    if as_json:
        print_json(document)
    else:
        tell_file(document, left_out, quiet=quiet)
    raise typer.Exit(SOME_LEFT_OUT if left_out else 0)


def list_archives(
    server: Server = LOCAL,
    key: Key = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="At most so many, the newest first.")] = 50,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the hashes alone.")] = False,
) -> None:
    """List the archives of your API key, the newest first."""
    with _gateway(server, key) as gateway:
        for number, row in enumerate(gateway.archives()):
            if number >= limit:
                break
            if as_json:
                print_json(row)
            elif quiet:
                tell(str(row.get("archive_hash")))
            else:
                length = row.get("size")
                told = length if isinstance(length, int) and 0 <= length <= MOST_COUNTED else None
                about = f"{row.get('entries')!s:>7} files  {size(told):>10}"
                tell(f"{row.get('archive_hash')}  {row.get('status')!s:<11}  {about}  {row.get('filename')}")


def rm(
    archives: Annotated[list[str], typer.Argument(help="Their hashes, or links.", metavar="ARCHIVE…")],
    server: Server = LOCAL,
    key: Key = None,
    token: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="The delete_token that create gave; for a gateway without API keys."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Delete archives.

    Their lists, copies and links are gone at once.
    """
    from streamzip.client import AccessDenied, GatewayError

    failed = False
    for archive in archives:
        at, archive_hash = _named(archive, server)
        reason = None
        with _gateway(at, _key_for(at, server, key)) as gateway:
            try:
                gateway.delete(archive_hash, token=token)
            except AccessDenied as error:
                reason = f"{error}{_how_to_prove(error.status, key) or ('' if token else _WHERE_TOKENS_ARE)}"
            except GatewayError as error:
                reason = str(error)
        failed = failed or reason is not None
        if reason is not None:
            say(f"{archive_hash}: {reason}")
        elif not as_json:
            say(f"deleted {archive_hash}", quiet=quiet)
        if as_json:
            document: Removed = {"archive_hash": archive_hash, "deleted": reason is None}
            print_json(document if reason is None else document | {"message": reason})
    raise typer.Exit(FAILED if failed else 0)


@contextmanager
def _gateway(server: str, key: str | None) -> Iterator[Any]:
    """Give the gateway's client; its errors end the command with one sentence."""
    # Imported here: the other commands need not load the client.
    from streamzip.client import AccessDenied, Client, GatewayError

    try:
        with Client(server, key=key) as gateway:
            yield gateway
    except AccessDenied as error:
        stop(f"{error}{_how_to_prove(error.status, key)}", code=FAILED)
    except GatewayError as error:
        stop(str(error), code=FAILED)
    except UnicodeEncodeError:
        stop("an argument, or the list, is no text in UTF-8", code=WRONG_USAGE)
    except ValueError as error:
        stop(str(error), code=WRONG_USAGE)


def _how_to_prove(status: int, key: str | None) -> str:
    if status != UNAUTHORIZED:
        return ""
    return "; an API key is given by STREAMZIP_KEY or --key" if key is None else "; look at STREAMZIP_KEY or --key"


def _built(gateway: Any, archive: str, *, quiet: bool) -> Any:
    """Have an archive built, by its link; return its last status, or None where the gateway keeps no copy to build."""
    from streamzip.client import ProblemError

    with meter("building", quiet=quiet) as shown:
        try:
            return gateway.wait(
                archive,
                on_status=lambda current: shown.show(
                    current.progress.bytes,
                    current.progress.total_bytes,
                    f"{current.status}, {current.progress.entries} of {current.progress.total_entries} files",
                ),
            )
        except ProblemError as error:
            if error.code != "no_cache":
                raise
            say("this gateway keeps no copy of it, and builds it as it is downloaded")
            return None


def _named(archive: str, server: str) -> tuple[str, str]:
    """Return the gateway and the hash that an argument names; a link names its own gateway."""
    found = _LINK.fullmatch(archive)
    if found is None:
        stop(f"{archive!r} is neither an archive's hash nor its link", code=WRONG_USAGE)
    return found["server"] or server, found["hash"]


def _key_for(at: str, server: str, key: str | None) -> str | None:
    """Return the key, for the gateway that it is meant for: a link may lead to anybody's server."""
    if key is None or _origin(at) == _origin(server):
        return key
    say(f"your API key is not sent to {at}; if that is your gateway, name it with --server")
    return None


def _origin(server: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port; an address that is none is left to the client, which refuses it."""
    with suppress(ValueError):
        address = urlsplit(server)
        return address.scheme, address.hostname, address.port or {"http": 80, "https": 443}.get(address.scheme)
    return "", server, None


def _say_left_out(current: Any, *, quiet: bool) -> int:
    """Say what was left out, and return how many entries that are."""
    for entry in current.left_out:
        say(f"left out: {entry}", quiet=quiet)
    more = current.left_out_total - len(current.left_out)
    if more > 0:
        say(f"left out: {more:,} more", quiet=quiet)
    return int(current.left_out_total)


def _ending(current: Any) -> int:
    if current.status == "failed":
        return FAILED
    return SOME_LEFT_OUT if current.left_out_total else 0

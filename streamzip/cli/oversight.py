"""`streamzip admin`: the archives of all owners, what is pulled and for whom, the queue and its reasons, stepping in.

Each command works on a data folder (`--data`), or on a running gateway by an admin key.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Protocol

import typer

from streamzip.cli.ending import FAILED, WRONG_USAGE, stop
from streamzip.cli.output import Json, print_json, say, size, tell
from streamzip.cli.remote import LOCAL, Key, Server
from streamzip.setup_error import SetupError

admin = typer.Typer(no_args_is_help=True, help="See and manage the archives of all owners.")

Data = Annotated[
    str | None, typer.Option(metavar="DIR", help="The gateway's data folder, instead of a server with an admin key.")
]
Limit = Annotated[int, typer.Option(min=1, metavar="N", help="At most so many.")]
Hash = Annotated[str, typer.Argument(metavar="HASH", help="The archive's name.")]


Document = Mapping[str, Any]


class Overseen(Protocol):
    """A gateway, or its data folder."""

    def all_archives(self, *, limit: int, owner: str | None = None) -> Iterator[Document]:
        """Yield archives of all owners, or of one, the newest first."""

    def pulled(self) -> Sequence[Document]:
        """Return the archives that files are pulled for now."""

    def show(self, archive_hash: str) -> Document:
        """Return an archive's status, with what only an operator is told."""

    def queue(self, *, limit: int) -> tuple[int, Sequence[Document]]:
        """Return how much work is queued or was given up, and the first of it."""

    def evict(self, archive_hash: str) -> None:
        """Remove an archive's copy alone."""

    def remove(self, archive_hash: str) -> None:
        """Delete an archive, whoever created it."""

    def retry(self, work: str) -> list[str]:
        """Have queued or given-up work tried now; return in which queues."""


@admin.command("list")
def list_all(
    data: Data = None,
    server: Server = LOCAL,
    key: Key = None,
    owner: Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this API key.")] = None,
    pulled: Annotated[bool, typer.Option("--pulled", help="Only those that files are pulled for now.")] = False,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List the archives of all owners, the newest first, and for whom files are pulled."""
    with _overseen(data, server, key) as overseen:
        rows = overseen.pulled() if pulled else overseen.all_archives(limit=limit, owner=owner)
        for row in rows:
            if as_json:
                print_json(row)
            else:
                tell(_archive(row))


@admin.command()
def show(archive: Hash, data: Data = None, server: Server = LOCAL, key: Key = None, as_json: Json = False) -> None:
    """Print all that is known of an archive."""
    with _overseen(data, server, key) as overseen:
        document = overseen.show(archive)
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        if value not in (None, [], {}):
            tell(f"{name:<16} {value if not isinstance(value, dict) else _pairs(value)}")


@admin.command()
def evict(
    archives: Annotated[list[str], typer.Argument(metavar="HASH…", help="The archives' names.")],
    data: Data = None,
    server: Server = LOCAL,
    key: Key = None,
) -> None:
    """Remove the copies of archives; they are pulled again when they are wanted."""
    with _overseen(data, server, key) as overseen:
        for archive in archives:
            overseen.evict(archive)


@admin.command()
def delete(
    archives: Annotated[list[str], typer.Argument(metavar="HASH…", help="The archives' names.")],
    data: Data = None,
    server: Server = LOCAL,
    key: Key = None,
) -> None:
    """Delete archives, whoever created them; their downloads are cut."""
    with _overseen(data, server, key) as overseen:
        for archive in archives:
            overseen.remove(archive)


@admin.command()
def queue(data: Data = None, server: Server = LOCAL, key: Key = None, limit: Limit = 50, as_json: Json = False) -> None:
    """List the work in the background, and why it waits or failed."""
    with _overseen(data, server, key) as overseen:
        total, rows = overseen.queue(limit=limit)
    for row in rows:
        if as_json:
            print_json(row)
        else:
            again = f"  next: {row['next_attempt_at']}" if row.get("next_attempt_at") else ""
            reason = f" ({row['reason']})" if row.get("reason") else ""
            why = f"{row.get('state')}{reason}"
            about = f"{row.get('attempts')} attempts  {row.get('owner') or '-'}  {row.get('toward') or '-'}{again}"
            tell(f"{row.get('queue')!s:<10}  {row.get('id')}  {why:<24}  {about}")
    if total > len(rows):
        say(f"{total - len(rows):,} more; --limit shows them")


@admin.command()
def retry(
    work: Annotated[str, typer.Argument(metavar="HASH|ID", help="An archive's name, or a web page's download_id.")],
    data: Data = None,
    server: Server = LOCAL,
    key: Key = None,
) -> None:
    """Have queued or given-up work tried now, as if it had never failed."""
    with _overseen(data, server, key) as overseen:
        for name in overseen.retry(work):
            tell(name)


def _archive(row: Document) -> str:
    """Return an archive's line. A list of what is pulled says for whom."""
    name = f"{row.get('archive_hash')}  {row.get('status')!s:<11}  {row.get('owner') or '-':<12}"
    about = f"{row.get('entries')!s:>7} files  {size(row.get('size')):>10}  {size(row.get('disk_bytes')):>10} on disk"
    if "prefetch" not in row:
        return f"{name}  {about}  {row.get('filename')}"
    prefetch = row["prefetch"] or {}
    return f"{name}  {about}  {'prefetch' if prefetch.get('state') == 'running' else 'download'}  {row.get('filename')}"


def _pairs(values: dict[str, Any]) -> str:
    return "  ".join(f"{name}={value}" for name, value in values.items() if value is not None)


@contextmanager
def _overseen(data: str | None, server: str, key: str | None) -> Iterator[Overseen]:
    """Give what is asked; its errors end the command with one sentence."""
    # Imported here: the other commands need neither.
    from streamzip.client import GatewayError
    from streamzip.errors import Problem

    try:
        if data is None:
            from streamzip.client.operator import Operator

            with Operator(server, key=key) as gateway:
                yield gateway
        else:
            from streamzip.cli.flags import settings_with
            from streamzip.cli.folder import Folder

            yield Folder(settings_with(data_dir=data))
    except ValueError as error:
        stop(str(error), code=WRONG_USAGE)
    except Problem as problem:
        stop(f"{problem.detail} ({problem.code})", code=FAILED)
    except (GatewayError, SetupError) as error:
        stop(str(error), code=FAILED)

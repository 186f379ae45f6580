"""procrastinate's side of a transaction: its tables are made with ours, and a row's wake is part of what queues it.

Its functions are called, rather than its Python, so that a failure is one of the transaction's own. They carry their
version in their names, and stay.
"""

import json
from typing import Final

from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, text

from streamzip.store.queues import EARLY

TASK: Final = "streamzip"

_IS_THERE = text("SELECT to_regclass('procrastinate_jobs') IS NOT NULL")
# What is due within a moment is not put off: a worker is told of it now, and would look again only later.
_DEFER = text(
    "SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, :task, 0, :lock, NULL, CAST(:args AS jsonb), "
    "CASE WHEN :at > extract(epoch FROM clock_timestamp()) + :early THEN to_timestamp(:at) END"
    ")::procrastinate_job_to_defer_v1])"
)


def lock_of(queue: str, id: str) -> str:
    """Return what keeps two wakes for one row, as of one that is queued anew, from being worked on at once."""
    return f"{queue}/{id}"


class ProcrastinateWakes:
    """See store.wakes.Wakes."""

    def prepare(self, connection: Connection) -> None:
        """Make procrastinate's tables where there are none."""
        if not connection.execute(_IS_THERE).scalar_one():
            connection.exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))

    def wake(self, connection: Connection, queue: str, id: str, at: float) -> None:
        """Have a worker woken for the row."""
        args = json.dumps({"id": id})
        connection.execute(
            _DEFER, {"queue": queue, "task": TASK, "args": args, "lock": lock_of(queue, id), "at": at, "early": EARLY}
        )

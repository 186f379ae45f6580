"""What a database failure means to a client, by the codes of SQLite (sqlite.org/rescode.html) and of PostgreSQL
(its manual, appendix A).
"""

import sqlite3
from typing import Final

from sqlalchemy.exc import DBAPIError, OperationalError

from streamzip.errors import Damaged, NotFound, NotReady, Problem

STORE_UNAVAILABLE: Final = "store_unavailable"

_FOREIGN_KEY = "23503"
_DAMAGED = frozenset({"XX001", "XX002"})  # data_corrupted, index_corrupted
_AGAIN = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_AWAY = (
    "08",  # the connection
    "25006",  # read_only_sql_transaction: this server is not the primary any more
    "53",  # insufficient_resources: disk full, too many connections
    "55P03",  # lock_not_available
    "57",  # operator_intervention: shutting down, starting up, a statement that took too long
    *_AGAIN,
)


def public_fault(error: DBAPIError) -> Problem | DBAPIError:
    """Return the problem to raise in place of `error`; `error` itself where it is a mistake of ours.

    A full disk, a lock held too long, a server that is away and an unreadable file may pass: NotReady. A foreign key
    that finds nothing means that the archive was deleted meanwhile: NotFound; any other constraint is a mistake.
    sqlite3 raises the bare DatabaseError for a malformed file: Damaged.
    """
    state = _state(error)
    if state == _FOREIGN_KEY or _is_foreign_key_of_sqlite(error):
        return NotFound("No such archive.")
    if state in _DAMAGED or type(error.orig) is sqlite3.DatabaseError:
        return Damaged("The store is damaged; `streamzip verify` tells the operator what to do.", code="store_damaged")
    if isinstance(error, OperationalError) or error.connection_invalidated or state.startswith(_AWAY):
        return away()
    return error


def away() -> NotReady:
    """Return the problem of a store that cannot be used now."""
    return NotReady("The store cannot be used now; try again.", code=STORE_UNAVAILABLE, retry_after=5)


def is_lost(error: DBAPIError) -> bool:
    """Return whether the connection broke, or none could be made."""
    return error.connection_invalidated or error.statement is None


def is_passing(error: DBAPIError) -> bool:
    """Return whether the same transaction may succeed at once: another one was in its way, and has gone."""
    return _state(error) in _AGAIN


def _state(error: DBAPIError) -> str:
    """PostgreSQL's SQLSTATE; empty where the failure has none."""
    return getattr(error.orig, "sqlstate", None) or ""


def _is_foreign_key_of_sqlite(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY

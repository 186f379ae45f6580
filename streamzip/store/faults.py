"""What a database failure means to a client."""

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from streamzip.errors import Damaged, NotFound, NotReady, Problem


def public_fault(error: DBAPIError) -> Problem | DBAPIError:
    """The problem to raise in place of `error`; `error` itself where it is a mistake of ours.

    A full disk, a lock held too long and an unreadable file may pass: NotReady. A foreign key that finds nothing means
    that the archive was deleted meanwhile: NotFound. sqlite3 raises the bare DatabaseError for a malformed file:
    Damaged.
    """
    if isinstance(error, IntegrityError):
        return NotFound("No such archive.")
    if isinstance(error, OperationalError):
        return NotReady("The store cannot be used now; try again.", code="store_unavailable", retry_after=5)
    if type(error.orig).__name__ == "DatabaseError":
        return Damaged("The store is damaged; the operator must restore it.", code="store_damaged")
    return error

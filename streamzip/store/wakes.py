"""How whoever works is woken as something is queued: as part of the transaction that queues it."""

from typing import Protocol

from sqlalchemy import Connection


class Wakes(Protocol):
    """Has rows of the queues worked on at their time."""

    def prepare(self, connection: Connection) -> None:
        """Make what it keeps in the database itself, as part of the schema's changes."""

    def wake(self, connection: Connection, queue: str, id: str, at: float) -> None:
        """Have the row worked on from `at` (epoch s) on, once this connection's transaction is committed."""


class NoWakes:
    """Wakes nobody: the queues are looked through by whoever works on them."""

    def prepare(self, connection: Connection) -> None:
        """See Wakes."""

    def wake(self, connection: Connection, queue: str, id: str, at: float) -> None:
        """See Wakes."""

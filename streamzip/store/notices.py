"""Tells all gateways of a store at once that an archive was deleted, is stale, or is asked for anew; and that bytes are
wanted which one of them alone can prove.

A notice names the archive and no more: whoever hears of it looks into the store. So a lost one costs time, and one too
many nothing.
"""

from collections.abc import AsyncGenerator
from typing import Protocol

from sqlalchemy import Connection


class Notices(Protocol):
    """Tells, and hears."""

    def tell(self, connection: Connection, archive_hash: str) -> None:
        """Tell all gateways of the store, this one too, once this connection's transaction is committed."""

    def heard(self) -> AsyncGenerator[str | None, None]:
        """Yield each archive that is told of, by any gateway. None: some may have been missed, or it is time to look
        anyway. It ends never, and waits for a store that is away.
        """


class NoNotices:
    """For a store that no other gateway shares."""

    def tell(self, connection: Connection, archive_hash: str) -> None:
        """See Notices."""

    async def heard(self) -> AsyncGenerator[str | None, None]:
        """See Notices."""
        nothing: tuple[str, ...] = ()
        for each in nothing:
            yield each

"""Schema changes in the order they were made. A step that was released is never edited: the next one is added.

Each step is a module `mNNNN_word.py` with `apply(connection)`, in portable DDL, with its own copy of what it creates:
`tables.py` says what the schema is today, a step what it was on that day.
"""

from collections.abc import Callable

from sqlalchemy import Column, Connection, Integer, MetaData, Table, func, insert, select

from streamzip.store.migrations import (
    m0001_first,
    m0002_deliveries,
    m0003_webpages,
    m0004_owners,
    m0005_fingerprints,
    m0006_long_urls,
    m0007_waits,
    m0008_claims,
    m0009_ended_sessions,
    m0010_learned_anew,
    m0011_warnings,
    m0012_links,
    m0013_objects,
    m0014_nodes,
    m0015_uploads,
)

STEPS: tuple[Callable[[Connection], None], ...] = (
    m0001_first.apply,
    m0002_deliveries.apply,
    m0003_webpages.apply,
    m0004_owners.apply,
    m0005_fingerprints.apply,
    m0006_long_urls.apply,
    m0007_waits.apply,
    m0008_claims.apply,
    m0009_ended_sessions.apply,
    m0010_learned_anew.apply,
    m0011_warnings.apply,
    m0012_links.apply,
    m0013_objects.apply,
    m0014_nodes.apply,
    m0015_uploads.apply,
)

versions = Table("schema", MetaData(), Column("version", Integer, primary_key=True, autoincrement=False))


class SchemaTooNewError(Exception):
    """The store was written by a later streamzip, whose tables this one does not know."""


def migrate(connection: Connection) -> int:
    """Apply the steps that the store lacks, inside the caller's transaction; returns how many were applied.

    The caller's transaction must hold off others (Dialect.prepare), so that of two processes started at once the second
    finds the work done. Raises SchemaTooNewError and changes nothing where the store is ahead of this code.
    """
    versions.create(connection, checkfirst=True)
    current: int = connection.execute(select(func.coalesce(func.max(versions.c.version), 0))).scalar_one()
    if current > len(STEPS):
        raise SchemaTooNewError(
            f"the store has schema {current} and this streamzip knows {len(STEPS)}: run the version that wrote it"
        )
    for version, apply in enumerate(STEPS[current:], start=current + 1):
        apply(connection)
        connection.execute(insert(versions).values(version=version))
    return len(STEPS) - current

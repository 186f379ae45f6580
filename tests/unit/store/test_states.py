"""Where an archive stands follows from its row."""

import pytest
from sqlalchemy import create_engine, select

from streamzip.store.states import FINAL, NO_ENTRIES, ArchiveState, code_after, state_of
from streamzip.store.tables import archives


@pytest.mark.parametrize(
    ("code", "completed_at", "state"),
    [
        (None, None, ArchiveState.STANDING),
        ("origin_failed", None, ArchiveState.FAILED),
        (NO_ENTRIES, None, ArchiveState.UNBUILDABLE),
        (None, 1.0, ArchiveState.COMPLETED),
        ("origin_failed", 1.0, ArchiveState.COMPLETED),  # the next pass may go better, and the bytes are known
        (FINAL, None, ArchiveState.STALE),
        (FINAL, 1.0, ArchiveState.STALE),
    ],
)
def test_state_is_that_of_the_last_word(code: str | None, completed_at: float | None, state: ArchiveState) -> None:
    """Stale is for ever; a full pass outweighs what failed after it."""
    assert state_of(code, completed_at) is state


@pytest.mark.parametrize("new", [None, "origin_failed", FINAL])
@pytest.mark.parametrize("code", [None, "origin_failed", FINAL])
def test_code_after_keeps_what_is_final(code: str | None, new: str | None) -> None:
    """Whatever comes after it, an archive that is stale stays so."""
    with create_engine("sqlite://").connect() as connection:
        archives.metadata.create_all(connection)
        values = {column.name: 0 for column in archives.c if not column.nullable and column.default is None}
        connection.execute(
            archives.insert().values(values | {"hash": "a", "manifest_key": "a", "filename": "a", "code": code})
        )
        assert connection.execute(select(code_after(new)).select_from(archives)).scalar_one() == (
            FINAL if code == FINAL else new
        )

"""A row's work as a step of a trace of its own: nobody waits for it."""

from streamzip import tracing
from streamzip.jobs.kinds import Kind, RowT
from streamzip.jobs.turns import Turn


async def work(kind: Kind[RowT], turn: Turn[RowT]) -> None:
    """Have the kind work on the row. Raises what that raises."""
    with tracing.step("job", kind.name, {}) as step:
        archive = getattr(turn.row, "hash", None)  # a web page's is not known yet
        step.tell(streamzip__queue=kind.name, streamzip__row=str(turn.row.id), streamzip__archive=archive)
        try:
            await kind.work(turn)
        finally:
            step.tell(streamzip__bytes=turn.gained, streamzip__put_off=turn.ended)

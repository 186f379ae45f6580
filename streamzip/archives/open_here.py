"""What this process knows of an archive that is open in it: for status, and for what is told to other nodes."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamzip.assembly.ledger import Ledger
from streamzip.zip.layout import Layout


@dataclass(frozen=True, slots=True)
class OpenHere:
    """An archive that is open in this process: what is known of it by all that is read there together, and by readers
    alone. `is_learned`: a full pass was made before, or here.
    """

    layout: Layout
    created_at: float
    ledgers: Sequence[Ledger]
    is_learned: bool
    active: bool
    read: bool

    @property
    def present(self) -> int:
        """Return how many bytes are there, by all its ledgers."""
        return sum(ledger.extents.present for ledger in self.ledgers)

"""The clients' connections of one process: so many of them, and so much that all of them together have it hold."""

from dataclasses import dataclass, field
from typing import Final, Protocol

MOST_HEADS: Final = 16 << 20  # bytes of all connections' heads that have not come whole
MOST_UNTAKEN: Final = 32 << 20  # bytes of whole answers that the clients of all connections have not taken yet


class Client(Protocol):
    """A client's connection. `head_taken`: bytes that are held of a head that has not come whole."""

    head_taken: int

    def drop(self) -> None:
        """End the connection, whatever is still to be sent."""


@dataclass(slots=True)
class Door:
    """The connections of one process. `most`: of them at once; `within`: seconds for a request's head; `untaken`:
    seconds that a client may take nothing of what it was sent.
    """

    most: int
    within: float
    untaken: float
    asking: dict[Client, None] = field(default_factory=dict)  # those without a whole request, the oldest first
    busy: set[Client] = field(default_factory=set)
    ahead: int = 0  # bytes that were sent ahead
    heads: int = 0  # bytes of heads that have not come whole
    answered: dict[Client, int] = field(default_factory=dict)  # untaken bytes of answers, the oldest first

    def make_room(self) -> None:
        """Drop those that have waited longest without asking for anything, where there are too many."""
        while len(self.asking) > 1 and len(self.asking) + len(self.busy) > self.most:
            next(iter(self.asking)).drop()

    def take_head(self, size: int) -> None:
        """Count bytes of a head, and drop those that began theirs first where all of them have too many."""
        self.heads += size
        while self.heads > MOST_HEADS:
            eldest = next((client for client in self.asking if client.head_taken), None)
            if eldest is None:
                return
            eldest.drop()

    def hold_answer(self, client: Client, untaken: int) -> None:
        """Hold a whole answer until its client has taken it, and drop those that have waited longest where they are
        too many. A stream need not be counted: it waits for its client.
        """
        self.answered[client] = untaken
        while len(self.answered) > 1 and sum(self.answered.values()) > MOST_UNTAKEN:
            next(iter(self.answered)).drop()

    @property
    def full(self) -> bool:
        """Return whether there are more requests at once than connections may be."""
        return len(self.busy) > self.most

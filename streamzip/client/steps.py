"""What a conversation with a gateway asks of whoever carries it out.

Each verb of the client is a generator of these steps, written once; `Client` carries them out with threads' means,
`AsyncClient` with asyncio's. No step does any I/O here, so the verbs can be tested with a list of answers.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from streamzip.client.errors import BadAnswer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request; the result is its Answer. `stream`: the body comes by Read.

    A streamed answer is left when its flow sends another request, or ends.
    """

    method: str
    target: str  # a path of the gateway, or a whole URL
    body: Any = None  # sent as JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer's head; `content` is its body, where that was not asked for as a stream. Field names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes = b""

    @property
    def ok(self) -> bool:
        """Tell whether the status is one of success."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Read:
    """Read more of the streamed body; the result is its bytes, empty at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """Call a function that may block; the result is what it returns."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Tell:
    """Give the caller a value: an event, a row of a list, how far a download is."""

    value: Any


Step = Ask | Read | Pause | Run | Tell
Flow = Generator[Step, Any, T]


def ask(request: Ask) -> Flow[Answer]:
    """Send a request, and return its answer. Raises Unreachable."""
    answer = yield request
    if not isinstance(answer, Answer):
        raise TypeError(f"a request was answered with {answer!r}")
    return answer


def read() -> Flow[bytes]:
    """Return more of the streamed body, empty at its end. Raises Unreachable where the connection breaks."""
    data = yield Read()
    if not isinstance(data, bytes):
        raise BadAnswer(f"a body came as {type(data).__name__}")
    return data


def run(call: Callable[[], T]) -> Flow[T]:
    """Call a function that may block, and return its result."""
    result: T = yield Run(call)
    return result

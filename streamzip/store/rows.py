"""What the store gives back: plain frozen records, whole or not at all."""

from dataclasses import dataclass, field

from streamzip.store.states import ArchiveState, state_of


@dataclass(frozen=True, slots=True)
class Sealed:
    """A stored document with the signature made over it. The store keeps it; the caller verifies it at every load."""

    body: bytes = field(repr=False)  # it holds whole URLs, which no log or traceback may show
    key_id: str
    signature: str


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    """The small facts of one archive.

    `manifest_key` is the hash of its first generation, shared by every later one. `released`: bytes of its body were
    given out. `code`: why it failed, where it did. `completed_at` (epoch s) and `size` (bytes) stand from the first
    full pass on, also when the copy is gone. `owner`: the name of the API key that created it. `expires_at`
    (epoch s): from then on it is as good as deleted. `lapses`: that time is for want of readers, and the first one ends
    it. `stored`: bytes that its list takes. `origin`: that of most entries, as `host:port`. `rounds`: how often its
    origins were asked anew, which its layout has too. `released_by`: the node whose bytes of members without a strong
    validator are the archive's, where several gateways share the store and it has such members.
    """

    hash: str
    manifest_key: str
    generation: int
    filename: str
    entries: int
    prefetch: bool
    created_at: float
    released: bool = False
    code: str | None = None
    completed_at: float | None = None
    size: int | None = None
    owner: str | None = None
    expires_at: float | None = None
    stored: int = 0
    lapses: bool = False
    origin: str | None = None
    rounds: int = 0
    released_by: str | None = None

    @property
    def state(self) -> ArchiveState:
        """Return where the archive stands, as far as the store knows."""
        return state_of(self.code, self.completed_at)


@dataclass(frozen=True, slots=True)
class Documents:
    """What an archive is made by: its manifest; its layout, once frozen; what a full pass learned of its members."""

    manifest: Sealed | None = None
    layout: Sealed | None = None
    crcs: Sealed | None = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """One piece of work that survives a restart. `state`: `queued`, or `failed` once given up; times in epoch s.

    `reason`: why it waits or failed, see store.queues; `waits`: how often in a row it was put off without having
    failed. `owner`, `origin`: those of its archive. `claims`: how often it was taken up; what became of it is noted by
    whoever did so last.
    """

    id: int
    kind: str
    hash: str
    state: str
    attempts: int
    not_before: float
    created_at: float
    reason: str | None = None
    waits: int = 0
    owner: str | None = None
    origin: str | None = None
    claims: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an archive, at `at` (epoch s), as its receivers are told. `predefined`: a receiver
    that the operator named, beside those of the archive. `owner`: the name of the archive's API key.
    """

    type: str
    at: float
    body: bytes = field(repr=False)
    predefined: str | None = field(repr=False)
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One event on its way to one receiver. `id` is the same on every attempt.

    `receiver`: the url's `host:port`. `state`: `queued`, `delivered`, `failed` (given up) or `gone` (the receiver wants
    no more). `outcome`: how the last attempt ended. `not_before`: the next attempt's time where it is queued, else the
    end's; in epoch s. `owner`: the name of the archive's API key. `claims`: see JobRow.
    """

    id: str
    hash: str
    type: str
    url: str = field(repr=False)  # hooks are often secrets as a whole
    receiver: str
    predefined: bool
    body: bytes = field(repr=False)
    state: str
    attempts: int
    not_before: float
    created_at: float
    outcome: str | None
    owner: str | None = None
    claims: int = 0


@dataclass(frozen=True, slots=True)
class WebpageRow:
    """A web page whose images are wanted. `state`: `queued`, `built` (then `hash` is their archive) or `failed`.

    `code` and `detail`: the problem that it failed with. `owner`: the name of the API key that asked. `origin`: the
    page's, as `host:port`. `reason`, `waits`, `claims`: see JobRow. Times in epoch s.
    """

    id: str
    url: str = field(repr=False)  # it may be signed
    created_at: float
    not_before: float
    state: str = "queued"
    attempts: int = 0
    owner: str | None = None
    hash: str | None = None
    code: str | None = None
    detail: str | None = None
    origin: str | None = None
    reason: str | None = None
    waits: int = 0
    claims: int = 0


@dataclass(frozen=True, slots=True)
class QueuedRow:
    """A row of any queue, as an operator sees it. `id`: the archive's hash for a prefetch. `toward`: where it goes, as
    `host:port`. `reason`: why it waits, or how the last attempt ended. Times in epoch s.
    """

    queue: str
    id: str
    hash: str | None
    owner: str | None
    state: str
    attempts: int
    not_before: float
    created_at: float
    reason: str | None
    toward: str | None

"""Documents of `--json` that are none of the gateway's interface: the schema that a test holds each to."""

from typing import NotRequired, final

from typing_extensions import TypedDict


class LeftOutEntry(TypedDict):
    """An entry that is not in the archive."""

    index: int
    name: str
    code: str
    message: str


class Made(TypedDict):
    """A file that is here now, and how long that took; `entries`: the files in it, None where nobody tells."""

    path: str
    bytes: int
    entries: int | None
    seconds: float


@final
class Zipped(Made):
    """The zip that `zip` made."""

    resumed_from: int
    left_out: list[LeftOutEntry]


class NamedSize(TypedDict):
    """A file as it would be packed; `size` is None where its origin does not tell it."""

    name: str
    size: int | None


@final
class DryRun(TypedDict):
    """The zip that `zip --dry-run` would make; `bytes` is None where a size is not known."""

    entries: list[NamedSize]
    bytes: int | None
    left_out: list[LeftOutEntry]


class Downloaded(Made):
    """The file that `get` downloaded; `left_out`: how many entries are not in it."""

    archive_hash: str
    left_out: int


class Removed(TypedDict):
    """What became of an archive that `rm` was to delete; where it is not deleted, `message` says why."""

    archive_hash: str
    deleted: bool
    message: NotRequired[str]

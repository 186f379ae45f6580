"""Documents of `--json` that are none of the gateway's interface: the schema that a test holds each to."""

from typing import NotRequired, final

from typing_extensions import TypedDict


class LeftOutEntry(TypedDict):
    """An entry that is not in the archive."""

    index: int
    name: str
    code: str
    message: str


@final
class Zipped(TypedDict):
    """The zip that `zip` made."""

    path: str
    bytes: int
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


class Downloaded(TypedDict):
    """The file that `get` downloaded."""

    path: str
    bytes: int
    archive_hash: str


class Removed(TypedDict):
    """What became of an archive that `rm` was to delete; where it is not deleted, `message` says why."""

    archive_hash: str
    deleted: bool
    message: NotRequired[str]

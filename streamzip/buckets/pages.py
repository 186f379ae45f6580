"""A bucket's list, page by page. Pure: each store's way to ask, and its answer, are in a module of their own."""

from collections.abc import Callable
from typing import NamedTuple


class Listed(NamedTuple):
    """One object of a page. `version`: None where its bucket keeps none; `modified` in epoch seconds; `is_folder`: of
    a store that keeps folders as such.
    """

    key: str
    size: int
    etag: str
    modified: int | None
    version: str | None
    cold: bool
    is_folder: bool = False


class Page(NamedTuple):
    """One page, and the query of the next; None: it was the last."""

    objects: tuple[Listed, ...]
    following: str | None


class Lists(NamedTuple):
    """How one kind of store is asked for its lists.

    `first`: the query of a prefix's first page, with each object's version if asked; `newest`: the query of the first
    page that may hold one key's newest version; `read`: the page in the answer to a query, which raises ValueError.
    `newest_first`: of a key's versions; where they are not, its newest may stand on a later page.
    """

    first: Callable[[str, bool], str]
    newest: Callable[[str], str]
    read: Callable[[bytes, str], Page]
    newest_first: bool = True


def size_in(text: str) -> int:
    """Return a size as lists write it. Raises ValueError."""
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError("a size is no number")
    return int(text)

"""An XML document of an object store: what stands in it once, and its rows. PURE.

Read by expat without a document type, so that no entity is expanded, and to a bounded depth.
"""

from collections.abc import Collection
from typing import Final, NamedTuple
from xml.parsers import expat

DEEPEST: Final = 16  # elements in one another: lists of the stores have 5

Path = tuple[str, ...]


class Document(NamedTuple):
    """The elements right below the `root`, and those of each row. A row's deeper ones are named by their path, as
    `Properties/Etag`; an attribute as `Name@Encoded`.
    """

    root: str
    told: dict[str, str]
    rows: list[dict[str, str]]


def read_document(body: bytes, rows: Collection[Path]) -> Document:
    """Return the document; `rows`: the paths of its rows, below the root. Raises ValueError."""
    reading = _Reading(rows)
    try:
        reading.parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    return Document(reading.root, reading.told, reading.rows)


class _Reading:
    def __init__(self, rows: Collection[Path]) -> None:
        self.rows: list[dict[str, str]] = []
        self.told: dict[str, str] = {}
        self.root = ""
        self._kinds = frozenset(rows)
        self._path: list[str] = []
        self._row = 0  # the depth of the row that is being read; 0: none is
        self._text: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text.append
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        raise ValueError("a document type, which no list has")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path:
            self.root = tag
        self._path.append(tag)
        if len(self._path) > DEEPEST:
            raise ValueError("elements lie in one another deeper than any list has them")
        self._text.clear()
        if self._row:
            for name, value in attributes.items():
                self.rows[-1][f"{self._name()}@{name}"] = value
        elif tuple(self._path[1:]) in self._kinds:
            self._row = len(self._path)
            self.rows.append({})

    def _end(self, tag: str) -> None:
        if self._row and len(self._path) > self._row:
            self.rows[-1][self._name()] = "".join(self._text)
        elif self._row:
            self._row = 0
        elif len(self._path) == 2:
            self.told[tag] = "".join(self._text)
        self._path.pop()

    def _name(self) -> str:
        return "/".join(self._path[self._row :])

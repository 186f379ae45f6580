"""A gateway as its operator sees it, with an admin key: the archives of all owners, what is pulled, the queue."""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote, urlencode

from streamzip.client import verbs
from streamzip.client.blocking import Client
from streamzip.client.errors import BadAnswer
from streamzip.client.steps import Ask, Flow, ask

_LARGEST_PAGE = 1000


class Operator(Client):
    """A gateway, for the holder of an admin key; else as Client. Documents are those of docs/http-api.md."""

    def all_archives(self, *, limit: int, owner: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield archives of all owners, or of one, the newest first."""
        query = {"limit": str(min(limit, _LARGEST_PAGE))} | ({} if owner is None else {"owner": owner})
        return islice(self._told(verbs.archives(self.server, f"/api/admin/archives?{urlencode(query)}")), limit)

    def pulled(self) -> list[dict[str, Any]]:
        """Return the archives that files are pulled for now."""
        return _list(self._asked("GET", "pulled"), "archives")

    def show(self, archive_hash: str) -> dict[str, Any]:
        """Return an archive's status, with what only an operator is told."""
        return self._asked("GET", f"archives/{quote(archive_hash, safe='')}")

    def queue(self, *, limit: int) -> tuple[int, list[dict[str, Any]]]:
        """Return how much work is queued or was given up, and the first of it."""
        document = self._asked("GET", f"queue?limit={min(limit, _LARGEST_PAGE)}")
        total = document.get("total")
        return total if isinstance(total, int) else 0, _list(document, "queue")

    def evict(self, archive_hash: str) -> None:
        """Remove an archive's copy alone."""
        self._asked("DELETE", f"copies/{quote(archive_hash, safe='')}")

    def remove(self, archive_hash: str) -> None:
        """Delete an archive, whoever created it."""
        self._asked("DELETE", f"archives/{quote(archive_hash, safe='')}")

    def retry(self, work: str) -> list[str]:
        """Have queued or given-up work tried now, by an archive's hash or a page's id; return in which queues."""
        return list(map(str, self._asked("POST", f"queue/{quote(work, safe='')}").get("queues", ())))

    def _asked(self, method: str, path: str) -> dict[str, Any]:
        return self._result(_document(self.server, method, f"/api/admin/{path}"))


def _document(server: str, method: str, path: str) -> Flow[dict[str, Any]]:
    answer = yield from ask(Ask(method, path))
    return {} if answer.ok and not answer.content else verbs.document(answer, server)


def _list(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = document.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadAnswer("it listed nothing, and so not as a gateway does")
    return rows

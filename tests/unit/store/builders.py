"""Rows with everything beside the point filled in."""

from typing import Any

from streamzip.store.rows import ArchiveRow, Sealed


def an_archive(hash: str = "a" * 32, **fields: Any) -> ArchiveRow:
    facts: dict[str, Any] = {
        "manifest_key": hash,
        "generation": 1,
        "filename": "archive.zip",
        "entries": 2,
        "prefetch": False,
        "created_at": 1000.5,
    }
    return ArchiveRow(hash=hash, **(facts | fields))


def sealed(body: bytes = b"{}", signature: str = "5e") -> Sealed:
    return Sealed(body=body, key_id="k1", signature=signature)

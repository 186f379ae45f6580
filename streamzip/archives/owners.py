"""Whose an archive is."""

from streamzip.access.keyring import KeyRing
from streamzip.archives.load import Loader

DELETE = "delete"


class Owners:
    """Tells owners and delete tokens."""

    def __init__(self, loader: Loader, keys: KeyRing) -> None:
        self._loader = loader
        self._keys = keys

    async def owner(self, archive_hash: str) -> str | None:
        """Return the name of the API key that created the archive. Raises NotFound."""
        return (await self._loader.row(archive_hash)).owner

    def delete_token(self, archive_hash: str) -> str:
        """Return what create gives out for deleting the archive."""
        return self._keys.token(DELETE, archive_hash)

    def is_delete_token(self, archive_hash: str, token: str) -> bool:
        """Return whether create gave this token out for the archive."""
        return self._keys.is_token(DELETE, archive_hash, token)

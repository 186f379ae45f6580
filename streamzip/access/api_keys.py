"""API keys: who may create, upload, delete and list. Only their hashes are kept, one `name:sha256hex` for each.

A key has 256 random bits, so that a plain hash of it cannot be searched; several may have one name, while one takes the
other's place.
"""

import hashlib
import hmac
import re
import secrets

_LINE = re.compile(r"([A-Za-z0-9._@-]{1,64}):([0-9A-Fa-f]{64})")
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")


class ApiKeys:
    """The keys that are let in; none at all lets in everybody."""

    def __init__(self, keys: tuple[tuple[str, bytes], ...] = ()) -> None:
        self._keys = keys

    @classmethod
    def parse(cls, text: str) -> "ApiKeys":
        """Read `name:sha256hex` lines, apart by commas. Raises ValueError, its text without any of them."""
        keys = []
        for word in text.split(","):
            match = _LINE.fullmatch(word.strip())
            if match is None:
                raise ValueError("an API key is written as name:sha256hex, as `streamzip keys new NAME` prints it")
            keys.append((match[1], bytes.fromhex(match[2])))
        return cls(tuple(keys))

    def take_over(self, other: "ApiKeys") -> None:
        """Let in whom `other` does from now on."""
        self._keys = other._keys

    def __bool__(self) -> bool:
        return bool(self._keys)

    def name_of(self, key: str) -> str | None:
        """Return the name of the key; None for one that is not ours. Every hash is compared, in constant time."""
        digest = _digest(key)
        found = [name for name, known in self._keys if hmac.compare_digest(known, digest)]
        return found[0] if found else None

    def hashes_of(self, name: str) -> list[str]:
        """Return the hashes, as hex digits, of all keys of that name."""
        return [known.hex() for own, known in self._keys if own == name]

    @staticmethod
    def hash_of(key: str) -> str:
        """Return what is kept of a key, as hex digits."""
        return _digest(key).hex()


def new_key(name: str) -> tuple[str, str]:
    """Return a fresh key, to be given to its owner, and its line for STREAMZIP_API_KEYS. Raises ValueError for a bad
    name.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError("a key's name has 1 to 64 letters, digits, dots, hyphens, underscores or @")
    key = f"sz_{secrets.token_urlsafe(32)}"
    return key, f"{name}:{_digest(key).hex()}"


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()

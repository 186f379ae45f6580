"""Keyed hashes: an archive's name, the signature of what is stored, and tokens handed to clients.

All are HMAC-SHA256 under a secret of the key ring. Each use begins its message with a word of its own, and every part
is preceded by its length, so that no message can be read as another one, of this use or of a different one.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import NamedTuple

from streamzip.errors import Damaged
from streamzip.manifest.model import Manifest

_KEPT = 1000  # entries
LEAST_SECRET = 16  # bytes; what is shorter can be searched for
_HASH_BYTES = 16  # of the 32 of an HMAC: 128 bits cannot be guessed, and fit a URL as 32 hex digits


class Signature(NamedTuple):
    """Which key signed, and the 64 hex digits it gave."""

    key_id: str
    hex: str


@dataclass(frozen=True, slots=True)
class Key:
    """One secret and the id by which stored signatures name it."""

    id: str
    secret: bytes = field(repr=False)

    def digest(self, use: bytes, *parts: bytes) -> bytes:
        """Return the 32 bytes of HMAC-SHA256 over `use` and the length-prefixed `parts`."""
        code = self.begun(use)
        for part in parts:
            code.update(len(part).to_bytes(8, "big"))
            code.update(part)
        return code.digest()

    def begun(self, use: bytes) -> hmac.HMAC:
        """Return the HMAC over `use`, for a part that comes in pieces."""
        return hmac.new(self.secret, use + b"\0", hashlib.sha256)


class KeyRing:
    """The secrets, the current one first. What older ones signed stays valid as long as they are in the ring."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        if len({key.id for key in keys}) != len(keys):
            raise ValueError("two secret keys have the same id")
        self._keys = keys

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read `id:secret` pairs or bare secrets, apart by commas, the current one first; `ValueError` if one is empty
        or the current one is short. An older one may be short: what it signed could not be read without it.

        A bare secret's id is derived from it, so that `old` may become `new,old` and what `old` signed is still found.
        """
        keys = tuple(_key(word.strip()) for word in text.split(","))
        if len(keys[0].secret) < LEAST_SECRET:
            raise ValueError(f"a secret key has at least {LEAST_SECRET} bytes; put one before those that are in use")
        return cls(keys)

    @property
    def weak(self) -> list[str]:
        """Return the ids of keys whose secret is short: whoever finds it out can forge what they signed."""
        return [key.id for key in self._keys if len(key.secret) < LEAST_SECRET]

    @property
    def ids(self) -> list[str]:
        """Return the ids of the keys, the current one first."""
        return [key.id for key in self._keys]

    @property
    def current(self) -> Key:
        """Return the key that signs what is new."""
        return self._keys[0]

    def fingerprints(self) -> dict[str, str]:
        """Return what tells each key from another one and gives nothing of it away, by its id; the current first."""
        return {key.id: key.digest(b"fingerprint").hex() for key in self._keys}

    def archive_hash(self, manifest: Manifest) -> str:
        """Return the archive's name, 32 hex digits: always the same for a manifest, not to be guessed without the
        secret.
        """
        return _archive_hashes((self.current,), manifest)[0]

    def hashes_for(self, manifest: Manifest) -> list[str]:
        """Return the archive's name under every key, the current one first: what was created before a rotation is
        found.
        """
        return _archive_hashes(self._keys, manifest)

    def sign(self, kind: str, document: bytes) -> Signature:
        """Sign stored bytes as what they are: a signed layout is no signed manifest."""
        return _signature(self.current, kind, document)

    def verify(self, kind: str, document: bytes, signature: Signature) -> None:
        """Raise `Damaged` unless `signature` was made over just this kind and document by a key of the ring."""
        for key in self._keys:
            if _same(key.id, signature.key_id) and _same(_signature(key, kind, document).hex, signature.hex):
                return
        raise Damaged(f"The stored {kind} does not match its signature")

    def subkey(self, use: str, key_id: str) -> bytes:
        """32 bytes for one use alone, from the key of that id. Raises Damaged where it is not in the ring."""
        for key in self._keys:
            if _same(key.id, key_id):
                return key.digest(b"subkey", use.encode())
        raise Damaged("What is stored is encrypted under a key that is not in the ring")

    def derived(self, use: str, *parts: str) -> list[bytes]:
        """Return 32 bytes for one use and these parts alone, under every key, the current one first."""
        return [key.digest(b"derived", use.encode(), *(part.encode() for part in parts)) for key in self._keys]

    def token(self, kind: str, text: str) -> str:
        """Return a secret to give to the client of `text`, as 64 hex digits: who shows it again was given it."""
        return _token(self.current, kind, text)

    def is_token(self, kind: str, text: str, token: str) -> bool:
        """Return whether `token` was given for just this kind and text by a key of the ring."""
        return any(_same(_token(key, kind, text), token) for key in self._keys)

    def link(self, *parts: str) -> str:
        """Return the signature of a link's parts, as 64 hex digits."""
        return _link(self.current, parts)

    def is_link(self, signature: str, *parts: str) -> bool:
        """Return whether a key of the ring signed just these parts."""
        return any(_same(_link(key, parts), signature) for key in self._keys)


def _key(word: str) -> Key:
    key_id, colon, secret = word.partition(":")
    if not colon:
        key_id, secret = hashlib.sha256(b"streamzip key id\0" + word.encode()).hexdigest()[:8], word
    if not key_id or not secret:
        raise ValueError("a secret key is written as `id:secret` or `secret`, and neither may be empty")
    return Key(key_id, secret.encode())


def _archive_hashes(keys: tuple[Key, ...], manifest: Manifest) -> list[str]:
    codes = [key.begun(b"archive") for key in keys]
    # The length comes first; so a long one is rendered twice: a million entries are 120 MB that nobody has to hold.
    kept = list(manifest.canonical()) if len(manifest.entries) <= _KEPT else None
    length = sum(map(len, manifest.canonical() if kept is None else kept))
    for code in codes:
        code.update(length.to_bytes(8, "big"))
    for piece in manifest.canonical() if kept is None else kept:
        for code in codes:
            code.update(piece)
    return [code.digest()[:_HASH_BYTES].hex() for code in codes]


def _signature(key: Key, kind: str, document: bytes) -> Signature:
    return Signature(key.id, key.digest(b"sign", key.id.encode(), kind.encode(), document).hex())


def _token(key: Key, kind: str, text: str) -> str:
    return key.digest(b"token", kind.encode(), text.encode()).hex()


def _link(key: Key, parts: tuple[str, ...]) -> str:
    return key.digest(b"link", key.id.encode(), *(part.encode() for part in parts)).hex()


def _same(ours: str, theirs: str) -> bool:
    # compare_digest takes str only where it is ASCII, and what a client sends need not be.
    return hmac.compare_digest(ours.encode(), theirs.encode(errors="replace"))

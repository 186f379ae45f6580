"""Stored documents under the gateway's signature: what was altered in the store is refused, loudly.

The signature covers what kind of document it is and which archive it belongs to, so that no two rows can change places.
Manifests are encrypted besides: a copy of the database, or of a disk, gives no URL's signature away.
"""

import os
import zlib
from functools import partial
from importlib import import_module

from streamzip.access.keyring import KeyRing, Signature
from streamzip.errors import Damaged
from streamzip.files.aside import in_long_thread
from streamzip.manifest.model import Manifest
from streamzip.store.rows import Sealed

_MANIFEST = "manifest"
_ENCRYPTED = b"\x01"  # a manifest of older versions may be in the clear: JSON, which begins with a brace
_DEFLATED = b"\x02"  # inside the encryption, where there is one
_LONG = 1000  # entries; from so many on it is deflated: a million take 15 MB instead of 120
_NONCE = 12  # bytes; random, as there is one document an archive and a key encrypts far fewer than 2^32 of them
_USE = "encryption of manifests"
_CIPHERS = "cryptography.hazmat.primitives.ciphers.aead"


class Vault:
    """Signs what goes into the store, verifies what comes out of it."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._has_ciphers = False

    async def ready(self) -> None:
        """Load the ciphers, the first time: a process that nobody asks for an archive does without their 7 MiB, and
        they take longer than others should wait.
        """
        if not self._has_ciphers:
            await in_long_thread(partial(import_module, _CIPHERS))
            self._has_ciphers = True

    def seal(self, kind: str, hash: str, body: bytes) -> Sealed:
        """Return the document with its signature under the current key."""
        signature = self._keys.sign(f"{kind} {hash}", body)
        return Sealed(body, signature.key_id, signature.hex)

    def unseal(self, kind: str, hash: str, sealed: Sealed) -> bytes:
        """Return the document, proven to be what was stored. Raises Damaged."""
        self._keys.verify(f"{kind} {hash}", sealed.body, Signature(sealed.key_id, sealed.signature))
        return sealed.body

    def seal_manifest(self, hash: str, manifest: Manifest) -> Sealed:
        """Return the manifest's document, encrypted: its URLs may be signed, and its entries' fields are secrets."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, key = os.urandom(_NONCE), self._keys.subkey(_USE, self._keys.current.id)
        encrypted = AESGCM(key).encrypt(nonce, _written(manifest), hash.encode())
        return self.seal(_MANIFEST, hash, _ENCRYPTED + nonce + encrypted)

    def unseal_manifest(self, hash: str, sealed: Sealed) -> Manifest:
        """Return the manifest, proven to be what was stored. Raises Damaged."""
        body = self.unseal(_MANIFEST, hash, sealed)
        if body.startswith(_ENCRYPTED):
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            nonce, text = body[1 : 1 + _NONCE], body[1 + _NONCE :]
            try:
                body = AESGCM(self._keys.subkey(_USE, sealed.key_id)).decrypt(nonce, text, hash.encode())
            except (InvalidTag, ValueError) as error:
                raise Damaged("The stored manifest cannot be decrypted") from error
        return Manifest.from_document(_read(body))


def _written(manifest: Manifest) -> bytes:
    if len(manifest.entries) < _LONG:
        return b"".join(manifest.document())
    deflating = zlib.compressobj(1)
    pieces = [_DEFLATED, *(deflating.compress(piece) for piece in manifest.document())]
    return b"".join([*pieces, deflating.flush()])


def _read(body: bytes) -> str:
    try:
        return (zlib.decompress(memoryview(body)[1:]) if body.startswith(_DEFLATED) else body).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise Damaged("The stored manifest cannot be read") from error

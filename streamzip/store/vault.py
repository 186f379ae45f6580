"""Stored documents under the gateway's signature: what was altered in the store is refused, loudly.

The signature covers what kind of document it is and which archive it belongs to, so that no two rows can change places.
"""

from streamzip.manifest.signing import KeyRing, Signature
from streamzip.store.rows import Sealed


class Vault:
    """Signs what goes into the store, verifies what comes out of it."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def seal(self, kind: str, hash: str, body: bytes) -> Sealed:
        """The document with its signature under the current key."""
        signature = self._keys.sign(f"{kind} {hash}", body)
        return Sealed(body, signature.key_id, signature.hex)

    def unseal(self, kind: str, hash: str, sealed: Sealed) -> bytes:
        """The document, proven to be what was stored. Raises Damaged."""
        self._keys.verify(f"{kind} {hash}", sealed.body, Signature(sealed.key_id, sealed.signature))
        return sealed.body

"""Other people's secrets, encrypted where they lie: receivers' and pages' URLs, and what events say.

A path may be a receiver's password, a query a signature. The same text is always encrypted alike (AES-SIV, RFC 5297),
so that rows are found by it. What older versions stored in the clear is read as it is.
"""

import base64
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar

from streamzip.access.keyring import KeyRing
from streamzip.errors import Damaged

if TYPE_CHECKING:  # loaded with the first text that is hidden: many gateways have none
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

T = TypeVar("T")

_HIDDEN: Final = "enc:"  # no URL begins so
_HIDDEN_BODY: Final = b"\x01"  # no JSON does
_USE: Final = "encryption of texts"


class Hiding:
    """Under the keys of the ring, the current one first. None: texts are kept in the clear."""

    def __init__(self, keys: KeyRing | None) -> None:
        self._keys = keys
        self._ciphers: dict[str, AESSIV] = {}

    def hide(self, text: str) -> str:
        """Return the text as it is to be stored."""
        return text if self._keys is None else self._hidden(text, self._keys.current.id)

    def show(self, stored: str) -> str:
        """Return the text that was stored. Raises Damaged."""
        if not stored.startswith(_HIDDEN):
            return stored
        key_id, _, code = stored.removeprefix(_HIDDEN).rpartition(":")
        try:
            return self._decrypted(key_id, base64.urlsafe_b64decode(code)).decode()
        except ValueError as error:  # neither base64 nor text
            raise Damaged("A stored text cannot be read") from error

    def forms(self, text: str) -> list[str]:
        """Return every way in which the text may have been stored, the present one first."""
        ids = [] if self._keys is None else self._keys.ids
        return [*(self._hidden(text, key_id) for key_id in ids), text]

    @staticmethod
    def readable(rows: Iterable[T], shown: Callable[[T], T]) -> tuple[list[T], list[T]]:
        """Return the rows as they are `shown`, and apart those that no key of the ring can read."""
        found, lost = [], []
        for row in rows:
            try:
                found.append(shown(row))
            except Damaged:
                lost.append(row)
        return found, lost

    def hide_body(self, body: bytes) -> bytes:
        """Return a JSON document as it is to be stored."""
        if self._keys is None:
            return body
        key_id = self._keys.current.id
        return _HIDDEN_BODY + key_id.encode() + b":" + self._cipher(key_id).encrypt(body, None)

    def show_body(self, stored: bytes) -> bytes:
        """Return the document that was stored. Raises Damaged."""
        if not stored.startswith(_HIDDEN_BODY):
            return stored
        key_id, _, code = stored.removeprefix(_HIDDEN_BODY).partition(b":")
        return self._decrypted(key_id.decode(errors="replace"), code)

    def _hidden(self, text: str, key_id: str) -> str:
        code = self._cipher(key_id).encrypt(text.encode(), None)
        return f"{_HIDDEN}{key_id}:{base64.urlsafe_b64encode(code).decode()}"

    def _decrypted(self, key_id: str, code: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher(key_id).decrypt(code, None)
        except (InvalidTag, ValueError) as error:
            raise Damaged("A stored text cannot be decrypted") from error

    def _cipher(self, key_id: str) -> "AESSIV":
        if key_id not in self._ciphers:
            if self._keys is None:
                raise Damaged("A stored text is encrypted, and no key is known here")
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV

            self._ciphers[key_id] = AESSIV(self._keys.subkey(_USE, key_id))
        return self._ciphers[key_id]

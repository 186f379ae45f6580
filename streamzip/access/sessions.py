"""Sessions of the pages: what a browser is given for an API key, so that it keeps the key nowhere.

A session is `expires.number.signature.name`; nothing of it is stored while it is good. The signature covers the key's
hash, so that a key that is taken out ends its sessions. Its random number makes it another one than any that was ended;
those of older versions have none. Its forms' token is made of it, and known only to pages that were given to it.
"""

import re
import secrets

from streamzip.access.api_keys import ApiKeys
from streamzip.access.keyring import KeyRing

LIFETIME = 12 * 3600  # seconds

_SESSION = re.compile(r"([1-9][0-9]{0,11})((?:\.[0-9a-f]{16})?)\.([0-9a-f]{64})\.([A-Za-z0-9._@-]{1,64})")


class Sessions:
    """The sessions of these API keys, signed by that ring."""

    def __init__(self, keys: ApiKeys, ring: KeyRing) -> None:
        self._keys = keys
        self._ring = ring

    def begin(self, key: str, *, now: float) -> str | None:
        """Return a session for the owner of the key, from `now` (epoch s) on; None for a key that is not ours."""
        name = self._keys.name_of(key)
        if name is None:
            return None
        begun = f"{int(now) + LIFETIME}.{secrets.token_hex(8)}"
        return f"{begun}.{self._ring.token('session', _signed(begun, name, self._keys.hash_of(key)))}.{name}"

    def owner(self, session: str, *, now: float) -> str | None:
        """Return the name of the key that the session was begun with; None for one that is over, or not ours."""
        match = _SESSION.fullmatch(session)
        if match is None:
            return None
        expires, number, signature, name = match.groups()
        begun = f"{expires}{number}"
        hashes = self._keys.hashes_of(name)
        # The expiry counts only once the signature over it is known to be ours.
        ours = any(self._ring.is_token("session", _signed(begun, name, each), signature) for each in hashes)
        return name if ours and now < int(expires) else None

    def form_token(self, session: str) -> str:
        """Return what a form must send with the session, so that no other site's form is taken for it."""
        return self._ring.token("form", session)

    def is_form_token(self, session: str, token: str) -> bool:
        """Return whether `token` is that of the session's forms."""
        return self._ring.is_token("form", session, token)


def expiry(session: str) -> float:
    """Return when a session of ours is over (epoch seconds)."""
    return float(session.partition(".")[0])


def _signed(begun: str, name: str, hash: str) -> str:
    return f"{begun}.{hash}.{name}"

"""Requests to Google's Cloud Storage by the key of a service account: signed URLs, V4, GOOG4-RSA-SHA256.

Cloud Storage, "Signatures" and "Canonical requests". The signature is in the URL: so it is documented for these keys.
All that are made within half an hour are the same, so that what is remembered of a URL holds.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streamzip.buckets.signing import Renewed, file_text
from streamzip.errors import OriginError
from streamzip.origins.rewritten import Address
from streamzip.urls.urls import target_of

VARIABLE: Final = "GOOGLE_APPLICATION_CREDENTIALS"  # by which Google's own programs find the file
PERIOD: Final = 1800  # seconds in which a URL's signature is the same
LASTS: Final = 3600  # seconds; it begins before its period, where this clock is ahead of Google's
_BEFORE: Final = 900
_ALGORITHM: Final = "GOOG4-RSA-SHA256"
_SCOPE: Final = "auto/storage/goog4_request"
_UNESCAPED: Final = "-_.~"


class Account(NamedTuple):
    """A service account, and its key."""

    email: str
    key: RSAPrivateKey


class ServiceAccount:
    """Signs as a service account. `credentials`: `file:PATH`, or `environment`, where a variable names the file;
    `wall`: epoch seconds.
    """

    def __init__(self, credentials: str, wall: Callable[[], float] = time.time) -> None:
        self._path = credentials.removeprefix("file:") if credentials.startswith("file:") else None
        self._wall = wall
        self._account = Renewed(self._read, time.monotonic)

    async def signed(self, url: str) -> Address:
        """Return the signed URL. Raises OriginError."""
        try:
            account = self._account.get()
        except ValueError as error:
            message = "the gateway has no credentials for the bucket at present"
            raise OriginError("no_credentials", message, transient=True) from error
        at = int(self._wall()) // PERIOD * PERIOD - _BEFORE
        unsigned = url_to_sign(url, account.email, at, LASTS)
        signature = account.key.sign(string_to_sign(unsigned, at).encode(), PKCS1v15(), SHA256())
        return Address(f"{unsigned}&X-Goog-Signature={signature.hex()}")

    def prove(self) -> None:
        """Raise ValueError where the file is none."""
        self._account.get()

    def _read(self) -> Account:
        path = self._path or os.environ.get(VARIABLE)
        if not path:
            raise ValueError(f"no credentials are found: {VARIABLE} names no file")
        return read_account(file_text(path), path)


def read_account(text: str, path: str) -> Account:
    """Return the account that a file of Google's has; `path`: for what is said. Raises ValueError."""
    try:
        document = json.loads(text)
        email, written = str(document["client_email"]), str(document["private_key"])
        key = load_pem_private_key(written.encode(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise TypeError("not RSA")
    except (ValueError, KeyError, TypeError, RecursionError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{path} is no key of a service account") from error
    return Account(email, key)


def url_to_sign(url: str, email: str, at: int, lasts: int) -> str:
    """Return the URL with all of its query but the signature; `at`: in epoch seconds, when it begins to be good."""
    stamp = _stamp(at)
    pairs = [
        *parse_qsl(url.partition("?")[2], keep_blank_values=True),
        ("X-Goog-Algorithm", _ALGORITHM),
        ("X-Goog-Credential", f"{email}/{stamp[:8]}/{_SCOPE}"),
        ("X-Goog-Date", stamp),
        ("X-Goog-Expires", str(lasts)),
        ("X-Goog-SignedHeaders", "host"),
    ]
    written = sorted((quote(name, safe=_UNESCAPED), quote(value, safe=_UNESCAPED)) for name, value in pairs)
    return f"{url.partition('?')[0]}?{'&'.join(f'{name}={value}' for name, value in written)}"


def string_to_sign(url: str, at: int) -> str:
    """Return what the signature of such a URL is over."""
    target, stamp = target_of(url), _stamp(at)
    path, _, query = target.path.partition("?")
    request = f"GET\n{path}\n{query}\nhost:{target.host_field}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(request.encode()).hexdigest()
    return f"{_ALGORITHM}\n{stamp}\n{stamp[:8]}/{_SCOPE}\n{digest}"


def _stamp(at: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))

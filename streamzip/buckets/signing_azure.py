"""Requests to Azure's Blob Storage: by shared access signatures (SAS), given or made of an account's key.

Microsoft, "Create a service SAS", version 2020-12-06 and later. A signature in header fields ("Shared Key") would cover
Range, which is not known here; its lesser kind does not, but Microsoft's emulator does not take that. What is made may
read and list one container, and is the same for half an hour, so that what is remembered of a URL holds.
"""

import base64
import binascii
import hashlib
import hmac
import os
import re
import time
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import urlencode

from streamzip.buckets.signing import Renewed, file_text
from streamzip.errors import OriginError
from streamzip.listed_buckets import Bucket
from streamzip.origins.rewritten import Address

VERSION: Final = "2021-12-02"  # of the interface
# As Azure's own command line names them.
KEY_VARIABLE: Final = "AZURE_STORAGE_KEY"
SAS_VARIABLE: Final = "AZURE_STORAGE_SAS_TOKEN"
PERIOD: Final = 1800  # seconds in which what is made is the same
LASTS: Final = 3600  # seconds from the period's beginning
_SAS = re.compile(r"[A-Za-z0-9%&=._~:/+,-]*\bsig=[A-Za-z0-9%=._~/+-]{16,}[A-Za-z0-9%&=._~:/+,-]*")


class Credentials(NamedTuple):
    """One of the two."""

    key: bytes | None
    sas: str


class SharedAccess:
    """Signs for one container. `wall`: epoch seconds."""

    def __init__(self, bucket: Bucket, wall: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._wall = wall
        self._credentials = Renewed(self._read, time.monotonic)

    async def signed(self, url: str) -> Address:
        """Return the URL with the signature in its query. Raises OriginError."""
        try:
            key, sas = self._credentials.get()
        except ValueError as error:
            message = "the gateway has no credentials for the container at present"
            raise OriginError("no_credentials", message, transient=True) from error
        if key is not None:
            until = int(self._wall()) // PERIOD * PERIOD + LASTS
            sas = made(key, self._bucket, until)
        return Address(f"{url}{'&' if '?' in url else '?'}{sas}")

    def prove(self) -> None:
        """Raise ValueError where there are none."""
        self._credentials.get()

    def _read(self) -> Credentials:
        given = self._bucket.credentials
        if given.startswith("file:"):
            path = given.removeprefix("file:")
            return read_credentials(file_text(path), path)
        for name in (SAS_VARIABLE, KEY_VARIABLE):
            if os.environ.get(name):
                return read_credentials(os.environ[name], name)
        raise ValueError(f"no credentials are found: neither {SAS_VARIABLE} nor {KEY_VARIABLE}")


def read_credentials(text: str, place: str) -> Credentials:
    """Return the SAS, or the account's key, that `text` is; `place`: for what is said. Raises ValueError."""
    text = text.strip().removeprefix("?")
    if _SAS.fullmatch(text):
        return Credentials(None, text)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"{place} is neither an account's key nor a shared access signature") from error
    if len(key) < 32:
        raise ValueError(f"{place} is neither an account's key nor a shared access signature")
    return Credentials(key, "")


def made(key: bytes, bucket: Bucket, until: int) -> str:
    """Return a SAS by which the container may be read and listed; `until`: epoch seconds. Over TLS alone, where its
    endpoint has it.
    """
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until))
    protocol = "https" if bucket.base.startswith("https:") else "https,http"
    # Permissions, start, end, resource, policy, addresses, protocol, version, kind, snapshot, encryption scope, and the
    # five header fields that an answer could be given.
    over = ["rl", "", ends, f"/blob/{bucket.account}/{bucket.name}", "", "", protocol, VERSION, "c", *[""] * 7]
    signature = hmac.new(key, "\n".join(over).encode(), hashlib.sha256).digest()
    told = {"sp": "rl", "se": ends, "spr": protocol, "sv": VERSION, "sr": "c"}
    return urlencode({**told, "sig": base64.b64encode(signature).decode()})

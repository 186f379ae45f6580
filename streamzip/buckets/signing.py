"""Signers of requests to a bucket: one for each kind of credentials, which the operator chose in the settings."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

from streamzip.config import SetupError, variable
from streamzip.listed_buckets import Bucket
from streamzip.origins.rewritten import Address

READ_AGAIN: Final = 60.0  # seconds after which a file of credentials is read anew: who renews them writes it
_LONGEST: Final = 64 << 10  # bytes of a file of credentials

K = TypeVar("K")


class Signs(Protocol):
    """Signs GETs of one bucket."""

    async def signed(self, url: str) -> Address:
        """Return the URL and the header fields by which `url` is asked for, good for a quarter of an hour at least.

        Raises OriginError (`no_credentials`).
        """

    def prove(self) -> None:
        """Raise ValueError where there are no credentials. No machine is asked for any."""


class Unsigned:
    """Signs nothing: for buckets that everybody may read."""

    async def signed(self, url: str) -> Address:
        """Return the URL as it is."""
        return Address(url)

    def prove(self) -> None:
        """Return at once."""


class Renewed(Generic[K]):
    """Credentials that are read anew each minute. `read` raises ValueError; `clock`: monotonic seconds."""

    def __init__(self, read: Callable[[], K], clock: Callable[[], float]) -> None:
        self._read_anew = read
        self._clock = clock
        self._kept: tuple[float, K] | None = None

    def get(self) -> K:
        """Return them. Raises ValueError where they cannot be read now, nor could lately."""
        now = self._clock()
        if self._kept is not None and now - self._kept[0] <= READ_AGAIN:
            return self._kept[1]
        found = self._read_anew()
        self._kept = now, found
        return found


def file_text(path: str) -> str:
    """Return what stands in a file of credentials. Raises ValueError, which says nothing of its content."""
    try:
        with Path(path).open(encoding="ascii") as file:
            text = file.read(_LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as text") from error
    if len(text) > _LONGEST:
        raise ValueError(f"{path} is longer than credentials are")
    return text


def signer_of(bucket: Bucket) -> Signs:
    """Return the bucket's signer. Raises SetupError where it needs what is not installed."""
    if bucket.credentials == "anonymous":
        return Unsigned()
    if bucket.scheme == "az":
        from streamzip.buckets.signing_azure import SharedAccess

        return SharedAccess(bucket)
    if bucket.scheme == "gs" and not bucket.credentials.startswith("profile:"):
        from streamzip.buckets.signing_google import ServiceAccount

        return ServiceAccount(bucket.credentials)
    try:
        from streamzip.buckets.signing_aws import Signer
    except ImportError as error:
        raise SetupError(f"{variable('object_sources')} needs awscrt: install streamzip[buckets] ({error})") from error
    return Signer(bucket.credentials, bucket.region)

"""The bucket on S3 and on what speaks as it does, through obstore. Loaded only where one is set.

Reads are given up soon, as somebody waits for them and there are origins to ask; a part that is put may take long. Of
an error only its status and S3's own code are told: the rest may hold more than an operator's log should.
"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    NotSupportedError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from streamzip.objects.port import Away, BucketError, Listed, Missing, Refused, Told
from streamzip.spans import Data

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

PART: Final = 16 << 20  # bytes that are put in one request
MOST_PARTS: Final = 10_000  # of one object: S3's limit
PARTS_AT_ONCE: Final = 2  # of one object, all in memory
READS_WITHIN: Final = 5.0  # seconds, all attempts at it together at most twice that
PUTS_WITHIN: Final = 120.0

_STATUS = re.compile(r"status code: (\d{3})")
# As S3's document of an error has it; as obstore has it of an object that was not deleted, in an answer of status 200.
_CODE = re.compile(r"(?:<Code>|\(code: )(\w{1,64})(?:</Code>|\))")
_FINAL: Final = frozenset({"NoSuchBucket", "AccessDenied"})
_LASTING: Final = frozenset({"301", "400", "401", "403", "404", "501"})
_BEYOND: Final = "416"  # RFC 9110 §15.5.17: the object ends before the range begins


class S3Bucket:
    """See Bucket. `url`: s3://bucket/prefix; `variables`: AWS's own, as AWS_ENDPOINT_URL; where no key is among them,
    the machine's role is asked for. `ca`: PEM of further authorities. Raises ValueError where that cannot be read.
    """

    def __init__(self, url: str, variables: Mapping[str, str], *, ca: bytes | None = None) -> None:
        parts = urlsplit(url)
        named: Any = options_of(variables)
        client: ClientConfig = {
            "allow_http": variables.get("AWS_ENDPOINT_URL", "").startswith("http:"),
            "connect_timeout": timedelta(seconds=3),
        }
        if ca is not None:
            client["root_certificate"] = ca

        def store(within: float, retries: int) -> S3Store:
            options: ClientConfig = {**client, "timeout": timedelta(seconds=within)}
            again: RetryConfig = {"max_retries": retries, "retry_timeout": timedelta(seconds=within)}
            try:
                return S3Store(
                    parts.netloc,
                    prefix=parts.path.strip("/") or None,
                    config=named,
                    client_options=options,
                    retry_config=again,
                )
            except BaseError as error:
                raise ValueError(str(error).partition("\n")[0]) from error

        self._reads = store(READS_WITHIN, 1)
        self._puts = store(PUTS_WITHIN, 5)

    async def put(self, key: str, runs: AsyncIterator[bytes], *, size: int, told: Told | None = None) -> None:
        """See Bucket."""
        attributes = {} if told is None else _attributes(told)
        with _translated():
            await obstore.put_async(
                self._puts,
                key,
                _exactly(runs, size),
                attributes=attributes,
                use_multipart=True,
                chunk_size=max(PART, -(-size // MOST_PARTS)),
                max_concurrency=PARTS_AT_ONCE,
            )

    async def create(self, key: str, content: bytes) -> bool:
        """See Bucket."""
        try:
            with _translated():
                await obstore.put_async(self._reads, key, content, mode="create")
        except AlreadyExistsError:
            return False
        return True

    async def read(self, key: str, start: int, stop: int) -> Data:
        """See Bucket."""
        if stop <= start:
            return b""
        try:
            with _translated():
                return memoryview(await obstore.get_range_async(self._reads, key, start=start, end=stop))
        except Refused as error:
            if str(error).startswith(_BEYOND):
                return b""
            raise

    async def size(self, key: str) -> int | None:
        """See Bucket."""
        try:
            with _translated():
                return (await obstore.head_async(self._reads, key))["size"]
        except Missing:
            return None

    async def delete(self, keys: Sequence[str]) -> None:
        """See Bucket."""
        for key in keys:  # one by one: not every server takes many in one request
            try:
                with _translated():
                    await obstore.delete_async(self._reads, key)
            except Missing:
                continue

    async def listed(self) -> AsyncIterator[Sequence[Listed]]:
        """See Bucket."""
        with _translated():
            async for page in obstore.list(self._puts, chunk_size=1000):
                yield [Listed(each["path"], each["size"], each["last_modified"].timestamp()) for each in page]

    async def link(self, key: str, *, lasts: int) -> str:
        """See Bucket."""
        with _translated():
            return await obstore.sign_async(self._reads, "GET", key, timedelta(seconds=lasts))


def options_of(variables: Mapping[str, str]) -> dict[str, str]:
    """Return obstore's options for AWS's variables.

    Over https the signature leaves bodies out, as in AWS's own programs: TLS guards them, and their SHA-256 costs as
    much as all else of a put.
    """
    plain = variables.get("AWS_ENDPOINT_URL", "").startswith("http:")
    defaults = {"aws_region": "us-east-1", "aws_unsigned_payload": "false" if plain else "true"}
    return defaults | {name.lower(): value for name, value in variables.items()}


def _attributes(told: Told) -> Any:
    return {"Content-Type": told.content_type, "Content-Disposition": told.content_disposition}


async def _exactly(runs: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Give the runs on. Raises BucketError at their end where they are not so many bytes: nothing is put then."""
    given = 0
    async for run in runs:
        given += len(run)
        yield run
    if given != size:
        raise BucketError(f"{given} bytes came, and not {size}")


@contextmanager
def _translated() -> Iterator[None]:
    """Have obstore's errors be the port's."""
    try:
        yield
    except AlreadyExistsError:
        raise
    except (BaseError, OSError) as error:
        raise _error(error) from None  # its text stays out of every log


def _error(error: Exception) -> BucketError:
    text = str(error)
    status, code = (found and found[1] for found in (_STATUS.search(text), _CODE.search(text)))
    said = " ".join(filter(None, (status, code))) or text.partition("\n")[0].rpartition(": ")[2][:200]
    if isinstance(error, NotSupportedError | PermissionDeniedError | UnauthenticatedError) or code in _FINAL:
        return Refused(said)
    if isinstance(error, FileNotFoundError | NotFoundError):
        return Missing(said)
    return Refused(said) if status == _BEYOND or status in _LASTING else Away(said)

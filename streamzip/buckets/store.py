"""The operator's buckets, as archives use them: each attempt signed anew, prefixes listed as they are named.

Nobody but the operator names a host here: a client's `s3://bucket/key`, or `gs:` or `az:`, is looked up in the list of
buckets, requests go to that bucket's endpoint alone, and a redirect from it is not followed.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from streamzip.buckets.listing_azure import AZURE
from streamzip.buckets.listing_s3 import GOOGLE, S3
from streamzip.buckets.pages import Listed, Lists, Page
from streamzip.buckets.refusals import explain
from streamzip.buckets.signing import Signs, signer_of
from streamzip.buckets.signing_azure import VERSION
from streamzip.config import Settings, SetupError, variable
from streamzip.errors import BuildFailed, FieldError, InvalidRequest, OriginError
from streamzip.listed_buckets import Bucket, Scheme
from streamzip.manifest.fields import Fields
from streamzip.manifest.model import Entry
from streamzip.manifest.objects import SCHEMES, ObjectName, object_in
from streamzip.manifest.parse import CreateRequest, Limits, check_count, named
from streamzip.net.port import Transport
from streamzip.net.transport import Trust
from streamzip.net.way_out import direct
from streamzip.origins.counting import Pace
from streamzip.origins.fetch import Fetcher
from streamzip.origins.gate import Gate
from streamzip.origins.http import HttpSource
from streamzip.origins.pull import Patience
from streamzip.origins.rewritten import Address
from streamzip.urls.urls import origin_of

MOST_BYTES: Final = 8 << 20  # of a page: its keys have 1,024 bytes, each escaped as three characters
WITHIN: Final = 60.0  # seconds for all lists of one create
AT_ONCE: Final = 4  # creates that list at once, in one process
ATTEMPTS: Final = 4  # at one page
# A smaller object's size is taken from the list, which saves a question for each. A larger one is asked for, so that
# its ranges and its ETag are known, and it comes in parts.
SURE_SIZE: Final = 8 << 20

_LISTINGS: Final[Mapping[Scheme, Lists]] = {"s3": S3, "gs": GOOGLE, "az": AZURE}
# Google undoes gzip for who does not take it, and then its lists' sizes are not those of the answers (Cloud Storage,
# "Transcoding of gzip-compressed files"). Objects are asked for as they are stored; no list is.
_OBJECT_FIELDS: Final[Mapping[Scheme, Fields]] = {"s3": (), "gs": (("Accept-Encoding", "gzip"),), "az": ()}
# Without it Azure answers as in 2009 who signs nothing.
_FIELDS: Final[Mapping[Scheme, Fields]] = {"s3": (), "gs": (), "az": (("x-ms-version", VERSION),)}


class Objects:
    """`signers`: by the bucket as it is listed; `http`: may dial the buckets' endpoints; `limits`: of a create."""

    def __init__(
        self, buckets: Iterable[Bucket], signers: Mapping[str, Signs], http: HttpSource, limits: Limits
    ) -> None:
        self._buckets = {str(bucket): bucket for bucket in buckets}
        self._signers = signers
        self._http = http
        self._limits = limits
        self._turns = asyncio.Semaphore(AT_ONCE)

    def origin(self, url: str) -> str:
        """Return the `host:port` of the bucket's endpoint; the scheme where no such bucket is listed any more."""
        try:
            bucket = self._buckets.get(object_in(url).place)
        except ValueError:
            bucket = None
        return f"{url.partition(':')[0]}:" if bucket is None else origin_of(bucket.base)

    async def address(self, url: str) -> Address:
        """Return where the object lies, and the signature of this attempt. Raises OriginError."""
        try:
            name = object_in(url)
        except ValueError as error:
            raise OriginError("unsafe_url", str(error)) from error
        bucket = self._buckets.get(name.place)
        if bucket is None:
            raise OriginError("unsafe_url", "the bucket is none of those that this gateway reads")
        return await self._signed(bucket, bucket.base + name.path, _OBJECT_FIELDS[bucket.scheme])

    async def _signed(self, bucket: Bucket, url: str, fields: Fields = ()) -> Address:
        signed = await self._signers[str(bucket)].signed(url)
        return Address(signed.url, (*signed.fields, *_FIELDS[bucket.scheme], *fields))

    async def expanded(self, request: CreateRequest) -> CreateRequest:
        """Return the request with the objects below each prefix in its place, and versions where they are pinned.

        Raises InvalidRequest for a bucket that is not listed or a prefix without objects, TooLarge, and BuildFailed
        (`listing_failed`).
        """
        entries = request.manifest.entries
        if not any(entry.url.startswith(SCHEMES) for entry in entries):
            return request
        self._judge(request)
        requested = {each.index: each.requested for each in request.renamed}
        wished: list[Entry] = []
        try:
            async with self._turns, asyncio.timeout(WITHIN):
                for index, entry in enumerate(entries):
                    asked = replace(entry, name=requested.get(index, entry.name))
                    before = len(wished)
                    async for found in self._found(asked):
                        check_count(len(wished), self._limits)
                        wished.append(found)
                    if len(wished) == before:
                        raise InvalidRequest([FieldError(_pointer(request, index), "no object lies below this prefix")])
        except TimeoutError as error:
            raise _failed(f"its objects were not listed within {WITHIN:g} s") from error
        fixed, renamed = named(wished)
        return replace(request, manifest=replace(request.manifest, entries=fixed), renamed=renamed)

    def _judge(self, request: CreateRequest) -> None:
        """Raise InvalidRequest for what is not listed, or not for this key: the two look alike."""
        wrong = []
        for index, entry in enumerate(request.manifest.entries):
            if not entry.url.startswith(SCHEMES):
                continue
            name = object_in(entry.url)
            bucket = self._buckets.get(name.place)
            if bucket is None or not bucket.is_open_to(request.manifest.owner):
                wrong.append(FieldError(_pointer(request, index), "the bucket is none that this gateway reads for you"))
            elif name.is_prefix and _says_more(entry):
                wrong.append(FieldError(_pointer(request, index), "a prefix has a `name`, and nothing else of a file"))
        if wrong:
            raise InvalidRequest(wrong)

    async def _found(self, entry: Entry) -> AsyncGenerator[Entry, None]:
        """Yield what stands in the entry's place: itself, or the objects below it."""
        if not entry.url.startswith(SCHEMES):
            yield entry
            return
        name = object_in(entry.url)
        bucket = self._buckets[name.place]
        if name.is_prefix:
            async for listed in self._listed(bucket, name.key):
                if listed.key != name.key:  # the folder's own marker
                    yield _entry(name, entry, listed)
        elif bucket.versions == "pinned" and name.version is None:
            yield replace(entry, url=name._replace(version=await self._newest(bucket, name.key)).url)
        else:
            yield entry

    async def _newest(self, bucket: Bucket, key: str) -> str | None:
        """Return the object's newest version; None where there is none: who pulls it is told so."""
        listing = _LISTINGS[bucket.scheme]
        query: str | None = listing.newest(key)
        while query is not None:
            page = await self._read(bucket, query)
            for listed in page.objects:  # in the order of their keys, of which the first is the key itself
                return listed.version if listed.key == key else None
            query = None if listing.newest_first else page.following
        return None

    async def _listed(self, bucket: Bucket, prefix: str) -> AsyncGenerator[Listed, None]:
        """Yield the objects whose keys begin with `prefix`, in the order of their keys."""
        pinned = bucket.versions == "pinned"
        query: str | None = _LISTINGS[bucket.scheme].first(prefix, pinned)
        while query is not None:
            page = await self._read(bucket, query)
            for listed in page.objects:
                if not listed.key.startswith(prefix):
                    raise _failed("the bucket lists objects that were not asked for")
                yield listed if pinned or listed.version is None else listed._replace(version=None)
            query = page.following

    async def _read(self, bucket: Bucket, query: str) -> Page:
        place = bucket.base.rstrip("/") if bucket.scheme == "az" else bucket.base
        try:
            return _LISTINGS[bucket.scheme].read(await self._page(bucket, f"{place}?{query}"), query)
        except ValueError as error:
            raise _failed(str(error)) from error

    async def _page(self, bucket: Bucket, url: str) -> bytes:
        patience, failures = Patience(), 0
        while True:
            try:
                address = await self._signed(bucket, url)
                body = await self._http.with_fields(address.fields).whole(address.url, most=MOST_BYTES)
            except OriginError as error:
                failures += 1
                if not error.transient or failures >= ATTEMPTS:
                    raise _failed(f"{error.code}: {error.message}") from error
                await asyncio.sleep(patience.delay(failures, error.retry_after))
            else:
                if len(body) > MOST_BYTES:
                    raise _failed(f"a page of its list is longer than {MOST_BYTES >> 20} MiB")
                return body


def _entry(prefix: ObjectName, asked: Entry, listed: Listed) -> Entry:
    """Return the entry of an object below a prefix; `asked`: the prefix's own."""
    folder = f"{asked.name.rstrip('/')}/" if asked.named else ""
    name = folder + listed.key[len(prefix.key) :]
    if listed.is_folder or (listed.key.endswith("/") and not listed.size):
        return Entry("", f"{name.rstrip('/')}/", mtime=listed.modified)
    url = prefix._replace(key=listed.key, version=listed.version).url
    return Entry(
        url,
        name,
        id=f"{url} {listed.etag}" if listed.version is None and listed.etag else None,  # other bytes, another archive
        size=listed.size if 0 < listed.size < SURE_SIZE and not listed.cold and _can_be_named(url) else None,
        mtime=listed.modified,
        on_html=asked.on_html,
    )


def _can_be_named(url: str) -> bool:
    """Return whether the object can be asked for. One that cannot is left out as it is probed, as one that is cold."""
    try:
        object_in(url)
    except ValueError:
        return False
    return True


def _says_more(entry: Entry) -> bool:
    given = (entry.id, entry.size, entry.crc32, entry.mtime)
    return any(each is not None for each in given) or not entry.probe


def _pointer(request: CreateRequest, index: int) -> str:
    return f"/urls/{index}" if request.plain else f"/entries/{index}/url"


def _failed(why: str) -> BuildFailed:
    return BuildFailed(f"a bucket cannot be listed: {why}", code="listing_failed")


def objects_of(settings: Settings, transport: Transport, gate: Gate, pace: Pace) -> tuple[Objects, HttpSource]:
    """Return the operator's buckets, and the source that asks them over `transport`."""
    fetcher = Fetcher(transport, allow=settings.exempt | hosts(settings), gate=gate, explain=explain, redirects=0)
    http = HttpSource(fetcher, pace=pace)
    return Objects(settings.object_sources, dict(_signers(settings)), http, Limits(settings.max_entries)), http


def way_to(settings: Settings, outwards: Transport, trust: Trust) -> Transport:
    """Return what carries requests to the buckets: `outwards` where that is the operator's proxy, else a transport of
    their own, which may dial them at private addresses.
    """
    return outwards if settings.egress_proxy else direct(settings, settings.allow_hosts | hosts(settings), trust)


def hosts(settings: Settings) -> frozenset[str]:
    """Return the exact host:port of the buckets' endpoints."""
    return frozenset(origin_of(bucket.base) for bucket in settings.object_sources)


def prove(settings: Settings) -> None:
    """Raise SetupError where buckets are listed, and what they need is not here: the extra, or credentials."""
    for name, signer in _signers(settings):
        try:
            signer.prove()
        except ValueError as error:
            raise SetupError(f"{variable('object_sources')}: {name}: {error}") from error


def _signers(settings: Settings) -> Iterator[tuple[str, Signs]]:
    for bucket in settings.object_sources:
        yield str(bucket), signer_of(bucket)

"""What a bucket does, on whatever it lies."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from streamzip.objects.fake import FakeBucket
from streamzip.objects.port import Away, Bucket, Missing, Refused, Told
from streamzip.objects.s3 import S3Bucket, options_of
from tests.support import seaweedfs
from tests.support.s3_wire import Fault, S3Wire

MIB = 1 << 20
TOLD = Told("application/zip", 'attachment; filename="a.zip"')


@pytest.fixture(params=["fake", pytest.param("s3", marks=pytest.mark.needs("seaweedfs"))])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """An empty bucket of each kind."""
    if request.param == "fake":
        return FakeBucket()
    server = seaweedfs.shared()
    return S3Bucket(f"s3://{server.fresh_bucket().name}/copies", server.environment)


async def runs(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def listed(bucket: Bucket) -> dict[str, int]:
    return {each.key: each.size async for page in bucket.listed() for each in page}


async def test_bucket_gives_back_any_range_of_an_object(bucket: Bucket) -> None:
    """Put in runs of any size, over several requests, read by ranges, to its end and not beyond."""
    content = bytes(range(256)) * (20 * MIB // 256) + b"end"
    await bucket.put("aa/one.zip", runs(content[:5], content[5 : 17 * MIB], content[17 * MIB :]), size=len(content))

    assert await bucket.size("aa/one.zip") == len(content)
    for start, stop in ((0, 1), (16 * MIB - 1, 16 * MIB + 1), (len(content) - 4, len(content) + 9), (7, 7)):
        assert bytes(await bucket.read("aa/one.zip", start, stop)) == content[start:stop]
    assert bytes(await bucket.read("aa/one.zip", len(content) + 1, len(content) + 2)) == b""
    assert await listed(bucket) == {"aa/one.zip": len(content)}


async def test_bucket_says_what_is_not_there(bucket: Bucket) -> None:
    """An object that never was, or was deleted; to delete one that is not there is no error."""
    await bucket.put("gone", runs(b"1"), size=1)
    await bucket.delete(["gone", "never"])
    for key in ("gone", "never"):
        assert await bucket.size(key) is None
        with pytest.raises(Missing):
            await bucket.read(key, 0, 1)
    assert await listed(bucket) == {}


async def test_bucket_has_nothing_of_an_object_that_was_broken_off(bucket: Bucket) -> None:
    """What ends its runs is raised, and neither a part nor the whole is seen by anybody."""

    async def broken() -> AsyncIterator[bytes]:
        yield bytes(17 * MIB)
        raise RuntimeError("the disk")

    with pytest.raises(RuntimeError, match="the disk"):
        await bucket.put("half", broken(), size=18 * MIB)
    assert await bucket.size("half") is None


async def test_bucket_puts_an_object_over_another(bucket: Bucket) -> None:
    """The newest one counts."""
    for content in (b"old", b"newer"):
        await bucket.put("key", runs(content), size=len(content))
    assert bytes(await bucket.read("key", 0, 9)) == b"newer"


async def test_bucket_creates_an_object_once(bucket: Bucket) -> None:
    """Of many at the same time one is told that it did, and its content stands."""
    told = await asyncio.gather(*(bucket.create("marker", b"%d" % number) for number in range(8)))
    assert sum(told) == 1
    assert bytes(await bucket.read("marker", 0, 9)) == b"%d" % told.index(True)
    assert not await bucket.create("marker", b"later")


@pytest.mark.needs("seaweedfs")
async def test_s3_link_gives_the_object_under_its_name() -> None:
    """Whoever has it, without credentials: with the type and the name that the object was put with."""
    server = seaweedfs.shared()
    bucket = S3Bucket(f"s3://{server.fresh_bucket().name}/copies", server.environment)
    await bucket.put("aa/one.zip", runs(b"PK"), size=2, told=TOLD)
    link = await bucket.link("aa/one.zip", lasts=60)

    assert seaweedfs.SECRET_KEY not in link
    reader, writer = await asyncio.open_connection(*server.authority.split(":"))
    where = urlsplit(link)
    writer.write(f"GET {where.path}?{where.query} HTTP/1.0\r\nHost: {where.netloc}\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert body == b"PK"
    assert b"content-type: application/zip" in head.lower()
    assert b'content-disposition: attachment; filename="a.zip"' in head.lower()


@pytest.mark.parametrize(
    ("variables", "unsigned"),
    [
        ({}, "true"),
        ({"AWS_ENDPOINT_URL": "https://s3.example"}, "true"),
        ({"AWS_ENDPOINT_URL": "http://s3.example"}, "false"),
        ({"AWS_UNSIGNED_PAYLOAD": "false"}, "false"),
    ],
)
def test_s3_leaves_bodies_unsigned_where_tls_guards_them(variables: dict[str, str], unsigned: str) -> None:
    """Over https alone, unless the operator says otherwise."""
    assert options_of(variables)["aws_unsigned_payload"] == unsigned


@pytest.mark.needs("seaweedfs")
async def test_s3_takes_an_object_whose_body_is_not_signed() -> None:
    """The rest of the request still is."""
    server = seaweedfs.shared()
    variables = server.environment | {"AWS_UNSIGNED_PAYLOAD": "true"}
    bucket = S3Bucket(f"s3://{server.fresh_bucket().name}/copies", variables)
    await bucket.put("one", runs(bytes(17 * MIB)), size=17 * MIB)
    assert await bucket.size("one") == 17 * MIB
    with pytest.raises(Refused):
        await listed(S3Bucket("s3://test", variables | {"AWS_SECRET_ACCESS_KEY": "another"}))


@pytest.mark.needs("seaweedfs")
async def test_s3_tells_a_refusal_from_an_outage() -> None:
    """Wrong credentials and a missing bucket last; a server that is not there may come back. No secret is told."""
    server = seaweedfs.shared()
    url, secret = f"s3://{server.fresh_bucket().name}", "not-its-secret"
    for where, variables, expected in (
        (url, {"AWS_SECRET_ACCESS_KEY": secret}, Refused),
        ("s3://no-such-bucket", {}, Refused),
        (url, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, Away),
    ):
        bucket = S3Bucket(where, server.environment | variables)
        with pytest.raises(expected) as raised:
            await listed(bucket)
        assert secret not in str(raised.value)
        assert seaweedfs.ACCESS_KEY not in str(raised.value)


@pytest.mark.needs("seaweedfs")
async def test_s3_refuses_where_an_object_may_not_be_deleted() -> None:
    """S3 says so within an answer of status 200: it is no outage."""
    server = seaweedfs.shared()
    with S3Wire(server, lambda method, path: Fault(200, "AccessDenied") if path.endswith("?delete") else None) as wire:
        bucket = S3Bucket(f"s3://{server.fresh_bucket().name}", wire.environment)
        with pytest.raises(Refused, match=r"^AccessDenied$"):
            await bucket.delete(["a"])

"""Proof that an object that was put can be read."""

from streamzip.objects.content import Blocks
from streamzip.objects.port import Bucket, BucketError


async def prove_readable(bucket: Bucket, content: Blocks) -> None:
    """Prove that the object can be read, at both of its ends. Raises BucketError."""
    if (size := await bucket.size(content.key)) != content.size:
        raise BucketError(f"{content.size} bytes were put there, and it has {size}")
    for start in {0, content.size - 1} if content.size else ():
        span = content.around(start, 1)
        if not content.agrees(span, await bucket.read(content.key, *span)):
            raise BucketError("it gives back other bytes than were put there")

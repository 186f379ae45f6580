"""Comparison of an object with what is known of it, for `streamzip verify`."""

from collections.abc import Callable
from typing import Final

from streamzip.objects.content import Blocks
from streamzip.objects.port import Bucket, Missing

_RUN: Final = 8 << 20  # bytes of one read, or one block where that is longer


async def wrong_object(bucket: Bucket, content: Blocks, advance: Callable[[int], None], *, deep: bool) -> str | None:
    """Return what is wrong with the object, in a sentence; None for nothing. Its size and its two ends are looked at,
    with `deep` all of its bytes; `advance` is told of those. Raises Away, Refused.
    """
    size = await bucket.size(content.key)
    if size is None:
        return "its object is not in the bucket"
    if size != content.size:
        return f"its object has {size:,} bytes and not {content.size:,}"
    run = max(_RUN, content.block)
    whole = [content.around(start, run) for start in range(0, size, run)]
    ends = [content.around(start, 1) for start in sorted({0, max(0, size - 1)})] if size else []
    for span in whole if deep else ends:
        try:
            data = await bucket.read(content.key, *span)
        except Missing:
            return "its object is not in the bucket"
        if not content.agrees(span, data):
            return f"its object's bytes from {span.start:,} to {span.stop:,} are not those that were put there"
        if deep:
            advance(span.length)
    return None

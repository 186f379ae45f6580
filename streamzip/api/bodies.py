"""Request bodies, read to their end or refused at their limit."""

from starlette.requests import ClientDisconnect, Request

from streamzip.errors import TooLarge


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises TooLarge, from the declared length where there is one, else when the limit is passed."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    received, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        received.append(chunk)
    return b"".join(received)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes (STREAMZIP_MAX_BODY_BYTES)", code="body_too_large")


__all__ = ["ClientDisconnect", "read_body"]

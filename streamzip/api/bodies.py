"""Request bodies, read to their end or refused: at their limit, or because they do not come."""

import asyncio

from starlette.requests import Request

from streamzip.errors import Stalled, TooLarge

SILENT_FOR = 30.0  # seconds that a body may bring nothing
SLOWEST = 1000  # bytes a second, on the average from its beginning: one that drips would hold its connection for days


async def read_body(request: Request, limit: int) -> bytearray:
    """The whole body. Raises TooLarge, from the declared length where there is one, else when the limit is passed;
    Stalled; Starlette's ClientDisconnect.
    """
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    received = bytearray()
    try:
        async with asyncio.timeout(SILENT_FOR) as patience:
            began = asyncio.get_running_loop().time()
            async for chunk in request.stream():
                received += chunk
                if len(received) > limit:
                    raise _too_large(limit)
                patience.reschedule(began + SILENT_FOR + len(received) / SLOWEST)
    except TimeoutError as error:
        raise Stalled("the rest of the body does not come; send it again") from error
    return received


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes", code="body_too_large")

"""Starlette: an archive made as it is sent.

FILES="https://example.com/a.png https://example.com/b.mov" uvicorn examples.starlette_app:app
"""

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from streamzip import Item, Origins, ZipResponse

FILES = os.environ["FILES"].split()
ALLOWED = os.environ.get("ALLOW_HOSTS", "").split()


async def album(request: Request) -> Response:
    """Send the files, with a note of this program beside them."""
    entries: list[Item] = [*FILES, ("note.txt", b"made as it was sent"), Path(__file__)]
    return await ZipResponse.of(request, entries, filename="album.zip", origins=origins)


origins = Origins(allow_hosts=ALLOWED)
app = Starlette(routes=[Route("/album.zip", album)])

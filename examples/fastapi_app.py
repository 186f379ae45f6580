"""FastAPI: an archive made as it is sent, and the whole gateway mounted beside it.

pip install streamzip fastapi
FILES="https://example.com/a.png https://example.com/b.mov" uvicorn examples.fastapi_app:app
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response

from streamzip import Gateway, Item, Origins, ZipResponse

FILES = os.environ["FILES"].split()
ALLOWED = os.environ.get("ALLOW_HOSTS", "").split()  # host:port of origins that may have private addresses

gateway = Gateway(data=os.environ.get("DATA", "zips"), allow_hosts=ALLOWED)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Run what lives as long as the application; the lifespan of a mounted application is not run by itself."""
    async with gateway.lifespan(app), Origins(allow_hosts=ALLOWED) as origins:
        app.state.origins = origins
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/zip", gateway.app)


@app.api_route("/album.zip", methods=["GET", "HEAD"])
async def album(request: Request) -> Response:
    """Send the files, with a note of this program beside them."""
    entries: list[Item] = [*FILES, ("note.txt", b"made as it was sent"), Path(__file__)]
    return await ZipResponse.of(request, entries, filename="album.zip", origins=request.app.state.origins)

"""The same job as an average developer writes it: starlette + httpx + zipstream-ng, no copy, no length, no resume."""

import secrets
import ssl
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from zipstream import ZIP_DEFLATED, ZIP_STORED, ZipStream

archives: dict[str, dict[str, Any]] = {}
client = httpx.Client(verify=ssl.create_default_context(cafile=sys.argv[2]) if len(sys.argv) > 2 else True)


def fetch(url: str) -> Iterator[bytes]:
    with client.stream("GET", url) as response:
        response.raise_for_status()
        yield from response.iter_bytes()


async def create(request: Request) -> JSONResponse:
    key = secrets.token_hex(16)
    archives[key] = await request.json()
    return JSONResponse({"url": f"/archive/get/{key}.zip"}, 201)


async def get(request: Request) -> StreamingResponse:
    wanted = archives[request.path_params["key"]]
    deflate = wanted.get("compression") == "deflate"
    archive = ZipStream(compress_type=ZIP_DEFLATED if deflate else ZIP_STORED, compress_level=6 if deflate else None)
    for url in wanted["urls"]:
        archive.add(fetch(url), urlsplit(url).path.rpartition("/")[2])
    return StreamingResponse(archive, media_type="application/zip")


app = Starlette(routes=[Route("/api/archive/create", create, methods=["POST"]), Route("/archive/get/{key}.zip", get)])

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)

"""The gateway inside another ASGI application."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from streamzip.app import made
from streamzip.config import Settings, variable
from streamzip.data_folder import prepare_data_dir
from streamzip.edge.problem_document import respond
from streamzip.errors import NotReady
from streamzip.guards.links import PREFIX
from streamzip.process.descriptors import given_limit, share_out
from streamzip.settings_checks import check_shared
from streamzip.start import prove


class Gateway:
    """A gateway as an ASGI application, to be mounted in another one.

        gateway = Gateway(data="zips")
        app = FastAPI(lifespan=gateway.lifespan)
        app.mount("/zip", gateway.app)

    `data`: its data folder. `settings`: as docs/configuration.md has them, in lower case; what is not given is taken
    from the environment. Of several processes each has its own, on the same folder. Its files share the process's limit
    of descriptors. Raises ValueError for a wrong setting.
    """

    def __init__(self, data: str | os.PathLike[str], **settings: Any) -> None:
        try:
            self._settings = Settings(data_dir=Path(data), **settings)
        except ValidationError as error:
            faults = (f"{each['loc'][0]} ({variable(str(each['loc'][0]))}): {each['msg']}" for each in error.errors())
            raise ValueError("; ".join(faults)) from error
        self._app: ASGIApp | None = None

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """Run the gateway for as long as the context lasts. Raises SetupError where a part of it cannot be made."""
        settings = self._settings
        check_shared(settings)
        await asyncio.to_thread(prepare_data_dir, settings)
        await asyncio.to_thread(prove, settings)
        parts = await made(settings, share_out(given_limit()), alone=False)
        background = asyncio.create_task(parts.work())
        self._app = parts.application()
        try:
            yield
        finally:
            self._app = None
            parts.leaving.set()
            background.cancel()
            await asyncio.gather(background, return_exceptions=True)
            await parts.close()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application, wherever it is mounted."""
        if scope["type"] != "http":
            return
        if self._app is None:
            problem = NotReady("the gateway does not run: give its `lifespan` to the application that it is mounted in")
            await respond(problem)(scope, receive, send)
            return
        prefix: str = scope.get("root_path", "")
        own = dict(scope) | {"root_path": "", PREFIX: prefix, "path": _below(prefix, scope["path"])}
        if raw := scope.get("raw_path"):
            own["raw_path"] = _below(prefix, raw.decode("latin-1")).encode("latin-1")
        await self._app(own, receive, send)


def _below(prefix: str, path: str) -> str:
    return (path.removeprefix(prefix) or "/") if prefix else path

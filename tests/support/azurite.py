"""Azurite, Microsoft's emulator of Azure's Blob Storage, on a port of 127.0.0.1 and in a temporary folder."""

import base64
import contextlib
import hashlib
import hmac
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.support.signed_requests import AzureAccount

VERSION = "2021-12-02"


class Container:
    """A container of a running Azurite, which the test fills."""

    def __init__(self, account: AzureAccount, client: httpx.Client, name: str) -> None:
        self.account = account
        self.endpoint = str(client.base_url).rstrip("/")  # with the account as its path
        self.name = name
        self._client = client
        self._ask("PUT", f"/{name}", query={"restype": "container"})

    def put(self, key: str, content: bytes) -> None:
        """Store a blob."""
        self._ask("PUT", f"/{self.name}/{quote(key)}", {"x-ms-blob-type": "BlockBlob"}, content=content)

    def archive(self, key: str) -> None:
        """Move a blob to the tier from which none can be read."""
        self._ask("PUT", f"/{self.name}/{quote(key)}", {"x-ms-access-tier": "Archive"}, query={"comp": "tier"})

    def _ask(
        self,
        method: str,
        path: str,
        fields: dict[str, str] | None = None,
        *,
        query: dict[str, str] | None = None,
        content: bytes = b"",
    ) -> None:
        """Ask with the account's key (Microsoft, "Authorize with Shared Key")."""
        date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
        own = {**(fields or {}), "x-ms-date": date, "x-ms-version": VERSION}
        length = str(len(content)) if content else ""
        resource = f"/{self.account.name}/{self.account.name}{path}"
        over = [method, "", "", length, *[""] * 8, *(f"{name}:{own[name]}" for name in sorted(own)), resource]
        over += [f"{name}:{value}" for name, value in sorted((query or {}).items())]
        made = hmac.new(base64.b64decode(self.account.key), "\n".join(over).encode(), hashlib.sha256).digest()
        own["Authorization"] = f"SharedKey {self.account.name}:{base64.b64encode(made).decode()}"
        answer = self._client.request(method, path, headers=own, params=query, content=content)
        assert answer.is_success, answer.text


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Container]:
    """Start it, and give a new container of it. It takes 1 second and 110 MB."""
    account, program = AzureAccount("studio"), shutil.which("azurite-blob")
    assert program is not None
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--location", str(folder), "--disableTelemetry"]
    environment = {**os.environ, "AZURITE_ACCOUNTS": f"{account.name}:{account.key}"}
    with subprocess.Popen(
        [*command, "--silent", "--skipApiVersionCheck"], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            listens = next(filter(None, (re.search(r"listens on (http://\S+)", line) for line in process.stdout)))
            with httpx.Client(base_url=f"{listens[1]}/{account.name}", trust_env=False) as client:
                yield Container(account, client, "films")
        finally:
            process.kill()

"""Several real gateways on one PostgreSQL, each with a data folder of its own, and the nginx that is shipped for them.

with Cluster(tmp_path, origin, nodes=3) as cluster, cluster.balancer() as front:
    ...
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from streamzip.spool.journal import Extent, decode
from tests.support import postgresql
from tests.support.gateway import POLL, Gateway
from tests.support.nginx import NginxBalancer
from tests.support.origin import Origin

KNOWN_WITHIN: Final = 10.0  # seconds
SECRETS: Final = {"secret_keys": f"k1:{'5e' * 32}", "webhook_secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"}


class Cluster:
    """`nodes` are its gateways, `url` is that of its schema. `allow`: what they may dial beside the origin, `under`: as
    Gateway has it, `env`: settings of all of them.
    """

    def __init__(
        self,
        folder: Path,
        origin: Origin,
        *,
        nodes: int,
        allow: Sequence[str] = (),
        under: Sequence[str] = (),
        **env: str,
    ) -> None:
        self.folder = folder
        self.url = env.get("store_url") or postgresql.shared().fresh_url()
        shared = {**SECRETS, "public_url": "https://zip.example", "max_attempts": "2", **env, "store_url": self.url}
        allowed = [origin.authority, *allow]
        self.nodes = [
            Gateway(folder / f"node-{number}", allow=allowed, under=under, node=f"node-{number}", **shared)
            for number in range(nodes)
        ]

    def __enter__(self) -> Self:
        try:
            with ThreadPoolExecutor() as threads:
                list(threads.map(Gateway.start, self.nodes))
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in self.nodes:
            node.__exit__(kind, error, trace)

    def balancer(self) -> NginxBalancer:
        """Return an nginx in front of them, to be entered."""
        return NginxBalancer(self.folder / "nginx", gateways=[f"127.0.0.1:{node.port}" for node in self.nodes])

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Ask the store."""
        return postgresql.query(self.url, statement)

    def owner(self, hash: str) -> Gateway:
        """Wait until a node says that it pulls the archive, or has its copy, and return it."""
        deadline = time.monotonic() + KNOWN_WITHIN
        while not (found := self.query(f"SELECT node FROM holdings WHERE hash = '{hash}' AND (active OR cached)")):
            assert time.monotonic() < deadline, "no node pulls it"
            time.sleep(POLL)
        return next(node for node in self.nodes if (node.data / "node").read_text().strip() == found[0][0])

    def until_told(self, hash: str, parts: set[int]) -> None:
        """Wait until nodes have told the others that they pulled these parts."""
        deadline = time.monotonic() + KNOWN_WITHIN
        while True:
            told = self.query(f"SELECT body FROM facts WHERE hash = '{hash}'")
            if parts <= {each.part for (body,) in told for each in decode(body)[0] if isinstance(each, Extent)}:
                return
            assert time.monotonic() < deadline, "no node told of them"
            time.sleep(POLL)

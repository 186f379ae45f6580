"""The metrics, given to Prometheus on an address of their own, added up over this gateway's processes."""

import errno
import fcntl
import logging
import os
import shutil
import tempfile
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from streamzip import metrics
from streamzip.config import SetupError, variable
from streamzip.files.locks import try_flock
from streamzip.logs import event

if TYPE_CHECKING:  # loaded by prometheus-client, where metrics are wanted
    from wsgiref.simple_server import WSGIServer

logger = logging.getLogger(__name__)

_NAME: Final = "streamzip-metrics-"
_IN_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder within is made with a name that nobody can guess
_AGAIN: Final = 1.0  # seconds


class Exposition:
    """Makes the folder that the processes count into, and answers to Prometheus, for as long as the context lasts.

    The address may still be another gateway's that is just ending: it is tried again until it is free.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._ending = threading.Event()
        self._server: WSGIServer | None = None
        above = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else Path(tempfile.gettempdir())
        _sweep(above)
        try:
            self.folder = Path(tempfile.mkdtemp(prefix=_NAME, dir=above))
            self._lock = _locked(self.folder)
        except OSError as error:
            raise SetupError(f"{variable('metrics')}: cannot make a folder in {above}: {error.strerror}") from error

    def __enter__(self) -> Self:
        """Begin to answer. Raises SetupError where that can never be."""
        try:
            self._listen()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                self.__exit__(None, None, None)
                raise SetupError(
                    f"{variable('metrics')}: cannot listen on {self._host}:{self._port}: {error.strerror or error}"
                ) from error
            event(logger, logging.WARNING, "metrics_wait", host=self._host, port=self._port, error=error.strerror)
            threading.Thread(target=self._listen_later, name="metrics", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Answer no more, and remove the folder."""
        self._ending.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def _listen(self) -> None:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(self.folder)  # the workers have it from here
        from prometheus_client import CollectorRegistry, start_http_server
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self.folder))  # type: ignore[no-untyped-call]
        self._server, _ = start_http_server(self._port, self._host, registry)
        host, port = self._server.server_address[:2]
        host = host.decode() if isinstance(host, bytes | bytearray) else host
        event(
            logger,
            logging.INFO,
            "metrics_listening",
            url=f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics",
        )

    def _listen_later(self) -> None:
        while not self._ending.wait(_AGAIN):
            try:
                self._listen()
            except OSError:
                continue
            return


def exposed(address: str | None) -> AbstractContextManager[object]:
    """Return what answers to Prometheus at host:port for as long as its context lasts; nothing without an address."""
    if address is None:
        return nullcontext()
    host, _, port = address.rpartition(":")
    return Exposition(host.strip("[]"), int(port))


def begin(place: str) -> None:
    """Count in this process, where an exposition was begun; without it, where the disk does not let it."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder is None:
        return
    try:
        metrics.begin(Path(folder), place)
    except OSError as error:
        event(logger, logging.WARNING, "metrics_unavailable", folder=folder, error=error.strerror)


def _locked(folder: Path) -> int:
    """Hold the folder's lock for the process's life: without it, the next gateway takes the folder for a dead one's."""
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _sweep(above: Path) -> None:
    """Remove the folders of gateways that were killed."""
    for folder in above.glob(f"{_NAME}*"):
        try:
            if folder.stat(follow_symlinks=False).st_uid != os.getuid():
                continue
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:  # another one's, or just being made
            continue
        try:
            if try_flock(lock):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)

"""Several processes behind one listening socket: started, watched, started again when one dies, ended together.

Spawned, never forked: a forked child would keep its parent's kernel locks alive. What the workers share is the socket,
the store and the spools; each of them may die at any moment, and what it had in hand is taken up by the others.
"""

import logging
import multiprocessing
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Final

from streamzip.logs import event

logger = logging.getLogger(__name__)

Target = Callable[[Sequence[socket.socket]], None]

_SHORT_LIFE: Final = 5.0  # seconds; a worker that lives no longer is started again only after a pause
_PAUSE: Final = 2.0


class Workers:
    """`count` processes that each run `target(sockets)`, until SIGINT or SIGTERM."""

    def __init__(self, count: int, target: Target, sockets: Sequence[socket.socket]) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._count = count
        self._target = target
        self._sockets = sockets
        self._running: list[tuple[BaseProcess, float]] = []
        self._ending = threading.Event()

    def run(self) -> None:
        """Work until a signal asks for the end, then wait for the workers to end in good order."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)
        self._running = [self._start() for _ in range(self._count)]
        while not self._ending.is_set():
            # Not for ever: a signal that comes just before the wait would be noticed only at its end.
            wait([process.sentinel for process, _ in self._running], timeout=1.0)
            self._replace_dead()
        for process, _ in self._running:
            process.terminate()
        for process, _ in self._running:
            process.join()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._ending.set()

    def _start(self) -> tuple[BaseProcess, float]:
        process = self._context.Process(target=self._target, args=(self._sockets,), daemon=False)
        process.start()
        return process, time.monotonic()

    def _replace_dead(self) -> None:
        for index, (process, since) in enumerate(self._running):
            if process.is_alive() or self._ending.is_set():
                continue
            event(logger, logging.ERROR, "worker_died", pid=process.pid, exit=process.exitcode)
            if time.monotonic() - since < _SHORT_LIFE:
                self._ending.wait(_PAUSE)
            if not self._ending.is_set():
                self._running[index] = self._start()

"""Several processes behind one listening socket: started, watched, started again when one dies, ended together.

Spawned, never forked: a forked child would keep its parent's kernel locks alive. What the workers share is the socket,
the store and the spools; each of them may die at any moment, and what it had in hand is taken up by the others.
"""

import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Final

from streamzip.config import SetupError
from streamzip.logs import event
from streamzip.process import hangup

logger = logging.getLogger(__name__)

Target = Callable[[int, Sequence[socket.socket]], None]

CANNOT_START: Final = os.EX_CONFIG  # the exit status of a worker that will not start at the next attempt either

_SHORT_LIFE: Final = 5.0  # seconds; a worker that lives no longer is started again only after a pause
_PAUSE: Final = 2.0
_BEYOND: Final = 10.0  # seconds beyond the workers' own limit, after which one that has not ended is killed
_HURRIED: Final = 6.0  # seconds that they have after a second signal


class Workers:
    """`count` processes that each run `target(place, sockets)`, until SIGINT or SIGTERM. `place`: its number among
    them; one that is started for a dead one has the same. `stop_within`: seconds that they give to what is under way.
    `renewed`: returns the target of those that are started after a SIGHUP, which those that run are passed on.
    """

    def __init__(
        self,
        count: int,
        target: Target,
        sockets: Sequence[socket.socket],
        stop_within: float,
        renewed: Callable[[], Target],
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._count = count
        self._target = target
        self._renewed = renewed
        self._sockets = sockets
        self._stop_within = stop_within
        self._running: list[tuple[BaseProcess, float]] = []
        self._ending = threading.Event()
        self._hurried = threading.Event()

    def run(self) -> None:
        """Work until a signal asks for the end, then wait for the workers to end in good order; a second signal cuts
        what they still send. One that does not end by itself is killed. Raises SetupError where none can start.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end)
        with hangup.held():  # one that comes meanwhile would miss those that are just being started
            self._running = [self._start(place) for place in range(self._count)]
        hangup.pass_on(self._pass_on)
        try:
            while not self._ending.is_set():
                # Not for ever: a signal that comes just before the wait would be noticed only at its end.
                wait([process.sentinel for process, _ in self._running], timeout=1.0)
                self._replace_dead()
        finally:
            self._stop()

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        if self._ending.is_set():
            self._hurried.set()
        self._ending.set()

    def _pass_on(self) -> None:
        self._target = self._renewed()
        for process, _ in self._running:
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGHUP)

    def _start(self, place: int) -> tuple[BaseProcess, float]:
        process = self._context.Process(target=self._target, args=(place, self._sockets), daemon=False)
        process.start()
        return process, time.monotonic()

    def _replace_dead(self) -> None:
        for index, (process, since) in enumerate(self._running):
            if process.is_alive() or self._ending.is_set():
                continue
            event(logger, logging.ERROR, "worker_died", pid=process.pid, exit=process.exitcode)
            if process.exitcode == CANNOT_START and not any(other.is_alive() for other, _ in self._running):
                raise SetupError("no worker can start: the log says why")
            if time.monotonic() - since < _SHORT_LIFE:
                self._ending.wait(_PAUSE)
            if not self._ending.is_set():
                with hangup.held():
                    self._running[index] = self._start(index)

    def _stop(self) -> None:
        for listening in self._sockets:
            # As long as one process has it open, the kernel takes clients whom nobody will answer.
            listening.close()
        processes = [process for process, _ in self._running]
        self._terminate(processes)
        deadline = time.monotonic() + self._stop_within + _BEYOND
        hurried = False
        while alive := [process for process in processes if process.is_alive()]:
            if self._hurried.is_set() and not hurried:
                hurried, deadline = True, time.monotonic() + _HURRIED
                self._terminate(alive)
            if time.monotonic() > deadline:
                for process in alive:
                    event(logger, logging.ERROR, "worker_killed", pid=process.pid)
                    process.kill()
                deadline += _BEYOND
            wait([process.sentinel for process in alive], timeout=0.2)

    def _terminate(self, processes: Sequence[BaseProcess]) -> None:
        for process in processes:
            process.terminate()

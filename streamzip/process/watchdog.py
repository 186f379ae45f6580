"""A process of its own under a watchdog: begun anew when it ends, and killed when it gives no sign of life.

Not every library ends when its server goes: one that waits on a connection that nobody answers looks like one that has
nothing to do. So the process says that it is alive only when its server has just answered it.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from streamzip.config import SetupError
from streamzip.logs import event
from streamzip.process import hangup
from streamzip.process.workers import CANNOT_START

logger = logging.getLogger(__name__)

SILENT_FOR: Final = 60.0  # seconds without a sign of life, and it is killed
PAUSE: Final = 2.0  # seconds, before one that ended is begun anew
BEYOND: Final = 10.0  # seconds that it gets to end when it is told to

Target = Callable[[Connection], None]


class Watchdog:
    """Runs `target(beats)` in a process; each message that this sends is a sign of life."""

    def __init__(self, target: Target, *, silent_for: float = SILENT_FOR) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._target = target
        self._silent_for = silent_for
        self._process: BaseProcess | None = None

    def run(self, ending: threading.Event) -> None:
        """Keep the process running until the event is set. Raises SetupError where it cannot start."""
        while not ending.is_set():
            beats, theirs = self._context.Pipe(duplex=False)
            process = self._context.Process(target=self._target, args=(theirs,), daemon=False)
            with hangup.held():
                process.start()
            self._process = process
            theirs.close()
            try:
                self._watch(process, beats, ending)
            finally:
                self._end(process)
                beats.close()
            if ending.is_set():
                return
            event(logger, logging.ERROR, "worker_died", pid=process.pid, exit=process.exitcode)
            if process.exitcode == CANNOT_START:
                raise SetupError("the worker cannot start: the log says why")
            ending.wait(PAUSE)

    def hang_up(self) -> None:
        """Pass SIGHUP on to the process."""
        process = self._process
        if process is not None and process.pid is not None and process.is_alive():
            os.kill(process.pid, signal.SIGHUP)

    def _watch(self, process: BaseProcess, beats: Connection, ending: threading.Event) -> None:
        """Return when the process has ended, or is to be."""
        last = time.monotonic()
        while process.is_alive() and not ending.is_set():
            if beats in wait([beats, process.sentinel], timeout=0.5):
                try:
                    beats.recv_bytes()
                except EOFError:
                    process.join(BEYOND)
                    return
                last = time.monotonic()
            elif time.monotonic() - last > self._silent_for:
                event(logger, logging.ERROR, "worker_silent", pid=process.pid, seconds=self._silent_for)
                process.kill()
                process.join()

    def _end(self, process: BaseProcess) -> None:
        process.terminate()
        process.join(BEYOND)
        if process.is_alive():
            event(logger, logging.ERROR, "worker_killed", pid=process.pid)
            process.kill()
            process.join()

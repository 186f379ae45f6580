"""The worker: queued work in a process of its own, where procrastinate has it done.

It shares the data folder, and so the copies, with the gateway beside it, as that one's own processes do.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import signal
import sys
import threading
from collections.abc import Iterator
from functools import partial
from multiprocessing.connection import Connection
from typing import Final

import uvloop

from streamzip import logs, metrics
from streamzip.app import made
from streamzip.config import Settings, SetupError, variable
from streamzip.jobs.on_procrastinate import OnProcrastinate
from streamzip.logs import event
from streamzip.process import exposing, hangup, memory, sharing
from streamzip.process.descriptors import shared_out
from streamzip.process.sampling import UnderWay, sample
from streamzip.process.traced import traced
from streamzip.process.watchdog import Watchdog
from streamzip.process.workers import CANNOT_START
from streamzip.settings_checks import check_shared
from streamzip.start import prove, read_keys_again
from streamzip.store.dialects.postgresql import Postgresql

logger = logging.getLogger(__name__)

BEAT_EVERY: Final = 2.0  # seconds between two signs of life, where there is one
FRESH: Final = 10.0  # seconds for which an answer of the database is one


def run(settings: Settings) -> None:
    """Do queued work until SIGINT or SIGTERM. Raises SetupError."""
    if settings.jobs != "procrastinate":
        raise SetupError(f"set {variable('jobs')}=procrastinate: without it the gateway does its work itself")
    check_shared(settings)
    memory.forbid_core_files()
    sharing.join(settings.data_dir / "gateway.lock")  # so that a gateway on the folder knows that it is not alone
    logs.configure(settings.log_level, settings.log_format)
    prove(settings)
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())
    watchdog = Watchdog(partial(_process, settings))
    hangup.pass_on(watchdog.hang_up)
    with exposing.exposed(settings.metrics):
        exposing.begin("supervisor")
        watchdog.run(ending)


@contextlib.contextmanager
def beside(settings: Settings) -> Iterator[None]:
    """Have a worker run for as long as the context lasts, which is a gateway's life."""
    ending = threading.Event()
    watching = threading.Thread(target=_watch, args=(settings, ending), name="watchdog", daemon=True)
    watching.start()
    try:
        yield
    finally:
        ending.set()
        watching.join()


def _watch(settings: Settings, ending: threading.Event) -> None:
    try:
        Watchdog(partial(_process, settings)).run(ending)
    except SetupError as error:
        event(logger, logging.ERROR, "cannot_start", detail=str(error))


def _process(settings: Settings, beats: Connection) -> None:
    """Run the worker's process, whose watchdog reads its signs of life and its exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the watchdog ends this one
    memory.settle()
    logs.configure(settings.log_level, settings.log_format)
    exposing.begin("background")
    logging.getLogger("procrastinate").setLevel(logging.WARNING)  # a line for each job says no more than ours
    try:
        with traced(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_work(settings, beats))
    except SetupError as error:
        event(logger, logging.ERROR, "cannot_start", detail=str(error))
        sys.exit(CANNOT_START)


async def _work(settings: Settings, beats: Connection) -> None:
    parts = await made(settings, shared_out(), alone=False)
    dispatcher = OnProcrastinate(parts.works, parts.clock, _connection(settings))
    task = asyncio.create_task(dispatcher.run())
    # Copies that are made here need room, and there may be no gateway beside this process that makes it.
    running = [parts.work(), _beat(dispatcher, beats)]
    if settings.metrics is not None:
        metrics.WORKERS.set(1, "background")
        running.append(sample(UnderWay(parts.gate, parts.table, parts.memory, dispatcher)))
    others = asyncio.gather(*running)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    hangup.listen(partial(read_keys_again, parts.secrets, settings))
    parent = multiprocessing.parent_process()
    if parent is not None:  # whose watchdog was killed ends as well: nobody would begin it anew
        loop.add_reader(parent.sentinel, task.cancel)
    event(logger, logging.INFO, "worker_begun", slots=settings.job_slots)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        others.cancel()
        await asyncio.gather(task, others, return_exceptions=True)
        await parts.close()


async def _beat(dispatcher: OnProcrastinate, beats: Connection) -> None:
    while True:
        await asyncio.sleep(BEAT_EVERY)
        if dispatcher.answered_within(FRESH):
            beats.send_bytes(b"alive")


def _connection(settings: Settings) -> dict[str, object]:
    if settings.store_url is None:
        raise SetupError(f"set {variable('store_url')}")
    return Postgresql(settings.store_url.get_secret_value()).parameters

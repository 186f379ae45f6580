"""The server: listens, and runs one process or several, each with every part of its own."""

import asyncio
import contextlib
import dataclasses
import logging
import multiprocessing
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial

import uvicorn
import uvloop
from starlette.types import ASGIApp

from streamzip import logs
from streamzip.app import made
from streamzip.config import (
    Settings,
    SetupError,
    variable,
)
from streamzip.data_folder import closed_to_group
from streamzip.edge.clients import Door
from streamzip.edge.door import behind
from streamzip.logs import event
from streamzip.process import exposing, hangup, memory, sharing
from streamzip.process.descriptors import shared_out
from streamzip.process.listening import listen, shown, to_open
from streamzip.process.sampling import Clients, UnderWay, sample
from streamzip.process.server import Server
from streamzip.process.traced import traced
from streamzip.process.workers import CANNOT_START, Workers
from streamzip.settings_checks import check_shared
from streamzip.start import Secrets, prove, read_keys_again, try_store
from streamzip.store.migrations import STEPS
from streamzip.urls.addresses import is_loopback

logger = logging.getLogger(__name__)


def migrate(settings: Settings) -> int:
    """Bring the store's schema up to date, and return its number. Raises SetupError."""
    asyncio.run(try_store(settings, None))
    return len(STEPS)


def serve(settings: Settings, beside: AbstractContextManager[None]) -> None:
    """Listen and answer until SIGINT or SIGTERM. Raises SetupError where a part cannot be made. `beside`: entered once
    the store is proven, and left after the last response.
    """
    check_shared(settings)
    memory.forbid_core_files()
    shared_out()
    logs.configure(settings.log_level, settings.log_format)
    others = sharing.join(settings.data_dir / "gateway.lock")
    if others:
        event(logger, logging.WARNING, "data_folder_shared", folder=str(settings.data_dir))
    secrets = prove(settings)  # before anybody is let in: workers that cannot start would be started again and again
    sockets = listen(settings.host, settings.port, settings.unix)
    if not secrets.api_keys and sockets[0].family != socket.AF_UNIX and not is_loopback(sockets[0].getsockname()[0]):
        event(logger, logging.WARNING, "open_to_all", host=sockets[0].getsockname()[0], set=variable("api_keys"))
    if secrets.keys.weak:
        event(logger, logging.WARNING, "weak_secrets", ids=secrets.keys.weak, set=variable("secret_keys"))
    if settings.sendfile == "x-accel":
        for folder in closed_to_group(settings):
            event(logger, logging.WARNING, "copies_out_of_reach", folder=str(folder))
    event(logger, logging.INFO, "listening", url=shown(sockets[0], settings.unix))
    _say_where(settings, sockets[0])
    with exposing.exposed(settings.metrics), beside:
        if settings.workers == 1:
            _work(settings, not others and settings.jobs == "embedded", 0, sockets)
        else:
            exposing.begin("supervisor")
            Workers(
                *(settings.workers, partial(_worker, settings), sockets, settings.stop_within),
                renewed=partial(_renewed, secrets, settings),
            ).run()


def _say_where(settings: Settings, listening: socket.socket) -> None:
    """Tell the person who started the gateway on a terminal where to look, and how to end it."""
    place = to_open(listening, settings.public_url)
    for_a_person = sys.stderr.isatty() and settings.log_format != "json" and settings.log_level in ("info", "debug")
    if place is not None and for_a_person:
        sys.stderr.write(f"streamzip: open {place} in a browser; Ctrl-C stops the gateway\n")
        sys.stderr.flush()


def _work(settings: Settings, alone: bool, place: int, sockets: Sequence[socket.socket]) -> None:
    """Run one process, from its first part to its last response. `alone`: no other one uses the data folder."""
    memory.settle()
    logs.configure(settings.log_level, settings.log_format)
    exposing.begin(str(place))
    with traced(), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, alone, sockets))


def _worker(settings: Settings, place: int, sockets: Sequence[socket.socket]) -> None:
    """Run one of several processes, whose supervisor reads its exit status."""
    try:
        _work(settings, False, place, sockets)
    except SetupError as error:
        event(logger, logging.ERROR, "cannot_start", detail=str(error))
        sys.exit(CANNOT_START)


def _renewed(secrets: Secrets, settings: Settings) -> Callable[[int, Sequence[socket.socket]], None]:
    """Return what runs a worker that is begun after SIGHUP: with the keys that the others are told to read."""
    with contextlib.suppress(SetupError):  # which each of them tells
        secrets.read_keys_again(settings)
    return partial(_worker, secrets.with_keys(settings))


async def _serve(settings: Settings, alone: bool, sockets: Sequence[socket.socket]) -> None:
    shares = shared_out()
    event(logger, logging.INFO, "descriptors", **dataclasses.asdict(shares))
    parts = await made(settings, shares, alone=alone)
    app = parts.application()
    # Downloads have their own watch, which sees more and says so: this one is for all other answers.
    door = Door(shares.clients, within=settings.request_timeout, untaken=2 * settings.write_timeout)
    running = [parts.work()]
    if settings.metrics is not None:
        under_way = UnderWay(parts.gate, parts.table, parts.memory, parts.dispatcher)
        running.append(sample(Clients(door, parts.gateway.watches), under_way))
    background = asyncio.gather(*running)
    parent = multiprocessing.parent_process()
    config = _uvicorn_config(app, door)
    server = Server(config, parts.leaving, stop_within=settings.stop_within, is_worker=parent is not None)
    loop = asyncio.get_running_loop()
    hangup.listen(partial(read_keys_again, parts.secrets, settings))
    memory.keep_what_is_loaded()
    if parent is not None:  # a worker whose supervisor was killed ends as well: nobody would start it again
        loop.add_reader(parent.sentinel, server.end)
    try:
        await server.serve(sockets=list(sockets))
    finally:
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        await parts.close()


def _uvicorn_config(app: ASGIApp, door: Door) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=behind(door),
        ws="none",
        lifespan="off",  # the parts are made before the server listens, and closed after its last response
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # edge/proxies.py judges them
    )

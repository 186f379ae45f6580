"""SIGHUP, by which an operator has keys read again. On a terminal it says that the terminal was closed, and ends the
process as ever.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_HANGUP: Final = frozenset({signal.SIGHUP})


def means_read_again() -> bool:
    """Return whether SIGHUP is an operator's word here."""
    return not os.isatty(0)


def hold() -> None:
    """Keep SIGHUP waiting, here and in processes that are started, until somebody listens for it (pthread_sigmask(3)):
    one that comes during a start would end it.
    """
    if means_read_again():
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANGUP)


@contextmanager
def held() -> Iterator[None]:
    """Keep SIGHUP waiting in what is started within the context."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HANGUP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def listen(called: Callable[[], None]) -> None:
    """Call this in the running event loop at each SIGHUP, also for one that has waited."""
    import asyncio  # here: a list of the commands needs the rest of this module, and no event loop

    if means_read_again():
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, called)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANGUP)


def pass_on(to: Callable[[], object]) -> None:
    """Call this at each SIGHUP, in a process without an event loop: it passes the signal on."""
    if means_read_again():
        signal.signal(signal.SIGHUP, lambda *_: to())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANGUP)

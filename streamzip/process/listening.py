"""The sockets that clients come to: made here, or handed over by whoever started the process (sd_listen_fds(3))."""

import os
import socket
import stat
from collections.abc import MutableMapping
from typing import Final

from streamzip.config import SetupError

_FIRST: Final = 3  # the number of the first descriptor that is handed over
_WAITING: Final = 2048  # connections that the kernel takes before they are accepted


def listen(host: str, port: int, environment: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the sockets that were handed over, else one that listens on this address. Raises SetupError.

    A socket that outlives the process makes a restart without a gap: who comes meanwhile waits in its queue.
    """
    handed = _handed_over(environment)
    if handed:
        return [_checked(number) for number in handed]
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_WAITING)
    except OSError as error:
        listening.close()
        raise SetupError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    return [listening]


def _handed_over(environment: MutableMapping[str, str]) -> range:
    """Return the descriptors' numbers, and forget them: they are for this process alone."""
    process, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if process != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return range(0)
    return range(_FIRST, _FIRST + int(count))


def _checked(number: int) -> socket.socket:
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            raise SetupError(f"descriptor {number}, which was handed over, is no socket")
        handed = socket.socket(fileno=number)
    except OSError as error:
        raise SetupError(f"descriptor {number} was handed over (LISTEN_FDS), but is not open") from error
    handed.set_inheritable(False)
    listens = handed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if not listens or handed.type != socket.SOCK_STREAM or handed.family not in (socket.AF_INET, socket.AF_INET6):
        raise SetupError(f"descriptor {number}, which was handed over, is no socket that listens for TCP")
    return handed

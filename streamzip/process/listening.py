"""The sockets that clients come to: made here, or handed over by whoever started the process (sd_listen_fds(3))."""

import os
import secrets
import socket
import stat
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from streamzip.config import SetupError

_FIRST: Final = 3  # the number of the first descriptor that is handed over
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
_WAITING: Final = 2048  # connections that the kernel takes before they are accepted


def listen(
    host: str, port: int, unix: Path | None = None, environment: MutableMapping[str, str] = os.environ
) -> list[socket.socket]:
    """Return the sockets that were handed over, else one that listens on the path `unix` where that is given, else on
    this address. Raises SetupError.

    A socket that outlives the process makes a restart without a gap: who comes meanwhile waits in its queue.
    """
    handed = _handed_over(environment)
    if handed:
        return [_checked(number) for number in handed]
    if unix is not None:
        return [_listen_at(unix)]
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_WAITING)
    except (OSError, TypeError, ValueError) as error:  # TypeError: a name that IDNA cannot take
        listening.close()
        raise SetupError(f"cannot listen on {host}:{port}: {getattr(error, 'strerror', error)}") from error
    return [listening]


def _listen_at(path: Path) -> socket.socket:
    """Listen on a Unix socket for the gateway's user and group: who may write to it may connect (unix(7)).

    It takes the place of what an earlier gateway left there, or of one that is just draining: at no moment is there
    none, and clients that the other one has stay with it.
    """
    listening = socket.socket(socket.AF_UNIX)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        if path.exists() and not path.is_socket():
            raise SetupError(f"{path} is no socket, and the gateway is to listen there: move it away")
        listening.bind(str(fresh))
        fresh.chmod(0o660)
        listening.listen(_WAITING)
        fresh.rename(path)
    except BaseException as error:
        listening.close()
        fresh.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise SetupError(f"cannot listen on {path}: {error.strerror or error}") from error
        raise
    return listening


def shown(listening: socket.socket, unix: Path | None) -> str:
    """Return where it listens, as a URL. `unix`: the path that it was given; it was bound under another one."""
    if listening.family == socket.AF_UNIX:
        return f"unix:{unix or listening.getsockname()}"
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def to_open(listening: socket.socket, public_url: str | None) -> str | None:
    """Return the URL that a person opens in a browser to see the gateway; None where it has none."""
    if public_url is not None or listening.family == socket.AF_UNIX:
        return public_url
    host, port = listening.getsockname()[:2]
    mine = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host)  # noqa: S104 - every address, so this machine's own too
    return shown(listening, None) if mine is None else f"http://{mine}:{port}"


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
    if not listens or handed.type != socket.SOCK_STREAM or handed.family not in _FAMILIES:
        raise SetupError(f"descriptor {number}, which was handed over, is no socket that listens for streams")
    return handed

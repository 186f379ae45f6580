"""What is wrong with this machine, its folder, its proxy, its clock: a line each, and what to do. Nothing is changed.

Each check yields what it found; none stops another. A gateway may run beside it.
"""

import asyncio
import ctypes
import errno
import http.client
import json
import os
import shutil
import socket
import ssl
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from streamzip.config import Settings, SetupError, variable
from streamzip.data_folder import closed_to_group
from streamzip.files.locks import LockFile
from streamzip.net.retry import http_date
from streamzip.objects.port import BucketError
from streamzip.objects.proof import prove_rights
from streamzip.process.descriptors import share_out, this_limit
from streamzip.settings_checks import unknown_variables
from streamzip.settings_sources import secret_names
from streamzip.start import Secrets, dialect_for, open_bucket, prove_secret
from streamzip.store.examining import Examination
from streamzip.store.migrations import SchemaTooNewError
from streamzip.urls.addresses import is_loopback

Level = Literal["ok", "warning", "failure"]

_WITHIN: Final = 5.0  # seconds for an answer, and for a look at the store
_CLOCK_MAY_DIFFER: Final = 60  # seconds
_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.s3fs", "afs", "ceph"})
_NOBODYS: Final = "whsec_" + "A" * 44
_TIME_ERROR: Final = 5  # adjtimex(2): the clock is not synchronized
_TIMEX_BYTES: Final = 1024  # more than struct timex has


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found of its subject; a warning or a failure says what to do."""

    level: Level
    subject: str
    text: str


def examine(settings: Settings, environment: Iterable[str]) -> Iterator[Finding]:
    """Yield what is found, in the order in which it should be mended."""
    yield from _variables(environment)
    for check in (
        _data_folder,
        _disk,
        _secrets,
        _store,
        _bucket,
        _descriptors,
        _authorities,
        _address,
        _access,
        _public,
        _proxy,
    ):
        yield from check(settings)
    yield from _clock()


def _variables(environment: Iterable[str]) -> Iterator[Finding]:
    unknown = unknown_variables(environment)
    for name, meant in unknown.items():
        yield Finding("warning", "settings", f"{name} is no setting{f': is {meant} meant?' if meant else ''}")
    if not unknown:
        yield Finding("ok", "settings", "every STREAMZIP_ variable is a setting")


def _data_folder(settings: Settings) -> Iterator[Finding]:
    path = settings.data_dir
    if not path.exists():
        above = next(folder for folder in path.parents if folder.exists())
        if os.access(above, os.W_OK | os.X_OK):
            yield Finding("ok", "data folder", f"{path} will be made by the first start")
        else:
            yield Finding(
                "failure",
                "data folder",
                f"{path} cannot be made in {above} as uid {os.getuid()}: make it, {_own(path)}",
            )
        return
    try:
        with (
            tempfile.TemporaryDirectory(dir=path, prefix=".doctor-") as folder,
            closing(LockFile(Path(folder) / "lock")) as locks,
        ):
            locks.try_exclusive(0)
            file = Path(folder) / "file"
            file.write_bytes(b"whole")
            file.rename(file.with_name("renamed"))
    except OSError as error:
        mend = (
            "use a disk of this machine" if error.errno in (errno.ENOLCK, errno.EINVAL, errno.ENOTSUP) else _own(path)
        )
        yield Finding(
            "failure", "data folder", f"{path} cannot be used as uid {os.getuid()} ({error.strerror}): {mend}"
        )
        return
    kind = _file_system(path)
    if kind in _REMOTE:
        yield Finding(
            "warning",
            "data folder",
            f"{path} is on {kind}: locks and syncs of a network may lie; use a disk of this machine",
        )
    if path.stat().st_mode & stat.S_IRWXO:
        yield Finding("warning", "data folder", f"every user of the machine may look into {path}: chmod o= {path}")
    yield Finding("ok", "data folder", f"{path} ({kind or 'unknown file system'}) can be written and locked")


def _own(path: Path) -> str:
    return f"chown {os.getuid()} {path}, or name another folder ({variable('data_dir')})"


def _file_system(path: Path) -> str:
    """Return the type of the file system that `path` is on: proc(5), /proc/self/mounts; empty where that is unknown."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return ""
    lies_on = [(len(at), kind) for _, at, kind, *_ in mounts if path.resolve().is_relative_to(at.replace("\\040", " "))]
    return max(lies_on, default=(0, ""))[1]


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = next(folder for folder in (settings.data_dir, *settings.data_dir.parents) if folder.exists())
    free, budget = shutil.disk_usage(folder).free, int(settings.cache_max_bytes)
    spool = settings.data_dir / "spool"
    taken = sum(file.stat().st_blocks * 512 for file in spool.rglob("*") if file.is_file()) if spool.is_dir() else 0
    sizes = f"{_gib(free)} free, {_gib(taken)} of {_gib(budget)} for copies taken"
    if budget - taken > free:
        yield Finding(
            "warning", "disk", f"{sizes}: the disk is full before the budget is; lower {variable('cache_max_bytes')}"
        )
    else:
        yield Finding("ok", "disk", sizes)


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"


def _secrets(settings: Settings) -> Iterator[Finding]:
    generated = settings.data_dir / "secret.keys"
    if settings.secret_keys is None and not generated.exists():
        yield Finding("ok", "secrets", "one is made by the first start")
        return
    if settings.webhook_secret is None and not (settings.data_dir / "webhook.secret").exists():
        settings = settings.model_copy(update={"webhook_secret": SecretStr(_NOBODYS)})  # else it would be made
    try:
        Secrets(settings)
    except SetupError as error:
        yield Finding("failure", "secrets", str(error))
        return
    named = [Path(given) for name in secret_names(Settings) if (given := os.environ.get(f"{variable(name)}_FILE"))]
    in_config = any(getattr(settings, name) is not None for name in secret_names(Settings))
    if settings.config is not None and in_config:
        named.append(settings.config)
    readable = [path for path in (generated, *named) if path.exists() and path.stat().st_mode & stat.S_IROTH]
    for path in readable:
        yield Finding("warning", "secrets", f"every user of the machine may read {path}: chmod o= {path}")
    if not readable:
        yield Finding("ok", "secrets", "they can be read, by the gateway alone")


def _store(settings: Settings) -> Iterator[Finding]:
    try:
        prove_secret(settings)
        with closing(Examination(dialect_for(settings))) as store:
            wrong = store.wrong(within=_WITHIN)
    except FileNotFoundError:
        yield Finding("ok", "store", "it is made by the first start")
    except SchemaTooNewError as error:
        yield Finding("failure", "store", str(error))
    except ValueError:
        yield Finding("ok", "store", "it is of an earlier release; the next start brings it up to date: keep a backup")
    except SetupError as error:
        yield Finding("failure", "store", str(error))
    else:
        if wrong is not None:
            yield Finding("failure", "store", f"it is damaged ({wrong}): `streamzip verify` tells what of it is whole")
        else:
            yield Finding("ok", "store", "it can be read, and nothing wrong was found with it")


def _bucket(settings: Settings) -> Iterator[Finding]:
    try:
        bucket = open_bucket(settings)
        if bucket is None:
            return
        asyncio.run(prove_rights(bucket))
    except (BucketError, SetupError) as error:
        # S3 refuses what is signed by a clock that is a quarter of an hour off.
        mend = "set this machine's clock: use NTP" if "TimeTooSkewed" in str(error) else "see docs/scaling.md, Rights"
        yield Finding("failure", "bucket", f"{settings.shared_url} cannot be used: {error}: {mend}")
    else:
        yield Finding("ok", "bucket", f"{settings.shared_url} can be listed, written, read, deleted, and created once")


def _descriptors(_: Settings) -> Iterator[Finding]:
    try:
        shares = share_out(this_limit())
    except SetupError as error:
        yield Finding("failure", "open files", str(error))
        return
    sizes = f"{shares.clients} clients, {shares.origins} connections to origins, {shares.archives} archives at once"
    if shares.clients < 1000:
        yield Finding("warning", "open files", f"{sizes}: raise the limit (ulimit -n, LimitNOFILE of systemd)")
    else:
        yield Finding("ok", "open files", sizes)


def _authorities(settings: Settings) -> Iterator[Finding]:
    if settings.ca_file is None:
        return
    try:
        ssl.create_default_context(cafile=settings.ca_file)
    except (ssl.SSLError, OSError) as error:
        yield Finding(
            "failure", "authorities", f"{variable('ca_file')}: {settings.ca_file} holds no certificates ({error})"
        )


def _address(settings: Settings) -> Iterator[Finding]:
    if settings.unix is not None:
        yield _unix(settings.unix)
        return
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                yield Finding(
                    "failure",
                    "address",
                    f"cannot listen on {host}:{port} ({error.strerror}): {variable('host')}, {variable('port')}",
                )
                return
        else:
            yield Finding("ok", "address", f"{host}:{port} is free")
            return
    loopback = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    to = loopback if _is_address(host) and ip_address(host).is_unspecified else host
    answer = _health(lambda: http.client.HTTPConnection(to, port, timeout=_WITHIN), "/healthz")
    if isinstance(answer, str):
        yield Finding(
            "failure", "address", f"another program listens on {host}:{port}: choose another {variable('port')}"
        )
    else:
        yield Finding("ok", "address", f"a gateway answers on {host}:{port}")


def _unix(path: Path) -> Finding:
    if path.exists() and not path.is_socket():
        return Finding("failure", "address", f"{path} is no socket: move it away, or choose another {variable('unix')}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return Finding("failure", "address", f"uid {os.getuid()} may not make a socket in {path.parent}")
    return Finding("ok", "address", f"{path} can be listened on")


def _is_address(host: str) -> bool:
    """Return whether `host` is an address, not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _access(settings: Settings) -> Iterator[Finding]:
    local = is_loopback(settings.host)
    if settings.api_keys is None and (not local or settings.public_url is not None):
        yield Finding(
            "warning",
            "access",
            f"whoever reaches it may create and delete: `streamzip keys new NAME`, then {variable('api_keys')}",
        )
    else:
        yield Finding("ok", "access", "keys are asked for" if settings.api_keys else "only this machine reaches it")


def _public(settings: Settings) -> Iterator[Finding]:
    if settings.public_url is None:
        if settings.trusted_proxies:
            yield Finding(
                "warning", "public address", f"links are made of each request's Host: set {variable('public_url')}"
            )
        return
    url = urlsplit(settings.public_url)
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    answer = _health(lambda: kind(url.hostname or "", url.port, timeout=_WITHIN), f"{url.path}/healthz")
    if isinstance(answer, str):
        yield Finding(
            "warning",
            "public address",
            f"no gateway answers at {settings.public_url} ({answer}): see to the proxy, or start it",
        )
        return
    yield Finding("ok", "public address", f"a gateway answers at {settings.public_url}")
    if abs(answer) > _CLOCK_MAY_DIFFER:
        yield Finding(
            "warning", "clock", f"it differs from the proxy's by {answer:+.0f} s: signed links lapse by it; use NTP"
        )


def _health(connect: Callable[[], http.client.HTTPConnection], path: str) -> float | str:
    """Return how many seconds this clock is ahead of the one that answered; what is wrong where no gateway did."""
    try:
        with closing(connect()) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            body, date = answer.read(1 << 16), answer.getheader("Date")
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    try:
        healthy = answer.status == http.HTTPStatus.OK and json.loads(body).get("status") == "ok"
    except (ValueError, AttributeError, RecursionError):
        healthy = False
    if not healthy:
        return f"another answer, {answer.status}"
    theirs = http_date(date or "")
    return 0.0 if theirs is None else time.time() - theirs


def _proxy(settings: Settings) -> Iterator[Finding]:
    behind = settings.public_url is not None and settings.public_url.startswith("https:")
    if behind and not settings.trusted_proxies:
        yield Finding(
            "warning",
            "proxy",
            f"all clients have its address, and share one limit of rates: name it in {variable('trusted_proxies')}",
        )
    if settings.sendfile == "x-accel":
        for path in closed_to_group(settings):
            yield Finding(
                "failure", "proxy", f"nginx cannot send copies: chgrp its group to {path}, and chmod g+x {path}"
            )


def _clock() -> Iterator[Finding]:
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return
    if state == _TIME_ERROR:
        yield Finding("warning", "clock", "the kernel's clock is not synchronized: run chrony or systemd-timesyncd")
    elif state >= 0:
        yield Finding("ok", "clock", "it is synchronized")

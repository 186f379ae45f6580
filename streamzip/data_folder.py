"""The data folder: made, proven to be writable, and with the secrets that are made on a first start."""

import base64
import os
import secrets
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from streamzip.config import Settings, SetupError, variable
from streamzip.files.durable import sync_folder

# What each process of a gateway opens to write: one of another user's would end it, and the next one, again and again.
_WRITTEN: Final = (
    *("gateway.lock", "jobs.lock", "passes", "scrub", "spool", "uploads"),
    *("streamzip.db", "streamzip.db-wal", "streamzip.db-shm", "streamzip.db.opening"),
)


class Node(NamedTuple):
    """A gateway as the others of its store know it: `id`, that of its data folder; `name`, for people; `place`, where
    the folder is, so that a copy of the folder is not taken for it.
    """

    id: str
    name: str
    place: str


def prepare_data_dir(settings: Settings) -> None:
    """Make the data folder, for its owner alone, and prove that it can be written. Raises SetupError.

    A folder that is there keeps its mode: nginx may need to reach the finished copies.
    """
    path = settings.data_dir
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in missing:  # else a power loss could take all that is promised below it
            sync_folder(folder.parent)
        for name in ("spool", "uploads"):
            if (path / name).exists() and not (path / name).is_dir():
                raise SetupError(f"{path / name} is a file, and a folder is needed there: move it away")
        for name in _WRITTEN:
            _prove_ours(path / name)
        with tempfile.TemporaryFile(dir=path):  # os.access knows nothing of read-only mounts and quotas
            pass
    except OSError as error:
        raise SetupError(
            f"cannot write the data folder {path} as uid {os.getuid()}: {error.strerror}. "
            f"Let that uid own it (chown {os.getuid()} {path}), or name another: --data, {variable('data_dir')}."
        ) from error


def _prove_ours(path: Path) -> None:
    """Raise SetupError where another user's file or folder stands in the place of one that this process writes."""
    if path.exists() and not os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0), effective_ids=True):
        uid = os.geteuid()
        raise SetupError(f"uid {uid} may not write {path}, which another user made: chown -R {uid} {path.parent}")


def closed_to_group(settings: Settings) -> list[Path]:
    """Return the folders above the copies that only the gateway's user may pass: an nginx with another one, in the
    gateway's group, reaches no copy.
    """
    folders = (settings.data_dir, settings.data_dir / "spool")
    there = [folder for folder in folders if folder.is_dir()]
    return [folder for folder in there if not folder.stat().st_mode & (stat.S_IXGRP | stat.S_IXOTH)]


def load_key_ring_text(settings: Settings) -> str:
    """Return the signing secrets, for KeyRing.parse: as set, else those in `data_dir/secret.keys`, made on the first
    start.

    What is returned is on disk for good: links are signed with it. Raises SetupError.
    """
    if settings.secret_keys is not None:
        return settings.secret_keys.get_secret_value()
    fresh = f"k{secrets.token_hex(4)}:{secrets.token_hex(32)}"
    return _kept(settings.data_dir / "secret.keys", fresh, "every archive's link")


def load_webhook_secret_text(settings: Settings) -> str:
    """Return the secret of the webhooks, for WebhookSecrets.parse: as set, else that in `data_dir/webhook.secret`, made
    on the first start. Raises SetupError.
    """
    if settings.webhook_secret is not None:
        return settings.webhook_secret.get_secret_value()
    fresh = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    return _kept(settings.data_dir / "webhook.secret", fresh, "what every receiver verifies with")


def load_node(settings: Settings) -> Node:
    """Return who this gateway is among those of its store: by an id in `data_dir/node`, made on the first start,
    because it is the folder's copies that another gateway has not. Raises SetupError.
    """
    path = settings.data_dir
    id = _kept(path / "node", secrets.token_hex(8), "what others of its store know of its copies")
    try:
        found = path.stat()
    except OSError as error:
        raise SetupError(f"cannot use the data folder {path}: {error.strerror}") from error
    return Node(id, settings.node or id, f"{socket.gethostname()}:{found.st_dev}:{found.st_ino}")


def _kept(path: Path, fresh: str, lost: str) -> str:
    """Return the secret in the file, which is `fresh` where there was none; `lost` goes with it. Raises SetupError."""
    try:
        if not path.exists():
            _generate(path, fresh)
        # Also where another process made it: its own fsync may still be on the way.
        sync_folder(path.parent)
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"cannot use the secret in {path} as uid {os.getuid()}: {error}") from error
    if not text:
        raise SetupError(f"{path} is empty: restore it, or delete it and with it {lost}")
    return text


def _generate(path: Path, text: str) -> None:
    """Write a whole file aside, then link it into place: of two processes one wins, and nobody reads half a secret."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)
        except FileExistsError:
            return
    finally:
        aside.unlink()

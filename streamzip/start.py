"""What a start needs of the data folder: its secrets and its store, proven before anybody is let in."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from typing import Final, TypeVar

from pydantic import SecretStr, ValidationError

from streamzip.access.api_keys import ApiKeys
from streamzip.access.keyring import KeyRing
from streamzip.access.standard_webhooks import WebhookSecrets
from streamzip.buckets import store as buckets
from streamzip.clock import SystemClock
from streamzip.config import Settings, SetupError, variable
from streamzip.data_folder import load_key_ring_text, load_node, load_webhook_secret_text
from streamzip.errors import Problem
from streamzip.logs import event
from streamzip.objects import proof
from streamzip.objects.port import Away, Bucket, Refused
from streamzip.settings_sources import aws_variables
from streamzip.store.dialects import Dialect, dialect_of
from streamzip.store.examining import Examination
from streamzip.store.migrations import SchemaTooNewError
from streamzip.store.nodes import ALIVE
from streamzip.store.repository import Repository
from streamzip.store.wakes import NoWakes, Wakes
from streamzip.urls.urls import origin_of

logger = logging.getLogger(__name__)

T = TypeVar("T")

_CLOCK_MAY_DIFFER: Final = 5.0  # seconds; what is beyond is no delay of an answer

_LOOK_WITHIN: Final = 2.0  # seconds that a start looks for damage of the store: for all there is `streamzip verify`


class Secrets:
    """What the settings and the data folder hold of secrets. Raises SetupError, its text without any."""

    def __init__(self, settings: Settings) -> None:
        self.keys = _read("secret_keys", KeyRing.parse, load_key_ring_text(settings))
        self.webhooks = _read("webhook_secret", WebhookSecrets.parse, load_webhook_secret_text(settings))
        self.api_keys = _keys("api_keys", settings.api_keys)
        self.admin_keys = _keys("admin_keys", settings.admin_keys)
        self.receiver = None if settings.webhook_url is None else settings.webhook_url.get_secret_value()
        origin = None if self.receiver is None else _read("webhook_url", origin_of, self.receiver)
        self.receivers = frozenset() if origin is None else frozenset({origin})
        self._keys_read: dict[str, SecretStr | None] = {}

    def read_keys_again(self, settings: Settings) -> None:
        """Read the API keys and the admin keys again, from where the settings come from. Raises SetupError, and then
        those from before count.
        """
        try:
            found = settings.read_again()
        except ValidationError as error:
            raise SetupError("; ".join(each["msg"] for each in error.errors(include_input=False))) from error
        api_keys, admin_keys = _keys("api_keys", found.api_keys), _keys("admin_keys", found.admin_keys)
        both = ("api_keys", self.api_keys, api_keys), ("admin_keys", self.admin_keys, admin_keys)
        for setting, before, now in both:
            if bool(before) != bool(now):  # what is guarded is settled at the start
                raise SetupError(f"{variable(setting)}: to have some where there were none, or none, needs a restart")
        self.api_keys.take_over(api_keys)
        self.admin_keys.take_over(admin_keys)
        self._keys_read = {"api_keys": found.api_keys, "admin_keys": found.admin_keys}

    def with_keys(self, settings: Settings) -> Settings:
        """Return the settings, with the keys as they were last read: for a process that is begun now."""
        return settings.model_copy(update=self._keys_read)


def _keys(setting: str, text: SecretStr | None) -> ApiKeys:
    return ApiKeys() if text is None else _read(setting, ApiKeys.parse, text.get_secret_value())


def _read(setting: str, parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise SetupError(f"{variable(setting)}: {error}") from error


def read_keys_again(secrets: Secrets, settings: Settings) -> None:
    """Read the API keys and the admin keys again, and tell the log what came of it."""
    try:
        secrets.read_keys_again(settings)
    except SetupError as error:
        event(logger, logging.ERROR, "keys_not_read", detail=str(error))
    else:
        event(logger, logging.INFO, "keys_read")


async def open_store(settings: Settings, secrets: Secrets | None) -> Repository:
    """Open the store; `secrets`: those of a gateway, which must be those of the store's other gateways."""
    dialect = dialect_for(settings)
    fingerprints = {}
    if settings.store_url is not None and secrets is not None:
        fingerprints["secret_keys"] = secrets.keys.fingerprints()
        fingerprints["webhook_secret"] = secrets.webhooks.fingerprints()
    try:
        keys = None if secrets is None else secrets.keys
        return await Repository.connect(dialect, keys, fingerprints=fingerprints, wakes=_wakes(settings))
    except (SchemaTooNewError, Problem, OSError) as error:
        raise SetupError(dialect.refusal(error)) from error


def _wakes(settings: Settings) -> Wakes:
    """Return who is woken as work is queued. Raises SetupError where procrastinate is not installed."""
    if settings.jobs == "embedded":
        return NoWakes()
    try:
        from streamzip.store.engine import ProcrastinateWakes
    except ImportError as error:
        raise SetupError(
            f"{variable('jobs')}={settings.jobs} needs procrastinate: install streamzip[cluster] ({error})"
        ) from error
    return ProcrastinateWakes()


def open_bucket(settings: Settings) -> Bucket | None:
    """Return the bucket that finished copies are shared in, where one is set. Nothing is asked of it. Raises
    SetupError.
    """
    if settings.shared_url is None:
        return None
    try:
        from streamzip.objects.s3 import S3Bucket
    except ImportError as error:
        raise SetupError(f"{variable('shared_url')} needs obstore: install streamzip[s3] ({error})") from error
    try:
        ca = None if settings.ca_file is None else settings.ca_file.read_bytes()
        return S3Bucket(settings.shared_url, aws_variables(), ca=ca)
    except (ValueError, OSError) as error:
        raise SetupError(f"{variable('shared_url')}: {error}") from error


async def prove_bucket(settings: Settings, bucket: Bucket, repository: Repository) -> None:
    """Prove that the bucket can be used, and by this store alone. Raises SetupError.

    One that does not answer keeps no gateway from starting: downloads go on without it, and its copies wait.
    """
    try:
        await proof.prove(bucket, await repository.objects.store_id(now=repository.clock.wall()))
    except Refused as error:
        raise SetupError(f"{variable('shared_url')}: {settings.shared_url} cannot be used: {error}") from error
    except Away as error:
        event(logger, logging.WARNING, "bucket_away", url=settings.shared_url, error=str(error))


async def try_store(settings: Settings, secrets: Secrets | None) -> None:
    """Open the store, which brings its schema up to date, and close it; with `secrets`, prove its bucket too."""
    repository = await open_store(settings, secrets)
    try:
        if settings.store_url is not None and secrets is not None:
            await _join(settings, repository)
        if secrets is not None and (bucket := open_bucket(settings)) is not None:
            await prove_bucket(settings, bucket, repository)
    finally:
        await repository.close()


async def _join(settings: Settings, repository: Repository) -> None:
    """Have the store's other gateways know of this one, and tell the log where it differs from them harmlessly. Raises
    SetupError where another one has its place.
    """
    now = repository.clock.wall()
    if not await repository.nodes.see(load_node(settings), now):
        raise SetupError(
            f"{settings.data_dir} seems to be a copy of the data folder of another gateway, which runs: remove "
            f"{settings.data_dir / 'node'} and start again (or wait {ALIVE:.0f} s, where it is the folder "
            "itself that has moved)"
        )
    url = settings.public_url or ""
    if (before := await repository.nodes.tell_public_url(url, now)) is not None:
        event(logger, logging.WARNING, "public_url_differs", url=url, before=before, set=variable("public_url"))
    ahead = SystemClock().wall() - repository.clock.wall()
    if abs(ahead) > _CLOCK_MAY_DIFFER:
        event(logger, logging.WARNING, "clock_differs", seconds_ahead=round(ahead))


def prove(settings: Settings) -> Secrets:
    """Return the secrets of a store that can be used. Raises SetupError where one of them is lost, or the store is
    damaged, of a later release, or cannot be reached.
    """
    prove_secret(settings)
    buckets.prove(settings)
    secrets = Secrets(settings)
    asyncio.run(try_store(settings, secrets))
    with closing(Examination(dialect_for(settings))) as store:
        wrong = store.wrong(within=_LOOK_WITHIN)
    if wrong is not None:
        raise SetupError(
            f"the store is damaged ({wrong}): `streamzip verify` tells what of it is whole; restore it from a backup"
        )
    return secrets


def prove_secret(settings: Settings) -> None:
    """Raise SetupError where the secret is lost that the store's archives were signed with: a new one opens none."""
    path = settings.data_dir / "secret.keys"
    if settings.secret_keys is not None or path.exists():
        return
    try:
        with closing(Examination(dialect_for(settings))) as store:
            signed = store.has_archives()
    except FileNotFoundError:
        return
    except (ValueError, SchemaTooNewError):  # of another release, whose tables are not known here
        signed = True
    if signed:
        raise SetupError(
            f"{path} is missing, and the archives of the store beside it were signed with it: restore it from a "
            f"backup, set {variable('secret_keys')}, or begin with an empty data folder"
        )


def dialect_for(settings: Settings) -> Dialect:
    """Return the store's database."""
    return dialect_of(None if settings.store_url is None else settings.store_url.get_secret_value(), settings.data_dir)

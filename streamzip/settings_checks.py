"""Refuses settings that do not go together, and finds names that only look like a setting."""

import difflib
from collections.abc import Iterable

from streamzip.config import ENV_PREFIX, Settings, variable, variables
from streamzip.settings_sources import FILE_SUFFIX
from streamzip.setup_error import SetupError


def unknown_variables(environment: Iterable[str]) -> dict[str, str | None]:
    """Variables that look like settings and are none, each with the setting that was probably meant.

    Only for a warning: Kubernetes sets STREAMZIP_SERVICE_HOST and its like beside a service of that name.
    """
    known = variables()
    unknown = {}
    for name in sorted(environment):
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            meaning = name.upper().removeprefix(ENV_PREFIX).removesuffix(FILE_SUFFIX).lower()
            meant = difflib.get_close_matches(meaning, Settings.model_fields, n=1)
            unknown[name] = variable(meant[0]) if meant else None
    return unknown


def check_shared(settings: Settings) -> None:
    """Raise SetupError where the store may be shared by several gateways, and a setting that they must have in common
    is left to each of them.
    """
    if settings.jobs != "embedded" and settings.store_url is None:
        raise SetupError(f"{variable('jobs')}={settings.jobs} needs a PostgreSQL server: set {variable('store_url')}")
    names = [name for name in ("secret_keys", "public_url") if getattr(settings, name) is None]
    receives = settings.webhook_url is not None or settings.jobs != "embedded"  # another node's receiver, by our worker
    if receives and settings.webhook_secret is None:
        names.append("webhook_secret")
    if settings.store_url is not None and names:
        missing = " and ".join(variable(name) for name in names)
        raise SetupError(
            f"{variable('store_url')} needs {missing} too: every gateway of one store must sign with the same secrets "
            "and give out the same links"
        )

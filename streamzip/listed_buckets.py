"""Buckets of object stores that the operator lists, as they are written in the settings. PURE.

s3://photos?region=eu-central-1
s3://scans?endpoint=http://store.internal:9000&region=us-east-1&credentials=profile:scans&key=web&key=app
gs://maps?credentials=file:/etc/streamzip/maps.json
az://films?account=studio&credentials=file:/etc/streamzip/films.sas
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl

Scheme = Literal["s3", "gs", "az"]
Versions = Literal["latest", "pinned"]

_ADDRESS = re.compile(r"(s3|gs|az)://([A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])/?")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_ENDPOINT = re.compile(r"https?://[^\s/?#@\\]+/?")
# With the account as its path: as Azure's private stores and its emulator are addressed.
_ENDPOINT_OF_AZURE = re.compile(r"https?://[^\s/?#@\\]+(?:/[a-z0-9]{3,24})?/?")
_KEY = re.compile(r"[A-Za-z0-9._@-]{0,64}")
_PLACE: Final = "{bucket}"
_OPTIONS: Final[Mapping[Scheme, tuple[str, ...]]] = {
    "s3": ("region", "endpoint", "credentials", "versions", "key"),
    "gs": ("endpoint", "credentials", "versions", "key"),
    "az": ("account", "endpoint", "credentials", "versions", "key"),
}
_PROFILE: Final = r"profile:[^\s:]{1,128}"
_FILE: Final = r"file:/\S{1,1024}"
_CREDENTIALS: Final[Mapping[Scheme, re.Pattern[str]]] = {
    "s3": re.compile(rf"environment|chain|anonymous|{_PROFILE}"),
    "gs": re.compile(rf"environment|anonymous|{_PROFILE}|{_FILE}"),
    "az": re.compile(rf"environment|anonymous|{_FILE}"),
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket. `base`: the URL that its objects' keys are put behind, with the slash at its end.

    `credentials`: `environment`, `profile:NAME`, `file:PATH`, `anonymous`, or `chain`, which may ask the machine's own
    metadata service. `keys`: names of the API keys that may use it; none: all may; an empty name, which no key has,
    keeps it for lists of an upstream. `account`: of Azure's alone.
    """

    name: str
    region: str
    base: str
    credentials: str = "environment"
    versions: Versions = "latest"
    keys: frozenset[str] = frozenset()
    scheme: Scheme = "s3"
    account: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}"

    def is_open_to(self, owner: str | None) -> bool:
        """Return whether archives of this API key may hold its objects; None: a gateway that has no keys."""
        return not self.keys or owner in self.keys


def parse_bucket(text: str) -> Bucket:
    """Return the bucket that `text` says. Raises ValueError."""
    address, _, query = text.partition("?")
    match = _ADDRESS.fullmatch(address)
    if match is None or ".." in match[2]:
        raise ValueError(f"{address!r} is no bucket, as s3://photos?region=eu-central-1, gs://maps or az://films")
    scheme: Scheme = "gs" if match[1] == "gs" else "az" if match[1] == "az" else "s3"
    place, name = f"{scheme}://{match[2]}", match[2]
    pairs = parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    for option in given:
        if option not in _OPTIONS[scheme]:
            raise ValueError(f"{place}: {option!r} is none of {', '.join(_OPTIONS[scheme])}")
    keys = frozenset(value for option, value in pairs if option == "key")
    if len(pairs) != len(given) + max(0, len(keys) - 1):
        raise ValueError(f"{place}: an option stands there twice")
    region, account = given.get("region", "" if scheme == "s3" else "auto"), given.get("account", "")
    credentials, versions = given.get("credentials", "environment"), given.get("versions", "latest")
    endpoint = given.get("endpoint", _own_endpoint(scheme, name, region, account))
    wrong = {
        "region": not _REGION.fullmatch(region),
        "account": scheme == "az" and not _ACCOUNT.fullmatch(account),
        "credentials": not _CREDENTIALS[scheme].fullmatch(credentials),
        "versions": versions not in ("latest", "pinned"),
        "key": not all(_KEY.fullmatch(key) for key in keys),
    }
    for option, is_wrong in wrong.items():
        if is_wrong:
            raise ValueError(f"{place}: {option} is missing or wrong")
    if not (_ENDPOINT_OF_AZURE if scheme == "az" else _ENDPOINT).fullmatch(endpoint):
        raise ValueError(f"{place}: endpoint is scheme and host, as https://store.example:9000")
    chosen: Versions = "pinned" if versions == "pinned" else "latest"
    return Bucket(name, region, _base(name, endpoint), credentials, chosen, keys, scheme, account)


def _own_endpoint(scheme: Scheme, name: str, region: str, account: str) -> str:
    """Return where the store of that scheme is, unless the operator says otherwise."""
    if scheme == "gs":
        return "https://storage.googleapis.com"
    if scheme == "az":
        return f"https://{account}.blob.core.windows.net"
    # The certificate of a bucket's own host has one label for its name.
    return f"https://s3.{region}.amazonaws.com" if "." in name else f"https://{_PLACE}.s3.{region}.amazonaws.com"


def _base(name: str, endpoint: str) -> str:
    base = endpoint.rstrip("/") + "/"
    return base.replace(_PLACE, name) if _PLACE in base else f"{base}{name}/"

"""Buckets of an object store that the operator lists, as they are written in the settings. PURE.

s3://photos?region=eu-central-1
s3://scans?endpoint=http://store.internal:9000&region=us-east-1&credentials=profile:scans&key=web&key=app
"""

import re
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_ENDPOINT = re.compile(r"https?://[^\s/?#@\\]+/?")
_CREDENTIALS = re.compile(r"environment|chain|profile:[^\s:]{1,128}")
_KEY = re.compile(r"[A-Za-z0-9._@-]{0,64}")
_PLACE: Final = "{bucket}"
_OPTIONS: Final = ("region", "endpoint", "credentials", "versions", "key")

Versions = Literal["latest", "pinned"]


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket. `base`: the URL that its objects' keys are put behind, with the slash at its end.

    `credentials`: `environment`, `profile:NAME`, or `chain`, which may ask the machine's own metadata service. `keys`:
    names of the API keys that may use it; none: all may; an empty name, which no key has, keeps it for lists of an
    upstream.
    """

    name: str
    region: str
    base: str
    credentials: str = "environment"
    versions: Versions = "latest"
    keys: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"s3://{self.name}"

    def is_open_to(self, owner: str | None) -> bool:
        """Return whether archives of this API key may hold its objects; None: a gateway that has no keys."""
        return not self.keys or owner in self.keys


def parse_bucket(text: str) -> Bucket:
    """Return the bucket that `text` says. Raises ValueError."""
    address, _, query = text.partition("?")
    name = address.removeprefix("s3://").rstrip("/")
    if not address.startswith("s3://") or not _NAME.fullmatch(name) or ".." in name:
        raise ValueError(f"{address!r} is no bucket, as s3://photos?region=eu-central-1")
    pairs = parse_qsl(query, keep_blank_values=True)
    given = dict(pairs)
    for option in given:
        if option not in _OPTIONS:
            raise ValueError(f"s3://{name}: {option!r} is none of {', '.join(_OPTIONS)}")
    keys = frozenset(value for option, value in pairs if option == "key")
    if len(pairs) != len(given) + max(0, len(keys) - 1):
        raise ValueError(f"s3://{name}: an option stands there twice")
    region = given.get("region", "")
    credentials, versions = given.get("credentials", "environment"), given.get("versions", "latest")
    wrong = {
        "region": not _REGION.fullmatch(region),
        "credentials": not _CREDENTIALS.fullmatch(credentials),
        "versions": versions not in ("latest", "pinned"),
        "key": not all(_KEY.fullmatch(key) for key in keys),
    }
    for option, is_wrong in wrong.items():
        if is_wrong:
            raise ValueError(f"s3://{name}: {option} is missing or wrong")
    chosen: Versions = "pinned" if versions == "pinned" else "latest"
    return Bucket(name, region, _base(name, region, given.get("endpoint")), credentials, chosen, keys)


def _base(name: str, region: str, endpoint: str | None) -> str:
    if endpoint is None:
        # The certificate of a bucket's own host has one label for its name.
        endpoint = (
            f"https://s3.{region}.amazonaws.com" if "." in name else f"https://{_PLACE}.s3.{region}.amazonaws.com"
        )
    if not _ENDPOINT.fullmatch(endpoint):
        raise ValueError(f"s3://{name}: endpoint is scheme and host, as https://store.example:9000")
    base = endpoint.rstrip("/") + "/"
    return base.replace(_PLACE, name) if _PLACE in base else f"{base}{name}/"

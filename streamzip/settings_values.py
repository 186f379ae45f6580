"""Reads settings as they are written: the text of a variable, a flag or the file, and its value. PURE."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from streamzip.listed_buckets import Bucket, parse_bucket

Network = IPv4Network | IPv6Network

_DEFAULT_PORT = re.compile(r"^http:.*:80$|^https:.*:443$")
_HOST_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/@\[\]*?#]+):([0-9]{1,5})", re.ASCII)


def _split(value: Any) -> Any:
    """Split a list, which an environment variable or a flag holds as `a, b`; code may hand in a collection."""
    return [part for raw in value.split(",") if (part := raw.strip())] if isinstance(value, str) else value


def _origins(value: Any) -> frozenset[str]:
    origins = frozenset(str(origin).lower() for origin in _split(value))
    for origin in origins:
        match = _HOST_PORT.fullmatch(origin)
        if match is None or not 1 <= int(match[2]) <= 65535:
            raise ValueError(f"{origin!r} is not an exact host:port, as files.internal:8080 or [fd00::1]:443")
    return origins


def _sites(value: Any) -> tuple[str, ...]:
    sites = tuple(str(site) for site in _split(value))
    for site in sites:
        # As browsers write it (RFC 6454 §6.2): in lower case, without a default port, a path or a slash at its end.
        if site != "*" and (re.fullmatch(r"https?://[^\s/?#@\\A-Z*]+", site) is None or _DEFAULT_PORT.search(site)):
            raise ValueError(f"{site!r} is not an origin, as https://app.example or http://localhost:3000, nor *")
    return sites


def _extensions(value: Any) -> tuple[str, ...]:
    extensions = tuple(str(extension).lower().removeprefix(".") for extension in _split(value))
    for extension in extensions:
        if re.fullmatch(r"\w+", extension) is None:
            raise ValueError(f"{extension!r} is not an extension, as pdf or .pdf")
    return extensions


def _networks(value: Any) -> tuple[Network, ...]:
    return tuple(_unmapped(ip_network(network)) for network in _split(value))


def _unmapped(network: Network) -> Network:
    """Return an IPv4-mapped network (RFC 4291 §2.5.5.2) as the IPv4 network inside: so its addresses are seen."""
    inner = getattr(network.network_address, "ipv4_mapped", None)
    return network if inner is None or network.prefixlen < 96 else IPv4Network((inner, network.prefixlen - 96))


def _names(value: Any) -> frozenset[str]:
    names = frozenset(str(name).lower().removesuffix(".") for name in _split(value))
    for name in names:
        if name != "*" and re.fullmatch(r"[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?", name) is None:
            raise ValueError(f"{name!r} is not a host's name without a port, as zip.example, nor *")
    return names


def _public_url(value: str) -> str:
    if re.fullmatch(r"https?://[^\s/?#@\\]+(/[^\s?#\\]*)?", value) is None:
        raise ValueError("must be an absolute http or https URL without credentials, query or fragment")
    return value.rstrip("/")


def _address(value: str) -> str:
    match = _HOST_PORT.fullmatch(value)
    if match is None or int(match[2]) > 65535:
        raise ValueError(f"{value!r} is no host:port, as 127.0.0.1:9400 or [::1]:9400")
    return value


def _own_site(value: str) -> str:
    if re.fullmatch(r"https?://[^\s/?#@\\]+/?", value) is None:
        raise ValueError("must be scheme and host, as http://app:8000")
    return value.rstrip("/")


def _list_prefix(value: str) -> str:
    if re.fullmatch(r"https?://[^\s/?#@\\]+/[^\s#]*", value) is None:
        raise ValueError("must be an absolute http or https URL with a path, as https://lists.example/")
    return value


def _compat(value: Any) -> frozenset[str]:
    return frozenset(str(name).lower() for name in _split(value))


def _buckets(value: Any) -> tuple[Bucket, ...]:
    buckets = tuple(each if isinstance(each, Bucket) else parse_bucket(str(each)) for each in _split(value))
    if len({str(bucket) for bucket in buckets}) < len(buckets):
        raise ValueError("a bucket is listed twice")
    return buckets


def _webhook_url(value: SecretStr) -> SecretStr:
    if re.fullmatch(r"https?://[^\s/?#@\\]+(/[^\s#]*)?", value.get_secret_value()) is None:
        raise ValueError("must be an absolute http or https URL without credentials or fragment")
    return value


def _proxy_url(value: SecretStr) -> SecretStr:
    if re.fullmatch(r"(https?|socks5h?)://[^\s/?#\\]+/?", value.get_secret_value()) is None:
        raise ValueError("must be a proxy's URL, as http://user:password@host:3128 or socks5://host:1080")
    return value


def _store_url(value: SecretStr) -> SecretStr:
    if re.match(r"postgres(ql)?://.", value.get_secret_value()) is None:
        raise ValueError("must be a PostgreSQL URL, as postgresql://user:password@host:5432/database")
    return value


def _shared_url(value: str) -> str:
    if re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w!.*'()-]+)*/?", value, re.ASCII) is None:
        raise ValueError("must be a bucket and a prefix, as s3://bucket/streamzip")
    return value.rstrip("/")


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Origins = Annotated[frozenset[str], NoDecode, BeforeValidator(_origins)]
Networks = Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_networks)]
Names = Annotated[frozenset[str], NoDecode, BeforeValidator(_names)]
Sites = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_sites)]
Extensions = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_extensions)]
Compat = Annotated[frozenset[Literal["zipstreamer", "mod_zip", "esri"]], NoDecode, BeforeValidator(_compat)]
Buckets = Annotated[tuple[Bucket, ...], NoDecode, BeforeValidator(_buckets)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Address = Annotated[str, AfterValidator(_address)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
OwnSite = Annotated[str, AfterValidator(_own_site)]
ListPrefix = Annotated[str, AfterValidator(_list_prefix)]
SharedUrl = Annotated[str, AfterValidator(_shared_url)]
StoreUrl = Annotated[SecretStr, AfterValidator(_store_url)]
ProxyUrl = Annotated[SecretStr, AfterValidator(_proxy_url)]
WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url)]
LogLevel = Annotated[Literal["off", "error", "warning", "info", "debug"], BeforeValidator(_lower)]
LogFormat = Annotated[Literal["json", "text"], BeforeValidator(_lower)]

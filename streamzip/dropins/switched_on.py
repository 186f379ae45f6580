"""The drop-ins that the operator switched on, made of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from streamzip.api.interface import Layer
from streamzip.clock import Clock
from streamzip.config import Settings
from streamzip.dropins.descriptor import Terms
from streamzip.dropins.fetching import Lists
from streamzip.dropins.mod_zip import SCHEME
from streamzip.dropins.upstream import FileServer, ModZip, Upstream
from streamzip.dropins.zipstreamer import Zipstreamer
from streamzip.net.transport import OriginTransport
from streamzip.origins.counting import Pace
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Source
from streamzip.origins.rewritten import RewrittenSource
from streamzip.store.links import Links
from streamzip.urls.urls import origin_of


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways out: `web` to public addresses, `own` and `transport` also to the hosts that the operator named."""

    web: HttpSource
    own: HttpSource
    transport: OriginTransport
    pace: Pace


def hosts(settings: Settings) -> frozenset[str]:
    """Return the exact host:port of what the operator named for the drop-ins that are on."""
    urls = []
    if "zipstreamer" in settings.compat:
        urls.append(settings.compat_list_prefix)
    if "mod_zip" in settings.compat:
        urls += [settings.upstream, settings.upstream_files]
    return frozenset(origin_of(url) for url in urls if url)


def sources(settings: Settings, own: HttpSource) -> Mapping[str, Source]:
    """Return the sources that they add, by scheme."""
    if "mod_zip" not in settings.compat or settings.upstream_files is None:
        return {}
    return {SCHEME.removesuffix(":"): RewrittenSource(own, FileServer(settings.upstream_files))}


def layers(settings: Settings, ways: Ways, links: Links, clock: Clock) -> tuple[Layer, ...]:
    """Return the interfaces, from the one nearest to the gateway's own outwards."""
    found: list[Layer] = []
    if "mod_zip" in settings.compat and settings.upstream is not None:
        kinds = [ModZip(sized=settings.upstream_sizes == "listed")]
        found.append(Upstream(settings.upstream, ways.transport, ways.pace, kinds))
    if "zipstreamer" in settings.compat:
        terms = Terms(settings.compat_url_prefix, settings.compat_compression)
        lists, own_lists = Lists(ways.web), Lists(ways.own)
        prefix, ttl = settings.compat_list_prefix, settings.compat_link_ttl
        found.append(Zipstreamer(terms, lists, own_lists, prefix, links, ttl, clock))
    return tuple(found)

"""The drop-ins that the operator switched on, made of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from streamzip.api.interface import Layer
from streamzip.clock import Clock
from streamzip.config import Settings
from streamzip.dropins import esri, mod_zip
from streamzip.dropins.descriptor import Terms
from streamzip.dropins.fetching import Lists
from streamzip.dropins.upstream import Esri, FileServer, Listed, ListedObjects, ModZip, Upstream
from streamzip.dropins.zipstreamer import Zipstreamer
from streamzip.net.transport import OriginTransport
from streamzip.origins.counting import Pace
from streamzip.origins.http import HttpSource
from streamzip.origins.port import Source
from streamzip.origins.rewritten import Rewriter, RewrittenSource
from streamzip.store.links import Links
from streamzip.urls.urls import origin_of

_WITH_UPSTREAM = frozenset({"mod_zip", "esri"})


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
    if settings.compat & _WITH_UPSTREAM:
        urls.append(settings.upstream)
    if "mod_zip" in settings.compat:
        urls.append(settings.upstream_files)
    return frozenset(origin_of(url) for url in urls if url)


def sources(settings: Settings, own: HttpSource, in_buckets: HttpSource, objects: Rewriter) -> Mapping[str, Source]:
    """Return the sources that they add, by scheme. `in_buckets` asks for what `objects` knows the addresses of."""
    found: dict[str, Source] = {}
    if "mod_zip" in settings.compat and settings.upstream_files is not None:
        found[mod_zip.SCHEME.removesuffix(":")] = RewrittenSource(own, FileServer(settings.upstream_files))
    if "esri" in settings.compat:
        found[esri.SCHEME.removesuffix(":")] = RewrittenSource(in_buckets, ListedObjects(objects))
    return found


def layers(settings: Settings, ways: Ways, links: Links, clock: Clock) -> tuple[Layer, ...]:
    """Return the interfaces, from the one nearest to the gateway's own outwards."""
    found: list[Layer] = []
    if settings.compat & _WITH_UPSTREAM and settings.upstream is not None:
        kinds: list[Listed] = []
        if "mod_zip" in settings.compat:
            kinds.append(ModZip(sized=settings.upstream_sizes == "listed"))
        if "esri" in settings.compat:
            kinds.append(Esri(settings.upstream_via.get_secret_value()))
        found.append(Upstream(settings.upstream, ways.transport, ways.pace, kinds))
    if "zipstreamer" in settings.compat:
        terms = Terms(settings.compat_url_prefix, settings.compat_compression)
        lists, own_lists = Lists(ways.web), Lists(ways.own)
        prefix, ttl = settings.compat_list_prefix, settings.compat_link_ttl
        found.append(Zipstreamer(terms, lists, own_lists, prefix, links, ttl, clock))
    return tuple(found)

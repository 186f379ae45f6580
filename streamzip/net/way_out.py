"""The way out, as the operator chose it: the fast transport with the dial guard beneath, or a proxy."""

from streamzip.config import Settings
from streamzip.net.addresses import DialGuard
from streamzip.net.port import Transport
from streamzip.net.transport import OriginTransport, Trust


def way_out(settings: Settings, trust: Trust) -> Transport:
    """Return what carries requests for clients: to origins, and to receivers that they name."""
    if settings.egress_proxy is None:
        return direct(settings, settings.allow_hosts, trust)
    from streamzip.net.httpx_transport import through_proxy  # httpx takes 7 MiB, and nothing else of a gateway needs it

    return through_proxy(
        settings.egress_proxy.get_secret_value(),
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        ca_file=settings.ca_file,
    )


def direct(settings: Settings, allow_hosts: frozenset[str], trust: Trust) -> OriginTransport:
    """Return a transport that dials by itself. `allow_hosts`: exact `host:port` that may have private addresses;
    `trust`: whom HTTPS trusts, for all ways out.
    """
    return OriginTransport(
        DialGuard(allow_hosts, settings.allow_networks),
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        trust=trust,
        at_address=max(1, settings.connections_per_origin // settings.workers),
    )

"""Other gateways' interfaces, so that their users switch by an address. Nothing else of streamzip knows of them."""

from streamzip.dropins.switched_on import Ways, hosts, layers, sources

__all__ = ["Ways", "hosts", "layers", "sources"]

"""The port for other programs' interfaces: each stands before the gateway's own and answers some requests itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from starlette.types import ASGIApp, Scope

from streamzip.api.archives import Archives
from streamzip.api.download import Downloads
from streamzip.guards.auth import Auth
from streamzip.guards.rates import Rate


@dataclass(frozen=True, slots=True)
class Interface:
    """The handlers that are shared. `creates`: what each client has left; `is_own`: one of our routes has the path."""

    archives: Archives
    downloads: Downloads
    auth: Auth
    creates: Rate
    is_own: Callable[[Scope], bool]


class Layer(Protocol):
    """An interface beside the gateway's own."""

    def over(self, app: ASGIApp, interface: Interface) -> ASGIApp:
        """Return an app that answers what is asked in this interface, and leaves all else to `app`."""

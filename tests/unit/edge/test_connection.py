"""The hold on a client's socket, where that socket is gone already."""

import asyncio
import socket
from typing import Any, cast

from streamzip.edge.connection import Connection


class ClosedTransport:
    """A transport whose socket the client's leaving has closed."""

    def get_extra_info(self, name: str) -> Any:
        """Its socket, which has no descriptor any more."""
        assert name == "socket"
        gone = socket.socket()
        gone.close()
        return gone

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0


def test_nothing_is_untaken_when_the_socket_is_closed() -> None:
    """A client that had everything and left at once: its closed socket was asked, and an error logged, not its end."""
    assert Connection(cast(asyncio.Transport, ClosedTransport())).untaken() == 0

"""A client that hangs up before its body is whole: no failure of the gateway's, and nothing kept."""

import socket
from contextlib import closing

import pytest

from tests.support.gateway import Gateway


@pytest.mark.parametrize("path", ["/api/archive/create", "/archive_img", "/download", "/login", "/logout", "/upload"])
def test_client_that_hangs_up_in_mid_body_is_nobodys_failure(gateway: Gateway, path: str) -> None:
    """Nothing is stored, and nothing but the request's line is logged, as a client's doing: an operator who is called
    for every such client looks no more.
    """
    before, stored = len(gateway.log), gateway.stored()
    kind = "multipart/form-data; boundary=b" if path == "/upload" else "application/json"
    with closing(socket.create_connection(("127.0.0.1", gateway.port), timeout=20)) as client:
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n\r\n--b\r\n"
        client.sendall(head.encode())
        client.shutdown(socket.SHUT_WR)
        client.recv(1000)
    assert gateway.client.get("/healthz").status_code == 200
    lines = gateway.log[before:]
    assert [line for line in lines if line["event"] != "request"] == []
    assert all(line["level"] == "info" and line["status"] < 500 for line in lines)
    assert gateway.stored() == stored

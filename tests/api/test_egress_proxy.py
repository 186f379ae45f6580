"""A gateway whose only way out is a proxy."""

import io
import zipfile

from tests.support.fixtures import Launch
from tests.support.origin import File, Origin, Pattern, Status

HOST = "http://files.example"


def test_everything_goes_through_the_proxy(launch: Launch) -> None:
    """The proxy looks names up: here it is the origin itself, which is asked for whole URLs (RFC 9112 §3.2.2)."""
    with Origin() as proxy:
        proxy.serve(f"{HOST}/a", File(b"small"))
        proxy.serve(f"{HOST}/b", File(Pattern(3_000_000), reset_at=1_000_000), File(Pattern(3_000_000)))
        proxy.serve(f"{HOST}/gone", Status(404))
        gateway = launch(egress_proxy=f"http://user:secret@{proxy.authority}")
        created = gateway.create(urls=[f"{HOST}/a", f"{HOST}/b", f"{HOST}/gone"])
        with zipfile.ZipFile(io.BytesIO(gateway.download(created["archive_hash"]))) as archive:
            assert archive.read("a") == b"small"
            assert archive.read("b") == Pattern(3_000_000)[:]
        (asked,) = {request.fields["proxy-authorization"] for request in proxy.requests()}
        assert asked.startswith("Basic ")
        assert gateway.status(created["archive_hash"])["errors"][0]["code"] == "http_404"
        # What a URL says itself is judged before the proxy is asked.
        refused = gateway.client.post("/api/archive/create", json={"urls": ["http://10.0.0.1/x", "http://[::1]/x"]})
        assert (refused.status_code, len(refused.json()["errors"])) == (422, 2)

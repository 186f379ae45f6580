"""Archives whose places show only as they are written, with members among them that are exact."""

import io
import zipfile

from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Pattern

TEXT = b"".join(b"%d,%x\n" % (number, number * 2654435761 % 4294967296) for number in range(200_000))  # 3 MB
NOISE = bytes(Pattern(3 << 20)[:])


def test_archive_opens_when_a_large_compressed_member_comes_before_exact_ones(gateway: Gateway, origin: Origin) -> None:
    """Small and large stored members behind one of unknown stored size wait for their places, and lie in them."""
    files = {"rows.csv": TEXT, "small.png": NOISE[:5000], "large.png": NOISE, "last.png": NOISE[:70_000]}
    for name, body in files.items():
        origin.serve(f"/mixed/{name}", File(body))
    created = gateway.create(urls=[origin.url(f"/mixed/{name}") for name in files])
    archive = gateway.download(created["archive_hash"])
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.getinfo("rows.csv").compress_type == zipfile.ZIP_DEFLATED
        assert {name: opened.read(name) for name in opened.namelist()} == files

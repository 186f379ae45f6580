"""A network of our own, in which every address answers, and a gateway in it that reads buckets of all three stores.

Run as root, in a network namespace (`unshare -n python -m tests.support.bucket_enclosure DATA`): all addresses of IPv4
and X It prints what was reached, and what became of the archives.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.support.enclosure import Canary
from tests.support.gateway import Gateway
from tests.support.origin import Answer, File, Origin, Pattern, Reply, Request, Status
from tests.support.signed_requests import AzureAccount, GoogleAccount

ENDPOINTS = {"s3": "10.1.1.1", "gs": "10.2.2.2", "az": "10.3.3.3"}
ELSEWHERE = "93.184.216.34"
METADATA = "169.254.169.254"
SIZE = 9 << 20
_LIST = b"<ListBucketResult><Contents><Key>a/%d</Key><Size>9</Size></Contents>%s</ListBucketResult>"
_MORE = b"<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
_BLOBS = (
    b"<EnumerationResults><Blobs><Blob><Name>a/%d</Name><Properties><Content-Length>9</Content-Length></Properties>"
    b"</Blob></Blobs><NextMarker>%s</NextMarker></EnumerationResults>"
)


def prove(canary: Canary) -> None:
    """See an attempt of our own to connect to the metadata service, and forget it."""
    with socket.socket() as own:
        own.connect_ex((METADATA, 80))
    assert canary.sees.wait(10)
    assert canary.dialled.pop((METADATA, 80)) == 1


def listed(request: Request) -> Answer:
    """A prefix of two pages."""
    second = "continuation-token" in request.target or "marker" in request.target
    if "restype=container" in request.target:
        return Status(200, (), _BLOBS % (second, b"" if second else b"t"))
    return Status(200, (), _LIST % (second, b"" if second else _MORE))


def serve(store: Origin, place: str) -> None:
    """Answer for one bucket: two small objects, a large one whose pull breaks and is then refused, and redirects."""
    store.serve(f"{place}/", Reply(listed))
    store.serve(place, Reply(listed))
    for number in range(2):
        store.serve(f"{place}/a/{number}", File(b"something"))
    late = b"<Error><Code>ExpiredToken</Code></Error>"
    body = File(Pattern(SIZE))
    broken = File(Pattern(SIZE), cut_at=100_000)
    store.serve(f"{place}/large", body, broken, Status(400, (), late), Status(503), body)
    for status in (301, 307):
        store.serve(f"{place}/moved{status}", Status(status, (("Location", f"http://{ELSEWHERE}:{store.port}/x"),)))
    store.serve(f"{place}/metadata", Status(302, (("Location", f"http://{METADATA}/latest/meta-data/"),)))


def asked(place: str) -> Iterable[str]:
    return [f"{place}/{key}" for key in ("a/", "large", "moved301", "moved307", "metadata")]


def main(data: Path) -> None:
    """Make the network, run the gateway in it, and print what was seen."""
    for command in (
        "ip link set lo up",
        "ip route add local 0.0.0.0/0 dev lo",
        "ip -6 route add local ::/0 dev lo",
    ):
        subprocess.run(command.split(), check=False)
    canary = Canary(datagrams=True)
    prove(canary)
    key = GoogleAccount().write(data.parent / "key.json")
    environment = {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "GOOGLE_APPLICATION_CREDENTIALS": str(key),
        "AZURE_STORAGE_KEY": AzureAccount("studio").key,
    }
    os.environ.update(environment)
    with Origin(host="0.0.0.0") as store:
        serve(store, "/photos")
        serve(store, "/maps")
        serve(store, "/films")
        at = {scheme: f"endpoint=http://{address}:{store.port}" for scheme, address in ENDPOINTS.items()}
        sources = f"s3://photos?region=r&{at['s3']},gs://maps?{at['gs']},az://films?account=studio&{at['az']}"
        with Gateway(data, object_sources=sources, throttle_wait="2") as gateway:
            codes = {}
            for place in ("s3://photos", "gs://maps", "az://films"):
                hash = gateway.create(urls=list(asked(place)))["archive_hash"]
                whole = gateway.get(hash)
                codes[place] = [whole.status_code, *(each["code"] for each in gateway.left_out(hash))]
            known = {("127.0.0.1", gateway.port)}
    reached = sorted({f"{host} {port}" for host, port in canary.dialled if (host, port) not in known})
    print(json.dumps({"reached": reached, "codes": codes, "port": store.port}))


if __name__ == "__main__":
    assert os.geteuid() == 0
    main(Path(sys.argv[1]))

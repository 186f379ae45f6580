"""A list makes no hammer of the gateway: a file is asked for once, and not for long where nobody waits."""

from typing import Any

from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Status


def test_file_that_a_list_names_often_is_asked_for_once(gateway: Gateway, origin: Origin) -> None:
    """Two hundred entries of one URL, and those with other header fields once more; each is in the archive."""
    origin.serve("/hammer/same", File(b"same bytes"))
    url, headers = origin.url("/hammer/same"), {"Authorization": "Bearer x"}
    entries: list[dict[str, Any]] = [{"url": url, "name": f"{number}.txt"} for number in range(200)]
    entries += [{"url": url, "name": f"{number}.bin", "headers": headers} for number in range(50)]
    origin.serve("/hammer/none", Status(404))
    entries += [{"url": origin.url("/hammer/none")}]
    hash = gateway.create(entries=entries)["archive_hash"]
    gateway.until(hash, lambda document: document["errors_total"] == 1)
    asked = [request.fields.get("authorization") for request in origin.requests("/hammer/same")]
    assert sorted(asked, key=str) == ["Bearer x", None]


def test_file_that_is_missing_is_left_out_for_each_entry(gateway: Gateway, origin: Origin) -> None:
    """One answer speaks for all that name the file; a size that was given is held to it for each."""
    origin.serve("/hammer/missing", Status(404))
    origin.serve("/hammer/sized", File(b"12345"))
    entries: list[dict[str, Any]] = [{"url": origin.url("/hammer/missing"), "name": f"{number}"} for number in range(9)]
    entries += [{"url": origin.url("/hammer/sized"), "name": "any"}]
    entries += [{"url": origin.url("/hammer/sized"), "name": "none", "size": 0}]
    hash = gateway.create(entries=entries, refresh=True)["archive_hash"]
    gateway.until(hash, lambda document: document["errors_total"] == 10)
    codes = {error["name"]: error["code"] for error in gateway.left_out(hash)}
    assert codes == {**{str(number): "http_404" for number in range(9)}, "none": "size_mismatch"}
    assert len(origin.requests("/hammer/missing")) == 1


def test_probe_that_nobody_waits_for_is_not_made_again_and_again(launch: Launch, origin: Origin) -> None:
    """An origin that is down is asked twice for each file of a list, not with the patience of a reader."""
    gateway = launch()  # of one that knows the origin to be up it would be a word to ask more slowly
    paths = [f"/hammer/down/{number}" for number in range(20)]
    for path in paths:
        origin.serve(path, Status(503))
    hash = gateway.create(urls=[origin.url(path) for path in paths])["archive_hash"]
    origin.until(lambda origin: all(len(origin.requests(path)) >= 2 for path in paths))
    origin.serve("/hammer/after", Status(404))
    later = gateway.create(urls=[origin.url("/hammer/after")])["archive_hash"]
    gateway.until(later, lambda document: document["errors_total"] == 1)
    assert {len(origin.requests(path)) for path in paths} == {2}
    for path in paths:
        origin.serve(path, File(b"up again"))
    assert gateway.client.get(f"/archive/get/{hash}.zip").status_code == 200
    assert gateway.status(hash)["errors_total"] == 0

"""Webhooks on a running gateway: who is told what, when, and what happens where nobody listens."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import WebhookVerificationError

from streamzip.access.api_keys import new_key
from streamzip.config import Settings, SetupError
from streamzip.serving import serve
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway
from tests.support.origin import File, Origin, Status
from tests.support.receiver import SECRET, Message, Receiver, Reply


@dataclass(frozen=True)
class Told:
    """A gateway and a receiver of its events."""

    gateway: Gateway
    receiver: Receiver
    secret: str


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def operator(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The operator named a receiver with a private address, and nothing else: the secret was made at the start."""
    with Receiver() as receiver:
        data = tmp_path_factory.mktemp("operator") / "data"
        with Gateway(data, allow=[origin.authority], webhook_url=receiver.url("/all")) as gateway:
            yield Told(gateway, receiver, gateway.webhook_secret)


@pytest.fixture(scope="module")
def clients(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Clients may name the receiver, and nobody else is told."""
    with Receiver() as receiver:
        data = tmp_path_factory.mktemp("clients") / "data"
        with Gateway(data, allow=[origin.authority, receiver.authority], webhook_secret=SECRET) as gateway:
            yield Told(gateway, receiver, SECRET)


@pytest.mark.alone
def test_receiver_is_told_once_the_copy_is_durable(origin: Origin, operator: Told) -> None:
    """archive.completed with the status document, its links and the entries left out, as the reference accepts it."""
    gateway, receiver = operator.gateway, operator.receiver
    origin.serve("/hooked/a.bin", File(b"bytes"))
    urls = [origin.url("/hooked/a.bin"), origin.url("/hooked/missing.bin?token=s3cret")]
    hash = gateway.create(urls=urls)["archive_hash"]
    assert receiver.messages("/all") == []
    body = gateway.download(hash)
    message = receiver.next("/all")
    assert gateway.copy(hash).read_bytes() == body
    document = message.verified(operator.secret)
    assert document["type"] == "archive.completed"
    told, status = document["data"], gateway.status(hash)
    # That a reader has come, for whom it stays, is noted beside its completion.
    assert told["expires_at"] is None or told["expires_at"] > told["completed_at"]
    beside = ("webhooks", "prefetch", "active", "url", "status_url", "expires_at")
    assert told | dict.fromkeys(beside) == status | dict.fromkeys(beside)
    assert status["expires_at"] is None
    assert (told["status"], told["size"], told["cached"]) == ("completed", len(body), True)
    assert told["url"] == f"/archive/get/{hash}.zip"
    assert [error["code"] for error in told["errors"]] == ["http_404"]
    assert b"s3cret" not in message.body
    shown = gateway.until(hash, lambda status: status["webhooks"][0]["state"] == "delivered")["webhooks"]
    assert [(each["receiver"], each["id"], each["outcome"]) for each in shown] == [
        ("predefined", message.id, "http_204")
    ]


@pytest.mark.alone
def test_receiver_is_told_of_no_host_that_a_client_named(launch: Launch, origin: Origin, receiver: Receiver) -> None:
    """Whoever creates it could name any: links are those of the public URL or, without one, paths alone."""
    origin.serve("/hooked/host", File(b"bytes"))
    for name, base in (("public", "https://zip.example/base"), ("none", "")):
        gateway = launch(name, webhook_url=receiver.url("/host"), allowed_hosts="*", public_url=base)
        body = {"urls": [origin.url("/hooked/host")], "prefetch": True}
        created = gateway.client.post("/api/archive/create", json=body, headers={"Host": "evil.example"}).json()
        message = receiver.next("/host")
        told, hash = message.document["data"], created["archive_hash"]
        assert told["url"] == f"{base}/archive/get/{hash}.zip"
        assert told["status_url"] == f"{base}/api/archive/status/{hash}"
        assert b"evil" not in message.body


def test_receiver_is_told_when_nothing_can_be_had(origin: Origin, operator: Told) -> None:
    """archive.failed as soon as every origin has said so for good; nobody needs to read it for that. What is told of
    very many entries is cut, for each receiver gets the whole of it.
    """
    origin.serve("/hooked/gone", Status(410))
    hash = operator.gateway.create(urls=[origin.url("/hooked/gone")] * 120)["archive_hash"]
    document = operator.receiver.next("/all").verified(operator.secret)
    assert (document["type"], document["data"]["status"]) == ("archive.failed", "failed")
    assert (document["data"]["archive_hash"], document["data"]["code"]) == (hash, "no_entries")
    assert (len(document["data"]["errors"]), document["data"]["errors_total"]) == (100, 120)


@pytest.mark.one_node("the origin's answers are in the order of one node's questions")
def test_receiver_is_told_when_an_origin_changed(origin: Origin, operator: Told) -> None:
    """A stale archive has failed for ever."""
    gateway = operator.gateway
    origin.serve("/hooked/old", File(bytes(3 << 20)), File(bytes(3 << 20), cut_at=1 << 20), File(b"new", etag='"v2"'))
    hash = gateway.create(urls=[origin.url("/hooked/old")])["archive_hash"]
    with contextlib.suppress(httpx.HTTPError):
        gateway.get(hash)
    gateway.until(hash, "failed")
    document = operator.receiver.next("/all").verified(operator.secret)
    assert (document["type"], document["data"]["code"]) == ("archive.failed", "origin_changed")


def test_create_names_a_receiver_of_its_own(origin: Origin, clients: Told) -> None:
    """It is told; so is the one that a repeated create names, at once, and one that asks again, under the same id."""
    gateway, receiver = clients.gateway, clients.receiver
    origin.serve("/own/a.bin", File(b"bytes"))
    urls = [origin.url("/own/a.bin")]
    created = gateway.create(urls=urls, webhook=receiver.url("/own?t=s3cret"))
    hash, own = created["archive_hash"], created["webhook_secret"]
    assert gateway.status(hash)["webhooks"] == [{"receiver": f"http://{receiver.authority}", "state": "waiting"}]
    gateway.download(hash)
    first = receiver.next("/own?t=s3cret")
    assert first.verified(own)["type"] == "archive.completed"
    again = gateway.create(urls=urls, webhook=receiver.url("/late"))
    assert again["archive_hash"] == hash
    late = receiver.next("/late")
    assert late.verified(again["webhook_secret"])["type"] == "archive.completed"
    assert late.id != first.id
    gateway.until(hash, lambda status: {each["state"] for each in status["webhooks"]} == {"delivered"})
    assert gateway.create(urls=urls, webhook=receiver.url("/own?t=s3cret"))["webhook_secret"] == own
    assert "webhook_secret" not in gateway.create(urls=urls)
    assert receiver.next("/own?t=s3cret").id == first.id
    assert len(receiver.messages("/late")) == 1
    assert "s3cret" not in str(gateway.status(hash)) + str(gateway.log)


def test_receiver_can_forge_nothing_to_another(launch: Launch, origin: Origin, receiver: Receiver) -> None:
    """Each has a secret of its own, for each key, and none that is the operator's; new keys of the ring go with it."""
    ann, bob = new_key("ann"), new_key("bob")
    settings = {"api_keys": f"{ann[1]},{bob[1]}", "webhook_url": receiver.url("/all"), "webhook_secret": SECRET}
    gateway = launch(allow=[receiver.authority], secret_keys="k1:the first secret", **settings)
    origin.serve("/forged/a", File(b"bytes"))

    def create(gateway: Gateway, key: str, path: str) -> str:
        body = {"urls": [origin.url("/forged/a")], "webhook": receiver.url(path), "prefetch": True}
        answer = gateway.client.post("/api/archive/create", json=body, headers={"Authorization": f"Bearer {key}"})
        secret: str = answer.json()["webhook_secret"]
        return secret

    secrets = [create(gateway, ann[0], "/a"), create(gateway, ann[0], "/b"), create(gateway, bob[0], "/a"), SECRET]
    assert len(set(secrets)) == 4
    messages = [receiver.next(path) for path in ("/a", "/a", "/b", "/all", "/all")]
    accepted = [[secret for secret in secrets if accepts(message, secret)] for message in messages]
    assert sorted(accepted) == sorted([[secret] for secret in [*secrets, SECRET]])
    gateway.stop()
    turned = launch(allow=[receiver.authority], secret_keys="k2:the second secret,k1:the first secret", **settings)
    fresh = create(turned, ann[0], "/a")
    assert fresh != secrets[0]
    # Before it may come again what the first life sent, and was ended before it had noted that.
    message = next(each for each in iter(lambda: receiver.next("/a"), None) if accepts(each, fresh))
    assert message.verified(secrets[0])


def accepts(message: Message, secret: str) -> bool:
    """Return whether the reference library takes the message for one under this secret."""
    try:
        message.verified(secret)
    except WebhookVerificationError:
        return False
    return True


def test_event_is_delivered_after_kill_and_restart_with_the_same_id(
    launch: Launch, origin: Origin, receiver: Receiver
) -> None:
    """A receiver that was away gets its event once it is up; the gateway's death in between loses nothing."""
    gateway = launch(allow=[receiver.authority], webhook_secret=SECRET)
    origin.serve("/away/a.bin", File(b"bytes"))
    receiver.answer("/hook", Reply(503))
    created = gateway.create(urls=[origin.url("/away/a.bin")], webhook=receiver.url(), prefetch=True)
    hash, secret = created["archive_hash"], created["webhook_secret"]
    first = receiver.next()
    receiver.close()
    gateway.until(hash, lambda status: status["webhooks"][0]["attempts"] > 0)
    gateway.kill()
    gateway.start()
    receiver.answer("/hook", Reply(204))
    receiver.open()
    again = receiver.next()
    assert again.id == first.id
    assert again.verified(secret) == first.verified(secret)
    shown = gateway.until(hash, lambda status: status["webhooks"][0]["state"] == "delivered")["webhooks"]
    assert len(receiver.messages()) == 2
    assert shown[0]["attempts"] >= 2


def test_slow_receiver_delays_no_build(origin: Origin, clients: Told) -> None:
    """Archives are built while their receiver holds every message that it is sent."""
    gateway, receiver = clients.gateway, clients.receiver
    origin.serve("/quick/a.bin", File(b"bytes"))
    receiver.answer("/slow", Reply(held=True))
    hashes = []
    for number in range(6):
        files = [{"url": origin.url("/quick/a.bin"), "name": f"{number}"}]
        hashes.append(gateway.create(entries=files, webhook=receiver.url("/slow"), prefetch=True)["archive_hash"])
    for hash in hashes:
        gateway.until(hash)
    receiver.release()
    assert len({receiver.next("/slow").id for _ in hashes}) == 6


def test_redirect_is_no_acknowledgement_and_is_not_followed(origin: Origin, clients: Told) -> None:
    """The message goes to the receiver that was named, or to nobody; the status shows why it is late."""
    gateway, receiver = clients.gateway, clients.receiver
    receiver.answer("/moved", Reply(302, (("Location", receiver.url("/elsewhere")),)))
    origin.serve("/moved/a.bin", File(b"bytes"))
    hash = gateway.create(urls=[origin.url("/moved/a.bin")], webhook=receiver.url("/moved"))["archive_hash"]
    gateway.download(hash)
    receiver.next("/moved")
    shown = gateway.until(hash, lambda status: status["webhooks"][0].get("attempts", 0) > 0)["webhooks"][0]
    assert (shown["state"], shown["outcome"]) == ("queued", "http_302")
    assert receiver.messages("/elsewhere") == []


def test_receiver_with_a_private_address_is_never_dialled(origin: Origin, gateway: Gateway, receiver: Receiver) -> None:
    """A literal is refused at create; a name that leads there, at the dial; and neither is told of as anything else."""
    origin.serve("/ssrf/a.bin", File(b"bytes"))
    urls = [origin.url("/ssrf/a.bin")]
    before = gateway.stored()
    refused = gateway.client.post("/api/archive/create", json={"urls": urls, "webhook": receiver.url()})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/webhook"
    assert gateway.stored() == before
    named = f"http://localhost:{receiver.port}/hook"
    hash = gateway.create(urls=urls, webhook=named, prefetch=True)["archive_hash"]
    shown = gateway.until(hash, lambda status: status["webhooks"][0]["state"] == "failed")["webhooks"][0]
    assert (shown["outcome"], shown["attempts"]) == ("blocked_address", 1)
    assert receiver.messages() == []


def test_deleted_archive_tells_nobody(origin: Origin, clients: Told) -> None:
    """Its owner wants it forgotten, and what waits to be told of it as well."""
    gateway, receiver = clients.gateway, clients.receiver
    origin.serve("/forgotten/a.bin", File(b"bytes"))
    receiver.answer("/forgotten", Reply(503))
    body = {"urls": [origin.url("/forgotten/a.bin")], "webhook": receiver.url("/forgotten")}
    created = gateway.create(**body)
    hash = created["archive_hash"]
    gateway.download(hash)
    receiver.next("/forgotten")
    gateway.until(hash, lambda status: status["webhooks"][0].get("attempts", 0) > 0)
    token = {"X-Delete-Token": created["delete_token"]}
    assert gateway.client.delete(f"/api/archive/{hash}", headers=token).status_code == 204
    assert gateway.create(urls=body["urls"])["archive_hash"] == hash
    assert gateway.status(hash)["webhooks"] == []


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"webhook_secret": "whsec_hunter2"}, "STREAMZIP_WEBHOOK_SECRET"),
        ({"webhook_url": "http://127.1/hunter2"}, "STREAMZIP_WEBHOOK_URL"),
    ],
)
def test_gateway_does_not_start_with_a_receiver_that_cannot_work(
    tmp_path: Path, given: dict[str, Any], name: str
) -> None:
    """One sentence that names the setting and not its value."""
    with pytest.raises(SetupError, match=name) as caught:
        serve(Settings(data_dir=tmp_path, port=0, **given), contextlib.nullcontext())
    assert "hunter2" not in str(caught.value)

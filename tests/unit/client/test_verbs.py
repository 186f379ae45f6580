"""The client's verbs against scripted answers, the same for both clients: what is sent, and what is made of answers."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import respx

from streamzip.client import (
    AccessDenied,
    ArchiveFailed,
    AsyncClient,
    BadAnswer,
    Busy,
    Client,
    GatewayError,
    NotFound,
    OriginChanged,
    ProblemError,
    Status,
    Unreachable,
)

SERVER = "https://zip.example.com"
HASH = "3bea29ccabbbf64bdebcc055319c5745"
Call = Callable[..., Any]


def status(state: str, **more: Any) -> dict[str, Any]:
    progress = {"bytes": 5, "total_bytes": None, "entries": 1, "total_entries": 2}
    return {"archive_hash": HASH, "status": state, "progress": progress, "errors": [], "url": None, **more}


CREATED = {"archive_hash": HASH, "status": "pending", "url": f"{SERVER}/archive/get/{HASH}.zip", "entries": 2,
           "delete_token": "t", "renamed": [{"index": 1, "requested": "a", "name": "a (2)"}]}  # fmt: skip


class Blocking:
    """Calls Client's methods."""

    def __init__(self, router: respx.Router, key: str | None = None) -> None:
        self._client = Client(SERVER, key=key, http=httpx.Client(transport=httpx.MockTransport(router.handler)))

    def __call__(self, verb: str, *arguments: Any, **options: Any) -> Any:
        return getattr(self._client, verb)(*arguments, **options)

    def all(self, verb: str, *arguments: Any) -> list[Any]:
        return list(self(verb, *arguments))


class Asynchronous:
    """Calls AsyncClient's methods, each in a loop of its own."""

    def __init__(self, router: respx.Router, key: str | None = None) -> None:
        transport = httpx.MockTransport(router.async_handler)
        self._client = AsyncClient(SERVER, key=key, http=httpx.AsyncClient(transport=transport))

    def __call__(self, verb: str, *arguments: Any, **options: Any) -> Any:
        return asyncio.run(getattr(self._client, verb)(*arguments, **options))

    def all(self, verb: str, *arguments: Any) -> list[Any]:
        async def collected() -> list[Any]:
            return [value async for value in getattr(self._client, verb)(*arguments)]

        return asyncio.run(collected())


@pytest.fixture
def router() -> respx.Router:
    return respx.Router(assert_all_called=False)


@pytest.fixture(params=[Blocking, Asynchronous])
def client(request: pytest.FixtureRequest, router: respx.Router) -> Any:
    return request.param(router, key="sz_key")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Take the pauses instead of waiting for them."""
    taken: list[float] = []

    async def aside(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr("streamzip.client.blocking.time.sleep", taken.append)
    monkeypatch.setattr("streamzip.client.aio.asyncio.sleep", aside)
    return taken


def test_create_sends_plain_urls_in_the_plain_form(client: Any, router: respx.Router) -> None:
    """URLs alone need no entries; options stand beside them."""
    route = router.post(f"{SERVER}/api/archive/create").respond(201, json=CREATED)
    created = client("create", ["https://a/1", "https://a/2"], filename="x.zip")
    assert json.loads(route.calls.last.request.content) == {"urls": ["https://a/1", "https://a/2"], "filename": "x.zip"}
    assert route.calls.last.request.headers["authorization"] == "Bearer sz_key"
    assert (created.archive_hash, created.delete_token, created.renamed) == (HASH, "t", (("a", "a (2)"),))


def test_create_sends_the_full_form_where_one_entry_has_options(client: Any, router: respx.Router) -> None:
    """A URL among entries becomes an entry."""
    route = router.post(f"{SERVER}/api/archive/create").respond(201, json=CREATED)
    client("create", ["https://a/1", {"url": "https://a/2", "name": "two"}])
    entries = [{"url": "https://a/1"}, {"url": "https://a/2", "name": "two"}]
    assert json.loads(route.calls.last.request.content) == {"entries": entries}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(401, json={"code": "unauthorized", "detail": "a key"}), AccessDenied),
        (httpx.Response(403, json={"code": "forbidden", "detail": "a token"}), AccessDenied),
        (httpx.Response(404, json={"code": "not_found", "detail": "unknown"}), NotFound),
        (httpx.Response(409, json={"code": "origin_changed", "detail": "stale"}), OriginChanged),
        (httpx.Response(409, json={"code": "no_cache", "detail": "no copy"}), ProblemError),
        (httpx.Response(429, json={"code": "too_many_creates"}, headers={"Retry-After": "7"}), Busy),
        (httpx.Response(503, json={"code": "not_ready"}, headers={"Retry-After": "2"}), Busy),
        (httpx.Response(502, text="<html>nginx</html>"), BadAnswer),
        (httpx.Response(200, text="[]"), BadAnswer),
        (httpx.Response(200, json={"hello": "world"}), BadAnswer),
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ReadTimeout("slow"), Unreachable),
    ],
)  # fmt: skip
def test_status_raises_an_error_of_its_own_kind(
    client: Any, router: respx.Router, answer: httpx.Response | Exception, expected: type[GatewayError]
) -> None:
    """A program branches on the class or the code, never on a text."""
    router.get(f"{SERVER}/api/archive/status/{HASH}").mock(side_effect=[answer])
    with pytest.raises(expected) as raised:
        client("status", HASH)
    assert type(raised.value) is expected


def test_a_refused_request_names_the_wrong_fields(client: Any, router: respx.Router) -> None:
    """By JSON Pointer, as the gateway says it."""
    fault = {"pointer": "/urls/0", "detail": "not a URL"}
    problem = {"code": "invalid_request", "detail": "/urls/0: not a URL", "errors": [fault]}
    router.post(f"{SERVER}/api/archive/create").respond(422, json=problem)
    with pytest.raises(ProblemError, match="422: /urls/0: not a URL") as raised:
        client("create", ["x"])
    assert raised.value.errors == [fault]


def test_wait_has_it_built_and_shows_each_status(client: Any, router: respx.Router, no_pauses: list[float]) -> None:
    """Asked ever less often; a gateway that is away for a moment is waited for."""
    router.post(f"{SERVER}/api/archive/prefetch/{HASH}").respond(202, json=status("in-progress"))
    completed = status("completed", size=9, errors_total=4)
    answers: list[httpx.Response | Exception] = [
        httpx.ConnectError("away"),
        httpx.Response(200, json=status("in-progress")),
        httpx.Response(200, json=completed),
    ]
    router.get(f"{SERVER}/api/archive/status/{HASH}").mock(side_effect=answers)
    seen: list[Status] = []
    last = client("wait", HASH, on_status=seen.append)
    assert [row.status for row in seen] == ["in-progress", "in-progress", "completed"]
    assert (last.size, last.left_out_total, last.final) == (9, 4, True)
    assert no_pauses == sorted(no_pauses)
    assert len(no_pauses) == 3


def test_wait_gives_up_on_a_gateway_that_stays_away(client: Any, router: respx.Router) -> None:
    """After `away_for` seconds; the error says that nothing answered."""
    router.get(f"{SERVER}/api/archive/status/{HASH}").mock(side_effect=httpx.ConnectError("away"))
    with pytest.raises(Unreachable, match="away"):
        client("wait", HASH, build=False, away_for=5)


def test_wait_raises_what_a_failed_archive_says(client: Any, router: respx.Router) -> None:
    """With the code, and the entries that were not to be had."""
    row = {"index": 0, "name": "a.png", "url": "https://a", "code": "http_404", "message": "the origin answered 404"}
    failed = status("failed", code="no_entries", errors=[row])
    router.get(f"{SERVER}/api/archive/status/{HASH}").respond(200, json=failed)
    with pytest.raises(ArchiveFailed, match=r"no_entries\); a.png: the origin answered 404") as raised:
        client("wait", HASH, build=False)
    assert raised.value.code == "no_entries"


def test_events_go_on_behind_the_last_one_where_the_stream_broke(client: Any, router: respx.Router) -> None:
    """With Last-Event-ID, so that nothing is told twice."""

    def stream(*states: str) -> httpx.Response:
        events = [f"id: {state}\nevent: status\ndata: {json.dumps(status(state))}\n\n" for state in states]
        return httpx.Response(200, text=": hello\n\n" + "".join(events), headers={"Content-Type": "text/event-stream"})

    route = router.get(f"{SERVER}/api/archive/events/{HASH}")
    route.mock(side_effect=[stream("pending"), httpx.ReadError("cut"), stream("in-progress", "completed")])
    assert [row.status for row in client.all("events", HASH)] == ["pending", "in-progress", "completed"]
    sent = [call.request.headers.get("last-event-id") for call in route.calls]
    assert sent == [None, "pending", "pending"]


def test_events_of_an_archive_that_is_gone_raise_its_problem(client: Any, router: respx.Router) -> None:
    """A problem is no stream."""
    router.get(f"{SERVER}/api/archive/events/{HASH}").respond(404, json={"code": "not_found", "detail": "unknown"})
    with pytest.raises(NotFound):
        client.all("events", HASH)


def test_archives_are_listed_over_all_pages(client: Any, router: respx.Router) -> None:
    """The next page is where the gateway says it is."""
    pages = [{"archives": [{"archive_hash": "1"}], "next": f"{SERVER}/api/archive?after=1"},
             {"archives": [{"archive_hash": "2"}], "next": None}]  # fmt: skip
    router.get(url__startswith=f"{SERVER}/api/archive").mock(
        side_effect=[httpx.Response(200, json=page) for page in pages]
    )
    assert [row["archive_hash"] for row in client.all("archives")] == ["1", "2"]


def test_delete_sends_the_token_of_create(client: Any, router: respx.Router) -> None:
    """Where no keys are set, whoever created it may delete it."""
    route = router.delete(f"{SERVER}/api/archive/{HASH}").respond(204)
    client("delete", HASH, token="t")
    assert route.calls.last.request.headers["x-delete-token"] == "t"


def test_the_key_goes_to_the_gateway_alone(client: Any, router: respx.Router, tmp_path: Any) -> None:
    """A link may lead to another host; the key must not follow it."""
    route = router.head("https://elsewhere.example/a.zip").respond(200, headers={"ETag": '"e"', "Content-Length": "2"})
    got = router.get("https://elsewhere.example/a.zip").respond(200, content=b"PK", headers={"ETag": '"e"'})
    assert client("download", "https://elsewhere.example/a.zip", tmp_path / "a.zip").read_bytes() == b"PK"
    for call in (route.calls.last, got.calls.last):
        assert "authorization" not in call.request.headers


def test_an_address_that_is_none_is_refused_at_once() -> None:
    """Before anything is sent."""
    with pytest.raises(ValueError, match="begins with http"):
        Client("zip.example.com")
    with pytest.raises(ValueError, match="letters that no key has"):
        Client(SERVER, key="sz_…")


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"code": "x", "errors": ' + b"[" * 100_000,
        b'{"progress": 5}',
        json.dumps(status("completed", progress=[])).encode(),
        json.dumps(status("completed", progress={"bytes": "x", "entries": 1, "total_entries": 1})).encode(),
        json.dumps(status("completed", errors=5)).encode(),
        json.dumps(status("completed", errors=["x"])).encode(),
        json.dumps(status("completed", size=-1)).encode(),
        json.dumps(status("completed", size=10**30)).encode(),
        json.dumps(status("completed", url=[])).encode(),
        json.dumps(status("completed", code={})).encode(),
        json.dumps(status("completed", errors=[{"index": 1, "name": None, "code": "x", "message": "y"}])).encode(),
    ],
    ids=lambda content: content[:40].decode(),
)
def test_document_of_no_gateway_is_an_error_of_its_own(client: Any, router: respx.Router, content: bytes) -> None:
    """Another server may answer anything; a program catches one kind of error."""
    router.get(f"{SERVER}/api/archive/status/{HASH}").respond(200, content=content)
    with pytest.raises(BadAnswer):
        client("status", HASH)


@pytest.mark.parametrize("errors", [5, "x", {"a": 1}, [1, "x", None], [{"pointer": 5}], ["x"] * 1000])
def test_problem_with_odd_errors_is_one_all_the_same(client: Any, router: respx.Router, errors: Any) -> None:
    """Of its list what fits is kept, and its sentence stays short."""
    problem = {"code": "invalid_request", "detail": "d" * 10_000, "errors": errors}
    router.get(f"{SERVER}/api/archive/status/{HASH}").respond(422, json=problem)
    with pytest.raises(ProblemError) as raised:
        client("status", HASH)
    assert all(isinstance(fault, dict) for fault in raised.value.errors)
    assert len(str(raised.value)) <= 2000


def test_answer_without_an_end_is_refused(client: Any, router: respx.Router, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document is read within a bound, and as it comes: what is encoded may be of any length."""
    monkeypatch.setattr("streamzip.client.http.LONGEST_ANSWER", 1000)
    route = router.get(f"{SERVER}/api/archive/status/{HASH}")
    route.respond(200, content=b" " * 1001)
    with pytest.raises(BadAnswer, match="without an end"):
        client("status", HASH)
    assert route.calls.last.request.headers["accept-encoding"] == "identity"
    packed = gzip.compress(b" " * 100_000)
    route.respond(200, content=packed, headers={"Content-Encoding": "gzip"})
    with pytest.raises(BadAnswer, match="encodes what it sends"):
        client("status", HASH)


@pytest.mark.parametrize(
    "page",
    [
        {"archives": [], "next": f"{SERVER}/api/archive?after=1"},
        {"archives": [{}], "next": "/api/archive?limit=200"},
        {"archives": [{}], "next": 5},
        {"archives": 5, "next": None},
        {"archives": ["x"], "next": None},
    ],
)
def test_list_without_an_end_is_refused(client: Any, router: respx.Router, page: dict[str, Any]) -> None:
    """A page that leads to itself, or to one after none, would be asked for for ever."""
    router.get(url__startswith=f"{SERVER}/api/archive").respond(200, json=page)
    with pytest.raises(BadAnswer):
        client.all("archives")


def test_verbs_take_a_link_and_send_its_signature_along(client: Any, router: respx.Router) -> None:
    """Where links are signed, a hash alone tells nothing."""
    query = "?expires=12&signature=ab"
    route = router.get(url__startswith=f"{SERVER}/api/archive/status/").respond(200, json=status("completed"))
    for archive in (f"{SERVER}/archive/get/{HASH}.zip{query}", f"/api/archive/status/{HASH}{query}"):
        client("status", archive)
        assert str(route.calls.last.request.url) == f"{SERVER}/api/archive/status/{HASH}{query}"
    for archive in (HASH, f"{SERVER}/archive/get/{HASH}.zip"):
        client("status", archive)
        assert str(route.calls.last.request.url) == f"{SERVER}/api/archive/status/{HASH}"

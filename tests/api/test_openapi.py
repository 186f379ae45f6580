"""The OpenAPI document is the interface: every route in it, every answer as it says, and none that breaks it."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter

from streamzip.access.api_keys import new_key
from streamzip.api import answers
from streamzip.api.openapi import document
from streamzip.api.operations import OPERATIONS
from streamzip.web.assets import NAMES
from tests.support.fixtures import Launch
from tests.support.gateway import COMMAND, Gateway
from tests.support.origin import File, Origin
from tests.support.routes import routes

MODELS = {name: TypeAdapter(getattr(answers, name)) for name in answers.__all__}


def described_routes() -> set[tuple[str, str]]:
    """Return method and path of every route, the path as OpenAPI writes it."""
    paths = ((method, re.sub(r":\w+}", "}", route.path)) for route in routes() for method in route.methods or ())
    return {(method.lower(), path) for method, path in paths}


def test_document_has_every_route() -> None:
    """Each method of each path, and nothing else: a route that is added is described, or this fails."""
    described = document(OPERATIONS)["paths"]
    operations = {(method, path) for path, methods in described.items() for method in methods}
    assert operations == described_routes(), "a route has a row in streamzip/api/operations.py"


def test_document_is_openapi() -> None:
    """It is valid OpenAPI 3.1, its examples and defaults too."""
    OpenAPIV31SpecValidator(document(OPERATIONS)).validate()


def test_document_names_each_operation_once() -> None:
    """Client generators make functions of the operations' names."""
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)


@pytest.mark.alone
def test_command_prints_what_the_gateway_serves(gateway: Gateway) -> None:
    """`streamzip openapi` and /openapi.json are the same document."""
    printed = subprocess.run([str(COMMAND), "openapi"], capture_output=True, check=True, timeout=60).stdout
    served = gateway.client.get("/openapi.json")
    assert served.headers["content-type"] == "application/json"
    assert json.loads(printed) == served.json() == document(OPERATIONS)


class _References(HTMLParser):
    """What a page would fetch, and what it would run."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [
            value or "" for name, value in attrs if name in ("src", "href") and not (value or "").startswith("#")
        ]


def test_page_needs_nothing_from_elsewhere(gateway: Gateway) -> None:
    """/docs has every path, and only references to the gateway, as its policy says too."""
    page = gateway.client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    references = _References()
    references.feed(page.text)
    assert {"docs/style.css", "openapi.json"} <= set(references.fetched)
    assert not [each for each in references.fetched if ":" in each and each != "data:,"]
    assert not references.tags & {"iframe", "img", "style", "base"}
    assert all(f"<code>{path}</code>" in page.text for path in document(OPERATIONS)["paths"])
    assert gateway.client.get("/docs/style.css").headers["content-type"] == "text/css; charset=utf-8"


def check(gateway: Gateway, method: str, path: str, operation: str, **options: Any) -> httpx.Response:
    """Make the call, and hold the answer to what the document says of that operation."""
    response = gateway.client.request(method, path, **options)
    served = document(OPERATIONS)
    described = served["paths"][operation][method.lower()]["responses"]
    assert str(response.status_code) in described, f"{method} {path} answered {response.status_code}"
    expected = described[str(response.status_code)]
    for name in expected.get("headers", {}):
        if name not in ("Content-Length", "ETag", "Accept-Ranges", "Retry-After"):  # where they are known
            assert name in response.headers, name
    kind = response.headers.get("content-type", "").partition(";")[0]
    if method == "HEAD" or not response.content:
        return response
    assert kind in expected["content"] or "*/*" in expected["content"], kind
    schema = expected["content"].get(kind, {}).get("schema")
    if schema is not None:
        whole = {"components": served["components"], **schema}
        Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(response.json())
        MODELS[schema["$ref"].rpartition("/")[2]].validate_python(response.json(), extra="forbid")
    return response


def test_answers_are_as_the_document_says(gateway: Gateway, origin: Origin) -> None:
    """A round through every operation: no status, type or key that is not described."""
    origin.serve("/api/a.png", File(b"\x89PNG" * 100))
    origin.serve("/api/page", File(b"<!doctype html><img src=a.png>", fields=(("Content-Type", "text/html"),)))
    url = origin.url("/api/a.png")
    create, status = "/api/archive/create", "/api/archive/status/{hash}"
    body = {"entries": [{"url": url, "name": "../a.png"}, {"url": origin.url("/api/missing")}], "expires_in": 9999}
    created = check(gateway, "POST", create, create, json=body).json()
    check(gateway, "POST", create, create, json=body)
    check(gateway, "POST", create, create, json={"urls": ["ftp://x"]})
    check(gateway, "POST", create, create, content=b"{")
    hash = created["archive_hash"]
    check(gateway, "GET", f"/api/archive/status/{hash}", status)
    zipped = "/archive/get/{hash}.zip"
    check(gateway, "HEAD", f"/archive/get/{hash}.zip", zipped)
    check(gateway, "GET", f"/archive/get/{hash}.zip", zipped)
    check(gateway, "GET", f"/archive/get/{hash}.zip", zipped, headers={"Range": "bytes=0-9"})
    check(gateway, "GET", f"/archive/get/{hash}.zip", zipped, headers={"Range": "bytes=99999-"})
    check(gateway, "GET", f"/archive/get/{hash}.zip", zipped, headers={"If-None-Match": "*"})
    check(gateway, "GET", f"/archive/get/{hash}.zip", zipped, headers={"If-Match": '"x"'})
    gateway.until(hash)
    check(gateway, "GET", f"/api/archive/status/{hash}?entries=1", status)
    prefetch = "/api/archive/prefetch/{hash}"
    check(gateway, "POST", f"/api/archive/prefetch/{hash}", prefetch)
    check(gateway, "DELETE", f"/api/archive/prefetch/{hash}", prefetch)
    check(gateway, "DELETE", f"/api/archive/{hash}", "/api/archive/{hash}")
    token = {"X-Delete-Token": created["delete_token"]}
    check(gateway, "DELETE", f"/api/archive/{hash}", "/api/archive/{hash}", headers=token)
    for method, path, operation in (
        ("GET", f"/api/archive/status/{hash}", status),
        ("GET", f"/archive/get/{hash}.zip", zipped),
        ("POST", f"/api/archive/prefetch/{hash}", prefetch),
        ("GET", "/archive/none/", "/archive/{folder}/"),
        ("GET", "/archive/none", "/archive/{folder}"),
        ("GET", "/archive_img/none", "/archive_img/{key}"),
    ):
        assert check(gateway, method, path, operation).status_code == 404
    check(gateway, "POST", "/api/archive/download", "/api/archive/download", json={"urls": [url]})

    key = check(gateway, "POST", "/archive_img", "/archive_img", json={"filename": "b.png", "url": url}).json()["key"]
    check(gateway, "GET", f"/archive_img/{key}", "/archive_img/{key}")
    check(gateway, "POST", "/archive_img", "/archive_img", json=[])

    posted = check(gateway, "POST", "/download", "/download", json={"url": origin.url("/api/page")})
    upload = "/upload/{name}"
    files = {"file": ("api.txt", b"text")}
    check(gateway, "POST", "/upload", "/upload", files=files)
    check(gateway, "POST", "/upload", "/upload", files=files)
    check(gateway, "POST", "/upload", "/upload", content=b"none")
    check(gateway, "POST", "/upload/raw.txt", upload, content=b"text")
    check(gateway, "POST", "/upload/raw.exe", upload, content=b"text")
    check(gateway, "POST", "/upload/raw", upload, content=b"text")
    for method, path, operation in (
        ("GET", "/upload", "/upload"),
        ("GET", "/download", "/download"),
        ("HEAD", "/download/raw.txt", "/download/{name}"),
        ("GET", "/download/none.txt", "/download/{name}"),
        ("GET", "/", "/"),
        ("GET", f"/assets/{NAMES['style.css'].name}", "/assets/{name}"),
        ("GET", "/assets/none.css", "/assets/{name}"),
        ("DELETE", "/upload/raw.txt", upload),
        ("DELETE", "/upload/raw.txt", upload),
    ):
        check(gateway, method, path, operation)

    while check(gateway, "GET", f"/download/{posted.json()['download_id']}", "/download/{id}").status_code == 202:
        pass
    made = check(gateway, "POST", "/new", "/new", data={"links": f"{url}?made"})
    page = f"/{made.headers['location']}"
    cookie = {"Cookie": made.headers["set-cookie"].partition(";")[0]}
    check(gateway, "POST", "/new", "/new", data={"links": ""})
    check(gateway, "POST", "/new", "/new", data={"page": origin.url("/api/page")})
    browser = {"Accept": "text/html"}
    for headers in ({}, browser):
        check(gateway, "GET", page, "/a/{hash}", headers=headers)
        check(gateway, "GET", "/a/none", "/a/{hash}", headers=headers)
    check(gateway, "GET", f"{page}/files/1", "/a/{hash}/files/{page}", headers=browser)
    check(gateway, "POST", f"{page}/build", "/a/{hash}/build")
    check(gateway, "POST", f"{page}/again", "/a/{hash}/again")
    check(gateway, "POST", f"{page}/again", "/a/{hash}/again", headers=cookie)
    check(gateway, "POST", f"{page}/delete", "/a/{hash}/delete")
    check(gateway, "POST", f"{page}/delete", "/a/{hash}/delete", headers=cookie)

    for path in ("/healthz", "/readyz", "/health_check", "/openapi.json", "/docs", "/docs/style.css"):
        for method in ("GET", "HEAD"):
            assert check(gateway, method, path, path).status_code == 200


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/archive/prefetch/x", "DELETE, POST"),
        ("/api/archive/create", "DELETE, POST"),
        ("/healthz", "GET, HEAD"),
    ],
)
def test_refused_method_names_those_that_the_path_has(gateway: Gateway, path: str, allowed: str) -> None:
    """405 with an Allow of all of them, whichever route they are in (RFC 9110 §15.5.6)."""
    response = gateway.client.request("PATCH", path)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)


QUICK = ["--phases", "examples,fuzzing", "--max-examples", "3"]
LONG = ["--phases", "examples,coverage,fuzzing", "--max-examples", "100"]


KEY, LINE = new_key("ann")


@pytest.mark.parametrize(
    "settings", [{}, {"api_keys": LINE, "signed_links": "on", "cors_origins": "*"}], ids=["open", "keyed"]
)
@pytest.mark.parametrize("run", [QUICK, pytest.param(LONG, marks=pytest.mark.slow)], ids=["quick", "long"])
def test_schemathesis_finds_no_answer_that_is_not_described(
    launch: Launch, tmp_path: Path, run: list[str], settings: dict[str, str]
) -> None:
    """Made-up requests, right and wrong, get only answers that the document has; none fails unexpectedly.

    Left out: 502 and 503 are right answers here, for origins that do not exist; what is right by the schema may name a
    host that may not be dialled; and to DELETE, /api/archive/create is an archive, if none that there is.
    """
    folders = tmp_path / "folders"
    (folders / "secret").mkdir(parents=True)
    patience = dict.fromkeys(("connect_timeout", "read_timeout", "probe_wait"), "0.5")
    gateway = launch(folders_dir=str(folders), max_attempts="1", **patience, **settings)
    left_out = "not_a_server_error,positive_data_acceptance,unsupported_method,allow_header_conformance"
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{gateway.base}/openapi.json", "--no-color"]
    command += ["-H", f"Authorization: Bearer {KEY}"]  # means nothing where no keys are set
    bounds = ["--seed", "1", "--request-timeout", "20", "--checks", "all", "--exclude-checks", left_out]
    done = subprocess.run([*command, *bounds, *run], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert not [line for line in gateway.log if line.get("level") == "error"]

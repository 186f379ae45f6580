"""Where keys are set, a page asks a person for the key once: what the browser gets for it, and what that can do.

The browser here is a client that keeps cookies and names HTML first; it runs no script.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from streamzip.access.api_keys import new_key
from tests.support.fixtures import Launch
from tests.support.gateway import Gateway

ANN, ANN_LINE = new_key("ann")
BOB, BOB_LINE = new_key("bob")
COOKIE = "streamzip_session"


class Forms(HTMLParser):
    """A page's forms by their action, each with its fields; and what else it has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: dict[str, dict[str, str]] = {}
        self.tags: set[str] = set()
        self.links: list[str] = []
        self._action = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        if tag == "form":
            assert attributes["method"] == "post"
            self._action = attributes.get("action", "")  # a button may name another one
            self.forms[self._action] = {}
        elif tag == "input" and self._action:
            self.forms[self._action][attributes["name"]] = attributes.get("value", "")
        elif tag == "a":
            self.links.append(attributes["href"])


class Browser(httpx.Client):
    """Follows redirects, keeps cookies, and sends forms with their Origin."""

    def __init__(self, gateway: Gateway) -> None:
        headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        super().__init__(base_url=gateway.base, headers=headers, follow_redirects=True, trust_env=False, timeout=30)
        self.origin = {"Origin": gateway.base}

    def log_in(self, key: str, to: str = ".") -> httpx.Response:
        return self.post("/login", data={"key": key, "to": to}, headers=self.origin)

    def fields(self, action: str) -> dict[str, str]:
        """The hidden fields of that form of the page."""
        return {name: value for name, value in Forms(self.get("/upload").text).forms[action].items() if value}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("keyed") / "data", api_keys=f"{ANN_LINE},{BOB_LINE}") as gateway:
        yield gateway


@pytest.fixture
def browser(keyed: Gateway) -> Iterator[Browser]:
    with Browser(keyed) as browser:
        yield browser


def listed(gateway: Gateway) -> set[str]:
    files = gateway.client.get("/download", headers={"Authorization": f"Bearer {ANN}"}).json()
    return {row["filename"] for row in files}


def test_person_is_asked_for_the_key_once_and_then_uploads(keyed: Gateway, browser: Browser) -> None:
    """Asked at /upload, led back there, a file sent, the list read, and out again."""
    asked = browser.get("/upload", headers={"Accept": "text/html"})
    assert asked.status_code == 401
    assert asked.headers["www-authenticate"] == "Bearer"
    assert Forms(asked.text).forms == {"login": {"to": "upload", "key": ""}}

    page = browser.log_in(f" {ANN}\n", to="upload")
    assert (page.status_code, page.url.path) == (200, "/upload")
    assert "You are logged in as ann" in page.text
    sent = browser.post(
        "/upload", data=browser.fields("upload"), files={"file": ("by ann.txt", b"x")}, headers=browser.origin
    )
    assert (sent.status_code, sent.url.path) == (200, "/upload")
    assert "by ann.txt" in sent.text
    assert "by ann.txt" in listed(keyed)

    (copied,) = browser.cookies.values()
    out = browser.post("/logout", data=browser.fields("logout"), headers=browser.origin)
    assert (out.status_code, out.url.path) == (401, "/")
    assert not browser.cookies
    assert browser.get("/upload").status_code == 401
    # Whoever copied the cookie has nothing of it, and another session of the same key goes on.
    assert keyed.client.get("/upload", headers={"Cookie": f"{COOKIE}={copied}"}).status_code == 401
    assert browser.log_in(ANN).status_code == 200
    assert browser.get("/upload").status_code == 200


def test_cookie_holds_no_key_and_is_the_browsers_alone(keyed: Gateway) -> None:
    """No script reads it, no other site sends it, it ends by itself; and nothing keeps the answer."""
    response = keyed.client.post("/login", data={"key": ANN})
    assert (response.status_code, response.headers["location"]) == (303, ".")
    assert response.headers["cache-control"] == "no-store"
    name, _, rest = response.headers["set-cookie"].partition("=")
    value, *attributes = re.split("; ?", rest)
    assert name == COOKIE
    assert {each.lower() for each in attributes} == {"httponly", "samesite=strict", "path=/", "max-age=43200"}
    assert ANN not in value and ANN_LINE.partition(":")[2] not in value
    assert ANN not in str(keyed.log)


@pytest.mark.alone
def test_cookie_is_for_https_alone_when_the_gateway_is_reached_so(launch: Launch) -> None:
    """By the public URL, or by the trusted proxy's word; it keeps to the prefix that the proxy takes away; and its name
    is one that browsers take from nobody else.
    """
    gateway = launch(api_keys=ANN_LINE, public_url="https://zip.example/base")
    cookie = gateway.client.post("/login", data={"key": ANN}).headers["set-cookie"]
    assert cookie.startswith(f"__Secure-{COOKIE}=")
    assert "; secure" in cookie.lower()
    assert "; path=/base/;" in cookie.lower()
    plain = launch("plain", api_keys=ANN_LINE)
    https = {"X-Forwarded-Proto": "https"}
    told = plain.client.post("/login", data={"key": ANN}, headers=https).headers["set-cookie"]
    assert told.startswith(f"__Host-{COOKIE}=")
    assert "; secure" in told.lower() and "; path=/;" in told.lower() and "domain" not in told.lower()
    pair = told.partition(";")[0]
    for sent, status in ((pair, 200), (pair.removeprefix("__Host-"), 401), (f"{COOKIE}=x; {pair}", 200)):
        assert plain.client.get("/upload", headers=https | {"Cookie": sent}).status_code == status


def test_wrong_key_is_told_and_asked_for_again(keyed: Gateway, browser: Browser) -> None:
    """A person sees what to do, a program a problem; nobody gets a cookie."""
    for wrong in ("", "sz_wrong", ANN[:-1], ANN_LINE):
        page = browser.log_in(wrong)
        assert page.status_code == 401
        assert "not known here" in page.text
        assert Forms(page.text).forms == {"login": {"to": ".", "key": ""}}
        program = keyed.client.post("/login", data={"key": wrong})
        assert (program.status_code, program.json()["code"]) == (401, "unauthorized")
        assert "set-cookie" not in page.headers and "set-cookie" not in program.headers


def test_form_without_its_token_stores_nothing(keyed: Gateway, browser: Browser) -> None:
    """Another site's form would bring no token: missing, wrong, another session's, or behind the file."""
    browser.log_in(ANN)
    with Browser(keyed) as other:
        other.log_in(BOB)
        tokens = ["", "0" * 64, other.fields("upload")["token"]]
    own = browser.fields("upload")["token"]
    before = listed(keyed)
    for data in ({}, *({"token": token} for token in tokens)):
        refused = browser.post("/upload", data=data, files={"file": ("forged.txt", b"x")})
        assert refused.status_code == 403
        assert "load the page again" in refused.text
        assert "upload" in Forms(refused.text).links
    late = f'--b\r\nContent-Disposition: form-data; name="file"; filename="forged.txt"\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name="token"\r\n\r\n{own}\r\n--b--\r\n'  # noqa: E501 - one body
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert browser.post("/upload", content=late, headers=kind).status_code == 403
    assert browser.post("/logout", data={"token": tokens[2]}).status_code == 403
    assert browser.get("/upload").status_code == 200
    assert listed(keyed) == before


def test_session_counts_for_the_pages_alone(keyed: Gateway, browser: Browser) -> None:
    """Whatever a cookie could be made to do elsewhere needs the key."""
    browser.log_in(ANN)
    token = browser.fields("upload")["token"]
    for method, path in (
        ("POST", "/upload/raw.txt"),
        ("DELETE", "/upload/raw.txt"),
        ("GET", "/download"),
        ("GET", "/api/archive"),
        ("POST", "/api/archive/create"),
        ("POST", "/download"),
    ):
        response = browser.request(method, path, headers={"X-CSRF-Token": token})
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized"), path


def test_session_is_over_when_its_key_is_taken_out(launch: Launch) -> None:
    """The operator's word holds at once; and a changed cookie is none."""
    gateway = launch(api_keys=f"{ANN_LINE},{BOB_LINE}", secret_keys="k:the secret of all")
    with Browser(gateway) as browser:
        browser.log_in(ANN)
        session = browser.cookies[COOKIE]
    gateway.stop()
    without = launch(api_keys=BOB_LINE, secret_keys="k:the secret of all")
    for value in (session, session.replace(".ann", ".bob"), session + "x", "", "x" * 3000):
        assert without.client.get("/upload", headers={"Cookie": f"{COOKIE}={value}"}).status_code == 401


def test_login_leads_to_no_other_place_than_the_pages(keyed: Gateway, browser: Browser) -> None:
    """A form that was tampered with sends nobody elsewhere."""
    for to in ("https://evil.example/", "//evil.example", "../x", "download/x"):
        assert browser.log_in(ANN, to).url.path == "/"


def test_login_of_another_sites_form_is_refused(keyed: Gateway, browser: Browser) -> None:
    """It would make its visitor work for somebody else's key."""
    for origin in ("https://evil.example", "null", f"{keyed.base}.evil.example"):
        refused = browser.post("/login", data={"key": ANN}, headers={"Origin": origin})
        assert refused.status_code == 403
        assert not browser.cookies


def test_login_refuses_what_is_no_form(keyed: Gateway) -> None:
    """Too long, too many fields, another type: nothing unexpected."""
    for body, status in ((b"key=" + b"x" * 5000, 413), (b"a=1&" * 20, 400), (b'{"key": 1}', 422), (b"key=\xff", 401)):
        assert keyed.client.post("/login", content=body).status_code == status


def test_pages_ask_for_nothing_when_no_keys_are_set(gateway: Gateway) -> None:
    """No login, no token, nobody to log out."""
    with Browser(gateway) as browser:
        for page in (browser.get("/login"), browser.log_in("x")):
            assert (page.status_code, page.url.path) == (200, "/")
            assert list(Forms(page.text).forms) == ["new"]
            assert "token" not in Forms(page.text).forms["new"]
        assert browser.post("/logout", data={"token": "x"}).status_code == 200
        assert browser.post("/logout").status_code == 422


def test_login_page_is_held_to_its_own_policy(keyed: Gateway, browser: Browser) -> None:
    """No script but the gateway's own file, nothing from elsewhere, in no frame, in no cache."""
    for response in (browser.get("/login"), browser.get("/upload"), browser.log_in("wrong")):
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert response.headers["cache-control"] == "no-store"
        assert not Forms(response.text).tags & {"img", "iframe", "style", "base"}

"""The pages that need no script: what is in them is escaped where it is put in, and no page can be told to load
anything from elsewhere.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from streamzip.clock import rfc3339
from streamzip.errors import InvalidRequest, Problem
from streamzip.store.uploads import Upload

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere; }
td.number { text-align: right; white-space: nowrap; }
form { padding: 1rem; border: 1px solid #8888; border-radius: .4rem; }
[role=alert] { padding: .6rem 1rem; border-left: .3rem solid #c33; }
""".strip()
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# The style is named by its hash: 'self' would not let any style into a page, and 'unsafe-inline' all of them.
_POLICY = (
    f"default-src 'self'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


PROOF = "token"  # the field of a session's forms that shows where they come from


class Row(NamedTuple):
    """A file of the list. `link`: relative, as the page's are."""

    upload: Upload
    link: str


class Session(NamedTuple):
    """Who looks at the page, and the token of its forms."""

    owner: str
    token: str


def is_browser(request: Request) -> bool:
    """Whether a person looks at the answer: programs ask for anything, browsers name HTML first."""
    return request.headers.get("accept", "").lstrip().lower().startswith("text/html")


def page(title: str, body: str, status: int = 200) -> Response:
    """A page; `body` is markup, whose texts are escaped already."""
    document = (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n{body}\n</html>\n"
    )
    headers = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _POLICY,
        # Not no-referrer: a form's Origin would be null, and whether it came from another site could not be told.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(document, status, headers, media_type="text/html")


def login_page(status: int, *, refused: bool = False) -> Response:
    """A form that asks for the API key. Without a script: the key goes into the body of a POST, and into no URL."""
    alert = '<p role="alert">This API key is not known here. Look for a letter too many or too few.</p>\n'
    form = (
        '<form method="post" action="login">\n<p><label for="key">Your API key</label></p>\n'
        '<p><input type="password" id="key" name="key" autocomplete="current-password" required autofocus> '
        "<button>Log in</button></p>\n</form>\n"
        "<p>You are asked once in twelve hours; whoever runs this gateway gives out the keys.</p>"
    )
    response = page("Log in", f"{alert if refused else ''}{form}", status)
    if status == 401:  # RFC 9110 §15.5.2 asks for it
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _logout_form(owner: str, token: str) -> str:
    return (
        f'<form method="post" action="logout">\n<p>You are logged in as {escape(owner)}. {_hidden(token)}'
        "<button>Log out</button></p>\n</form>"
    )


def _hidden(token: str) -> str:
    return f'<input type="hidden" name="{PROOF}" value="{escape(token, quote=True)}">'


def upload_page(rows: Sequence[Row], extensions: tuple[str, ...], most: str, session: Session | None) -> Response:
    """The files that are there, and the form for one more. Links are relative: the page may stand behind a prefix."""
    accept = escape(",".join(f".{extension}" for extension in extensions), quote=True)
    taken = escape(", ".join(extensions))
    # The token stands before the file, so that nothing of a file is taken before it is known.
    form = (
        '<form method="post" action="upload" enctype="multipart/form-data">\n'
        f"{_hidden(session.token) if session else ''}"
        f'<p><label for="file">A file of at most {escape(most)}: {taken}</label></p>\n'
        f'<p><input type="file" id="file" name="file" accept="{accept}" required> <button>Upload</button></p>\n</form>'
    )
    lines = "\n".join(_line(row) for row in rows)
    table = (
        f"<table>\n<thead><tr><th>File</th><th>Bytes</th><th>Uploaded</th></tr></thead>\n<tbody>\n{lines}\n</tbody></table>"
        if rows
        else "<p>There are no files yet.</p>"
    )
    leave = f"\n{_logout_form(session.owner, session.token)}" if session else ""
    return page("Uploaded files", f"{form}\n<h2>Files</h2>\n{table}{leave}")


def _line(row: Row) -> str:
    link, upload = escape(row.link, quote=True), row.upload
    return (
        f'<tr><td><a href="{link}">{escape(upload.name)}</a></td><td class="number">{upload.size:,}</td>'
        f"<td>{rfc3339(upload.created_at)}</td></tr>"
    )


def problem_page(problem: Problem) -> Response:
    """Why the file was not taken, and a way back."""
    detail = problem.errors[0].detail if isinstance(problem, InvalidRequest) else problem.detail
    sentence = detail[:1].upper() + detail[1:]
    body = f'<p role="alert">{escape(sentence)}.</p>\n<p><a href="upload">Back to the files</a></p>'
    return page("The file was not uploaded", body, problem.status)

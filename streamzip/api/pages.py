"""The pages of uploads and of logging in, and what stands in a problem's place where a person looks."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from streamzip.clock import rfc3339
from streamzip.errors import InvalidRequest, Problem
from streamzip.store.uploads import Upload
from streamzip.web.frame import render
from streamzip.web.views import kind_of

PROOF = "token"  # the field of a session's forms that shows where they come from

# Links that people open: what goes wrong there is told as a page.
LINK_PATHS = ("/archive/", "/archive_img/", "/a/", "/download/")


class Row(NamedTuple):
    """A file of the list. `link`: relative, as the page's are."""

    upload: Upload
    link: str


class Session(NamedTuple):
    """Who looks at the page, and the token of its forms."""

    owner: str
    token: str


def login_page(request: Request, status: int, *, refused: bool = False) -> Response:
    """Return a form that asks for the API key."""
    # RFC 9110 §15.5.2 asks for the field.
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    to = "upload" if request.scope["path"] == "/upload" else "."
    values = {"session": None, "refused": refused, "to": to}
    return render(request, "login.html", values, status=status, depth=_depth(request), headers=headers)


def upload_page(
    request: Request, rows: Sequence[Row], extensions: tuple[str, ...], most: str, session: Session | None
) -> Response:
    """Return the files that are there, and the form for one more."""
    shown = [
        {"name": row.upload.name, "link": row.link, "size": row.upload.size, "when": rfc3339(row.upload.created_at)}
        for row in rows
    ]
    values = {"session": session, "rows": shown, "extensions": extensions, "most": most}
    return render(request, "uploads.html", values)


def upload_refused(request: Request, problem: Problem) -> Response:
    """Return why the file was not taken, and a way back."""
    detail = problem.errors[0].detail if isinstance(problem, InvalidRequest) else problem.detail
    told = _told("upload_refused", "do_other", detail=_sentence(detail), code=problem.code)
    return render(request, "problem.html", told | _back("upload", "upload_back"), status=problem.status)


def problem_page(request: Request, problem: Problem) -> Response:
    """Return what is wrong with a link, and what to do. One that may pass is asked for again by the page itself."""
    kind = kind_of(problem.status, problem.code)
    wait = (problem.retry_after or 5) if kind == "unavailable" else None
    headers = {"Retry-After": str(wait)} if wait is not None and problem.retry_after is not None else {}
    told = _told(f"problem_{kind}", f"do_{kind}", detail=_sentence(problem.detail), code=problem.code, wait=wait)
    depth = _depth(request)
    return render(request, "problem.html", told, status=problem.status, depth=depth, headers=headers)


def preparing_page(request: Request, *, status: int, wait: int, title: str = "preparing_title") -> Response:
    """Return a page that asks again by itself until there is something to download."""
    told = _told(title, "preparing_lead", wait=wait) | _back("", "")
    headers = {"Retry-After": str(wait)}
    return render(request, "problem.html", told, status=status, depth=_depth(request), headers=headers)


def said_page(request: Request, title: str, advice: str, *, depth: int) -> Response:
    """Return a page that says what was done."""
    return render(request, "problem.html", _told(title, advice), depth=depth)


def is_link(request: Request) -> bool:
    """Tell whether the request is for a link that people open."""
    path: str = request.scope["path"]
    return path.startswith(LINK_PATHS)


def _depth(request: Request) -> int:
    """Return how many folders the path lies below the gateway's base."""
    path: str = request.scope["path"]
    return max(0, path.count("/") - 1)


def _sentence(detail: str) -> str:
    return f"{detail[:1].upper()}{detail[1:]}."


def _told(title: str, advice: str, *, detail: str = "", code: str = "", wait: int | None = None) -> dict[str, Any]:
    """Return the values of problem.html, whose texts are named by their keys."""
    told = {"session": None, "title": title, "advice": advice, "detail": detail, "code": code, "wait": wait}
    return told | _back(".", "make_new")


def _back(link: str, text: str) -> dict[str, Any]:
    return {"back": link, "back_text": text}

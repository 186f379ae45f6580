"""What a person is told where a program gets a problem, or is asked to wait."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from streamzip.errors import InvalidRequest, Problem
from streamzip.web.frame import render
from streamzip.web.views import kind_of

# Links that people open: what goes wrong there is told as a page.
LINK_PATHS = ("/archive/", "/archive_img/", "/a/", "/download/")


def upload_problem(request: Request, problem: Problem, title: str) -> Response:
    """Return why the file was not taken or not deleted, as the title's key says, and a way back."""
    detail = problem.errors[0].detail if isinstance(problem, InvalidRequest) else problem.detail
    told = _told(title, "do_other", detail=_sentence(detail), code=problem.code) | _back("upload", "upload_back")
    return render(request, "problem.html", told, status=problem.status, depth=depth_of(request))


def problem_page(request: Request, problem: Problem) -> Response:
    """Return what is wrong with a link, and what to do. One that may pass is asked for again by the page itself."""
    kind = kind_of(problem.status, problem.code)
    wait = (problem.retry_after or 5) if kind == "unavailable" else None
    headers = {"Retry-After": str(wait)} if wait is not None and problem.retry_after is not None else {}
    told = _told(f"problem_{kind}", f"do_{kind}", detail=_sentence(problem.detail), code=problem.code, wait=wait)
    depth = depth_of(request)
    return render(request, "problem.html", told, status=problem.status, depth=depth, headers=headers)


def preparing_page(request: Request, *, status: int, wait: int, title: str = "preparing_title") -> Response:
    """Return a page that asks again by itself until there is something to download."""
    told = _told(title, "preparing_lead", wait=wait) | _back("", "")
    headers = {"Retry-After": str(wait)}
    return render(request, "problem.html", told, status=status, depth=depth_of(request), headers=headers)


def said_page(request: Request, title: str, advice: str, *, depth: int) -> Response:
    """Return a page that says what was done."""
    return render(request, "problem.html", _told(title, advice), depth=depth)


def is_link(request: Request) -> bool:
    """Tell whether the request is for a link that people open."""
    path: str = request.scope["path"]
    return path.startswith(LINK_PATHS)


def depth_of(request: Request) -> int:
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

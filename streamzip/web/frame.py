"""Renders a template as a page: escaped throughout, nothing from elsewhere, no script but our own file."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.requests import Request
from starlette.responses import Response

from streamzip.web import assets
from streamzip.web.texts import language, text, written

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def is_browser(request: Request) -> bool:
    """Tell whether a person looks at the answer: programs ask for anything, browsers name HTML first."""
    return request.headers.get("accept", "").lstrip().lower().startswith("text/html")


def size(count: int | None) -> str:
    """Return a number of bytes as people read it: `734.2 MB`."""
    if count is None:
        return "?"
    amount, unit = float(count), 0
    while amount >= 1000 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{amount:.1f} {UNITS[unit]}"


def count(number: int) -> str:
    """Return a number as people read it: `8,000,721`."""
    return f"{number:,}"


@pass_context
def _spoken_size(context: Context, number: int | None) -> str:
    return written(size(number), context["language"])


@pass_context
def _spoken_count(context: Context, number: int) -> str:
    return written(count(number), context["language"])


def moment(instant: str) -> str:
    """Return an RFC 3339 instant in UTC as people read it: `2026-05-01 10:00 UTC`."""
    return f"{instant[:10]} {instant[11:16]} UTC"


def render(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    depth: int = 0,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a page. `depth`: how many folders its path lies below the gateway's base, which may have a prefix."""
    spoken = language(request.headers.get("accept-language", ""))
    document = _environment().get_template(template).render(
        root="../" * depth,
        language=spoken,
        status=status,
        t=lambda key, **inner: text(key, spoken, **inner),
        **values,
    )  # fmt: skip
    fixed = {
        "Cache-Control": "no-store",
        "Content-Language": spoken,
        "Content-Security-Policy": POLICY,
        # Not no-referrer: a form's Origin would be null, and whether it came from another site could not be told.
        "Referrer-Policy": "same-origin",
        "Vary": "Accept, Accept-Language",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(document, status, fixed | dict(headers or {}), media_type="text/html")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Make the templates' environment when the first page is asked for: programs never need it."""
    environment = Environment(
        loader=PackageLoader("streamzip.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["asset"] = lambda file: f"assets/{assets.NAMES[file].name}"
    environment.filters["size"] = _spoken_size
    environment.filters["count"] = _spoken_count
    environment.filters["moment"] = moment
    return environment

"""The OpenAPI 3.1 document, made of the table of operations and the models of bodies and answers."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from streamzip.api.answers import ProblemDocument
from streamzip.api.contract import HTML, JSON, Operation
from streamzip.guards.access import Access
from streamzip.guards.auth import COOKIE
from streamzip.version import VERSION
from streamzip.web.told import LINK_PATHS

PROBLEM = "application/problem+json"

# What each kind of access may refuse beside what the operation does.
_REFUSALS: dict[Access, tuple[int, ...]] = {
    Access.OPEN: (),
    Access.LINK: (403,),
    Access.STATUS: (403,),
    Access.KEY: (401,),
    Access.ADMIN: (401, 403),
    Access.PAGE: (401,),
    Access.OWNER: (401, 403),
    Access.PAGE_OWNER: (401, 403),
    Access.PAGE_DELETER: (401, 403),
    Access.DELETER: (401, 403),
}

_SECURITY = {
    "key": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
}

_ABOUT = (
    "A list of URLs in, one resumable ZIP64 download out. Bodies are JSON in UTF-8, whatever `Content-Type` says; "
    "errors are problem documents (RFC 9457) with a stable `code`."
)
_HEADERS = {
    "Accept-Ranges": "`bytes`, where the length is known.",
    "Content-Disposition": "`attachment`, with the file name in ASCII and UTF-8.",
    "Content-Length": "Where the length is known; else the body is chunked.",
    "Content-Range": "Which bytes, of how many.",
    "ETag": "Strong; where two answers can be proven to have the same bytes.",
    "Last-Modified": "When the archive's layout was frozen.",
    "Location": "Where to ask on.",
    "Retry-After": "Seconds to wait.",
}


def document(operations: Sequence[Operation], server: str = "/") -> dict[str, Any]:
    """Return the whole document. `server`: the base of its paths."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = paths.setdefault(re.sub(r":\w+}", "}", operation.path), {})
        described[operation.method.lower()] = _operation(operation)
        if operation.method == "GET":
            described["head"] = _head(described["get"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "streamzip",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {"schemas": _schemas(operations), "securitySchemes": _SECURITY},
    }


def _models(operations: Sequence[Operation]) -> Iterable[type]:
    yield ProblemDocument
    for operation in operations:
        if operation.body is not None:
            yield operation.body
        yield from (answer.model for answer in operation.answers.values() if answer.model is not None)


def _schemas(operations: Sequence[Operation]) -> dict[str, Any]:
    models: list[tuple[type, JsonSchemaMode, TypeAdapter[Any]]] = [
        (model, "validation", TypeAdapter(model)) for model in dict.fromkeys(_models(operations))
    ]
    _, definitions = TypeAdapter.json_schemas(models, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = definitions["$defs"]
    return dict(sorted(schemas.items()))


def _operation(operation: Operation) -> dict[str, Any]:
    access = operation.access
    # Whatever is asked for: what the Host and the site that asks may be refused for.
    problems = {*operation.problems, *_REFUSALS[access], 400, 421, *(() if operation.method == "GET" else (403,))}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.says,
        "tags": [operation.tag],
        "responses": {str(status): _response(status, operation) for status in sorted(operation.answers)}
        | {str(status): _problem(status, operation) for status in sorted(problems)},
    }
    if access not in (Access.OPEN, Access.LINK):
        # Only where the operator has set keys.
        described["security"] = [
            {},
            {"key": []},
            *([{"session": []}] if access in (Access.PAGE, Access.PAGE_OWNER, Access.PAGE_DELETER) else []),
        ]
    if operation.parameters:
        described["parameters"] = [
            {
                "name": parameter.name,
                "in": parameter.place,
                "required": parameter.place == "path",
                "description": parameter.says,
                "schema": dict(parameter.schema),
            }
            for parameter in operation.parameters
        ]
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": _reference(operation.body)}}}
    elif operation.file is not None:
        media, schema = operation.file
        described["requestBody"] = {"required": True, "content": {media: {"schema": dict(schema)}}}
    return described


def _response(status: int, operation: Operation) -> dict[str, Any]:
    answer = operation.answers[status]
    response: dict[str, Any] = {"description": answer.says}
    if answer.headers:
        response["headers"] = {name: _header(name) for name in answer.headers}
    if answer.model is not None:
        response["content"] = {JSON: {"schema": _reference(answer.model)}}
    elif answer.media is not None:
        several = (answer.media,) if isinstance(answer.media, str) else answer.media
        response["content"] = {media: {} for media in several}
    if status in operation.pages:
        response.setdefault("content", {})[HTML] = {}
    return response


def _problem(status: int, operation: Operation) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}.",
        "content": {PROBLEM: {"schema": _reference(ProblemDocument)}},
    }
    if status in operation.pages or operation.path.startswith(LINK_PATHS):
        response["content"][HTML] = {}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["headers"] = {"Retry-After": _header("Retry-After")}
    return response


def _head(get: dict[str, Any]) -> dict[str, Any]:
    """GET without bodies: HEAD has neither, not even those of problems."""
    responses = {
        status: {key: value for key, value in response.items() if key != "content"}
        for status, response in get["responses"].items()
    }
    return get | {"operationId": f"{get['operationId']}Head", "responses": responses}


def _header(name: str) -> dict[str, Any]:
    return {"description": _HEADERS[name], "schema": {"type": "string"}}


def _reference(model: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}

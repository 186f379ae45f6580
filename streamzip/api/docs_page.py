"""The OpenAPI document as markup for people, for the frame that all pages have."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any


def body(document: Mapping[str, Any]) -> str:
    """Return the markup of the page's main part, whose texts are escaped. Its references are relative."""
    info = document["info"]
    return "\n".join(
        (
            f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>",
            f"<p>{_prose(info['description'])}</p>",
            '<p><a href="openapi.json">openapi.json</a>: the same for programs.</p>',
            *(line for tag in document["tags"] for line in _section(document, tag["name"])),
            "<h2>Documents</h2>",
            *(line for name, schema in document["components"]["schemas"].items() for line in _schema(name, schema)),
        )
    )


def _section(document: Mapping[str, Any], tag: str) -> Iterator[str]:
    yield f"<h2>{escape(tag)}</h2>"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if tag in operation["tags"] and method != "head":
                yield from _operation(
                    path, method + (" | head" if "head" in methods and method == "get" else ""), operation
                )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(operation["operationId"])}"><summary><code>{escape(method.upper())}</code>'
    yield f"<code>{escape(path)}</code> {_prose(operation['summary'])}</summary>"
    if parameters := operation.get("parameters"):
        rows = [(each["name"], each["in"], _prose(each["description"])) for each in parameters]
        yield from _table("Parameters", rows)
    if body := operation.get("requestBody"):
        yield f"<p>Body: {_content(body['content'])}</p>"
    rows = [
        (status, _content(answer.get("content", {})), _prose(answer["description"]))
        for status, answer in operation["responses"].items()
    ]
    yield from _table("Answers", rows)
    yield "</details>"


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(name)}"><summary><code>{escape(name)}</code> {_prose(schema.get("description", ""))}'
    yield "</summary>"
    required = schema.get("required", ())
    rows = [
        (key, _kind(value) + ("" if key in required else ", optional"), _prose(value.get("description", "")))
        for key, value in schema.get("properties", {}).items()
    ]
    if rows:
        yield from _table("Keys", rows)
    else:
        yield f"<p>{_kind(schema)}</p>"
    yield "</details>"


def _table(caption: str, rows: list[tuple[str, str, str]]) -> Iterator[str]:
    yield f"<table><caption>{caption}</caption>"
    for name, kind, says in rows:
        yield f'<tr><th scope="row"><code>{escape(name)}</code></th><td>{kind}</td><td>{says}</td></tr>'
    yield "</table>"


def _content(content: Mapping[str, Any]) -> str:
    return ", ".join(
        _kind(each["schema"]) if each.get("schema") else f"<code>{escape(media)}</code>"
        for media, each in content.items()
    )


def _kind(schema: Mapping[str, Any]) -> str:
    """Return a schema in a few words, with links to those it names."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "items" in schema:
        return f"list of {_kind(schema['items'])}"
    return escape(schema.get("format") or schema.get("type", "any"))


def _prose(text: str) -> str:
    """Text with its backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))

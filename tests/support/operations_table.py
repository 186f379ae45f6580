"""Write the table of operations into docs/http-api.md (`make docs`). A test holds the page to it."""

import re
from pathlib import Path

from pydantic import ByteSize

from streamzip.api.contract import Operation, Tag
from streamzip.api.operations import OPERATIONS
from streamzip.guards.access import Access

PAGE = Path(__file__).parent.parent.parent / "docs" / "http-api.md"
BEGIN, END = "<!-- made by `make docs` of streamzip/api/operations.py -->\n", "<!-- end -->\n"

WHO = {
    Access.OPEN: "everybody",
    Access.LINK: "who has the link",
    Access.STATUS: "everybody; where links are signed, who has the archive's, its key or its delete token",
    Access.KEY: "an API key",
    Access.ADMIN: "an admin key",
    Access.PAGE: "an API key, or a session",
    Access.OWNER: "the archive's key",
    Access.PAGE_OWNER: "the archive's key, or a session of its",
    Access.PAGE_DELETER: "as above, or the browser that created it",
    Access.DELETER: "the archive's key, or its delete token",
}


def table() -> str:
    """Return the whole table in Markdown."""
    head = "| operation | what it does | who may | body, at most | statuses |\n|---|---|---|---|---|\n"
    return head + "".join(map(_row, OPERATIONS))


def _row(operation: Operation) -> str:
    method = "GET \\| HEAD" if operation.method == "GET" else operation.method
    statuses = ", ".join(map(str, sorted({*operation.answers, *operation.problems})))
    cells = (f"`{method} {operation.path}`", operation.says, WHO[operation.access], _body(operation), statuses)
    return f"| {' | '.join(cells)} |\n"


def _body(operation: Operation) -> str:
    if operation.body is None and operation.file is None:
        return ""
    if operation.most is not None:
        return ByteSize(operation.most).human_readable().replace(".0", "")
    return "`STREAMZIP_UPLOAD_MAX_BYTES`" if operation.tag is Tag.UPLOADS else "`STREAMZIP_MAX_BODY_BYTES`"


def page(text: str) -> str:
    """Return the page's text with the table as it is now."""
    return re.sub(f"(?<={re.escape(BEGIN)}).*?(?={re.escape(END)})", lambda _: table(), text, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))

"""The code's sizes: what is larger than one can read at once is an exception, listed here with its reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
MOST_PARAMETERS = 8
MOST_PUBLIC_MEMBERS = 25

PACKAGE = Path(__file__).parent.parent.parent / "streamzip"

# What is too large, and why it is: `path` or `path:Class.function`.
EXCEPTIONS = {
    "api/routes.py:build": "what the handlers are made of, a parameter each",
    "app.py:Parts.__init__": "every part is made here, once, in the order of what needs what",
    "assembly/ledger.py:Ledger": "all that is known of one archive has one owner; its questions are one line each",
    "cli/zipping.py:zip_": "a parameter for each of the command's options, with its help",
    "library/origins.py:Origins.__init__": "what a program may say of the way to origins, an option each",
    "spool/file.py:FileSpool": "the ports of bytes, journal and claims, over one open file",
    "store/repository.py:Repository": "the facts of archives, and a part for each other thing that the store keeps",
    "web/views.py:ArchiveView": "what a template shows of an archive, a field each",
    "zip/offsets.py:Offsets": "the columns of one table, read in many ways",
    "zip/records.py:directory_record": "a parameter for each of the record's fields",
}

# Their fields are those of a document, as many as it has.
DOCUMENTS = frozenset({"BaseModel", "BaseSettings"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Yield every function below the node with its qualified name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.ClassDef):
            name = f"{prefix}{child.name}"
            if isinstance(child, Function):
                yield name, child
            yield from functions(child, f"{name}.")
        else:
            yield from functions(child, prefix)


def parameters(function: Function) -> int:
    """Return how many parameters a caller can give, `self` and `cls` left out."""
    given = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(each.arg not in ("self", "cls") for each in given)


def public_members(kind: ast.ClassDef) -> int:
    """Return how many names the class body and its constructor give to other modules."""
    names: set[str] = set()
    for node in ast.walk(kind):
        if isinstance(node, Function) and node in kind.body:
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                names.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and node in kind.body and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return sum(not name.startswith("_") for name in names)


def too_large(path: Path, name: str) -> Iterator[str]:
    """Yield what of the file is larger than the limits, each with the figure that is."""
    text = path.read_text()
    tree = ast.parse(text)
    lines = text.count("\n")
    if lines > MOST_LINES_OF_A_FILE:
        yield f"{name} has {lines} lines"
    for function, node in functions(tree):
        assert node.end_lineno is not None
        length = node.end_lineno - node.lineno + 1
        if length > MOST_LINES_OF_A_FUNCTION:
            yield f"{name}:{function} has {length} lines"
        if parameters(node) > MOST_PARAMETERS:
            yield f"{name}:{function} has {parameters(node)} parameters"
    for kind in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        document = any(isinstance(base, ast.Name) and base.id in DOCUMENTS for base in kind.bases)
        if public_members(kind) > MOST_PUBLIC_MEMBERS and not document:
            yield f"{name}:{kind.name} has {public_members(kind)} public members"


def test_nothing_is_larger_than_can_be_read_at_once() -> None:
    """No file, function or class of the package is over the limits, but for those listed with a reason."""
    found = [
        each for path in sorted(PACKAGE.rglob("*.py")) for each in too_large(path, path.relative_to(PACKAGE).as_posix())
    ]
    strangers = [each for each in found if each.split()[0] not in EXCEPTIONS]
    assert strangers == [], "\n".join(strangers)


def test_the_limits_see_what_is_too_large(tmp_path: Path) -> None:
    """A file, function, parameter list and class over the limits are each named."""
    body = "".join(f"        self.a{n} = {n}\n" for n in range(MOST_LINES_OF_A_FUNCTION))
    many = ", ".join(f"p{n}=0" for n in range(MOST_PARAMETERS + 1))
    path = tmp_path / "large.py"
    path.write_text(f"class Large:\n    def __init__(self, {many}):\n{body}" + "\n" * MOST_LINES_OF_A_FILE)
    assert [each.split(" has ")[0] for each in too_large(path, "large.py")] == [
        "large.py",
        "large.py:Large.__init__",
        "large.py:Large.__init__",
        "large.py:Large",
    ]

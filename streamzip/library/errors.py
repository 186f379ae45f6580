"""What can go wrong while a Zip is made.

ZipError
├── InvalidEntries   the list cannot be packed; `errors` says which entries, and why
├── NothingToZip     no entry can be had, or one cannot and `on_error` is "fail"; `left_out` says why
├── SourceChanged    a file changed after bytes of it were used
├── SourceFailed     a file broke off for good, after the archive was begun
├── NotYet           not now: `retry_after` says when to ask again
└── CannotSave       the file cannot be written, or must not be
"""

from streamzip.errors import BuildFailed, InvalidRequest, NotReady, Problem, Stale


class ZipError(Exception):
    """Every error of the library; its text is one sentence, `code` is stable."""

    code: str = "internal"

    def __init__(self, sentence: str, *, code: str | None = None) -> None:
        super().__init__(sentence)
        if code is not None:
            self.code = code


class InvalidEntries(ZipError, ValueError):
    """The list cannot be packed. `errors`: pairs of the place (JSON Pointer, RFC 6901) and what is wrong there."""

    code: str = "invalid_entries"

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{pointer or '/'}: {detail}" for pointer, detail in errors))


class NothingToZip(ZipError):
    """No entry can be had, or one cannot and `on_error` is "fail". `left_out`: a sentence for each."""

    code: str = "no_entries"

    def __init__(self, sentence: str, left_out: tuple[str, ...], *, code: str) -> None:
        self.left_out = left_out
        super().__init__(sentence, code=code)


class SourceChanged(ZipError):
    """A file changed after bytes of it were used; another Zip of the same list may be made."""

    code: str = "origin_changed"


class SourceFailed(ZipError):
    """A file broke off for good, after the archive was begun."""

    code: str = "origin_failed"


class NotYet(ZipError):
    """Not now. `retry_after`: seconds after which to ask again."""

    code: str = "not_ready"

    def __init__(self, sentence: str, *, code: str, retry_after: int | None) -> None:
        self.retry_after = retry_after
        super().__init__(sentence, code=code)


class CannotSave(ZipError):
    """The file cannot be written, or must not be."""

    code: str = "cannot_save"


def translated(problem: Problem) -> ZipError:
    """Return the engine's problem as the library tells it."""
    match problem:
        case InvalidRequest():
            return InvalidEntries([(error.pointer, error.detail) for error in problem.errors])
        case Stale():
            return SourceChanged(problem.detail, code=problem.code)
        case BuildFailed():
            return SourceFailed(problem.detail, code=problem.code)
        case NotReady():
            return NotYet(problem.detail, code=problem.code, retry_after=problem.retry_after)
    return ZipError(problem.detail, code=problem.code)

"""What can go wrong, as a client is told of it (RFC 9457) and as an entry's record keeps it.

    Problem                     code, status, a public sentence; edge/problem_document.py renders it
    ├── InvalidRequest          422  a field is wrong; names it by JSON Pointer
    ├── UnusablePage            422  `not_html`, `no_images`, `page_too_large`: a web page without images to pack
    ├── BadTarget               400  the target holds what no target may
    ├── BadHost                 400  the Host header is missing, doubled, or names no host
    ├── UnknownHost             421  a name that a gateway without keys does not answer to
    ├── NotJson                 400  the body is not JSON
    ├── TooLarge                413  body, entries, or bytes over a limit
    ├── NotFound                404  unknown, expired, deleted and forbidden look alike
    ├── Unauthorized            401  an API key is needed, and there is none or a wrong one
    ├── Forbidden               403  a token or signature is missing or wrong; `cross_site`: another site's page asks
    ├── Conflict                409  `no_cache`: the state of the archive forbids it
    │   └── Stale               409  `origin_changed`: an origin changed after its bytes were given out
    │       └── Mislearned      409  what an origin said before the layout was frozen does not hold
    ├── NotReady                503  not yet; Retry-After says when to ask again
    │   ├── AskedAnew           503  the archive's origins are asked anew: its readers begin again
    │   └── Elsewhere           503  `elsewhere`: another gateway has the bytes that were given out
    ├── BuildFailed             502  `origin_failed`, `entry_failed`, `no_entries`, `page_unreachable`: not to be had
    ├── TooMany                 429  `too_many_creates`, `too_many_watchers`; Retry-After says when to ask again
    ├── BadForm                 400  a form that cannot be read
    ├── Stalled                 408  a body that does not come
    ├── Unsupported             415  a body that is not taken: its type, its coding
    ├── NoRoom                  507  the quota or the disk is full
    └── Damaged                 500  something stored no longer matches its signature

    OriginError                 one entry's origin failed; becomes that entry's `errors` record
    └── UnusableRange           its answer to a range cannot be used; the file itself may still be had

A problem's sentence is public: it never holds a query string, a credential or an inner address.
"""

from typing import Any, ClassVar, NamedTuple


class FieldError(NamedTuple):
    """One wrong field: where (JSON Pointer, RFC 6901) and what is wrong with it."""

    pointer: str
    detail: str


class Problem(Exception):
    """A request that cannot be answered as asked. `detail` is one public sentence that says what to do."""

    status: ClassVar[int] = 500
    code: str = "internal"
    title: ClassVar[str] = "The gateway failed"

    def __init__(self, detail: str, *, code: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        if code is not None:
            self.code = code

    def members(self) -> dict[str, Any]:
        """Extension members of the problem document beyond type, title, status, detail and code."""
        return {}


class InvalidRequest(Problem):
    """The body parses, but a field of it is wrong."""

    status = 422
    code = "invalid_request"
    title = "The request is not valid"

    def __init__(self, errors: list[FieldError]) -> None:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        super().__init__(f"{first.pointer or '/'}: {first.detail}{more}")
        self.errors = errors

    def members(self) -> dict[str, Any]:
        """Return every wrong field, the first twenty of them."""
        return {"errors": [{"pointer": error.pointer, "detail": error.detail} for error in self.errors[:20]]}


class UnusablePage(Problem):
    """The web page was fetched, and no archive can be made of it."""

    status = 422
    code = "no_images"
    title = "The page cannot be used"


class BadTarget(Problem):
    """The request's target holds what no target may (RFC 9110 §15.5.1)."""

    status = 400
    code = "bad_request"
    title = "Not a target"


class BadHost(Problem):
    """Which host is asked for cannot be told (RFC 9112 §3.2)."""

    status = 400
    code = "bad_host"
    title = "No one Host"


class UnknownHost(Problem):
    """The gateway does not answer to this name (RFC 9110 §15.5.20)."""

    status = 421
    code = "unknown_host"
    title = "Not a name of this gateway"


class NotJson(Problem):
    """The body is not JSON, or JSON that no parser should be asked to read."""

    status = 400
    code = "invalid_json"
    title = "The body is not JSON"


class TooLarge(Problem):
    """A limit was passed; the sentence names the limit."""

    status = 413
    code = "too_large"
    title = "Over a limit"


class NotFound(Problem):
    """Nothing is here, or nothing that this client may know of."""

    status = 404
    code = "not_found"
    title = "Not found"


class Unauthorized(Problem):
    """An API key is needed."""

    status = 401
    code = "unauthorized"
    title = "An API key is needed"


class Forbidden(Problem):
    """A token, key or signature is missing or wrong."""

    status = 403
    code = "forbidden"
    title = "Not allowed"


class Conflict(Problem):
    """The archive's state does not allow it."""

    status = 409
    code = "conflict"
    title = "Not possible in this state"


class Stale(Conflict):
    """An origin's file changed after bytes of it were given out: the snapshot cannot be continued."""

    code = "origin_changed"
    title = "An origin changed"


class Mislearned(Stale):
    """What an origin said of a file does not hold when the file is pulled. While nothing was given out, the origins may
    be asked anew.
    """


class NotReady(Problem):
    """It is being worked on; ask again after `retry_after` seconds."""

    status = 503
    code = "not_ready"
    title = "Not ready yet"


class AskedAnew(NotReady):
    """The archive's origins are asked anew, before a byte of it was given out: what was opened of it is void."""

    def __init__(self) -> None:
        super().__init__("the archive's origins are being asked anew", retry_after=1)


class Elsewhere(NotReady):
    """Another gateway of the store has given out bytes of the archive that none but its own copy can prove."""

    code = "elsewhere"

    def __init__(self) -> None:
        super().__init__(
            "another gateway has begun this archive, whose files' versions nothing tells apart; ask again, to reach it",
            retry_after=5,
        )


class CopyLost(NotReady):
    """The archive's copy cannot be read any more, on disk or in the bucket: its readers begin again, without it."""

    def __init__(self) -> None:
        super().__init__("the archive's copy could not be read", retry_after=1)


class BuildFailed(Problem):
    """The origins did not give what the archive needs."""

    status = 502
    code = "origin_failed"
    title = "The archive cannot be built"

    def __init__(
        self, detail: str, *, code: str | None = None, retry_after: int | None = None, lasting: bool = False
    ) -> None:
        super().__init__(detail, code=code, retry_after=retry_after)
        self.lasting = lasting  # what the origins said stays so: no further attempt of ours helps


class TooMany(Problem):
    """This client asks for more than its share; `retry_after` says when to ask again."""

    status = 429
    code = "too_many_creates"
    title = "Too many requests"


class BadForm(Problem):
    """The body is no form, or not all of one."""

    status = 400
    code = "bad_form"
    title = "The form cannot be read"


class Stalled(Problem):
    """The rest of the body does not come."""

    status = 408
    code = "body_stalled"
    title = "Nothing came"


class Unsupported(Problem):
    """The body is of a kind that is not taken."""

    status = 415
    code = "type_not_allowed"
    title = "Not taken"


class NoRoom(Problem):
    """There is no room for it."""

    status = 507
    code = "quota_exceeded"
    title = "No room"


class Damaged(Problem):
    """Something stored does not match its signature or its digest, and is refused."""

    code = "damaged"
    title = "Stored state is damaged"


class OriginError(Exception):
    """One entry's origin did not give the entry's bytes.

    `code` is stable and public, as `http_404` or `timed_out`; docs/http-api.md lists them all. `transient`: worth
    another attempt; `retry_after`: seconds the origin asked us to wait, where it did. What is not transient fails the
    entry at once (401, 403, 404, 410, a blocked address).
    """

    def __init__(self, code: str, message: str, *, transient: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.transient = transient
        self.retry_after = retry_after
        self.waited: float = 0.0


class UnusableRange(OriginError):
    """The origin refused a range, or its answer to one contradicts itself or what is known of the file.

    Ask for the file without a range before it is given up. `size`: what it said to be the file's, in bytes.
    """

    def __init__(self, code: str, message: str, *, transient: bool = False, size: int | None = None) -> None:
        super().__init__(code, message, transient=transient)
        self.size = size

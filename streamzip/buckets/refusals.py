"""Errors made of a bucket's refusals: its XML names the reason. PURE.

Amazon S3, "Error responses"; Google's Cloud Storage, XML API, "HTTP status and error codes"; Azure, "Blob Storage error
codes" and "Common REST API error codes".
"""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from streamzip.errors import OriginError
from streamzip.origins.answers import Head


def _cold() -> OriginError:
    return OriginError("cold_storage", "the object is in a cold storage class; restore it first")


def _expired() -> OriginError:
    message = "the gateway's credentials for the bucket have expired"
    return OriginError("credentials_expired", message, transient=True)


def _bad_credentials() -> OriginError:
    return OriginError("bad_credentials", "the bucket does not take the gateway's credentials")


def _skewed() -> OriginError:
    message = "the gateway's clock differs from the bucket's by too much"
    return OriginError("clock_skewed", message, transient=True)


def _elsewhere() -> OriginError:
    return OriginError("wrong_region", "the bucket is in another region than the gateway was told")


def _slow() -> OriginError:
    code = f"http_{HTTPStatus.SERVICE_UNAVAILABLE.value}"
    return OriginError(code, "the bucket asks for fewer requests", transient=True)


def _denied() -> OriginError:
    return OriginError("access_denied", "the gateway's credentials may not read this in the bucket")


def _no_bucket() -> OriginError:
    return OriginError("no_bucket", "there is no such bucket at its endpoint")


_ERRORS: Final[Mapping[str, Callable[[], OriginError]]] = {
    "InvalidObjectState": _cold,
    "ExpiredToken": _expired,
    "TokenRefreshRequired": _expired,
    "InvalidAccessKeyId": _bad_credentials,
    "InvalidToken": _bad_credentials,
    "SignatureDoesNotMatch": _bad_credentials,
    "RequestTimeTooSkewed": _skewed,
    "AuthorizationHeaderMalformed": _elsewhere,
    "PermanentRedirect": _elsewhere,
    "TemporaryRedirect": _elsewhere,
    "SlowDown": _slow,
    "RequestLimitExceeded": _slow,
    "AccessDenied": _denied,
    "NoSuchBucket": _no_bucket,
    # Google's own
    "AuthenticationRequired": _denied,
    "UserProjectMissing": _denied,
    # Azure's
    "BlobArchived": _cold,
    "BlobBeingRehydrated": _cold,
    "AuthenticationFailed": _bad_credentials,
    "InvalidAuthenticationInfo": _bad_credentials,
    "KeyBasedAuthenticationNotPermitted": _denied,
    "NoAuthenticationInformation": _denied,
    "PublicAccessNotPermitted": _denied,
    "AuthorizationFailure": _denied,
    "AuthorizationPermissionMismatch": _denied,
    "AuthorizationProtocolMismatch": _denied,
    "AuthorizationResourceTypeMismatch": _denied,
    "AuthorizationServiceMismatch": _denied,
    "AuthorizationSourceIPMismatch": _denied,
    "InsufficientAccountPermissions": _denied,
    "ContainerNotFound": _no_bucket,
    "ContainerBeingDeleted": _no_bucket,
    "ServerBusy": _slow,
}
# A shared access signature that ended is told from a wrong one by Azure's sentence alone.
_OUT_OF_TIME: Final = b"Signature not valid in the specified time frame"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CODE = re.compile(rb"<Code>\s*([A-Za-z]{1,64})\s*</Code>")


def explain(error: OriginError, head: Head, body: bytes) -> OriginError:
    """Return the error that a refusal stands for; `body`: its beginning."""
    named = _CODE.search(body)
    make = None if named is None else _ERRORS.get(named[1].decode())
    if make is _bad_credentials and _OUT_OF_TIME in body:
        make = _expired
    if make is None and head.status in _REDIRECTS:
        make = _elsewhere
    if make is None:
        return error
    explained = make()
    explained.retry_after = error.retry_after
    return explained

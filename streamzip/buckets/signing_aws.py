"""Signatures of requests to buckets (AWS Signature Version 4), by Amazon's own runtime.

Google's XML API takes them too, with HMAC keys (Cloud Storage, "Simple migration from Amazon S3").
"""

import asyncio
import hashlib
import time
from typing import Any, Final

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyHeaderType,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.exceptions import AwsCrtError
from awscrt.http import HttpHeaders, HttpRequest

from streamzip.buckets.signing import READ_AGAIN
from streamzip.errors import OriginError
from streamzip.origins.rewritten import Address
from streamzip.urls.urls import target_of

WITHIN: Final = 10.0  # seconds for credentials
# A file that cannot be read, or has no such profile, is a RuntimeError as the provider is made.
_UNHAD: Final = (AwsCrtError, RuntimeError, TimeoutError)
_EMPTY: Final = hashlib.sha256(b"").hexdigest()


class Signer:
    """Signs GETs of one bucket. `credentials`: as in the settings."""

    def __init__(self, credentials: str, region: str) -> None:
        self._credentials = credentials
        self._region = region
        self._provider: Any = None
        self._read_at = 0.0

    async def signed(self, url: str) -> Address:
        """Return the URL, and the header fields that a GET of it is signed with. Raises OriginError."""
        target = target_of(url)
        request = HttpRequest("GET", target.path, HttpHeaders([("Host", target.host_field)]))
        try:
            async with asyncio.timeout(WITHIN):
                signed = await asyncio.wrap_future(aws_sign_request(request, self._config()))
        except _UNHAD as error:
            raise OriginError(
                "no_credentials", "the gateway has no credentials for the bucket at present", transient=True
            ) from error
        return Address(url, tuple((name, value) for name, value in signed.headers if name != "Host"))

    def prove(self) -> None:
        """Raise ValueError where there are no credentials. What the machine's services would give is not asked for."""
        if self._credentials == "chain":
            return
        try:
            self._current().get_credentials().result(WITHIN)
        except _UNHAD as error:
            raise ValueError(f"no credentials are found: {self._credentials}") from error

    def _config(self) -> Any:
        return AwsSigningConfig(
            algorithm=AwsSigningAlgorithm.V4,
            signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
            credentials_provider=self._current(),
            region=self._region,
            service="s3",
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_value=_EMPTY,
            signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256,
        )

    def _current(self) -> Any:
        now, chain = time.monotonic(), self._credentials == "chain"  # which renews what it has by itself
        if self._provider is None or (not chain and now - self._read_at > READ_AGAIN):
            self._provider, self._read_at = self._made(), now
        return self._provider

    def _made(self) -> Any:
        kind, _, name = self._credentials.partition(":")
        if kind == "profile":
            return AwsCredentialsProvider.new_profile(profile_name=name)
        if kind == "chain":
            return AwsCredentialsProvider.new_default_chain()
        return AwsCredentialsProvider.new_environment()

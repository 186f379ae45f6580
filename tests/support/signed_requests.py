"""What Google's and Azure's stores check of a request before they answer it, written from their documentation.

Mocks: no server of theirs runs here. They share no code with the gateway. Google: Cloud Storage, "Signatures" and
"Canonical requests"; Azure: "Create a service SAS".
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.origin import Answer, Reply, Request, Status

EMAIL = "packer@project.iam.gserviceaccount.com"


class GoogleAccount:
    """A service account with a key of its own."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def write(self, path: Path) -> Path:
        """Write the file that Google gives for such a key."""
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        document = {"type": "service_account", "client_email": EMAIL, "private_key": pem}
        path.write_text(json.dumps(document))
        return path

    def guarded(self, choose: Callable[[Request], Answer]) -> Reply:
        """Answer who signs with this key, and say to others what Google says."""
        refusal = Status(403, (), b"<?xml version='1.0'?><Error><Code>SignatureDoesNotMatch</Code></Error>")
        return Reply(lambda request: choose(request) if self._has_signed(request) else refusal)

    def _has_signed(self, request: Request) -> bool:
        path, _, query = request.target.partition("?")
        pairs = query.split("&")
        told = {name: unquote(value) for name, _, value in (pair.partition("=") for pair in pairs)}
        signature = bytes.fromhex(told.pop("X-Goog-Signature", ""))
        begins = datetime.strptime(told["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        age = datetime.now(UTC) - begins
        scope = f"{told['X-Goog-Date'][:8]}/auto/storage/goog4_request"
        covered = "&".join(sorted(pair for pair in pairs if not pair.startswith("X-Goog-Signature=")))
        asked = f"GET\n{path}\n{covered}\nhost:{request.fields['host']}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(asked.encode()).hexdigest()
        over = f"GOOG4-RSA-SHA256\n{told['X-Goog-Date']}\n{scope}\n{digest}"
        try:
            self._key.public_key().verify(signature, over.encode(), padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        in_time = timedelta(0) <= age <= timedelta(seconds=int(told["X-Goog-Expires"]))
        return in_time and told["X-Goog-Credential"] == f"{EMAIL}/{scope}"


class AzureAccount:
    """A storage account with a key of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.key = base64.b64encode(hashlib.sha512(name.encode()).digest()).decode()

    def guarded(self, container: str, choose: Callable[[Request], Answer]) -> Reply:
        """Answer who shows a signature for the container, and say to others what Azure says."""
        refusal = Status(403, (), b"\xef\xbb\xbf<?xml version='1.0'?><Error><Code>AuthenticationFailed</Code></Error>")
        return Reply(lambda request: choose(request) if self._has_signed(request, container) else refusal)

    def _has_signed(self, request: Request, container: str) -> bool:
        told = {name: values[0] for name, values in parse_qs(request.target.partition("?")[2]).items()}
        if not {"sp", "se", "spr", "sv", "sr", "sig"} <= told.keys() or not re.match(r"20\d\d-", told["sv"]):
            return False
        over = (
            f"{told['sp']}\n\n{told['se']}\n/blob/{self.name}/{container}\n\n\n{told['spr']}\n{told['sv']}\n{told['sr']}"
            "\n\n\n\n\n\n\n"
        )
        made = hmac.new(base64.b64decode(self.key), over.encode(), hashlib.sha256).digest()
        in_time = datetime.fromisoformat(told["se"]) > datetime.now(UTC)
        return in_time and hmac.compare_digest(base64.b64encode(made).decode(), told["sig"])

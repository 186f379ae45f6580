"""Amazon's signatures, with the credentials of each kind that the operator may name."""

import json
from pathlib import Path

import pytest

from streamzip.buckets.signing import signer_of
from streamzip.listed_buckets import parse_bucket
from tests.support.origin import Origin, Status

OBJECT = "https://photos.s3.eu-1.amazonaws.com/a"
METADATA = "/latest/meta-data/iam/security-credentials/"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Origin:
    """A machine with variables, a profile and a role, whose metadata service is a scripted one."""
    role = {"AccessKeyId": "of-role", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
    (tmp_path / "profiles").write_text("[web]\naws_access_key_id=of-profile\naws_secret_access_key=s\n")
    origin = Origin()
    origin.serve("/latest/api/token", Status(200, (("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "600"),), b"token"))
    origin.serve(METADATA, Status(200, (), b"role"))
    origin.serve(f"{METADATA}role", Status(200, (), json.dumps(role | {"Code": "Success"}).encode()))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "profiles"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    return origin


@pytest.mark.parametrize("credentials", ["environment", "profile:web", "chain"])
async def test_request_is_signed_with_what_the_operator_names(
    machine: Origin, monkeypatch: pytest.MonkeyPatch, credentials: str
) -> None:
    """The variables, a profile or the machine's role: the metadata service is asked for `chain` alone."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    if credentials == "environment":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-environment")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    with machine:
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", machine.url("/"))
        signer = signer_of(parse_bucket(f"s3://photos?region=eu-1&credentials={credentials}"))
        signer.prove()
        fields = dict((await signer.signed(OBJECT)).fields)
        expected = {"environment": "of-environment", "profile:web": "of-profile", "chain": "of-role"}[credentials]
        assert f"Credential={expected}/" in fields["Authorization"]
        assert "/eu-1/s3/aws4_request" in fields["Authorization"]
        assert bool(machine.requests(f"{METADATA}role")) == (credentials == "chain")

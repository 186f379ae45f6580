"""Signatures of Google's and Azure's kind, and the files that their credentials are in."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from streamzip.buckets.signing import READ_AGAIN, Renewed
from streamzip.buckets.signing_azure import SharedAccess, read_credentials
from streamzip.buckets.signing_google import ServiceAccount, read_account, string_to_sign, url_to_sign
from streamzip.errors import OriginError
from streamzip.listed_buckets import parse_bucket

# googleapis/conformance-tests, storage/v1/v4_signatures.json: URLs, and what Google expects their signatures to be; and
# the public key that belongs to them.
MODULUS = int(
    "ac3f3322ac8a2db5f436af28d098f5a871211e1a8edfed0e3fb4c4171e55c5ce8f77006814dadf9c9448fd2f99683612d5abebe4faa9a7c83c"
    "f9434e32f23556c8c633cc634dac6456ff2698aa7aa52990b2d4eddb9a736357b1036c2fe313564b058d14dc76921df9fa4bd343f0c5dd803d"
    "3fba54535b0ababd4f3fc3a8b9b58b14ee7d8b2e54139757d0eff7a63bd9d87021497b31d955ad0799e5ac747c16b28934b24c10610348ccfd"
    "c917d0694798094f680d81ee8aa290deb0978ba0bcda5fb7149c39fe0809e72ee2c3c304ac2152b257184116c1573e9960a5a411c261b3c046"
    "dffd7a6df6aa36eb0d943209f7d23b0e68a9527805fc712e95885fad",
    16,
)
EMAIL = "test-iam-credentials@dummy-project-id.iam.gserviceaccount.com"
VECTORS = [
    (
        "https://storage.googleapis.com/test-bucket/test-object",
        "2019-03-01T09:00:00Z",
        20,
        "9669ed5b10664dc594c758296580662912cf4bcc5a4ba0b6bf055bcbf6f34eed7bdad664f534962174a924741a0c273a4f67bc1847cef2"
        "0192a6beab44223bd9d4fbbd749c407b79997598c30f82ddc269ff47ec09fa3afe74e00616d438df0d96a7d8ad0adacfad1dc3286f864d92"
        "4fe919fb0dce45d3d975c5afe8e13af2db9cc37ba77835f92f7669b61e94c6d562196c1274529e76cfff1564cc2cad7d5387dc8e12f7a5df"
        "d925685fe92c30b43709eee29fa2f66067472cee5423d1a3a4182fe8cea75c9329d181dc6acad7c393cd04f8bf5bc0515127d8ebd65d80c0"
        "8e19ad03316053ea60033fd1b1fd85a69c576415da3bf0a3718d9ea6d03e0d66f0",
    ),
    (
        "https://storage.googleapis.com/test-bucket//path/with/slashes/under_score/amper%26sand/file.ext",
        "2019-02-01T09:00:00Z",
        10,
        "2db8b70e3f85b39be7824f6d02be31af2e6a2eb63f6bb41254851f7ef51bdad8963a9d2b254f8379c1780c8e6898be002d4100a0abd3d4"
        "5f1437687fed65d15dd237c3a6f3c399c64ffd4e4cea7ef1c2f0391d35ecbeeaf3e3148d23c6f24c839cfcd92c1496332f5bfbbf1ed1e957"
        "eb45fad57df24828c96cf243eec23fba014d277c22a572708beb355888c5a8c0047cb3015d7f62cc90285676e7e34626fd0ce9ba5e0da39f"
        "c3de0035cc3ad120c46cb73db87246ae123f7a342c235e9480bd7d7e00c13b1e1bb7be5e2bce74d59a53505172463b48aefeedb48281d908"
        "74aa4177c881d3596ed1067f02eaac13d810a7aed234c41978b1394d0ce3662f76",
    ),
    (
        "https://storage.googleapis.com/test-bucket/test-object?X-Goog-Meta-Foo=bar&prefix=%2Ffoo",
        "2019-02-01T09:00:00Z",
        10,
        "a07745e1b3d59b85cbe11aa766df72c22468959e7217615dccb7f030234f66b60b37e480f30725ed51f29816362ca8286c619ebb66448f"
        "f1d370be2a4a48aacf20d3d2d6200ed17341a5791baf2ee5cd9c2823adacc6264f66c8a54fa887e1bce3c55cf78fb2f6a52618cf09d6f945"
        "f63d148052a7b66a75e075ff5065828a806b84bdc49a42399be7483225c720d5e18a6160f79d815f433e7921694fe1d041099851793c2581"
        "db0e5ca503cfb566e414f900ceede5f9b22030edd32ab20b6f7f9fb2afba89098b9364e03397c03a94eac3a140c99979b8786844fb4f6c62"
        "c1985378939dd1bbaea8e41b9100dda85a27733171cc78d96ee362ea2c3432f4d8",
    ),
    (
        "https://test-bucket.storage.googleapis.com/test-object",
        "2019-02-01T09:00:00Z",
        10,
        "06c633ea060b0eda81ee58dd3337b01b0d243a44f18cb03ec948861f533a129e579c7fd4c856d187f1c7b86e5715ea0abf6a1c6ba32b69"
        "274d22b1b0406df6847dc87f0d289fe8dc0682351574849b8b13e4b66922f39441af96becb73ea4c56cd5e3eeb30bc91fe84e8bd205adca8"
        "639253bdb65b2fcaf2598a230c6d8f6d8177c9e58a61b6e826767f594056b490184d676897c4bbedc15d6fbf08c3fa82a406c62e74db661e"
        "6c5d7d3ced29e0619ee719dce4b8136360345b8dce120b9f1debd511c8dac3e6d874ee05bfda8c8f1c4fedd0c07fc6d98f5f18a349bb204d"
        "8ff401402a025194e2792df8a09282141157e4ca51d26a8d0d142a01c805321911",
    ),
]
KEY = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA=="
SAS = "sp=rl&se=2030-01-01T00:00:00Z&sv=2021-12-02&sr=c&sig=abcdefghijklmnopqrstuvwxyz%3D"


@pytest.mark.parametrize(("url", "at", "lasts", "signature"), VECTORS)
def test_google_signature_is_that_of_googles_own_examples(url: str, at: str, lasts: int, signature: str) -> None:
    """The signatures that Google publishes hold for what this code signs."""
    begins = int(datetime.fromisoformat(at).timestamp())
    unsigned = url_to_sign(url, EMAIL, begins, lasts)
    key = RSAPublicNumbers(65537, MODULUS).public_key()
    key.verify(bytes.fromhex(signature), string_to_sign(unsigned, begins).encode(), PKCS1v15(), SHA256())


async def test_shared_access_is_the_same_for_half_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered of a URL holds for its next part; each is good for a quarter of an hour more."""
    now = 1_800_000_000.0
    monkeypatch.setenv("AZURE_STORAGE_KEY", KEY)
    azure = SharedAccess(parse_bucket("az://films?account=studio"), wall=lambda: now)
    first = await azure.signed("https://a/films/x?versionid=1")
    assert first.url.startswith("https://a/films/x?versionid=1&sp=rl&se=2027-01-15T09%3A00%3A00Z&spr=https&")
    now += 1799
    assert await azure.signed("https://a/films/x?versionid=1") == first
    now += 1
    assert await azure.signed("https://a/films/x?versionid=1") != first


def test_key_that_is_none_is_refused_without_its_text() -> None:
    """Not JSON, another kind of file, another kind of key: the path is named, and no secret."""
    pem = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    documents = ["secret", "[]", "{}", json.dumps({"client_email": "a", "private_key": "secret"})]
    for text in [*documents, json.dumps({"client_email": "a", "private_key": pem}), "[" * 100_000]:
        with pytest.raises(ValueError, match=r"^/keys/a\.json is no key of a service account$"):
            read_account(text, "/keys/a.json")
    for text in ("", "secret", "c2VjcmV0", "sig=short", f"{SAS} {SAS}"):
        with pytest.raises(ValueError, match=r"^/keys/a is neither"):
            read_credentials(text, "/keys/a")
    assert read_credentials(f"?{SAS}\n", "").sas == SAS
    assert read_credentials(f"{KEY}\n", "").key


def test_renewed_credentials_are_read_again_after_a_minute() -> None:
    """Who renews them writes the file, and restarts nothing; until it can be read again, there are none."""
    now, files = 0.0, ["one", "two", ""]

    def read() -> str:
        if not files[0]:
            raise ValueError("gone")
        return files.pop(0)

    renewed = Renewed(read, lambda: now)
    assert (renewed.get(), renewed.get()) == ("one", "one")
    now = READ_AGAIN + 1
    assert renewed.get() == "two"
    now *= 2.1
    with pytest.raises(ValueError, match="gone"):
        renewed.get()


async def test_file_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    """An attempt is told so, and may be made again; the gateway does not start."""
    google = ServiceAccount(f"file:{tmp_path}/none.json")
    azure = SharedAccess(parse_bucket(f"az://films?account=studio&credentials=file:{tmp_path}/none"))
    for signer in (google, azure):
        with pytest.raises(ValueError, match="cannot be read"):
            signer.prove()
        with pytest.raises(OriginError) as refused:
            await signer.signed("https://a/b")
        assert (refused.value.code, refused.value.transient) == ("no_credentials", True)

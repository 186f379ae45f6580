import hashlib
import hmac

import pytest

from streamzip.access.keyring import Key, KeyRing, Signature
from streamzip.errors import Damaged
from streamzip.manifest.model import Entry, Manifest

MANIFEST = Manifest((Entry("https://h/a", "a"),))
RING = KeyRing.parse("k2:the second secret,k1:the first secret")


def test_archive_hash_is_written_as_it_always_was() -> None:
    """128 bits of HMAC-SHA256 over use, length and canonical manifest: links outlive releases."""
    canonical = b"".join(MANIFEST.canonical())
    message = b"archive\0" + len(canonical).to_bytes(8, "big") + canonical
    assert RING.archive_hash(MANIFEST) == hmac.new(b"the second secret", message, hashlib.sha256).hexdigest()[:32]


def test_archive_hash_depends_on_all_that_changes_the_archive() -> None:
    """Each option, each generation and each owner has an archive of its own."""
    entry = Entry("https://h/a", "a")
    manifests = [
        MANIFEST,
        Manifest((entry, entry)),
        Manifest((entry,), filename="b.zip"),
        Manifest((entry,), compression="store"),
        Manifest((entry,), on_error="fail"),
        Manifest((entry,), generation=2),
        Manifest((entry,), owner="alice"),
        Manifest((Entry("https://h/b", "a"),)),
        Manifest((Entry("https://h/a", "b"),)),
        Manifest((Entry("https://h/a", "a", id="https://h/a"),)),
        Manifest((Entry("https://h/a", "a", size=1),)),
        Manifest((Entry("https://h/a", "a", crc32=1),)),
        Manifest((Entry("https://h/a", "a", mtime=1),)),
    ]
    assert len({RING.archive_hash(manifest) for manifest in manifests}) == len(manifests)


def test_key_that_signs_is_not_short() -> None:
    """16 bytes at least; an older one may be, for what it signed is read by it, and is named."""
    for text in ("k:x", "k:fifteen letters", "x", "k2:fifteen letters,k1:the first secret"):
        with pytest.raises(ValueError, match="at least 16 bytes"):
            KeyRing.parse(text)
    ring = KeyRing.parse("k2:the second secret,k1:x")
    assert ring.weak == ["k1"]
    assert RING.weak == []


def test_hashes_for_finds_what_an_older_key_named() -> None:
    """After a rotation the links of before are found, the current key's first."""
    old = KeyRing.parse("k1:the first secret")
    assert RING.hashes_for(MANIFEST) == [RING.archive_hash(MANIFEST), old.archive_hash(MANIFEST)]


def test_verify_accepts_what_any_key_of_the_ring_signed() -> None:
    """A signature stays good while its key is in the ring, and names it."""
    for ring in (RING, KeyRing.parse("k1:the first secret"), KeyRing.parse("k2:the second secret")):
        RING.verify("manifest", b"bytes", ring.sign("manifest", b"bytes"))
    assert RING.sign("manifest", b"bytes").key_id == "k2"


@pytest.mark.parametrize(
    ("kind", "document", "change"),
    [
        ("manifest", b"byte", {}),
        ("manifest", b"bytess", {}),
        ("layout", b"bytes", {}),
        ("manifes", b"tbytes", {}),
        ("manifest", b"bytes", {"key_id": "k1"}),
        ("manifest", b"bytes", {"key_id": "k3"}),
        ("manifest", b"bytes", {"key_id": ""}),
        ("manifest", b"bytes", {"key_id": "ü"}),
        ("manifest", b"bytes", {"hex": ""}),
        ("manifest", b"bytes", {"hex": "0" * 64}),
        ("manifest", b"bytes", {"hex": "ü\ud800"}),
    ],
)
def test_verify_raises_damaged_when_anything_differs(kind: str, document: bytes, change: dict[str, str]) -> None:
    """Kind, document, key and digits all have to be those of the signing."""
    signature = RING.sign("manifest", b"bytes")._replace(**change)
    with pytest.raises(Damaged):
        RING.verify(kind, document, signature)


def test_verify_raises_damaged_when_any_digit_is_altered() -> None:
    """Every one of the 64 digits counts, and so does their case, and nothing may follow them."""
    signature = RING.sign("manifest", b"bytes")
    altered = [
        signature.hex[:at] + ("0" if digit != "0" else "1") + signature.hex[at + 1 :]
        for at, digit in enumerate(signature.hex)
    ]
    for digits in [*altered, signature.hex.upper(), signature.hex[:-1], signature.hex + "0", " " + signature.hex]:
        with pytest.raises(Damaged):
            RING.verify("manifest", b"bytes", Signature(signature.key_id, digits))


def test_verify_raises_damaged_when_the_key_has_left_the_ring() -> None:
    """What a withdrawn key signed is refused."""
    with pytest.raises(Damaged):
        KeyRing.parse("k2:the second secret").verify(
            "manifest", b"b", KeyRing.parse("k1:the first secret").sign("manifest", b"b")
        )


def test_is_token_knows_its_own_tokens_only() -> None:
    """A token opens the one thing it was given for, also after a rotation."""
    token = KeyRing.parse("k1:the first secret").token("delete", "abc")
    assert len(token) == 64
    assert RING.is_token("delete", "abc", token)
    assert RING.is_token("delete", "abc", RING.token("delete", "abc"))
    assert not RING.is_token("delete", "abd", token)
    assert not RING.is_token("deleteabc", "", token)
    assert not RING.is_token("other", "abc", token)
    assert not RING.is_token("delete", "abc", "")
    assert not RING.is_token("delete", "abc", "ü\ud800")
    assert not KeyRing.parse("k2:the second secret").is_token("delete", "abc", token)


def test_digests_of_different_uses_differ() -> None:
    """A token of one use is no hash, signature or token of another, over the same bytes."""
    key = Key("k", b"secret")
    assert len({key.digest(use, b"x") for use in (b"archive", b"sign", b"token")}) == 3
    assert key.digest(b"sign", b"ab", b"c") != key.digest(b"sign", b"a", b"bc")


def test_parse_derives_an_id_that_survives_rotation_when_the_secret_is_bare() -> None:
    """`old` may become `new,old`: what was signed is still found under its key."""
    signature = KeyRing.parse("the older secret").sign("manifest", b"b")
    KeyRing.parse(" the newer secret , the older secret ").verify("manifest", b"b", signature)
    assert "the older secret" not in signature.key_id


@pytest.mark.parametrize("text", ["", " ", ",", f"a:{'b' * 16},", "a:", ":b"])
def test_parse_refuses_when_a_key_is_empty(text: str) -> None:
    """A ring with a hole in it is a mistake in the settings."""
    with pytest.raises(ValueError, match="neither may be empty"):
        KeyRing.parse(text)


@pytest.mark.parametrize("text", [f"a:{'b' * 16},a:{'c' * 16}", f"{'x' * 16},{'x' * 16}"])
def test_parse_refuses_when_an_id_comes_twice(text: str) -> None:
    """What was signed under the id could be either's, and would be found damaged."""
    with pytest.raises(ValueError, match="the same id"):
        KeyRing.parse(text)


def test_key_does_not_show_its_secret() -> None:
    """A key in a traceback or a log gives nothing away."""
    assert "second" not in repr(RING.current)

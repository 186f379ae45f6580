"""Documents on their way into the store and out of it: encrypted, and signed."""

import sys
import threading

import pytest

from streamzip.access.keyring import KeyRing
from streamzip.errors import Damaged
from streamzip.manifest.model import Entry, Manifest
from streamzip.store import vault as vaults
from streamzip.store.rows import Sealed
from streamzip.store.vault import Vault

HASH = "a" * 32
MANIFEST = Manifest((Entry(url="https://files.example/a?signature=s3cr3t", name="a", size=5),), filename="a.zip")


def a_vault() -> Vault:
    return Vault(KeyRing.parse(f"k1:{'5e' * 32}"))


async def test_ciphers_are_loaded_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first archive after a start keeps nobody waiting: the library comes in a thread, and once."""
    loaded: list[tuple[str, bool]] = []

    def load(name: str) -> object:
        loaded.append((name, threading.current_thread() is threading.main_thread()))
        return sys.modules[__name__]

    monkeypatch.setattr(vaults, "import_module", load)
    vault = a_vault()
    await vault.ready()
    await vault.ready()
    assert loaded == [("cryptography.hazmat.primitives.ciphers.aead", False)]


async def test_manifest_comes_back_and_says_nothing_where_it_lies() -> None:
    """What is stored holds no letter of a URL, and gives the manifest back."""
    vault = a_vault()
    await vault.ready()
    sealed = vault.seal_manifest(HASH, MANIFEST)
    assert b"files.example" not in sealed.body
    assert vault.unseal_manifest(HASH, sealed) == MANIFEST


def test_altered_manifest_is_refused() -> None:
    """One changed byte of what is stored is damage, as is another archive's name."""
    vault = a_vault()
    sealed = vault.seal_manifest(HASH, MANIFEST)
    altered = Sealed(sealed.body[:-1] + bytes([sealed.body[-1] ^ 1]), sealed.key_id, sealed.signature)
    with pytest.raises(Damaged):
        vault.unseal_manifest(HASH, altered)
    with pytest.raises(Damaged):
        vault.unseal_manifest("b" * 32, sealed)

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamzip.errors import Damaged
from streamzip.manifest import model
from streamzip.manifest.model import Entry, Manifest

FULL = Manifest(
    entries=(
        Entry("https://h/a?sig=1", "a.png", id="photo-1", size=5, crc32=0xCBF43926, mtime=1777629600),
        Entry("https://h/ü", "日本.txt", size=0, crc32=0, mtime=0),
    ),
    filename="holiday.zip",
    compression="deflate",
    on_error="fail",
    generation=3,
    owner="alice",
)


def whole(pieces: Iterator[bytes]) -> bytes:
    """All of it at once."""
    return b"".join(pieces)


def test_canonical_is_written_as_it_always_was() -> None:
    """The bytes that hashes cover are fixed: a change here would change every archive's hash."""
    assert whole(Manifest((Entry("https://h/a", "a"),)).canonical()) == (
        b'{"archive":{},"entries":[{"name":"a","url":"https://h/a"}]}'
    )
    assert whole(FULL.canonical()).decode() == (
        '{"archive":{"compression":"deflate","filename":"holiday.zip","generation":3,"on_error":"fail","owner":"alice"},'
        '"entries":[{"crc32":3421780262,"id":"photo-1","mtime":1777629600,"name":"a.png","size":5},'
        '{"crc32":0,"mtime":0,"name":"日本.txt","size":0,"url":"https://h/ü"}]}'
    )


def test_canonical_leaves_the_url_out_when_there_is_an_id() -> None:
    """A URL that is signed anew gives the same archive where an id stands for it."""
    one, two = (Manifest((Entry(f"https://h/a?sig={sig}", "a", id="i"),)) for sig in "12")
    assert whole(one.canonical()) == whole(two.canonical())
    assert whole(one.document()) != whole(two.document())


@pytest.mark.parametrize("count", [1, 999, 1000, 1001, 2500])
def test_document_gives_the_manifest_back(count: int) -> None:
    """What is stored is the whole manifest, in whatever batches it was written."""
    manifest = Manifest(tuple(Entry(f"https://h/{n}", f"{n}", id=f"i{n}" if n % 2 else None) for n in range(count)))
    assert Manifest.from_document(whole(manifest.document()).decode()) == manifest
    assert len(json.loads(whole(manifest.canonical()))["entries"]) == count


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
manifests = st.builds(
    Manifest,
    entries=st.lists(
        st.builds(
            Entry,
            url=texts,
            name=texts,
            id=st.none() | texts,
            size=st.none() | st.integers(0, 2**63 - 1),
            crc32=st.none() | st.integers(0, 2**32 - 1),
            mtime=st.none() | st.integers(0, 2**33),
            headers=st.lists(st.tuples(texts, texts), max_size=2).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
    filename=texts,
    compression=st.sampled_from(["auto", "store", "deflate"]),
    on_error=st.sampled_from(["skip", "fail"]),
    generation=st.integers(1, 9),
    owner=st.none() | texts,
)


@given(manifests)
def test_document_gives_any_manifest_back(manifest: Manifest) -> None:
    """Whatever letters are in it."""
    assert Manifest.from_document(whole(manifest.document()).decode()) == manifest


def identity(manifest: Manifest) -> Manifest:
    """What a hash is to cover of it: where an entry has an id, all but its url."""
    entries = tuple(entry if entry.id is None else replace(entry, url="") for entry in manifest.entries)
    return replace(manifest, entries=entries)


@given(manifests, manifests)
def test_canonical_is_the_same_for_the_same_archive_alone(one: Manifest, other: Manifest) -> None:
    """No two lists share a hash, in however many pieces of the same letters they come."""
    assert (whole(one.canonical()) == whole(other.canonical())) == (identity(one) == identity(other))


@pytest.fixture(params=["read at once", "read one by one"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to read a document."""
    if request.param == "read one by one":
        monkeypatch.setattr(model, "LONG_DOCUMENT", 0)


@pytest.mark.usefixtures("reading")
def test_document_keeps_every_field() -> None:
    """No field is lost on the way to the store and back."""
    assert Manifest.from_document(whole(FULL.document()).decode()) == FULL


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"[]",
        b"1",
        b"null",
        b"{}",
        b'{"archive":{}}',
        b'{"archive":[],"entries":[]}',
        b'{"archive":{},"entries":1}',
        b'{"archive":{},"entries":[1]}',
        b'{"archive":{},"entries":[{"url":"u"}]}',
        b'{"archive":{},"entries":[{"url":"u","name":"n","later":1}]}',
        b'{"archive":{"later":1},"entries":[]}',
        b'{"archive":{"compression":"brotli"},"entries":[]}',
        b'{"archive":{"on_error":"ignore"},"entries":[]}',
        b"[" * 100_000,
    ],
)
@pytest.mark.usefixtures("reading")
def test_from_document_raises_damaged_when_no_manifest_wrote_it(document: bytes) -> None:
    """Bytes that are no manifest are refused as damage, never with another exception."""
    with pytest.raises(Damaged):
        Manifest.from_document(document.decode("latin-1"))

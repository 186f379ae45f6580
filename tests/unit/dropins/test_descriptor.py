"""zipstreamer's descriptors, read as its Go program reads them."""

import json
from typing import Any

import pytest

from streamzip.dropins.descriptor import Terms, read
from streamzip.errors import NotJson, TooLarge
from streamzip.manifest.parse import CreateRequest, Limits

A, B = "https://files.example/a.png", "http://other.example/b.mov"
LIMITS = Limits(max_entries=3)
TERMS = Terms(prefix="", compression="store")


def asked(document: Any, terms: Terms = TERMS) -> CreateRequest | None:
    return read(json.dumps(document).encode(), LIMITS).asked(LIMITS, terms, owner=None, allow=frozenset())


def names(document: Any, terms: Terms = TERMS) -> dict[str, str]:
    request = asked(document, terms)
    return {} if request is None else {entry.name: entry.url for entry in request.manifest.entries}


@pytest.mark.parametrize(
    ("document", "entries"),
    [
        ({"files": [{"url": A, "zipPath": "a.png"}, {"url": B, "zipPath": "x/b"}]}, {"a.png": A, "x/b": B}),
        ({"entries": [{"Url": A, "ZipPath": "a"}]}, {"a": A}),
        ({"files": [], "entries": [{"url": A, "zipPath": "a"}]}, {"a": A}),
        ({"files": [{"url": A, "zipPath": "a"}], "entries": [{"url": B, "zipPath": "b"}]}, {"a": A}),
        ({"FILES": [{"URL": A, "ZIPPATH": "a", "more": [1]}], "x": {}}, {"a": A}),
        ({"files": [{"url": A, "Url": B, "zipPath": "a"}]}, {"a": A}),
        ({"files": [None, {"url": A, "zipPath": "./k//l/../m"}]}, {"k/m": A}),
        ({"files": [{"url": A, "zipPath": "../x"}]}, {"x": A}),
        ({"files": [{"url": A, "zipPath": "/etc/x"}, {"url": A, "zipPath": ""}, {"url": A, "zipPath": "a/.."}]}, {}),
        ({"files": [{"url": "ftp://files.example/a", "zipPath": "a"}, {"zipPath": "a"}, {"url": A}]}, {}),
        ({"files": [{"url": "http://127.0.0.1/a", "zipPath": "a"}]}, {}),
        ({"files": None, "suggestedFilename": None}, {}),
        ({}, {}),
        (None, {}),
    ],
    ids=str,
)
def test_entries_are_taken_and_left_out_as_zipstreamer_does(document: Any, entries: dict[str, str]) -> None:
    """Old keys and any case are read; what could not be fetched there, or has no name, is left out."""
    assert names(document) == entries


def test_files_lack_the_prefix_that_the_operator_set() -> None:
    """ZS_URL_PREFIX keeps others from serving their files by this gateway."""
    files = [{"url": A, "zipPath": "a"}, {"url": B, "zipPath": "b"}]
    assert names({"files": files}, Terms("https://files.example/", "store")) == {"a": A}


def test_options_are_the_operators_and_the_filename_is_the_descriptors() -> None:
    """Stored without compression by default; a name without an ending gets one."""
    request = asked({"files": [{"url": A, "zipPath": "a"}], "suggestedFilename": "été"}, Terms("", "deflate"))
    assert request is not None
    assert (request.manifest.filename, request.manifest.compression) == ("été.zip", "deflate")
    assert request.prefetch is False


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b'{"files": "x"}', b'{"files": [1]}', b'{"files": [{"url": 1}]}', b"<html>"]
)
def test_what_is_no_descriptor_is_refused(body: bytes) -> None:
    """A wrong type is as bad as no JSON."""
    with pytest.raises(NotJson):
        read(body, LIMITS)


def test_too_many_files_are_refused_as_they_are_read() -> None:
    """The gateway's own limit holds, whichever case the key is written in."""
    files = [{"url": A, "zipPath": f"{number}"} for number in range(4)]
    for key in ("files", "Files"):
        with pytest.raises(TooLarge):
            read(json.dumps({key: files}).encode(), LIMITS)


@pytest.mark.parametrize(
    ("document", "page"),
    [({"url": A}, True), ({"url": A, "files": []}, False), ({"url": A, "Entries": []}, False), ({}, False)],
)
def test_request_for_a_pages_images_is_told_from_a_descriptor(document: Any, page: bool) -> None:
    """Both are posted to /download."""
    assert read(json.dumps(document).encode(), LIMITS).page is page

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from streamzip.errors import InvalidRequest, NotJson, Problem, TooLarge
from streamzip.manifest.model import Entry, Manifest
from streamzip.manifest.parse import CreateRequest, Limits, Rename, parse_create, parse_key_value
from streamzip.manifest.requests import CreateBody, EntryBody, KeyValueBody
from tests.support.hostile_names import hostile_names
from tests.support.hostile_urls import hostile_urls

URL = "https://example.com/a.png"
LIMITS = Limits(max_entries=100)


def create(document: Any, limits: Limits = LIMITS, **options: Any) -> CreateRequest:
    """The request that a document makes, as a client would send it."""
    return parse_create(json.dumps(document).encode(), limits, **options)


def wrong_fields(document: Any) -> dict[str, str]:
    """The pointers that a refused document gets, with their sentences."""
    with pytest.raises(InvalidRequest) as refused:
        create(document)
    json.dumps(refused.value.members(), ensure_ascii=False).encode()
    return {error.pointer: error.detail for error in refused.value.errors}


def test_parse_create_reads_the_plain_form() -> None:
    """A list of URLs is a whole request; its names come from the URLs, and clashes are reported."""
    request = create({"urls": [URL, "https://example.org/a.png?x=1"]})
    assert request == CreateRequest(
        Manifest(
            (Entry(URL, "a.png", named=False), Entry("https://example.org/a.png?x=1", "a (2).png", named=False)),
        ),
        renamed=(Rename(1, "a.png", "a (2).png"),),
        prefetch=None,
        plain=True,
    )


def test_parse_create_reads_the_full_form() -> None:
    """Every key of the interface ends where it belongs."""
    entry = {"url": URL, "id": "photo-17@3", "name": "holiday/a.png", "size": 5242880, "crc32": "0A1b2c3d"}
    document = {
        "entries": [entry | {"mtime": "2026-05-01T10:00:00Z"}, {"url": URL}],
        "filename": "../holiday",
        "compression": "store",
        "prefetch": False,
        "webhook": "https://example.com/hook?t=1",
        "expires_in": 86400,
    }
    assert create(document, owner="alice") == CreateRequest(
        Manifest(
            (
                Entry(URL, "holiday/a.png", id="photo-17@3", size=5242880, crc32=0x0A1B2C3D, mtime=1777629600),
                Entry(URL, "a.png", named=False),
            ),
            filename="holiday.zip",
            compression="store",
            owner="alice",
        ),
        renamed=(),
        prefetch=False,
        plain=False,
        webhook="https://example.com/hook?t=1",
        expires_in=86400,
    )


def test_parse_create_takes_null_for_absent() -> None:
    """Clients that write every field write null for those they do not use."""
    nothing = dict.fromkeys(("id", "name", "size", "crc32", "mtime"))
    document = {"entries": [{"url": URL} | nothing], "urls": None, "filename": None, "compression": None}
    assert create(document | {"prefetch": None}) == create({"entries": [{"url": URL}]})


def test_parse_create_reports_names_that_were_cleaned() -> None:
    """A hostile name is no reason to refuse; the answer says what became of it."""
    request = create({"entries": [{"url": URL, "name": "../../etc/passwd"}, {"url": URL, "name": ""}]})
    assert [entry.name for entry in request.manifest.entries] == ["etc/passwd", "file"]
    assert request.renamed == (Rename(0, "../../etc/passwd", "etc/passwd"), Rename(1, "", "file"))


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        (None, "", "an object is expected"),
        ([URL], "", "an object is expected"),
        ("x", "", "an object is expected"),
        ({}, "/urls", "required"),
        ({"urls": None}, "/urls", "required"),
        ({"urls": []}, "/urls", "empty"),
        ({"entries": []}, "/entries", "empty"),
        ({"urls": [URL], "entries": [{"url": URL}]}, "/urls", "not both"),
        ({"urls": URL}, "/urls", "a list"),
        ({"urls": {"0": URL}}, "/urls", "a list"),
        ({"entries": {"url": URL}}, "/entries", "a list"),
        ({"urls": [URL, 1]}, "/urls/1", "a string"),
        ({"urls": [None]}, "/urls/0", "a string"),
        ({"urls": [{"url": URL}]}, "/urls/0", "a string"),
        ({"urls": ["ftp://example.com/a"]}, "/urls/0", "only http"),
        ({"urls": ["https://example.com/" + "a" * 8192]}, "/urls/0", "longer than 8192 bytes"),
        ({"urls": ["https://example.com/" + "é" * 4096]}, "/urls/0", "longer than 8192 bytes"),
        ({"urls": ["https://example.com/\ud800"]}, "/urls/0", "invisible"),
        ({"entries": [URL]}, "/entries/0", "an object"),
        ({"entries": [{"name": "a"}]}, "/entries/0/url", "required"),
        ({"entries": [{"url": None}]}, "/entries/0/url", "required"),
        ({"entries": [{"url": 1}]}, "/entries/0/url", "a string"),
        ({"entries": [{"url": "http://127.0.0.1/"}]}, "/entries/0/url", "public internet"),
        ({"entries": [{"url": URL, "name": 1}]}, "/entries/0/name", "a string"),
        ({"entries": [{"url": URL, "name": ["a"]}]}, "/entries/0/name", "a string"),
        ({"entries": [{"url": URL, "name": "\ud800"}]}, "/entries/0/name", "surrogate"),
        ({"entries": [{"url": URL, "name": "é" * 32768}]}, "/entries/0/name", "longer than 65535"),
        ({"entries": [{"url": URL, "id": ""}]}, "/entries/0/id", "not empty"),
        ({"entries": [{"url": URL, "id": 17}]}, "/entries/0/id", "a string"),
        ({"entries": [{"url": URL, "id": "a\nb"}]}, "/entries/0/id", "printable"),
        ({"entries": [{"url": URL, "id": "x" * 1025}]}, "/entries/0/id", "longer than 1024"),
        ({"entries": [{"url": URL, "size": "5"}]}, "/entries/0/size", "whole number"),
        ({"entries": [{"url": URL, "size": 5.0}]}, "/entries/0/size", "whole number"),
        ({"entries": [{"url": URL, "size": True}]}, "/entries/0/size", "whole number"),
        ({"entries": [{"url": URL, "size": -1}]}, "/entries/0/size", "whole number"),
        ({"entries": [{"url": URL, "size": 2**53}]}, "/entries/0/size", "2^53"),
        ({"entries": [{"url": URL, "size": 10**300}]}, "/entries/0/size", "2^53"),
        ({"entries": [{"url": URL, "crc32": 169552957}]}, "/entries/0/crc32", "8 hex digits"),
        ({"entries": [{"url": URL, "crc32": "a1b2c3d"}]}, "/entries/0/crc32", "8 hex digits"),
        ({"entries": [{"url": URL, "crc32": "0x1b2c3d"}]}, "/entries/0/crc32", "8 hex digits"),
        ({"entries": [{"url": URL, "crc32": "0a1b2c3d\n"}]}, "/entries/0/crc32", "8 hex digits"),
        ({"entries": [{"url": URL, "crc32": "１２３４５６７８"}]}, "/entries/0/crc32", "8 hex digits"),
        ({"entries": [{"url": URL, "mtime": 1777629600}]}, "/entries/0/mtime", "RFC 3339"),
        ({"entries": [{"url": URL, "mtime": "2026-05-01"}]}, "/entries/0/mtime", "RFC 3339"),
        ({"entries": [{"url": URL, "mtime": "2026-05-01T10:00:00"}]}, "/entries/0/mtime", "RFC 3339"),
        ({"entries": [{"url": URL, "mtime": "Fri, 01 May 2026 10:00:00 GMT"}]}, "/entries/0/mtime", "RFC 3339"),
        ({"entries": [{"url": URL, "mtime": "2026-02-30T10:00:00Z"}]}, "/entries/0/mtime", "no such date"),
        ({"entries": [{"url": URL, "mtime": "2026-05-01T10:00:00+99:00"}]}, "/entries/0/mtime", "no such date"),
        ({"urls": [URL], "filename": 1}, "/filename", "a string"),
        ({"urls": [URL], "filename": "\udfff"}, "/filename", "surrogate"),
        ({"urls": [URL], "compression": "brotli"}, "/compression", "auto, store, deflate"),
        ({"urls": [URL], "compression": ["auto"]}, "/compression", "auto, store, deflate"),
        ({"urls": [URL], "prefetch": 1}, "/prefetch", "true or false"),
        ({"urls": [URL], "prefetch": "true"}, "/prefetch", "true or false"),
        ({"urls": [URL], "compresion": "auto"}, "/compresion", "did you mean `compression`?"),
        ({"url": [URL]}, "/url", "did you mean `urls`?"),
        ({"entries": [{"url": URL, "Name": "a"}]}, "/entries/0/Name", "did you mean `name`?"),
        ({"entries": [{"url": URL, "crc": "0a1b2c3d"}]}, "/entries/0/crc", "did you mean `crc32`?"),
        ({"entries": [{"url": URL, "header": {}}]}, "/entries/0/header", "did you mean `headers`"),
        ({"entries": [{"url": URL, "headers": {"Host": "a"}}]}, "/entries/0/headers", "Host"),
        ({"entries": [{"url": URL, "headers": []}]}, "/entries/0/headers", "names and values"),
        ({"entries": [{"url": URL, "zzz": {}}]}, "/entries/0/zzz", "known are url, id, name"),
        ({"urls": [URL], "webhook": 1}, "/webhook", "a URL"),
        ({"urls": [URL], "webhook": "upload:hook"}, "/webhook", "http"),
        ({"urls": [URL], "webhook": "http://127.0.0.1/"}, "/webhook", "public internet"),
        ({"urls": [URL], "webhook": "https://user:pw@h/"}, "/webhook", "no user name"),
        ({"urls": [URL], "webhook": "https://h/" + "x" * 8192}, "/webhook", "longer than"),
        ({"urls": [URL], "webhooks": "https://h/"}, "/webhooks", "did you mean `webhook`?"),
        ({"urls": [URL], "expires_in": 0}, "/expires_in", "from 1 to"),
        ({"urls": [URL], "expires_in": 10**10}, "/expires_in", "from 1 to"),
        ({"urls": [URL], "expires_in": True}, "/expires_in", "seconds"),
        ({"urls": [URL], "expires_in": 1.5}, "/expires_in", "seconds"),
        ({"urls": [URL], "expires_in": "60"}, "/expires_in", "seconds"),
        ({"urls": [URL], "on_error": "ignore"}, "/on_error", "skip, fail"),
        ({"urls": [URL], "refresh": "yes"}, "/refresh", "true or false"),
        ({"urls": [URL], "a/b~c": 1}, "/a~1b~0c", "unknown"),
        ({"urls": [URL], "": 1}, "/", "unknown"),
        ({"urls": [URL], "\ud800": 1}, "/\\ud800", "unknown"),
        ({"urls": [URL], "x" * 100_000: 1}, "/" + "x" * 60, "unknown"),
    ],
)
def test_parse_create_names_the_wrong_field(document: Any, pointer: str, words: str) -> None:
    """Each mistake is a 422 that points at the field and says what is expected."""
    fields = wrong_fields(document)
    assert words in fields[pointer]


def test_parse_create_names_every_wrong_field_of_a_small_list() -> None:
    """A client sees all its mistakes at once."""
    fields = wrong_fields({"entries": [{"url": "x", "size": "1"}, {"nam": 1}, {"url": URL, "crc32": 5}]})
    assert set(fields) == {"/entries/0/url", "/entries/0/size", "/entries/1/nam", "/entries/1/url", "/entries/2/crc32"}


def test_parse_create_stops_at_a_hundred_wrong_fields() -> None:
    """A list of a million mistakes is not answered with a million sentences."""
    assert len(wrong_fields({"urls": ["x"] * 100})) == 100
    with pytest.raises(InvalidRequest) as refused:
        create({"urls": ["x"] * 1000}, Limits(1000))
    assert len(refused.value.errors) == 100


@pytest.mark.parametrize(
    "body", [b"", b"\xef\xbb\xbf{}", b'{"urls":[NaN]}', b'{"urls":[],"urls":[]}', b"[" * 100_000, b"\xff"]
)
def test_parse_create_refuses_when_the_body_is_not_json(body: bytes) -> None:
    """What is not JSON is a 400."""
    with pytest.raises(NotJson):
        parse_create(body, LIMITS)


@pytest.mark.parametrize("count", [101, 1000, 100_000])
def test_parse_create_refuses_when_there_are_too_many_entries(count: int) -> None:
    """One entry over the limit is too many, in either form, and the sentence names the limit."""
    for document in ({"urls": [URL] * count}, {"entries": [{"url": URL}] * count}):
        with pytest.raises(TooLarge, match=r"at most 100 in|more than 1700 JSON|more than 200 bare"):
            create(document)
    assert len(create({"urls": [URL] * 100}).manifest.entries) == 100


def test_parse_create_refuses_when_the_sizes_pass_63_bits_together() -> None:
    """Sizes that are possible one by one must not add up to offsets that no file has."""
    entry = {"url": URL, "size": 2**53 - 1}
    assert create({"entries": [entry] * 500}, Limits(1000))
    with pytest.raises(InvalidRequest, match="add up"):
        create({"entries": [entry] * 513}, Limits(1000))


def test_parse_create_exempts_allowed_origins() -> None:
    """The operator's allow-list reaches the URL check."""
    document = {"urls": ["http://127.0.0.1:8080/a"]}
    assert create(document, allow=frozenset({"127.0.0.1:8080"}))
    with pytest.raises(InvalidRequest):
        create(document)


@pytest.mark.parametrize(
    ("mtime", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-05-01T12:00:00+02:00", 1777629600),
        ("2026-05-01t10:00:00z", 1777629600),
        ("2026-05-01 10:00:00Z", 1777629600),
        ("2026-05-01T10:00:00.999999999Z", 1777629600),
        ("1969-12-31T23:59:59.5Z", -1),
        ("0001-01-01T00:00:00+23:59", -62135683140),
        ("9999-12-31T23:59:59-23:59", 253402387139),
    ],
)
def test_parse_create_reads_times_as_rfc_3339(mtime: str, seconds: int) -> None:
    """Zones and fractions are understood; the manifest holds whole seconds in UTC."""
    assert create({"entries": [{"url": URL, "mtime": mtime}]}).manifest.entries[0].mtime == seconds


def test_parse_create_refuses_every_hostile_url() -> None:
    """No hostile URL gets into a manifest, and none is anything but a 422."""
    for url in hostile_urls():
        assert wrong_fields({"urls": [url]}).keys() == {"/urls/0"}


def test_parse_create_accepts_every_hostile_name() -> None:
    """Hostile names are cleaned and reported; only half surrogate pairs, which no answer could repeat, are refused."""
    for name in hostile_names():
        document = {"entries": [{"url": URL, "name": name}]}
        if name.encode(errors="ignore").decode() != name:
            assert wrong_fields(document).keys() == {"/entries/0/name"}
        else:
            request = create(document)
            assert bool(request.renamed) is (request.manifest.entries[0].name != name)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just(URL)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*EntryBody.model_fields, "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from([*CreateBody.model_fields, "x"]), json_values, max_size=4))
def test_parse_create_answers_or_raises_a_problem_whatever_it_is_given(document: dict[str, Any]) -> None:
    """No JSON at all leads to an exception that is not a public problem."""
    try:
        request = create(document)
    except Problem as problem:
        assert problem.status in {400, 413, 422}
        problem.detail.encode()
    else:
        CreateBody.model_validate(document)
        assert Manifest.from_document(b"".join(request.manifest.document()).decode()) == request.manifest


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_parse_create_raises_a_problem_when_the_body_is_noise(body: bytes) -> None:
    """No bytes at all lead to an exception that is not a public problem."""
    with pytest.raises(Problem):
        parse_create(body, LIMITS)


@pytest.mark.parametrize(
    "row",
    [
        {"url": URL},
        {"url": URL, "size": 0, "crc32": "00000000", "mtime": "2026-05-01T10:00:00Z", "name": "a", "id": "i"},
        {},
        {"url": 1},
        {"url": URL, "size": "1"},
        {"url": URL, "size": -1},
        {"url": URL, "size": 2**53},
        {"url": URL, "size": 1.0},
        {"url": URL, "size": True},
        {"url": URL, "crc32": 1},
        {"url": URL, "crc32": "xyz"},
        {"url": URL, "name": 1},
        {"url": URL, "id": ""},
        {"url": URL, "id": "x" * 1025},
        {"url": URL, "mtime": 5},
        {"url": URL, "headers": {}},
        {"name": "empty/"},
        {"name": "empty/", "mtime": "2026-05-01T10:00:00Z", "size": None},
        {"name": "empty/", "size": 0},
        {"name": "empty/", "probe": True},
        {"name": "no-folder"},
    ],
    ids=str,
)
def test_models_and_parser_judge_alike(row: dict[str, Any]) -> None:
    """What the OpenAPI document allows is accepted, and what it forbids is refused."""
    document = {"entries": [row]}
    try:
        CreateBody.model_validate(document)
    except ValidationError:
        wrong_fields(document)
    else:
        assert create(document)


@pytest.mark.parametrize(
    "document",
    [
        {"filename": "a", "url": URL},
        [{"filename": "a", "url": URL}, {"filename": "a", "url": URL}],
        [],
        [[]],
        {},
        1,
        None,
        {"filename": "a"},
        {"filename": None, "url": URL},
        {"filename": "", "url": URL},
        {"filename": "a", "url": ""},
        {"filename": "a", "url": URL, "name": "a"},
        [{"filename": "a", "url": URL}, {"url": URL}],
    ],
    ids=str,
)
def test_key_value_model_and_parser_judge_alike(document: Any) -> None:
    """The key–value form is accepted and refused as its OpenAPI schema says."""
    try:
        KeyValueBody.model_validate(document)
    except ValidationError:
        with pytest.raises(InvalidRequest):
            parse_key_value(json.dumps(document).encode(), LIMITS)
    else:
        rows = document if isinstance(document, list) else [document]
        assert len(parse_key_value(json.dumps(document).encode(), LIMITS).manifest.entries) == len(rows)


def test_empty_folders_keep_their_slash_and_clash_with_files_of_their_name_alone() -> None:
    """An entry without a url is a folder: it may hold other entries, and no file may be called as it is."""
    rows: list[dict[str, Any]] = [{"url": URL, "name": name} for name in ("a", "a/x", "b/c")]
    rows += [{"name": name} for name in ("A/", "../b/", "b//", "c/..//d/")]
    request = create({"entries": rows})
    assert [entry.name for entry in request.manifest.entries] == ["a (2)", "a/x", "b/c", "A/", "b/", "b (2)/", "c/d/"]
    assert [entry.is_folder for entry in request.manifest.entries] == [False] * 3 + [True] * 4
    assert [rename.index for rename in request.renamed] == [0, 4, 5, 6]


def test_parse_key_value_names_the_member_after_the_filename() -> None:
    """`filename` is the file's name in the archive, and not the archive's own."""
    request = parse_key_value(b'{"filename": "../code.png", "url": "%b"}' % URL.encode(), LIMITS)
    assert request.manifest == Manifest(entries=(Entry(URL, "code.png"),))
    assert request.renamed == (Rename(0, "../code.png", "code.png"),)


def test_models_describe_every_field() -> None:
    """Each key of the interface has its sentence in the OpenAPI document, and a refused key names them all."""
    for model, document in ((EntryBody, {"entries": [{"url": URL, "?": 1}]}), (CreateBody, {"urls": [URL], "?": 1})):
        schema = model.model_json_schema()
        assert schema["additionalProperties"] is False
        assert all("description" in field or "$ref" in str(field) for field in schema["properties"].values())
        assert ", ".join(model.model_fields) in str(wrong_fields(document))


@pytest.mark.parametrize("plain", [True, False])
def test_parse_create_reads_ten_thousand_entries_well_within_a_second(plain: bool) -> None:
    """A create of 10,000 entries leaves most of its second to the rest; the measured figure is 0.04 to 0.1 s."""
    rows = [
        {"url": f"https://cdn{n % 7}.example.com/img_{n}.jpg?sig={'a' * 64}", "name": f"p/{n}.jpg", "size": n}
        for n in range(10_000)
    ]
    body = json.dumps({"urls": [row["url"] for row in rows]} if plain else {"entries": rows}).encode()
    began = time.process_time()
    assert len(parse_create(body, Limits(10_000)).manifest.entries) == 10_000
    assert time.process_time() - began < 0.5

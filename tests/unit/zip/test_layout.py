"""The layout: what is decided of each member, how it is cut into parts, and how it is stored."""

import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamzip.errors import Damaged
from streamzip.zip.layout import HELD_LIMIT, PART_SIZE, UNKNOWN, Layout, Planned, Trait, decide, freeze, method_of
from streamzip.zip.records import ZIP64_LIMIT, Method
from tests.unit.zip.sparse import a_layout, layouts

STRONG, WEAK = 's"v1"', "wMon, 01 Jan 2024 00:00:00 GMT"


def decided(**facts: Any) -> Trait:
    return decide(Planned(0, **({"name": "a", "mtime": None, "size": 1, "crc32": None} | facts)))


@pytest.mark.parametrize(
    ("facts", "traits"),
    [
        ({"size": 0}, Trait.HELD),
        ({"size": HELD_LIMIT}, Trait.HELD),
        ({"size": HELD_LIMIT, "ranged": True, "validator": STRONG}, Trait.HELD | Trait.RANGED),
        ({"size": HELD_LIMIT + 1}, Trait.DESCRIPTOR),
        ({"size": HELD_LIMIT + 1, "crc32": 0}, Trait.NONE),
        ({"size": ZIP64_LIMIT}, Trait.DESCRIPTOR),
        ({"size": ZIP64_LIMIT + 1}, Trait.DESCRIPTOR | Trait.ZIP64),
        ({"size": ZIP64_LIMIT + 1, "crc32": 5}, Trait.ZIP64),
        ({"size": PART_SIZE + 1, "ranged": True, "validator": STRONG}, Trait.DESCRIPTOR | Trait.RANGED | Trait.SPLIT),
        ({"size": PART_SIZE, "ranged": True, "validator": STRONG}, Trait.DESCRIPTOR | Trait.RANGED),
        ({"size": PART_SIZE + 1, "ranged": True, "validator": WEAK}, Trait.DESCRIPTOR | Trait.RANGED),
        ({"size": PART_SIZE + 1, "ranged": True}, Trait.DESCRIPTOR | Trait.RANGED),
        ({"size": PART_SIZE + 1, "validator": STRONG}, Trait.DESCRIPTOR),
        ({"size": None}, Trait.OPEN | Trait.ZIP64 | Trait.DESCRIPTOR),
        ({"size": None, "deflate": True}, Trait.OPEN | Trait.ZIP64 | Trait.DESCRIPTOR | Trait.DEFLATE),
        ({"size": HELD_LIMIT, "deflate": True}, Trait.OPEN | Trait.DEFLATE | Trait.HELD),
        ({"size": HELD_LIMIT + 1, "deflate": True, "crc32": 9}, Trait.OPEN | Trait.DEFLATE | Trait.DESCRIPTOR),
        ({"size": ZIP64_LIMIT, "deflate": True}, Trait.OPEN | Trait.DEFLATE | Trait.DESCRIPTOR | Trait.ZIP64),
    ],
)
def test_decide_gives_the_traits_of_a_member(facts: dict[str, Any], traits: Trait) -> None:
    """Size, CRC, compression, ranges and validator decide; at every edge on the right side."""
    assert decided(**facts) == traits


@settings(deadline=None)
@given(st.integers(HELD_LIMIT + 1, 2**33))
def test_decide_takes_zip64_where_deflated_data_could_pass_the_limit(size: int) -> None:
    """Incompressible data grows by 5 bytes in 65,535: a header without ZIP64 must never be found too narrow."""
    worst = size + 5 * -(-size // 65535) + 5 * -(-size // 2**20)
    assert worst <= ZIP64_LIMIT or decided(size=size, deflate=True) & Trait.ZIP64


def test_freeze_keeps_the_rows_in_order_with_the_report_last() -> None:
    """Each member has its row's facts, UNKNOWN where there is none; the report has its own bytes' size and CRC."""
    layout = a_layout({"name": "b", "mtime": 5, "size": None}, {"name": "a", "crc32": 0}, report=("report.json", b"{}"))
    assert list(layout.names) == ["b", "a", "report.json"]
    assert list(layout.entries) == [0, 1, UNKNOWN]
    assert list(layout.sizes) == [UNKNOWN, 1, 2]
    assert list(layout.crcs) == [UNKNOWN, 0, zlib.crc32(b"{}")]
    assert [layout.mtime(member) for member in range(3)] == [5, None, layout.frozen_at]
    assert Trait(layout.traits[2]) == Trait.REPORT
    assert layout.report == b"{}"


def test_freeze_names_the_compressor_only_where_something_is_compressed() -> None:
    """Another release of the compressor cannot make an archive stale that has nothing compressed."""
    assert a_layout({"deflate": True}, {}).compressor == "c0ffee"
    assert a_layout({}, {}).compressor == ""


@pytest.mark.parametrize(
    ("row", "exact"),
    [({"size": 5}, True), ({"size": 0}, True), ({"size": None}, False), ({"size": 5, "deflate": True}, False)],
)
def test_layout_is_exact_when_every_stored_size_is_known(row: dict[str, Any], exact: bool) -> None:
    """One compressed or unsized member makes it open."""
    assert a_layout({}, row, {}).exact is exact


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ({"size": 0}, 0),
        ({"size": None}, 1),
        ({"size": 0, "deflate": True}, 1),
        ({"size": 5 * PART_SIZE}, 1),
        ({"size": 5 * PART_SIZE, "ranged": True, "validator": WEAK}, 1),
        ({"size": 5 * PART_SIZE, "ranged": True, "validator": STRONG}, 5),
        ({"size": 5 * PART_SIZE + 1, "ranged": True, "validator": STRONG}, 6),
        ({"size": 2**32 + 1, "ranged": True, "validator": STRONG}, 513),
    ],
)
def test_layout_counts_the_parts_of_a_member(row: dict[str, Any], parts: int) -> None:
    """A member is one part, none where it is empty, and several only where pulls of its middle can be proven."""
    layout = a_layout({}, row, {}, report=("report.json", b"{}"))
    assert layout.parts == parts + 2
    assert list(layout.first_parts) == [0, 1, 1 + parts, 2 + parts, 2 + parts]


@pytest.mark.parametrize(
    ("traits", "method"),
    [(Trait.DEFLATE | Trait.HELD, Method.DEFLATED), (Trait.HELD, Method.STORED), (0, Method.STORED)],
)
def test_method_of_is_that_of_the_traits(traits: int, method: Method) -> None:
    """APPNOTE 4.4.5: 8 where deflated, else 0."""
    assert method_of(traits) is method


# -- stored -----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(layouts())
def test_layout_comes_back_from_its_stored_form(layout: Layout) -> None:
    """What is decoded equals what was encoded, has the same parts, and encodes to the same bytes."""
    again = Layout.decode(layout.encode())
    assert again == layout
    assert again.first_parts == layout.first_parts
    assert again.encode() == layout.encode()
    assert again.digest() == layout.digest()


def test_layout_of_100000_members_comes_back_from_its_stored_form() -> None:
    """The columns hold an archive of any size."""
    rows = [Planned(n, f"folder/größe {n}.bin", n, n * 100_000, None) for n in range(100_000)]
    layout = freeze(rows, frozen_at=1, compressor="")
    assert Layout.decode(layout.encode()) == layout


@settings(deadline=None)
@given(st.data())
def test_layout_is_refused_or_the_same_when_a_stored_byte_is_flipped(data: st.DataObject) -> None:
    """A flipped byte never gives another layout: at most it is one that deflate does not look at."""
    layout = data.draw(layouts())
    stored = bytearray(layout.encode())
    stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = Layout.decode(bytes(stored))
    except Damaged:
        return
    assert decoded == layout


@settings(deadline=None)
@given(st.data())
def test_layout_is_refused_when_its_stored_form_is_cut(data: st.DataObject) -> None:
    """A shorter one is none."""
    stored = data.draw(layouts()).encode()
    with pytest.raises(Damaged):
        Layout.decode(stored[: data.draw(st.integers(0, len(stored) - 1))])


def _stored(head: Any, body: bytes = b"") -> bytes:
    return zlib.compress(json.dumps(head).encode() + b"\n" + body)


HEAD = {"version": 1, "frozen_at": 1, "compressor": "", "members": 0, "columns": [0] * 8}


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"not deflated",
        zlib.compress(b"not json"),
        zlib.compress(b"\xff\xfe\n"),
        _stored([]),
        _stored({}),
        _stored(HEAD | {"version": 3}),
        _stored(HEAD | {"columns": [0] * 7}),
        _stored(HEAD | {"columns": [7] + [0] * 7}, b"7 bytes"),
        _stored(HEAD | {"columns": [0, 0, 8, 0, 0, 0, 0, 0]}, b"8  bytes"),
        _stored(HEAD | {"members": 1, "columns": [0, 0, 0, 0, 1, 0, 0, 0]}, b"\xff"),
    ],
)
def test_layout_is_refused_when_its_stored_form_is_none_of_ours(stored: bytes) -> None:
    """Whatever is found in the store's place is Damaged, not another error."""
    with pytest.raises(Damaged):
        Layout.decode(stored)


def test_layouts_of_other_content_have_other_digests() -> None:
    """The digest tells a journal whether it speaks of this layout: any fact that differs must show."""
    base: dict[str, Any] = {"name": "a", "size": 5}
    others = [base, base | {"name": "b"}, base | {"size": 6}, base | {"mtime": 0}, base | {"crc32": 0}]
    others += [base | {"ranged": True}, base | {"validator": STRONG}, base | {"deflate": True}]
    assert len({a_layout(row).digest() for row in others}) == len(others)
    assert a_layout(base).digest() != a_layout(base, report=("r", b"{}")).digest()
    assert len(a_layout(base).digest()) == 16


def test_digest_does_not_depend_on_how_the_stored_form_is_compressed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another zlib deflates to other bytes: a restart on it must find its spools again."""
    layout = a_layout({"name": "a"}, {"name": "b"})
    digest, compress = layout.digest(), zlib.compress
    monkeypatch.setattr(zlib, "compress", lambda content, _level=9: compress(content, 9))
    assert layout.digest() == digest

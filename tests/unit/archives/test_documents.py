"""Documents about archives: their lists are cut, whatever stands in them."""

import json

from streamzip.archives.documents import renamed_document
from streamzip.manifest.parse import Rename


def test_list_of_the_renamed_is_cut_with_a_count() -> None:
    """A create of hostile names would be answered with all of them: 90 MB, for as long as nobody takes it."""
    renamed = [Rename(index, "/" * 65_000, "x" * 65_000) for index in range(1100)]
    document = renamed_document(renamed)
    assert document["renamed_total"] == 1100
    assert [row["index"] for row in document["renamed"]] == list(range(1000))
    assert document["renamed"][0] == {"index": 0, "requested": "/" * 1000, "name": "x" * 1000}
    assert len(json.dumps(document)) < 3 << 20


def test_list_of_few_renamed_is_whole() -> None:
    """What a user may read is all there."""
    assert renamed_document([Rename(1, "a.png", "a (2).png")]) == {
        "renamed": [{"index": 1, "requested": "a.png", "name": "a (2).png"}],
        "renamed_total": 1,
    }

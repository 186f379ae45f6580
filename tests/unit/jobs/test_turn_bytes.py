"""The bytes of the jobs' lock file."""

import re
from pathlib import Path

import streamzip


def test_each_kind_of_work_has_a_byte_of_its_own() -> None:
    """Two that took turns by the same one would wait for each other for ever."""
    found = [
        (int(byte), path.name)
        for path in Path(streamzip.__file__).parent.rglob("*.py")
        for byte in re.findall(r"^TURN(?:: Final)? = ([0-9]+)", path.read_text(), re.MULTILINE)
    ]
    assert len(found) >= 6
    assert len({byte for byte, _ in found}) == len(found), sorted(found)

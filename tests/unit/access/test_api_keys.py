"""API keys: made once, kept as hashes, compared whole."""

import pytest

from streamzip.access.api_keys import ApiKeys, new_key


def test_key_is_found_by_its_line() -> None:
    """What is printed for the settings lets in what is printed for the owner, under the owner's name."""
    (ann, ann_line), (bob, bob_line) = new_key("ann"), new_key("bob@example.com")
    keys = ApiKeys.parse(f" {ann_line} , {bob_line.upper().replace('BOB@EXAMPLE.COM', 'bob')}")
    assert (keys.name_of(ann), keys.name_of(bob)) == ("ann", "bob")
    assert ann not in ann_line


def test_two_keys_have_one_name_while_one_takes_the_others_place() -> None:
    """Rotation: what the owner created stays the owner's."""
    (old, old_line), (new, new_line) = new_key("ann"), new_key("ann")
    keys = ApiKeys.parse(f"{new_line},{old_line}")
    assert keys.name_of(old) == keys.name_of(new) == "ann"
    assert old != new


def test_nothing_else_is_a_key() -> None:
    """Not a changed one, not a part of one, not the hash itself, not nothing; and no keys know no key."""
    key, line = new_key("ann")
    keys = ApiKeys.parse(line)
    for wrong in ("", key[:-1], key + " ", key.swapcase(), line, line.partition(":")[2], "ann", "\udcff", "é"):
        assert keys.name_of(wrong) is None
    assert not ApiKeys()
    assert ApiKeys().name_of(key) is None


@pytest.mark.parametrize(
    "text", ["", "ann", "ann:", "ann:hunter2", f":{'0' * 64}", f"a b:{'0' * 64}", f"a:{'0' * 64},"]
)
def test_line_that_is_none_is_refused_without_showing_it(text: str) -> None:
    """A key in the place of its hash would be a secret in an error message."""
    with pytest.raises(ValueError, match="name:sha256hex") as caught:
        ApiKeys.parse(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a,b", "x" * 65, "ä"])
def test_key_is_not_made_when_its_name_could_not_be_read_back(name: str) -> None:
    """The line would be refused at the start."""
    with pytest.raises(ValueError, match="a key's name"):
        new_key(name)

"""A folder's listing and its files: what is in it is found, what is not is never reached."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from streamzip.folders.tree import MOST_DEEP, Changed, Folder, Found, TooDeep, TooMany


@contextmanager
def folder(root: Path, name: str = "photos") -> Iterator[Folder]:
    with closing(Folder(root, name)) as opened:
        yield opened


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "photos"


def listed(photos: Path, most: int = 1000) -> list[Found]:
    with folder(photos.parent) as opened:
        return opened.listing(most=most)


def names(photos: Path) -> list[str]:
    return [found.name + "/" * found.folder for found in listed(photos)]


def deep(top: Path, levels: int) -> None:
    """`levels` folders, each in the one before."""
    fd = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)


def test_listing_has_files_and_empty_folders_when_they_are_nested(photos: Path) -> None:
    """Files stand at their paths, folders only where nothing is in them, in an order of their names."""
    (photos / "b" / "c").mkdir(parents=True)
    (photos / "b" / "z").mkdir()
    (photos / "b" / "c" / "two").write_text("22")
    (photos / "a").write_text("1")
    found = listed(photos)
    assert [(each.name, each.size, each.folder) for each in found] == [
        ("a", 1, False),
        ("b/c/two", 2, False),
        ("b/z", 0, True),
    ]
    assert found[0].identity.mtime_ns == (photos / "a").stat().st_mtime_ns


def test_listing_leaves_out_what_is_no_file(photos: Path) -> None:
    """FIFOs and sockets are not opened, and a folder that holds nothing else is as good as empty."""
    (photos / "inner").mkdir()
    os.mkfifo(photos / "inner" / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(photos / "socket"))
    assert names(photos) == ["inner/"]


@pytest.mark.parametrize(
    "target",
    [
        "../secret",
        "/etc/passwd",
        "..",
        "../photos/../secret",
        "in/../../secret",
        "nowhere",
        "itself",
        "/proc/self/root",
    ],
)
def test_listing_leaves_out_a_link_when_it_leads_out_or_nowhere(photos: Path, target: str) -> None:
    """A link beyond the folder, to nothing or to itself is not there."""
    (photos / "in").mkdir()
    (photos / "itself").symlink_to(target)
    assert names(photos) == ["in/"]


@pytest.mark.parametrize("target", ["in/file", "./in//file", "in/../in/file", "{photos}/in/file", "other"])
def test_listing_has_a_link_as_what_it_stands_for_when_that_is_inside(photos: Path, target: str) -> None:
    """A link to a file of the folder, over other links too, is a file with the link's name."""
    (photos / "in").mkdir()
    (photos / "in" / "file").write_text("inside")
    (photos / "other").symlink_to("in/file")
    (photos / "link").symlink_to(target.format(photos=photos))
    with folder(photos.parent) as opened:
        found = {each.name: each for each in opened.listing(most=100)}
        fd = opened.open(found["link"])
        assert os.read(fd, 100) == b"inside"
        os.close(fd)
    assert found["link"].path == "in/file"


def test_listing_has_a_linked_folder_but_no_circle(photos: Path) -> None:
    """A link to a folder inside is that folder once more; one to a folder that it lies in is left out."""
    (photos / "a").mkdir()
    (photos / "a" / "file").write_text("1")
    (photos / "b").symlink_to("a")
    (photos / "a" / "up").symlink_to("..")
    (photos / "a" / "back").symlink_to("../b")
    assert names(photos) == ["a/file", "b/file"]


def test_listing_ends_when_links_multiply(photos: Path) -> None:
    """Thirty levels with two links each to the next are a billion paths; the limit holds for them too."""
    for level in range(30):
        (photos / str(level)).mkdir()
        (photos / str(level) / "left").symlink_to(f"../{level + 1}")
        (photos / str(level) / "right").symlink_to(f"../{level + 1}")
    with pytest.raises(TooMany):
        listed(photos, most=10_000)


def test_listing_refuses_the_folder_when_it_is_too_deep(photos: Path) -> None:
    """As many levels as are allowed are listed; one more is refused."""
    deep(photos, MOST_DEEP)
    assert len(listed(photos)) == 1
    (photos / "more").mkdir()
    deep(photos / "more", MOST_DEEP)
    with pytest.raises(TooDeep):
        listed(photos)


def test_listing_refuses_the_folder_when_it_holds_too_much(photos: Path) -> None:
    """The limit counts everything that is looked at."""
    for number in range(11):
        (photos / str(number)).touch()
    assert len(listed(photos, most=11)) == 11
    with pytest.raises(TooMany):
        listed(photos, most=10)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0", "../photos", "photos/"])
def test_folder_refuses_a_name_when_it_can_be_none(photos: Path, name: str) -> None:
    """A name is one component, and not a way to another one."""
    with pytest.raises(ValueError, match="name"), folder(photos.parent, name):
        pass


def test_folder_refuses_a_link_when_one_stands_in_its_place(photos: Path) -> None:
    """Not even to a folder beside it: each has its own secret name."""
    (photos.parent / "link").symlink_to("photos")
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"), folder(photos.parent, "link"):
        pass


def test_file_is_refused_when_it_is_another_one_than_was_listed(photos: Path) -> None:
    """Rewritten, replaced, removed, or a link or FIFO in its place: never other bytes, and never a wait."""

    def replaced_by_link(path: Path) -> None:
        path.unlink()
        path.symlink_to(photos.parent / "secret")

    def replaced_by_pipe(path: Path) -> None:
        path.unlink()
        os.mkfifo(path)

    def rewritten_with_its_time(path: Path) -> None:
        before = path.stat()
        path.write_text("other")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    for change in (Path.unlink, replaced_by_link, replaced_by_pipe, rewritten_with_its_time):
        file = photos / "inner" / "file"
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_text("first")
        with folder(photos.parent) as opened:
            (found,) = opened.listing(most=10)
            change(file)
            with pytest.raises(Changed):
                opened.open(found)


def test_file_is_refused_when_a_folder_above_it_became_a_link(photos: Path) -> None:
    """The way to a file is walked anew, and no link is followed on it."""
    outside = photos.parent / "outside"
    outside.mkdir()
    (outside / "file").write_text("secret")
    (photos / "inner").mkdir()
    os.link(outside / "file", photos / "inner" / "file")
    with folder(photos.parent) as opened:
        (found,) = opened.listing(most=10)
        (photos / "inner").rename(photos.parent / "aside")
        (photos / "inner").symlink_to(outside)
        with pytest.raises(Changed):
            opened.open(found)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Tests may run as root, to whom nothing is forbidden: as nobody the process is like any user's."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_listing_leaves_out_what_may_not_be_read_and_says_so(photos: Path) -> None:
    """One unreadable file, folder or link's target does not cost all the others; a folder of which names alone may be
    read loses what is in it.
    """
    photos.chmod(0o755)
    for name in ("a", "locked", "z"):
        (photos / name).write_text("text")
    for name in ("closed", "names"):
        (photos / name).mkdir()
        (photos / name / "inner").write_text("text")
    (photos / "link").symlink_to("locked")
    (photos / "locked").chmod(0)
    (photos / "closed").chmod(0)
    (photos / "names").chmod(0o444)
    with folder(photos.parent) as opened, as_nobody():
        assert [found.name for found in opened.listing(most=1000)] == ["a", "names", "z"]
        assert opened.unreadable == ["closed/", "link", "locked", "names/inner"]

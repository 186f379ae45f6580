"""The records of a tar archive (POSIX.1-2001, pax), rendered by Python's tarfile.

A header of 512 bytes before each member, with an extended one before it where name, size or time do not fit; zeros
after it up to the next 512; two blocks of zeros at the end. There is no directory, and no CRC. A header needs the size,
so that every size must be known before the first byte.
"""

from array import array
from typing import Final

from streamzip.zip.layout import Layout

BLOCK: Final = 512  # tarfile.BLOCKSIZE
_END: Final = bytes(2 * BLOCK)


def header(*, name: str, mtime: int | None, size: int) -> bytes:
    """Return the header of a file, or of the folder whose name ends in a slash. Owner and group are root's."""
    import tarfile  # here: most archives are zips

    info = tarfile.TarInfo(name.rstrip("/"))
    is_folder = name.endswith("/")
    info.type = tarfile.DIRTYPE if is_folder else tarfile.REGTYPE
    info.mode = 0o755 if is_folder else 0o644
    info.size, info.mtime = size, mtime or 0
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


class TarContainer:
    """The records of one layout's members; see Container."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        rows = enumerate(layout.sizes)
        # Worked out once: a byte's place is asked for often, and a header takes 20 µs to render.
        self._lengths = array("L", (len(self._header(member, max(size, 0))) for member, size in rows))

    def _header(self, member: int, size: int) -> bytes:
        return header(name=self._layout.names[member], mtime=self._layout.mtime(member), size=size)

    def header_length(self, member: int, traits: int) -> int:
        """Return the length of the member's header."""
        return self._lengths[member]

    def header(self, member: int, *, traits: int, size: int, stored: int, crc: int) -> bytes:
        """Return the member's header."""
        return self._header(member, size)

    def descriptor_length(self, traits: int, stored: int) -> int:
        """Return how many zeros follow the member's bytes."""
        return -stored % BLOCK

    def descriptor(self, *, traits: int, size: int, stored: int, crc: int) -> bytes:
        """Return the zeros that follow the member's bytes."""
        return bytes(-stored % BLOCK)

    def directory_length(self, member: int, *, size: int, stored: int, offset: int) -> int:
        """Return 0: there is no directory."""
        return 0

    def directory_record(self, member: int, *, traits: int, size: int, stored: int, crc: int, offset: int) -> bytes:
        """Return nothing: there is no directory."""
        return b""

    def end(self, *, start: int, length: int) -> bytes:
        """Return the two blocks of zeros at the end."""
        return _END

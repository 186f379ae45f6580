"""What lies between the members' bytes, by the container that the layout names: zip, or tar.

offsets.py asks one of these for lengths and bytes, and knows of neither; the bytes of members pass it by.
"""

from array import array
from typing import Final, Protocol

from streamzip.zip import records
from streamzip.zip.layout import Layout, Trait, method_of
from streamzip.zip.tar import TarContainer


class Container(Protocol):
    """The records of one layout's members. `traits`, `size`, `stored` and `crc` are what a member turned out to be."""

    def header_length(self, member: int, traits: int) -> int:
        """Return the length of what stands before the member's bytes."""

    def header(self, member: int, *, traits: int, size: int, stored: int, crc: int) -> bytes:
        """Return what stands before the member's bytes."""

    def descriptor_length(self, traits: int, stored: int) -> int:
        """Return the length of what follows the member's bytes."""

    def descriptor(self, *, traits: int, size: int, stored: int, crc: int) -> bytes:
        """Return what follows the member's bytes."""

    def directory_length(self, member: int, *, size: int, stored: int, offset: int) -> int:
        """Return the length of the member's record in the directory."""

    def directory_record(self, member: int, *, traits: int, size: int, stored: int, crc: int, offset: int) -> bytes:
        """Return the member's record in the directory."""

    def end(self, *, start: int, length: int) -> bytes:
        """Return what follows the directory, which begins at the archive offset `start` and has `length` bytes."""


class ZipContainer:
    """The records of APPNOTE.TXT."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._name_lengths = array("H", (len(name.encode()) for name in layout.names))

    def header_length(self, member: int, traits: int) -> int:
        """Return the length of the local header."""
        zip64 = traits & Trait.ZIP64 != 0
        name_length, mtime = self._name_lengths[member], self._layout.mtime(member)
        return records.header_length(name_length=name_length, mtime=mtime, zip64=zip64)

    def header(self, member: int, *, traits: int, size: int, stored: int, crc: int) -> bytes:
        """Return the local header; `crc` is not in it where a descriptor follows."""
        return records.local_header(
            name=self._layout.names[member],
            mtime=self._layout.mtime(member),
            method=method_of(traits),
            descriptor=bool(traits & Trait.DESCRIPTOR),
            zip64=bool(traits & Trait.ZIP64),
            crc=crc,
            size=size,
            stored=stored,
        )

    def descriptor_length(self, traits: int, stored: int) -> int:
        """Return the length of the data descriptor: APPNOTE 4.3.9 with its signature, none, 16 or 24."""
        if not traits & Trait.DESCRIPTOR:
            return 0
        return 24 if traits & Trait.ZIP64 else 16

    def descriptor(self, *, traits: int, size: int, stored: int, crc: int) -> bytes:
        """Return the data descriptor, or nothing where there is none."""
        if not traits & Trait.DESCRIPTOR:
            return b""
        return records.data_descriptor(crc=crc, size=size, stored=stored, zip64=bool(traits & Trait.ZIP64))

    def directory_length(self, member: int, *, size: int, stored: int, offset: int) -> int:
        """Return the length of the directory record."""
        name_length, mtime = self._name_lengths[member], self._layout.mtime(member)
        return records.directory_length(name_length=name_length, mtime=mtime, size=size, stored=stored, offset=offset)

    def directory_record(self, member: int, *, traits: int, size: int, stored: int, crc: int, offset: int) -> bytes:
        """Return the directory record."""
        return records.directory_record(
            name=self._layout.names[member],
            mtime=self._layout.mtime(member),
            method=method_of(traits),
            descriptor=bool(traits & Trait.DESCRIPTOR),
            zip64=bool(traits & Trait.ZIP64),
            crc=crc,
            size=size,
            stored=stored,
            offset=offset,
        )

    def end(self, *, start: int, length: int) -> bytes:
        """Return the end records."""
        return records.end_records(entries=self._layout.members, directory_start=start, directory_length=length)


_CONTAINERS: Final[dict[str, type[ZipContainer] | type[TarContainer]]] = {"zip": ZipContainer, "tar": TarContainer}


def container_of(layout: Layout) -> Container:
    """Return the container that the layout names."""
    return _CONTAINERS[layout.container](layout)

"""A piece's bytes, or what they need: one rule for archives that fill in and for folders."""

from dataclasses import dataclass

from streamzip.spans import Span
from streamzip.zip.layout import UNKNOWN, Trait
from streamzip.zip.offsets import Kind, Offsets, Piece


@dataclass(frozen=True, slots=True)
class Needs:
    """What is missing: the CRCs of these members, or one member's own bytes, which lie elsewhere."""

    members: range
    own_bytes: bool = False


def render(offsets: Offsets, piece: Piece, span: Span) -> bytes | Needs:
    """Return archive bytes from the beginning of `span` on, which lies in the piece; of a directory no more than a
    block, and no CRCs are needed but those of the records that the answer holds.
    """
    member = piece.member
    if piece.kind is Kind.BYTES:
        return Needs(range(member, member + 1), own_bytes=True)
    if piece.kind is Kind.DIRECTORY:
        members = offsets.recorded_in(span)
        lacking = any(offsets.crcs[each] == UNKNOWN for each in members)
        return Needs(members) if lacking else offsets.directory(span)
    crc = offsets.crcs[member]
    if crc == UNKNOWN and (piece.kind is Kind.DESCRIPTOR or not offsets.traits[member] & Trait.DESCRIPTOR):
        return Needs(range(member, member + 1))
    of = offsets.descriptor if piece.kind is Kind.DESCRIPTOR else offsets.header
    return of(member, max(crc, 0))[span.start - piece.span.start : span.stop - piece.span.start]

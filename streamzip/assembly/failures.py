"""What an origin's failure means to those who read the archive."""

from streamzip.errors import BuildFailed, Mislearned, OriginError
from streamzip.manifest.model import Manifest
from streamzip.origins.kinds import TOLD, Kind, kind_of
from streamzip.zip.offsets import Offsets

LOST = frozenset({Kind.VERSION_CHANGED, Kind.GONE})


def as_problem(error: Exception, part: int, manifest: Manifest, offsets: Offsets) -> Exception:
    """Return what a reader is told when the part it waits for cannot be had.

    The layout is frozen: where what the probe saw is no longer there, the snapshot can never be continued. The archive
    is stale, unless nothing of it was given out.
    """
    if not isinstance(error, OriginError):
        return error
    member, layout = offsets.member_of(part), offsets.layout
    entry = layout.entries[member]
    probed = manifest.entries[entry].size is None
    sentence = f"entry {entry} ({layout.names[member]}): {error.message}"
    kind = kind_of(error.code)
    if kind in LOST or (probed and kind is Kind.OTHER_SIZE):
        return Mislearned(f"{sentence}. Create the archive anew to get the files as they are now.")
    return BuildFailed(sentence, code=error.code if error.code in TOLD else BuildFailed.code)

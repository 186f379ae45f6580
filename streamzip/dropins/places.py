"""Places on a server of the operator's, as others name them. PURE."""

import re
from typing import Final

_PARTS: Final = re.compile(r"[/\\]")


def leads_out(place: str) -> bool:
    """Return whether some server takes the place, a path without escapes, for one outside of the folder it is put
    behind: Windows' part folders by backslashes too, and Java's pass over what follows a semicolon.
    """
    return any(part.partition(";")[0] == ".." for part in _PARTS.split(place))

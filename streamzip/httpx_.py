"""httpx, for all of the package: what replaces it one day is named here, and nowhere else."""

import sys

# httpx loads its own command line where it can, and with it rich and click: as much as all the rest of it.
_COMMAND_LINE = "httpx._main"
if _COMMAND_LINE not in sys.modules:
    sys.modules[_COMMAND_LINE] = None  # type: ignore[assignment]
    import httpx

    del sys.modules[_COMMAND_LINE]
else:
    import httpx

__all__ = ["httpx"]

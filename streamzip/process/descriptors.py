"""The process's file descriptors, shared out at the start: a process that runs out of them can neither accept a client
nor open a copy, so nothing may take more than its share.

    limit    = kept + clients + origins + archives × 3
"""

import resource
from dataclasses import dataclass
from typing import Final

from streamzip.config import SetupError

# The store's connections (3 files each), the loop, the locks of the jobs, the listener: 31 when idle. The rest is for
# what is open for a moment: a name being looked up, a folder being synced, a page being read apart.
KEPT: Final = 40
AN_ARCHIVE: Final = 3  # its copy, its journal, its locks
SMALLEST: Final = 60  # ten clients, four origins, two archives
MOST: Final = 1 << 20  # containers may have a thousand times that, and then whoever walks through all takes minutes


@dataclass(frozen=True, slots=True)
class Shares:
    """How many of each there may be at once. `clients` and `origins`: connections; `archives`: open ones."""

    clients: int
    origins: int
    archives: int


def share_out(limit: int) -> Shares:
    """Return the shares of a process that may have `limit` descriptors. Raises SetupError where they are too few."""
    if limit < SMALLEST:
        raise SetupError(
            f"{SMALLEST} open files are needed at least, and this process may have {limit}: "
            "raise the limit (ulimit -n, LimitNOFILE of systemd, --ulimit nofile of Docker)"
        )
    rest = limit - KEPT
    clients, archives = rest // 2, max(2, rest // 12)
    return Shares(clients, rest - clients - archives * AN_ARCHIVE, archives)


def shared_out() -> Shares:
    """Raise this process's limit, and return how many files each part may have open. Raises SetupError."""
    return share_out(raise_limit())


def raise_limit() -> int:
    """Raise the soft limit to the hard one, as far as that is of use, and say what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = this_limit()
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MOST if soft == resource.RLIM_INFINITY else min(soft, MOST)


def given_limit() -> int:
    """Return how many descriptors this process may have where nobody raises its limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(soft, MOST)


def this_limit() -> int:
    """Return what `raise_limit` would: how many descriptors this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)

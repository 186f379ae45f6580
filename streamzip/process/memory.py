"""What the process asks of its allocator and its collector, before it serves anybody.

Both are made for programs that end soon, or that keep what they allocate; a gateway allocates and drops a chunk of up
to 256 KiB for every 256 KiB that pass, and tens of thousands of small objects a second, hardly one of them in a cycle.
"""

import ctypes
import gc
import resource

# mallopt(3). By default glibc takes 128 KiB and more from the kernel each time, and gives it back: every page of every
# chunk was faulted in and zeroed anew, which was a third of what a large download cost.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_FROM_THE_HEAP = 4 << 20  # bytes: all that is passed on is smaller
_KEPT_FREE = 32 << 20  # bytes at the heap's end that are not given back

# Collections cost a tenth of small files' CPU at the default of 700 objects.
_YOUNG = 20_000


def settle() -> None:
    """Keep freed memory for the next chunk, where the C library is glibc; collect cycles less often."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _FROM_THE_HEAP)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_FREE)
    gc.set_threshold(_YOUNG, 10, 10)


def keep_what_is_loaded() -> None:
    """Keep the collector from what there is now: it stays for the process's life."""
    gc.collect()
    gc.freeze()


def forbid_core_files() -> None:
    """Let this process and its children leave no core file: it would hold every secret that they have."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))

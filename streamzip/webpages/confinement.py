"""What the process apart gives up before it reads a page: files, the network, other processes.

Resource limits do it on every Unix: no descriptor more than there is. On Linux a seccomp filter makes it certain, and
takes the rest: the kernel answers EPERM to every call but the few that memory, the pipes and the end need.
"""

import ctypes
import errno
import os
import resource
import sys
from typing import Final

_NO_NEW_PRIVILEGES, _SET_SECCOMP, _FILTER = 38, 22, 2  # prctl(2)
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000  # seccomp(2)
_LOAD, _IS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # BPF: of a word, jump if equal, jump if not below, return
_NUMBER, _ARCHITECTURE = 0, 4  # where struct seccomp_data has them
_X32: Final = 0x40000000  # calls of another ABI, by other numbers

# By os.uname().machine: its AUDIT_ARCH, and the numbers of read, write, close, fstat, lseek, mmap, mprotect, munmap,
# brk, mremap, madvise, rt_sigaction, rt_sigprocmask, rt_sigreturn, sigaltstack, sched_yield, futex, getpid, gettid,
# clock_gettime, getrandom, exit, exit_group (the kernel's unistd.h).
_CALLS: Final = {
    "x86_64": (
        0xC000003E,
        (0, 1, 3, 5, 8, 9, 10, 11, 12, 25, 28, 13, 14, 15, 131, 24, 202, 39, 186, 228, 318, 60, 231),
    ),
    "aarch64": (
        0xC00000B7,
        (63, 64, 57, 80, 62, 222, 226, 215, 214, 216, 233, 134, 135, 139, 132, 124, 98, 172, 178, 113, 278, 93, 94),
    ),
}


class _Instruction(ctypes.Structure):
    """struct sock_filter."""

    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def confine() -> None:
    """Give up all but memory and what is open. For good: there is no way back for the process.

    Python loads modules when they are first used: everything that is still to be used must have been before. Where the
    kernel takes no filter the limits alone stand.
    """
    # Nothing is opened, connected, started or written to a file any more; what is open stays.
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    known = _CALLS.get(os.uname().machine)
    if sys.platform != "linux" or known is None or sys.maxsize < 1 << 32:
        return
    program = _program(*known)
    filtered = _Program(len(program), (_Instruction * len(program))(*program))
    kernel = ctypes.CDLL(None)
    kernel.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
    if kernel.prctl(_NO_NEW_PRIVILEGES, 1, None, 0, 0) == 0:
        kernel.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(filtered), 0, 0)


def _program(architecture: int, calls: tuple[int, ...]) -> list[_Instruction]:
    """Return the filter: this architecture's calls of these numbers, and EPERM to all others."""
    allowed = [_Instruction(_IS, len(calls) - at, 0, number) for at, number in enumerate(calls)]
    return [
        _Instruction(_LOAD, 0, 0, _ARCHITECTURE),
        _Instruction(_IS, 1, 0, architecture),
        _Instruction(_RETURN, 0, 0, _KILL),
        _Instruction(_LOAD, 0, 0, _NUMBER),
        _Instruction(_AT_LEAST, len(calls), 0, _X32),
        *allowed,
        _Instruction(_RETURN, 0, 0, _REFUSE),
        _Instruction(_RETURN, 0, 0, _ALLOW),
    ]

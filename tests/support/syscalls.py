"""What a process asked of the kernel, and in which order: strace(1), read back.

    with Gateway(data, under=strace(trace)) as gateway: …
    for call in calls(trace): call.name, call.path, call.text

A promise is broken by what comes too early, so each call stands where it counts against the process: what writes,
renames or sends, where it began; what reads or makes durable, where it had ended.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

SYNCS = frozenset({"fsync", "fdatasync"})
READS = frozenset({"read", "recvfrom", "recvmsg"})
WRITES = frozenset({"write", "writev", "pwrite64", "pwritev", "pwritev2", "sendto", "sendmsg"})
_NAMES = frozenset({"rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat"})
_TRACED = ",".join(sorted(SYNCS | READS | WRITES | _NAMES))

_LINE = re.compile(r"(?P<thread>\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>|(?P<name>\w+)\()(?P<rest>.*)")
_DESCRIPTOR = re.compile(r"\d+<(?P<path>[^>]*)>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Call:
    """One call. `path`: the file, socket or first name that it is about; `text`: the second name, or the first bytes
    read or written, as strace shows them.
    """

    name: str
    path: str
    text: str


def strace(trace: Path) -> list[str]:
    """What to put before a command, so that its calls go into `trace`; its process id stays its own."""
    return ["strace", "-D", "-f", "-y", "-s", "96", "-e", f"trace={_TRACED}", "-o", str(trace)]


def calls(trace: Path) -> list[Call]:
    """Every call that `trace` has, of all threads and processes."""
    found: list[Call] = []
    begun: dict[str, Call] = {}
    for line in trace.read_text(errors="replace").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue  # a signal, or an exit
        thread = match["thread"]
        if match["resumed"]:
            if match["resumed"] in SYNCS | READS:
                found.append(replace(begun.pop(thread), text=_text(match["rest"])))
            continue
        call = _call(match["name"], match["rest"])
        if call.name in SYNCS | READS and line.endswith("<unfinished ...>"):
            begun[thread] = call
        else:
            found.append(call)
    return found


def _call(name: str, rest: str) -> Call:
    descriptor = _DESCRIPTOR.match(rest)
    if descriptor is not None and name not in _NAMES:
        return Call(name, descriptor["path"], _text(rest))
    names = _QUOTED.findall(rest)
    return Call(name, names[0], names[1] if len(names) > 1 else "")


def _text(rest: str) -> str:
    quoted = _QUOTED.search(rest)
    return "" if quoted is None else quoted[1]

"""What the process asks of its allocator, seen from the kernel's side: pages that are faulted in anew."""

import subprocess
import sys

import pytest

CHUNKS = """
import resource
from streamzip.process import memory
if {settled}:
    memory.settle()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def pass_on():
    held = []
    for _ in range(200):
        held.append(b"x" * 262144)
        del held[:-4]  # some are on their way
pass_on()
before = faults()
pass_on()
print(faults() - before)
"""


def faults(*, settled: bool) -> int:
    """Page faults of 200 chunks of 256 KiB, once the process has warmed up."""
    command = [sys.executable, "-c", CHUNKS.format(settled=settled)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif("glibc" not in __import__("platform").libc_ver(), reason="another C library has no mallopt")
def test_settle_keeps_the_memory_of_one_chunk_for_the_next() -> None:
    """Fifty MiB pass through the same few pages; left alone, glibc faults many of them in again."""
    assert faults(settled=True) < 100
    assert faults(settled=False) > 10 * max(1, faults(settled=True))

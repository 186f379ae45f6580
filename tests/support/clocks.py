"""Processes whose wall clock is off, by libfaketime; their monotonic clock is the machine's."""

from typing import Final

_LIBRARY: Final = "/usr/$LIB/faketime/libfaketime.so.1"  # ld.so fills in $LIB


def off(by: str) -> list[str]:
    """Return what a command is run under so that its clock is off, as `faketime -f` has it: "+1h", "-1d".

    Not by `faketime` itself, which stands between a test and the process that is to be killed.
    """
    variables = {
        "LD_PRELOAD": _LIBRARY,
        "FAKETIME": by,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "1",  # else waits of threads never end
    }
    return ["env", *(f"{name}={value}" for name, value in variables.items())]

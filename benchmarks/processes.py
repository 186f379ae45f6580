"""A server process, its children included: started, measured by what the kernel counts, ended by its id."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_START_WITHIN = 30.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


class Process:
    """Started, and listening on `port` when the constructor returns. Its output goes to `log`."""

    def __init__(self, command: Sequence[str], port: int, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.port = port
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env=dict(os.environ) | dict(env or {})
            )
        deadline = time.monotonic() + _START_WITHIN
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} does not listen:\n{log.read_text()[-2000:]}") from None
                time.sleep(0.02)

    @property
    def pids(self) -> list[int]:
        """The process and those it started."""
        found = [self._process.pid]
        for pid in found:
            found.extend(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
        return found

    def cpu(self) -> float:
        """Seconds of processor time so far, user and system (proc(5): utime, stime, and those of ended children)."""
        total = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
        return total * _TICK

    def forget_peak(self) -> None:
        """Begin the peak of resident memory anew (proc(5): clear_refs)."""
        for pid in self.pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """Bytes: the most that was resident, summed over the processes."""
        total = 0
        for pid in self.pids:
            status = Path(f"/proc/{pid}/status").read_text()
            total += int(status.partition("VmHWM:")[2].split()[0]) << 10
        return total

    def quiet(self, seconds: float = 0.3, within: float = 60.0) -> None:
        """Wait until it has not used the processor for so long."""
        since, deadline, before = time.monotonic(), time.monotonic() + within, self.cpu()
        while time.monotonic() - since < seconds and time.monotonic() < deadline:
            time.sleep(0.05)
            now = self.cpu()
            if now > before + _TICK / 2:
                since, before = time.monotonic(), now

    def stop(self) -> None:
        """End it and wait."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

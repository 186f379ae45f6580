"""What the figures were measured on: they hold there, and their ratios roughly elsewhere."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def describe(data: Path) -> str:
    """One paragraph of Markdown."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    nginx = (
        subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip().rpartition("/")[2]
    )
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("uvicorn", "uvloop", "httptools", "isal", "zipstream-ng")
    )
    return (
        f"{os.cpu_count()} × {model}, Linux {platform.release()}, Python {platform.python_version()}, nginx {nginx}, "
        f"{packages}; load before: {os.getloadavg()[0]:.2f}. "
        f"Loopback; origin's files in memory; copies on {_disk(data)}."
    )


def _disk(folder: Path) -> str:
    return (
        subprocess.run(["df", "--output=fstype,source", str(folder)], capture_output=True, text=True, check=True)
        .stdout.splitlines()[1]
        .split()[0]
    )

"""A certificate for 127.0.0.1, made anew for each run."""

import subprocess
from pathlib import Path


def make(folder: Path) -> tuple[Path, Path]:
    """Certificate and key, in PEM."""
    certificate, key = folder / "origin.pem", folder / "origin.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=origin",
    ]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *names], check=True, capture_output=True)
    return certificate, key

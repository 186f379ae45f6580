#!/usr/bin/env python3
"""Which readers take a large member whose CRC is not known before its bytes; what deflate's stored blocks would cost.

Two ways to write such a member with an exact length: STORED with a data descriptor, as the gateway does, and DEFLATED
in stored blocks (RFC 1951 §3.2.4: 5 bytes before each 65,535) with one. docs/adr/0003 rests on what this prints.

    .venv/bin/python benchmarks/stored_blocks.py readers --mib 3      # who reads what; --mib 2560 and 4608 too
    .venv/bin/python benchmarks/stored_blocks.py cost --mib 512       # CPU s/GiB, of readers and of the writer

Needs unzip, 7z, bsdtar and a JDK on the PATH; writes its archives beneath --folder and removes them.
"""

import argparse
import os
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from isal import isal_zlib

BLOCK = 65_535
CHUNK = 256 << 10  # what a pull hands on at once
NAMES = ("large.bin", "after.txt")
AFTER = b"a small member behind the large one\n"

JAVA = """
import java.io.*; import java.nio.file.*; import java.util.*; import java.util.zip.*;
public class Read {
  public static void main(String[] a) throws Exception {
    byte[] buffer = new byte[1 << 16]; long members = 0;
    if (a[0].equals("stream")) {
      ZipInputStream in = new ZipInputStream(new BufferedInputStream(System.in, 1 << 16));
      for (ZipEntry e; (e = in.getNextEntry()) != null; members++) while (in.read(buffer) > 0) {}
    } else {
      ZipFile file = new ZipFile(a[1]);
      for (Enumeration<? extends ZipEntry> all = file.entries(); all.hasMoreElements(); members++)
        try (InputStream in = file.getInputStream(all.nextElement())) { while (in.read(buffer) > 0) {} }
    }
    if (members != 2) throw new Exception("members: " + members);
  }
}
"""


def body(size: int) -> Iterator[bytes]:
    """`size` bytes in chunks, the same every time."""
    chunk = bytes((n * 2654435761 >> 13) & 255 for n in range(CHUNK))
    for _ in range(size // CHUNK):
        yield chunk
    yield chunk[: size % CHUNK]


def blocks(size: int) -> Iterator[bytes]:
    """The same bytes as deflate's stored blocks; their length is size + 5 * blocks, whatever the bytes are."""
    held, left = bytearray(), size
    for chunk in body(size):
        held += chunk
        while left and len(held) >= min(BLOCK, left):
            length = min(BLOCK, left)
            left -= length
            yield struct.pack("<BHH", left == 0, length, length ^ 0xFFFF) + held[:length]
            del held[:length]


def write(path: Path, size: int, *, blocked: bool, zip64: bool, crc_first: bool = False) -> None:
    """An archive of one large and one small member, by hand: APPNOTE 4.3.7, 4.3.9, 4.3.12, 4.3.14-16."""
    method, flags = (8 if blocked else 0), (0 if crc_first else 8)
    crc = 0
    for chunk in body(size):
        crc = isal_zlib.crc32(chunk, crc)
    stored = size + 5 * -(-size // BLOCK) if blocked else size
    version = 45 if zip64 else 20
    extra = struct.pack("<HHQQ", 1, 16, size if crc_first else 0, stored if crc_first else 0) if zip64 else b""
    shown = (0xFFFFFFFF, 0xFFFFFFFF) if zip64 else ((stored, size) if crc_first else (0, 0))
    name, after = (text.encode() for text in NAMES)
    with path.open("wb") as file:
        head = struct.pack("<4sHHHHHLLLHH", b"PK\3\4", version, flags, method, 0, 33, crc if crc_first else 0, *shown,
                           len(name), len(extra))  # fmt: skip
        file.write(head + name + extra)
        for chunk in blocks(size) if blocked else body(size):
            file.write(chunk)
        if not crc_first:
            file.write(struct.pack("<4sLQQ" if zip64 else "<4sLLL", b"PK\7\x08", crc, stored, size))
        second = file.tell()
        small = isal_zlib.crc32(AFTER)
        file.write(
            struct.pack("<4sHHHHHLLLHH", b"PK\3\4", 20, 0, 0, 0, 33, small, len(AFTER), len(AFTER), len(after), 0)
        )
        file.write(after + AFTER)
        directory = file.tell()
        wide = [value for value in (size, stored) if zip64]
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        shown = (0xFFFFFFFF, 0xFFFFFFFF) if zip64 else (stored, size)
        file.write(struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", version, version, flags, method, 0, 33, crc, *shown,
                               len(name), len(extra), 0, 0, 0, 0, 0) + name + extra)  # fmt: skip
        far = struct.pack("<HHQ", 1, 8, second) if second > 0xFFFFFFFF else b""
        file.write(struct.pack("<4sHHHHHHLLLHHHHHLL", b"PK\1\2", 45 if far else 20, 45 if far else 20, 0, 0, 0, 33,
                               small, len(AFTER), len(AFTER), len(after), len(far), 0, 0, 0, 0,
                               min(second, 0xFFFFFFFF)) + after + far)  # fmt: skip
        length = file.tell() - directory
        if directory > 0xFFFFFFFF:
            file.write(struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, 2, 2, length, directory))
            file.write(struct.pack("<4sLQL", b"PK\6\7", 0, directory + length, 1))
        file.write(struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 2, 2, length, min(directory, 0xFFFFFFFF), 0))


def readers(folder: Path) -> dict[str, list[str]]:
    """Each reader's command; `<` before the file means that it gets the archive through a pipe."""
    return {
        "Python zipfile": [sys.executable, __file__, "python"],
        "Info-ZIP unzip": ["unzip", "-tqq"],
        "7-Zip": ["7z", "t", "-bso0", "-bsp0"],
        "bsdtar, file": ["bsdtar", "-xOf"],
        "Java ZipFile": ["java", "-cp", str(folder), "Read", "file"],
        "bsdtar, pipe": ["bsdtar", "-xOf", "-", "<"],
        "Java ZipInputStream, pipe": ["java", "-cp", str(folder), "Read", "stream", "<"],
    }


def run(command: list[str], path: Path) -> tuple[int, str, float]:
    """Exit status, the last line of what went wrong, CPU seconds."""
    piped, command = command[-1] == "<", [word for word in command if word != "<"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with path.open("rb") as file:
        done = subprocess.run(
            command if piped else [*command, str(path)],
            stdin=file if piped else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    java = [line for line in lines if "Exception" in line]
    return done.returncode, (java or lines or [""])[0][:110], spent


def show_readers(folder: Path, size: int) -> None:
    forms = [("stored + descriptor", False, size > 0xFFFFFFFF), ("stored blocks + descriptor", True, size > 0xFFFFFFFF)]
    if 0x7FFFFFFF < size <= 0xFFFFFFFF:
        forms += [("stored + ZIP64 descriptor", False, True), ("stored blocks + ZIP64 descriptor", True, True)]
    for form, blocked, zip64 in forms:
        path = folder / "try.zip"
        write(path, size, blocked=blocked, zip64=zip64)
        print(f"\n{form}, {size} bytes, archive {path.stat().st_size} bytes")
        for reader, command in readers(folder).items():
            code, why, _ = run(command, path)
            print(f"  {'yes' if code == 0 else 'NO ':4} {reader:30} {'' if code == 0 else why}")
        path.unlink()


def show_cost(folder: Path, size: int) -> None:
    gib = size / (1 << 30)
    print("\nreading, CPU s/GiB:                    stored    blocks")
    spent: dict[str, list[float]] = {}
    for blocked in (False, True):
        path = folder / "try.zip"
        write(path, size, blocked=blocked, zip64=False)
        for reader, command in readers(folder).items():
            code, _, cpu = min((run(command, path) for _ in range(3)), key=lambda result: result[2])
            spent.setdefault(reader, []).append(cpu / gib if code == 0 else float("nan"))
        path.unlink()
    for reader, (plain, blocked_cpu) in spent.items():
        print(f"  {reader:34} {plain:9.2f} {blocked_cpu:9.2f}")
    print("\nwriting and reading the copy, CPU s/GiB (chunks of 256 KiB into a warm file of 64 MiB, CRC included):")
    for form, writer in (("stored", _pwrite), ("blocks, one pwritev a chunk", _pwritev)):
        with tempfile.TemporaryFile(dir=folder) as file:
            writer(file.fileno(), 64 << 20)
            begun = time.process_time()
            for _ in range(size // (64 << 20)):
                writer(file.fileno(), 64 << 20)
            print(f"  {form:34} {(time.process_time() - begun) / gib:9.2f}")


def _pwrite(descriptor: int, size: int) -> None:
    at = crc = 0
    for chunk in body(size):
        crc = isal_zlib.crc32(chunk, crc)
        at += os.pwrite(descriptor, chunk, at)


def _pwritev(descriptor: int, size: int) -> None:
    at = crc = room = 0
    head = struct.pack("<BHH", 0, BLOCK, 0)
    for chunk in body(size):
        crc = isal_zlib.crc32(chunk, crc)
        pieces: list[bytes | memoryview] = []
        view, start = memoryview(chunk), 0
        while start < len(chunk):
            if not room:
                pieces.append(head)
                room = BLOCK
            taken = min(room, len(chunk) - start)
            pieces.append(view[start : start + taken])
            start, room = start + taken, room - taken
        at += os.pwritev(descriptor, pieces, at)


def read_with_python(path: str) -> None:
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
    if bad is not None:
        sys.exit(f"{bad} is damaged")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["readers", "cost", "python"])
    parser.add_argument("path", nargs="?")
    parser.add_argument("--mib", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    if options.what == "python":
        read_with_python(options.path)
        return
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        (folder / "Read.java").write_text(JAVA)
        subprocess.run(["javac", "-d", str(folder), str(folder / "Read.java")], check=True)
        (show_readers if options.what == "readers" else show_cost)(folder, options.mib << 20)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

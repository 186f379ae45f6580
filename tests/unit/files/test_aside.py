"""Work in threads: the long has its own, so that the short need not wait for it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from streamzip.archives.aside import LONG_MANIFEST, aside
from streamzip.files.aside import in_long_thread
from streamzip.manifest.model import Entry, Manifest

LONG = Manifest((Entry(url="https://files.example/a", name="a"),) * LONG_MANIFEST)


async def test_work_on_lists_and_work_on_files_do_not_wait_for_each_other() -> None:
    """Uploads wait for no long create, and creates for no slow disk."""
    loop, go_on = asyncio.get_running_loop(), threading.Event()
    loop.set_default_executor(ThreadPoolExecutor(1))
    blocked = loop.run_in_executor(None, go_on.wait, 20)
    assert await asyncio.wait_for(aside(LONG, lambda: "sealed"), 10) == "sealed"
    go_on.set()
    assert await blocked
    go_on.clear()
    many = [asyncio.create_task(in_long_thread(lambda: go_on.wait(20))) for _ in range(8)]
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "written"), 10) == "written"
    go_on.set()
    assert all(await asyncio.gather(*many))

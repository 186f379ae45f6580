"""A real browser without a window: it downloads, is broken off, and goes on as a person has it go on.

Driven over its debugging pipe (descriptors 3 and 4, JSON and a zero byte), so that no port and no other package is
needed. The chrome://downloads page tells of its downloads and has the button that resumes them: Chromium resumes a
download after a broken connection only when it is asked to.
"""

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ANSWERS_WITHIN = 60.0
STATES = """(() => {
    const manager = document.querySelector('downloads-manager');
    const items = manager ? [...manager.shadowRoot.querySelectorAll('downloads-item')] : [];
    return items.map(({data}) => [data.fileName, data.resume, data.lastReasonText, data.progressStatusText]);
})()"""
RESUME = """document.querySelector('downloads-manager').shadowRoot.querySelector('downloads-item')
    .shadowRoot.querySelector('#pause-or-resume').click()"""
FLAGS = """--headless=new --no-sandbox --remote-debugging-pipe --no-first-run --no-proxy-server --disable-gpu
    --disable-dev-shm-usage --disable-background-networking --disable-component-update --password-store=basic"""


class Chromium:
    """One browser, its profile and its downloads in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.downloads = folder / "downloads"
        self._profile = folder / "profile"
        self._changed = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._calls = 0

    def __enter__(self) -> Self:
        self.downloads.mkdir(parents=True)
        preferences = {"download": {"default_directory": str(self.downloads), "prompt_for_download": False}}
        (self._profile / "Default").mkdir(parents=True)
        (self._profile / "Default" / "Preferences").write_text(json.dumps(preferences))
        commands, self._to = os.pipe()
        self._from, answers = os.pipe()
        # bash, because other shells know no descriptor above 9.
        place = f'exec chromium "$@" 3<&{commands} 4>&{answers} {commands}<&- {answers}>&-'
        self._process = subprocess.Popen(
            ["bash", "-c", place, "bash", *FLAGS.split(), f"--user-data-dir={self._profile}", "about:blank"],
            pass_fds=[commands, answers],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        self._list = self.tab("chrome://downloads")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._reading.join(30)
        os.close(self._to)
        os.close(self._from)

    def open(self, url: str) -> None:
        """Have it go to a URL, as a link does; what is no page becomes a download."""
        self.call("Page.navigate", self.tab("about:blank"), url=url)

    def download(self) -> list[Any]:
        """The newest download: name, whether it can be resumed, what went wrong, how far it is; or nothing."""
        answer = self.call("Runtime.evaluate", self._list, expression=STATES, returnByValue=True)
        found: list[list[Any]] = answer["result"].get("value", [])
        return found[0] if found else []

    def finish(self, most: int, seconds: float = 120.0) -> list[str]:
        """Wait until the download is whole, and resume it whenever it breaks, at most so often: why it broke."""
        broken: list[str] = []
        deadline = time.monotonic() + seconds
        while not self.finished():
            assert time.monotonic() < deadline, (broken, self.download())
            state = self.download()
            if state and state[1]:
                if len(broken) == most:
                    return [*broken, state[2]]
                broken.append(state[2])
                self.call("Runtime.evaluate", self._list, expression=RESUME, userGesture=True)
                self._until_left(state)
            time.sleep(0.05)
        return broken

    def _until_left(self, state: list[Any]) -> None:
        deadline = time.monotonic() + 10
        while self.download() == state and time.monotonic() < deadline:
            time.sleep(0.02)

    def finished(self) -> list[Path]:
        """What it has whole: a download that is not carries another name."""
        return [path for path in self.downloads.iterdir() if path.suffix == ".zip"]

    def tab(self, url: str) -> str:
        """Open a tab; the session in which it is talked to."""
        target = self.call("Target.createTarget", url=url)["targetId"]
        session: str = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return session

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol, and wait for its result."""
        self._calls += 1
        number = self._calls
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        with self._changed:
            assert self._changed.wait_for(lambda: number in self._answers, ANSWERS_WITHIN), method
            answer = self._answers.pop(number)
        assert "error" not in answer, (method, answer)
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> None:
        held = b""
        while block := os.read(self._from, 1 << 16):
            *messages, held = (held + block).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    with self._changed:
                        self._answers[message["id"]] = message
                        self._changed.notify_all()

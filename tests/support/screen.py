"""A page in a real browser, as a person has it: typed into, clicked, read by a screen reader's rules (axe-core)."""

import base64
import json
import time
from pathlib import Path
from typing import Any

from tests.support.chromium import Chromium

ROOT = Path(__file__).parent.parent.parent
AXE = ROOT / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"  # scripts/test-tools --slow brings it
WITHIN = 20.0  # seconds that a page gets to become what a test waits for

# Before the page's own script: what it breaks of its policy, how it shifts, and what it does for long.
WATCH = """
window.seen = {broken: [], shift: 0, longest: 0, ran: false};
addEventListener('securitypolicyviolation', (event) => window.seen.broken.push(event.violatedDirective + ' ' + event.blockedURI));
new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.seen.shift += entry.value; })
  .observe({type: 'layout-shift', buffered: true});
new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.seen.longest = Math.max(window.seen.longest, entry.duration); })
  .observe({type: 'longtask', buffered: true});
"""  # noqa: E501 - a script


class Screen:
    """One tab. `script`: whether the page's script runs."""

    def __init__(self, browser: Chromium, *, width: int = 1280, dark: bool = False, script: bool = True) -> None:
        self._browser = browser
        self._tab = browser.tab("about:blank")
        self._call("Page.enable")
        self._call("Runtime.enable")
        self._call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        if not script:
            self._call("Emulation.setScriptExecutionDisabled", value=True)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._tab, **parameters)

    def before_each_page(self, script: str) -> None:
        """Have a script run before each page's own."""
        self._call("Page.addScriptToEvaluateOnNewDocument", source=script)

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is there."""
        self._call("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def to_front(self) -> None:
        """Show this tab, and hide the others."""
        self._call("Page.bringToFront")

    def evaluate(self, expression: str) -> Any:
        """Return what an expression comes to in the page."""
        options = {"returnByValue": True, "awaitPromise": True, "userGesture": True}
        answer = self._call("Runtime.evaluate", expression=expression, **options)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, condition: str, seconds: float = WITHIN) -> None:
        """Wait until an expression is true; a page that is being left counts as not yet."""
        deadline = time.monotonic() + seconds
        while True:
            answer = self._call("Runtime.evaluate", expression=condition, returnByValue=True)
            if answer.get("result", {}).get("value") is True:
                return
            assert time.monotonic() < deadline, (condition, self.text())
            time.sleep(0.05)

    def text(self) -> str:
        """Return what can be read on the page."""
        said: str = self.evaluate("document.body.innerText")
        return said

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._call("Input.insertText", text=text)

    def press(self, key: str, code: int) -> None:
        """Press a key, as Tab or Enter."""
        letters = {"text": "\r"} if key == "Enter" else {}
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self._call("Input.dispatchKeyEvent", type="keyDown", **common, **letters)
        self._call("Input.dispatchKeyEvent", type="keyUp", **common)

    def tab_to(self, condition: str) -> None:
        """Press Tab until what has the focus fulfils a condition on `it`."""
        for _ in range(60):
            if self.evaluate(f"(it => {condition})(document.activeElement)"):
                return
            self.press("Tab", 9)
        raise AssertionError(f"no Tab leads to {condition}")

    def seen(self) -> dict[str, Any]:
        """Return what the page broke of its policy, how far it shifted, and its longest task in milliseconds."""
        found: dict[str, Any] = self.evaluate("window.seen")
        return found

    def violations(self) -> list[str]:
        """Return what axe-core finds wrong, in a world of its own beside the page's policy."""
        frame = self._call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        world = self._call("Page.createIsolatedWorld", frameId=frame, worldName="axe")["executionContextId"]
        self._call("Runtime.evaluate", expression=AXE.read_text(), contextId=world)
        told = "each => `${each.id}: ${each.nodes.map(node => node.html).join(' ')}`"
        run = f"axe.run().then(found => found.violations.map({told}))"
        answer = self._call("Runtime.evaluate", expression=run, contextId=world, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        found: list[str] = answer["result"]["value"]
        return found

    def screenshot(self, path: Path) -> None:
        """Keep a picture of the page."""
        data = self._call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def set_cookies(self, url: str, cookies: dict[str, str]) -> None:
        """Have the browser send these cookies to a page."""
        for name, value in cookies.items():
            self._call("Network.setCookie", url=url, name=name, value=value)


def quoted(text: str) -> str:
    """Return a text as JavaScript writes it."""
    return json.dumps(text)

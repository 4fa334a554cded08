"""A real Chromium, driven through its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import aiohttp

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)  # fmt: skip  # noqa: E501
# Seconds for the browser to start, and for one step.
PATIENCE = 60


class Browser:
    """One page of a headless browser; each call waits until it is done."""

    def __init__(self, folder):
        self._folder = Path(folder)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--remote-debugging-port=0", f"--user-data-dir={folder}",
             "about:blank"],
            stdout=subprocess.DEVNULL, stderr=self._errors,
        )  # fmt: skip
        self._loop = asyncio.new_event_loop()
        self._next = 0
        try:
            self._run(self._connect())
        except BaseException:
            self.close()
            raise

    async def _connect(self):
        path, end = self._folder / "DevToolsActivePort", time.monotonic() + PATIENCE
        while not path.exists() or len(path.read_text().split()) < 2:
            assert time.monotonic() < end, "Chromium does not start"
            await asyncio.sleep(0.05)
        port = path.read_text().split()[0]
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            pages = [one for one in await answer.json() if one["type"] == "page"]
        self._socket = await self._session.ws_connect(
            pages[0]["webSocketDebuggerUrl"], max_msg_size=1 << 26
        )
        for domain in ("Page", "Runtime", "Log"):
            await self._call(f"{domain}.enable")

    async def _call(self, method, **parameters):
        self._next += 1
        await self._socket.send_json({"id": self._next, "method": method, "params": parameters})
        while True:
            told = json.loads((await self._socket.receive(timeout=PATIENCE)).data)
            if told.get("method") == "Log.entryAdded":
                self.logged.append(told["params"]["entry"]["text"])
            if told.get("id") == self._next:
                assert "error" not in told, told
                return told["result"]

    def _run(self, step):
        return self._loop.run_until_complete(asyncio.wait_for(step, PATIENCE))

    logged: list[str] = []  # noqa: RUF012

    def call(self, method, **parameters):
        return self._run(self._call(method, **parameters))

    def do(self, code):
        """Run JavaScript in the page, and give back its value."""
        found = self.call("Runtime.evaluate", expression=code, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, address):
        self.call("Page.navigate", url=address)
        self.wait("location.href.startsWith('http') && document.readyState === 'complete'")

    def wait(self, condition):
        end = time.monotonic() + PATIENCE
        # Not before the page has its style: what is measured or printed is what a person sees.
        condition = f"document.readyState === 'complete' && ({condition})"
        while True:
            # While a page gives way to the next, there is nothing to ask.
            found = self.call("Runtime.evaluate", expression=condition, returnByValue=True)
            if found["result"].get("value") is True:
                return
            assert time.monotonic() < end, condition
            time.sleep(0.05)

    def type(self, field, text):
        """Put the cursor into a field, and type."""
        self.do(f"document.getElementById({json.dumps(field)}).focus()")
        self.do("document.activeElement.select && document.activeElement.select()")
        self.call("Input.insertText", text=text)

    def key(self, name, text=""):
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name,
                      windowsVirtualKeyCode={"Enter": 13}.get(name, 0), **extra)  # fmt: skip

    def width(self, pixels):
        self.call("Emulation.setDeviceMetricsOverride", width=pixels, height=900,
                  deviceScaleFactor=1, mobile=pixels < 600)  # fmt: skip

    def scripts(self, allowed):
        self.call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def pdf(self):
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True)["data"])

    def close(self):
        self._process.terminate()
        self._process.wait(20)

        async def leave():
            await self._socket.close()
            await self._session.close()

        if hasattr(self, "_socket"):
            self._loop.run_until_complete(leave())
        self._loop.close()
        self._errors.close()

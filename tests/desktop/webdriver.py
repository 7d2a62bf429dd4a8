"""Drives the program's own window through WebKitWebDriver: W3C WebDriver over HTTP, as much of it as the tests need.

Protocol: https://www.w3.org/TR/webdriver2/. `webkitgtk:browserOptions` names the program that holds the web view.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time

from world import alive, family, request, until


class Window:
    """A started program's web view. `environment` is the program's."""

    def __init__(self, program, arguments, environment, log):
        # Port 0 is not known to it, so a free one is found first.
        self.port = _free_port()
        # Tauri lets itself be driven only where it is told so.
        environment = environment | {"TAURI_AUTOMATION": "true", "TAURI_WEBVIEW_AUTOMATION": "true"}
        command = ["WebKitWebDriver", f"--port={self.port}", "--host=127.0.0.1"]
        self.driver = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        options = {"binary": str(program), "args": [str(argument) for argument in arguments]}
        capabilities = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
        try:
            self.session = "/session/" + self._first_answer(capabilities)["sessionId"]
        except BaseException:
            self._stop()
            raise

    def _first_answer(self, capabilities):
        deadline = time.monotonic() + 20
        while True:
            try:
                return self._call("POST", "/session", capabilities)
            except ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def script(self, text, *arguments):
        """Runs a script's body in the page and returns what it returns."""
        return self._call("POST", f"{self.session}/execute/sync", {"script": text, "args": arguments})

    def text(self):
        """Everything that can be read in the window."""
        return self.script("return document.body.innerText")

    def click(self, selector, text=""):
        """A person's click on the first element that fits and has the text in it."""
        find = "return [...document.querySelectorAll(arguments[0])].find((one) => one.innerText.includes(arguments[1])) ?? null"
        element = self.script(find, selector, text)
        if element is None:
            raise AssertionError(f"nothing fits {selector!r} with {text!r} in:\n{self.text()}")
        self._call("POST", f"{self.session}/element/{next(iter(element.values()))}/click", {})

    def close(self):
        """Ends the session, and the program with it."""
        program = next((pid for pid, _name in family(self.driver.pid)), None)
        try:
            self._call("DELETE", self.session)
        finally:
            # The driver ends the program some time after its answer, or never if it is ended first itself; then the
            # window would lie over those of the tests that come after.
            if program is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(program, signal.SIGTERM)
                until("the program has ended", lambda: not alive(program))
            self._stop()

    def _stop(self):
        self.driver.terminate()
        self.driver.wait()

    def _call(self, method, path, body=None):
        status, _headers, text = request(f"127.0.0.1:{self.port}", method, path, body)
        value = json.loads(text)["value"]
        if status != 200:
            raise AssertionError(f"{method} {path}: {value}")
        return value


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]

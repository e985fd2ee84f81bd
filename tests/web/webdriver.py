# SPDX-License-Identifier: LGPL-2.1-or-later
"""A Chromium that does what it is told over W3C WebDriver, which is HTTP and JSON."""
import base64
import json
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"     # W3C WebDriver, 12.1
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Space": " "}
SECONDS = 60


class WebDriverError(Exception):
    """The driver has refused."""


class Element:
    def __init__(self, browser, reference):
        self.browser, self.reference = browser, reference

    def call(self, method, path, body=None):
        return self.browser.call(method, f"/element/{self.reference}{path}", body)

    def click(self):
        self.call("POST", "/click", {})

    def type(self, text):
        self.call("POST", "/value", {"text": text})

    @property
    def text(self):
        return self.call("GET", "/text")


class Browser:
    """DIR: for its profile and the log of its driver."""

    def __init__(self, directory, dark=False, size=(1280, 900)):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.log = self.dir / "chromedriver.log"
        self.driver = subprocess.Popen(["chromedriver", "--port=0", f"--log-path={self.log}"], stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
        self.session = ""
        port = None
        for line in self.driver.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                port = found[1]
                break
        if port is None:
            raise WebDriverError("chromedriver has not started")
        self.url = f"http://127.0.0.1:{port}"
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb",
                     f"--user-data-dir={self.dir}/profile", f"--window-size={size[0]},{size[1]}", "--hide-scrollbars", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--lang=en-GB"]
        if dark:
            arguments.append("--force-dark-mode")
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:loggingPrefs": {"browser": "ALL"}, "goog:chromeOptions": {"args": arguments}}}})
        self.session = f"/session/{made['sessionId']}"
        self.size(*size)
        self.devtools("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + self.session + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as refused:
            value = json.load(refused)["value"]
            raise WebDriverError(f"{path}: {value['error']}: {value['message'].splitlines()[0]}") from None

    def close(self):
        if self.driver.returncode is not None:
            return
        try:
            if self.session:
                self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.driver.stdout.close()

    def devtools(self, command, parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def size(self, width, height):
        """Of the page itself; a window may not be as narrow."""
        self.devtools("Emulation.setDeviceMetricsOverride",
                      {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def script(self, text, *arguments):
        return self.call("POST", "/execute/sync", {"script": text, "args": list(arguments)})

    def all(self, path):
        """The elements of an XPath that are shown."""
        found = self.call("POST", "/elements", {"using": "xpath", "value": path})
        elements = [Element(self, one[ELEMENT]) for one in found]
        return [one for one in elements if one.call("GET", "/displayed")]

    def press(self, *keys):
        """Keys for whatever has the focus."""
        actions = []
        for key in keys:
            actions += [{"type": "keyDown", "value": KEYS.get(key, key)}, {"type": "keyUp", "value": KEYS.get(key, key)}]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def focused(self):
        return self.script("const e = document.activeElement; return e.getAttribute('aria-label') || e.textContent.trim() || e.id;")

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def complaints(self):
        """What the browser's console has of errors since it was asked last."""
        return [line["message"] for line in self.call("POST", "/se/log", {"type": "browser"}) if line["level"] == "SEVERE"]

    def until(self, what, is_true, seconds=SECONDS):
        """Repeats a question to the page, of which nothing tells, until the answer is true."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                value = is_true()
            except WebDriverError as refused:
                value = None
                what = f"{what} ({refused})" if "refused" not in what else what
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}; the page says:\n"
                                     + self.script("return document.body.innerText"))
            time.sleep(0.1)

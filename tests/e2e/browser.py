"""A real Chromium, spoken to by the DevTools protocol: what the tests of the live page and hack/screenshots share.

start(PORT, FOLDER) is the command that begins one; Page(PORT) opens a page in a profile of its own. Chromium's own traffic is
switched off: it must not need a network, and what it asks for is the page's doing.
"""
import base64
import itertools
import json
import time
import urllib.request

from websockets.sync.client import connect


def command(port, folder):
    return ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
            "--disable-features=OptimizationHints,MediaRouter,Translate", "--no-default-browser-check", "--hide-scrollbars",
            "--force-color-profile=srgb", "--disable-lcd-text", f"--user-data-dir={folder}", f"--remote-debugging-port={port}",
            "about:blank"]


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/version", timeout=2) as answer:
            return json.load(answer)
    except OSError:
        return None


class Page:
    """One page. Events that come while a command waits for its answer are kept in .events."""

    def __init__(self, port, width=1280, height=900, scale=1):
        self.socket = connect(answers(port)["webSocketDebuggerUrl"], max_size=None, open_timeout=10)
        self.ids = itertools.count(1)
        self.events = []
        self.session = None
        context = self.ask("Target.createBrowserContext", disposeOnDetach=True)["browserContextId"]
        target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(domain + ".enable")
        self.size(width, height, scale)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, method, **params):
        number = next(self.ids)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv(timeout=90))
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def size(self, width, height, scale=1):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def colours(self, scheme):
        """What the visitor's system prefers: light or dark."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme},
                                                        {"name": "prefers-reduced-motion", "value": "reduce"}])

    def go(self, url):
        self.ask("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def js(self, expression):
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:1500])
        return answer["result"].get("value")

    def wait(self, expression, seconds=20):
        """Until it is true; its value."""
        end = time.monotonic() + seconds
        while True:
            value = self.js(expression)
            if value:
                return value
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s: {expression}\non the page: {self.js('document.body.innerText')[:2500]}")
            time.sleep(0.05)

    def live(self, url):
        """Opens Headroom's page and waits for the first picture."""
        self.go(url)
        self.wait("document.querySelector('#link').textContent.trim() === 'live'")

    def key(self, name, text=""):
        codes = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39, "End": 35}
        common = {"key": name, "code": "Space" if name == " " else name, "windowsVirtualKeyCode": codes[name]}
        text = {"Enter": "\r", " ": " "}.get(name, text)
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **common)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def requested(self):
        """All URLs that the page has asked for, WebSockets included."""
        self.js("1")
        return [event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"] + [
            event["params"]["url"] for event in self.events if event["method"] == "Network.webSocketCreated"]

    def complaints(self):
        """What Chromium wrote to the page's console: broken rules of the Content-Security-Policy, exceptions, errors."""
        self.js("1")
        return [event["params"] for event in self.events if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]

    def picture(self, path, whole=False):
        answer = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        with open(path, "wb") as file:
            file.write(base64.b64decode(answer["data"]))

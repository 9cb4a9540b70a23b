#!/usr/bin/env python3
"""page.py CHECK CHROMIUM_PORT PAGE_URL [ARGUMENT...]: looks at the live page as a visitor would; tests/e2e/page.bats says what for.

Exit status 0: it is so. Otherwise it says what is not.
"""
import asyncio
import datetime
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

import websockets.asyncio.client
from websockets.exceptions import InvalidStatus

sys.path.insert(0, os.path.dirname(__file__))
import browser  # noqa: E402


def must(condition, *said):
    if not condition:
        sys.exit(" ".join(str(word) for word in said))


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def chromium(port, _url, folder):
    """Becomes the browser."""
    os.execvp("setpriv", ["setpriv", "--pdeathsig", "KILL", "--", *browser.command(port, folder)])


def shows(port, url, sim):
    """Each subnet of the pool with what EC2 says about it, the nodes' sum, the conditions, and nothing from elsewhere."""
    with browser.Page(port) as page:
        page.live(url)
        subnets = {s["id"]: s for s in get(sim + "/_sim/state")["subnets"] if s["tags"].get("headroom.dev/pool") == "pods"}
        must(len(subnets) == 4, "EC2 has other subnets than the test thinks:", subnets.keys())
        shown = page.js("[...document.querySelectorAll('.subnet')].map((s) => [s.querySelector('.id').textContent, "
                        "s.closest('.zone').querySelector('h3').textContent, s.querySelector('.badge').textContent, "
                        "s.querySelector('.free').textContent, s.querySelector('.meter').getAttribute('aria-valuetext')])")
        must(sorted(row[0] for row in shown) == sorted(subnets), "subnets on the page:", shown)
        for name, zone, state, free, said in shown:
            subnet = subnets[name]
            must(zone == subnet["zone"], name, "is shown in", zone)
            must(state == "Healthy", name, "is shown as", state)
            must(free == f"{subnet['free']} free of {subnet['total']}", name, "has", subnet["free"], "and the page says", free)
            must(f"of {subnet['total']} in use, Healthy" in said, "a screen reader is told", said)
        must(page.js("document.querySelector('#f-nodes').textContent") == "3", "nodes on the page")
        host = url.split("/")[2]
        foreign = [u for u in page.requested() if u.split("/")[2:3] != [host] and not u.startswith("data:")]
        must(not foreign, "asked of others:", foreign)
        must(any(u.startswith("ws://") for u in page.requested()), "no WebSocket was opened")
        must(not page.complaints(), "Chromium complains:", json.dumps(page.complaints())[:2000])


WATCH = """
window.unchanged = 1;
window.seen = {};
new MutationObserver(() => {
  for (const s of document.querySelectorAll('.subnet')) {
    const id = s.querySelector('.id').textContent, state = s.querySelector('.badge').textContent;
    window.seen[id] = window.seen[id] || [];
    const last = window.seen[id].at(-1);
    if (!last || last[0] !== state) window.seen[id].push([state, Date.now()]);
  }
}).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
"""


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def drain(sim, subnet, free):
    request = urllib.request.Request(sim + "/_sim/drain", json.dumps({"subnet": subnet, "free": free}).encode())
    urllib.request.urlopen(request, timeout=10).close()


AGREES = """
new Promise((done) => {
  const url = new URL("ws", location.href.replace("http", "ws")), other = new WebSocket(url, "headroom");
  other.onmessage = (message) => {
    const whole = JSON.parse(message.data), same = () => {
      if (told.sequence < whole.sequence) return setTimeout(same, 10);
      done(told.sequence > whole.sequence ? "missed it" : JSON.stringify(told) === message.data.trim() ? "agrees" : JSON.stringify(told) + " is not " + message.data);
    };
    other.close();
    same();
  };
})
"""


def agrees(page):
    """What the page has put together of changes is what one that comes now is told whole."""
    for _ in range(10):
        answer = page.js(AGREES)
        if answer != "missed it":
            break
    must(answer == "agrees", "the page has", answer)


def exhausts(port, url, sim, *subnets):
    """Others take all addresses of a healthy subnet at once: how long after that the page says so, and how long after the
    controller has asked EC2. A busy machine may be late once; so there are two tries."""
    with browser.Page(port) as page:
        page.live(url)
        page.js(WATCH)
        took = []
        for subnet in subnets:
            badge = f"[...document.querySelectorAll('.subnet')].find((s) => s.textContent.includes('{subnet}')).querySelector('.badge').textContent"
            must(page.js(badge) == "Healthy", subnet, "is not healthy at the beginning")
            since = get(sim + "/_sim/requests?count=1")["last"]
            drain(sim, subnet, 0)
            drained = time.time()  # ec2sim takes a while for the thousands of addresses of a large one
            seen = page.wait(f"(window.seen['{subnet}'] || []).find((s) => s[0] === 'Exhausted')", 40)[1] / 1000
            reads = [moment(r["time"]) for r in get(f"{sim}/_sim/requests?since={since}")["requests"]
                     if r["action"] == "DescribeSubnets" and r["who"] == "controller"]
            took.append(seen - drained)
            print(f"{seen - drained:.2f} s after the drain, {seen - max(t for t in reads if t <= seen):.2f} s after the controller asked EC2")
            if took[-1] < 2:
                break
        must(page.js("window.unchanged") == 1, "the page was loaded anew")
        agrees(page)
        must(min(took) < 2, "shown so many seconds after the drain:", took)


def axe_violations(page, scheme):
    import axe_playwright_python
    with open(os.path.join(os.path.dirname(axe_playwright_python.__file__), "axe.min.js"), encoding="utf-8") as file:
        page.js(file.read() + ";1")
    result = page.js("axe.run(document, {resultTypes: ['violations']}).then((r) => ({passes: r.passes.length, violations: r.violations.map((v) => "
                     "[v.id, v.impact, v.help, v.nodes.map((n) => n.html.slice(0, 160) + ' | ' + n.failureSummary).slice(0, 3)])}))")
    must(result["passes"] > 10, "axe-core looked at nothing:", result)
    must(not result["violations"], scheme + ":", json.dumps(result["violations"], indent=1))


def accessible(port, url):
    """axe-core finds nothing, in light on a desk and in dark on a telephone, with every row and the table open."""
    for scheme, width in (("light", 1280), ("dark", 390)):
        with browser.Page(port, width) as page:
            page.colours(scheme)
            page.live(url)
            page.js("document.querySelector('#only').click(); for (const d of document.querySelectorAll('details')) d.open = true")
            must(page.js("document.documentElement.dataset.theme") == scheme, "the page does not follow the system's colours")
            must(page.js("document.documentElement.scrollWidth <= innerWidth"), "at", width, "px the page is wider than the screen")
            axe_violations(page, scheme)


def report(port, _url, path):
    """What `headroom simulate --html` writes, on a desk and on a telephone: plots whose labels are to be read, by everybody."""
    for scheme, width in (("light", 1280), ("dark", 390)):
        with browser.Page(port, width) as page:
            page.colours(scheme)
            page.go("file://" + path)
            must(page.js("document.querySelectorAll('svg').length") >= 4, "there are no plots")
            must(page.js("document.documentElement.scrollWidth <= innerWidth"), "at", width, "px the report is wider than the screen")
            axe_violations(page, scheme)
            must(not [u for u in page.requested() if not u.startswith("file:")], "it asks for something:", page.requested())
            must(not page.complaints(), "Chromium complains:", json.dumps(page.complaints())[:2000])
            # No label lies on another one, or outside of the page.
            boxes = page.js("[...document.querySelectorAll('.area')].flatMap((a, n) => [...a.querySelectorAll('.x,.y,.end')].map((s) => [n, s.textContent, "
                            "s.getBoundingClientRect()]).filter((b) => b[2].width > 0).map((b) => [b[0], b[1], b[2].left, b[2].right, b[2].top, b[2].bottom]))")
            for i, (plot, text, left, right, top, bottom) in enumerate(boxes):
                must(left >= 0 and right <= width, "at", width, "px", text, "is cut off")
                for other in boxes[i + 1:]:
                    apart = other[0] != plot or right <= other[2] or other[3] <= left or bottom <= other[4] + 3 or other[5] <= top + 3
                    must(apart, "at", width, "px", text, "lies on", other[1])
            # What the curves say at a moment, by pointer and by keys, is what they are drawn from.
            page.js("document.querySelector('.area').focus()")
            for key in ("End", "ArrowLeft", "ArrowRight"):
                page.key(key)
            said = page.js("document.querySelector('.area').getAttribute('aria-valuetext')")
            must(said == page.js("document.querySelector('.read').textContent") and "agent alone" in said, "keys read out", said)
            box = page.js("(() => { const r = document.querySelector('.grid .area').getBoundingClientRect(); scrollTo(0, r.top); "
                          "const t = document.querySelector('.grid .area').getBoundingClientRect(); return [t.left, t.top, t.width, t.height]; })()")
            before = page.js("document.querySelector('.grid .read').textContent")
            page.ask("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + 0.5, y=box[1] + box[3] / 2)
            said = page.js("document.querySelector('.grid .read').textContent")
            must(re.match(r"\d+s: agent alone [\d,]+ · with Headroom [\d,]+$", said) and said != before, "the pointer near the beginning reads out", said)


def keyboard(port, url):
    """Everything that can be done can be done by keys, and one sees where one is."""
    focus = "(() => { const e = document.activeElement; return e.id || e.tagName + '.' + e.className; })()"
    with browser.Page(port) as page:
        page.live(url)
        page.key("Tab")
        must("skip" in page.js(focus), "the first stop is", page.js(focus))
        must(page.js("document.activeElement.getBoundingClientRect().left >= 0"), "the way past the head is not to be seen")
        page.key("Enter")
        must(page.js(focus) == "pools", "it leads to", page.js(focus))
        page.live(url)
        stops = []
        for _ in range(20):
            page.key("Tab")
            stop = page.js(focus)
            if stop in stops or stop == "BODY.":
                break
            stops.append(stop)
            must(page.js("getComputedStyle(document.activeElement).outlineStyle") != "none", stop, "does not show that it has the focus")
            if stop == "theme":
                page.key("Enter")
                must(page.js("document.documentElement.dataset.theme") == "light", "Enter does not set the theme")
                page.key(" ")
                must(page.js("document.documentElement.dataset.theme") == "dark", "Space does not set the theme")
            if stop == "only":
                page.key(" ")
                must(page.js("document.querySelector('#only').getAttribute('aria-pressed')") == "false", "Space does not show all nodes")
                must(page.js("document.querySelectorAll('#nodes tr').length") == 3, "not all nodes are listed")
            if stop.startswith("SUMMARY"):
                page.key("Enter")
                must(page.js("document.activeElement.parentElement.open"), "Enter does not open the table")
        must("theme" in stops and "only" in stops and any(s.startswith("SUMMARY") for s in stops), "keys reach only", stops)


def foreign(port, url):
    """A page of another origin in the same browser gets nothing, by WebSocket or otherwise; nor does a program that says it is one."""
    address = url.split("/")[2]
    with browser.Page(port) as page:
        page.go(f"http://localhost:{address.split(':')[1]}/healthz")  # to a browser another origin than 127.0.0.1
        answer = page.js(f"new Promise((done) => {{ const s = new WebSocket('ws://{address}/ws', 'headroom');"
                         " s.onopen = () => done('opened'); s.onmessage = () => done('told'); s.onerror = () => done('refused'); })")
        must(answer == "refused", "a foreign page's WebSocket was", answer)
        answer = page.js(f"fetch('http://{address}/api/state').then(() => 'told', () => 'refused')")
        must(answer == "refused", "a foreign page's fetch was", answer)
        framed = page.js(f"new Promise((done) => {{ const f = document.createElement('iframe'); f.onload = () => {{ try {{ done(f.contentDocument === null ? 'another origin' : f.contentDocument.title) }} catch (e) {{ done(String(e)) }} }};"
                         f" f.src = 'http://{address}/'; document.body.append(f); }})")
        must("Headroom" not in framed, "it can be framed:", framed)

    async def program():
        try:
            await websockets.asyncio.client.connect(f"ws://{address}/ws", subprotocols=["headroom"], origin="http://example.com")
        except InvalidStatus as refusal:
            must(refusal.response.status_code == 403, "refused with", refusal.response.status_code)
            return
        sys.exit("a WebSocket with a foreign Origin was opened")
    asyncio.run(program())


def crowd(port, url):
    """So many pages that no more may come: the next one is told so, falls back to asking, and comes in when somebody leaves."""
    address = url.split("/")[2]

    async def fill(page):
        held = []
        try:
            while True:
                held.append(await websockets.asyncio.client.connect(f"ws://{address}/ws", subprotocols=["headroom"], max_size=None))
                must(len(held) <= 128, "the limit is not kept")
        except InvalidStatus as refusal:
            must(refusal.response.status_code == 503, "refused with", refusal.response.status_code)
        must(len(held) == 128, "only", len(held), "pages may come")
        told = await asyncio.wait_for(asyncio.gather(*(socket.recv() for socket in held)), 30)
        must(all(json.loads(text)["kind"] == "State" for text in told), "not all are told")
        page.go(url)
        page.wait("document.querySelector('#link').textContent.trim() === 'live, by polling' && document.querySelectorAll('.subnet').length > 0")
        must(urllib.request.urlopen(url + "healthz", timeout=5).status == 200, "probes have no room")
        await asyncio.gather(*(socket.close() for socket in held))
        page.wait("document.querySelector('#link').textContent.trim() === 'live'", 40)

    with browser.Page(port) as page:
        asyncio.run(fill(page))


if __name__ == "__main__":
    globals()[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:])

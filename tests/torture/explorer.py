"""The explorer under many sessions, and under two readers in a real browser whose controls never rest."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.torture.parts import PATIENCE, Part, resident

MEMORY = 700.0  # MB that the server may hold, whatever was opened and closed before
FONTS = 8  # font files it may hold open
_DONE = 'data-running=\\"false'  # as it stands in a message


def run(part: Part) -> None:
    """Open and close sessions; beside them, where a browser is found, two readers change what they see."""
    from tests.figures.explore import test_browser as browser

    with _server(part) as (address, pid):
        part.figures["memory at start (MB)"] = resident(pid)
        states = [f"?page={name}{more}" for name, more in browser.LIGHT.items()]
        over = threading.Event()
        opener = threading.Thread(target=_open_sessions, args=(part, address, pid, states, over))
        opener.start()
        try:
            if browser.chromium():
                _two_readers(part, address, browser)
            else:
                part.figures["browser"] = "none found"
                time.sleep(part.seconds)
        finally:
            over.set()
            opener.join()
        fonts = [path for path in _open_files(pid) if path.endswith((".ttf", ".otf", ".afm", ".pfb"))]
        part.figures["font files open"] = float(len(fonts))
        part.hold(len(fonts) <= FONTS, f"{len(fonts)} font files are open")
        part.figures["memory at the end (MB)"] = resident(pid)


@contextlib.contextmanager
def _server(part: Part) -> Iterator[tuple[str, int]]:
    command = [sys.executable, "-m", "snapcut", "explore", "--port", "0", "--no-browser"]
    with open(part.folder / "errors", "w+") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert process.stdout is not None
        try:
            found = re.search(r"http://\S+/", process.stdout.readline())
            assert found is not None
            yield found.group(), process.pid
        finally:
            process.send_signal(signal.SIGINT)
            code = process.wait(60)
            process.stdout.close()
        errors.seek(0)
        text = errors.read()
        part.hold(code == 0 and not text, f"the server ended with {code} and said {text[-500:]!r}")


def _open_files(pid: int) -> list[str]:
    paths = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            paths.append(os.readlink(entry))
    return paths


def _open_sessions(part: Part, address: str, pid: int, states: list[str], over: threading.Event) -> None:
    """One session after another: open, wait for the end of its simulation, go away."""
    from websockets.sync.client import connect

    number = 0
    while not over.is_set():
        state = states[number % len(states)]
        number += 1
        socket = f"{address.replace('http', 'ws')}ws?session_id=s_{uuid.uuid4().hex[:6]}&{state[1:]}"
        _get(part, address, state)
        try:
            with connect(socket, max_size=None) as session:
                while _DONE not in str(session.recv(timeout=PATIENCE)):
                    pass
        except Exception as error:
            part.hold(False, f"{state}: {type(error).__name__}: {error}")
        part.count("sessions opened and closed")
        part.largest("most memory (MB)", resident(pid))
        part.hold(resident(pid) < MEMORY, f"{resident(pid):.0f} MB after {number} sessions")


def _get(part: Part, address: str, state: str) -> None:
    """The page itself; and the same asked for by strangers, who are refused."""
    host = urlsplit(address).netloc
    for headers, wanted in (
        ({"Host": host}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": host, "Origin": "http://evil.example"}, 403),
    ):
        asked = http.client.HTTPConnection(host, timeout=60)
        asked.request("GET", f"/{state}", headers=headers)
        status = asked.getresponse().status
        asked.close()
        part.hold(status == wanted, f"{headers}: status {status}")
        part.count("requests of strangers refused", status == 403)


def _two_readers(part: Part, address: str, browser) -> None:
    """Both move their sliders at once, page after page; each must see the numbers of its own state."""
    names = [name for name in browser.LIGHT if name != "weights"]  # it has no slider
    with browser.sync_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=browser.chromium(), args=browser.QUIET)
        tabs = [browser.Reader(running.new_context(), address) for _ in "12"]
        for number in part.rounds():
            if number % 5 == 0:
                for shift, one in enumerate(tabs):
                    name = names[(number // 5 + 2 * shift) % len(names)]
                    one.open(f"?page={name}{browser.LIGHT[name]}", finished=False)
            for one in tabs:
                browser.change(one.page, part.rng)
                part.count("changes of a control")
            for one in tabs:
                state, cells = browser.numbers_on_screen(one.page)
                part.hold(cells == browser.numbers_alone(state), f"{state}: other numbers than alone")
                part.count("tables compared")
        for one in tabs:
            part.hold(not one.errors, f"the browser's console: {one.errors[:3]}")
            part.hold(not one.foreign, f"other hosts were asked: {one.foreign[:3]}")
        running.close()

"""Ctrl-C and SIGTERM end a program at once, whatever it is doing, with one line and nothing half-done."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from sims.support import interruption

# A program that says when it is busy, and is then deaf for a minute or more, in the way that it is told.
PROGRAM = """
import hashlib, sys, time
from pathlib import Path
from sims.support import interruption
from sims.support.files import atomic_write

def foreign_code():  # for minutes; lets other threads run, as compiled kernels do, and looks at no signal
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**30)

def swallowed():
    for _ in range(600):
        try:
            time.sleep(0.1)
        except BaseException:
            pass

def renamed():
    try:
        time.sleep(60)
    except BaseException as error:  # as Python 3.11 does where a class is being created
        raise RuntimeError("an error of its own") from error

def at_exit():
    import atexit
    atexit.register(time.sleep, 60)

try:
    with interruption.ends_at_once():
        interruption.remember(lambda: "a \\x1b[2Jfile is kept")
        with atomic_write(Path(sys.argv[1]) / "result") as file:
            file.write("half")
            if sys.argv[2] != "at_exit":
                print("busy", flush=True)
            globals()[sys.argv[2]]()
except KeyboardInterrupt:
    interruption.finish(130)
    sys.exit(130)
interruption.finish(0)
print("busy", flush=True)
"""


@pytest.fixture
def program(tmp_path):
    running = []

    def start(way):
        started = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path), way], stdout=-1, stderr=-1, text=True
        )
        running.append(started)
        assert started.stdout.readline() == "busy\n"
        return started

    yield start
    for process in running:  # a test that failed leaves nothing behind
        process.kill()
        process.communicate()


@pytest.mark.parametrize("way", ["foreign_code", "swallowed", "renamed"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_code_that_does_not_unwind_is_ended(program, tmp_path, way, number, code):
    """The minute of the program is far longer than the patience of the test."""
    process = program(way)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    word = "interrupted" if code == 130 else "ended"
    assert errors == f"snapcut: {word}; a \\x1b[2Jfile is kept\n"
    assert os.listdir(tmp_path) == []


def test_an_interruption_at_exit_changes_nothing(program, tmp_path):
    """What was done is done; the exit takes a minute here, and is not waited for."""
    process = program("at_exit")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors, os.listdir(tmp_path)) == (0, "", ["result"])


def test_a_callers_handlers_come_back_and_ignored_signals_stay_ignored():
    def own(*_):
        raise AssertionError("not in this test")

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGINT, own)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as nohup leaves a signal
        with pytest.raises(KeyboardInterrupt), interruption.ends_at_once():
            interruption.remember(lambda: "")
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("the interruption comes first")
        assert signal.getsignal(signal.SIGINT) is own
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_other_threads_are_left_alone():
    seen = []

    def work():
        with interruption.ends_at_once():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


@pytest.fixture
def remembered(monkeypatch):
    """What is to be said at the end, put back after the test."""
    for name in ("kept", "said", "code", "patience"):
        monkeypatch.setattr(interruption._State, name, getattr(interruption._State, name))


def test_where_what_was_kept_cannot_be_told_a_line_is_said_nevertheless(remembered, tmp_path, monkeypatch):
    def gone():
        raise FileNotFoundError("the folder is gone")

    interruption.remember(gone)
    monkeypatch.setattr(interruption._State, "code", 130)
    monkeypatch.setattr(interruption._State, "said", False)  # another program of this process may have ended
    with (tmp_path / "said").open("w") as said:
        monkeypatch.setattr(sys, "stderr", said)
        interruption._say()
        interruption._say()  # once
    assert (tmp_path / "said").read_text() == "snapcut: interrupted; what was finished is kept\n"


@pytest.mark.parametrize(("unwound", "code", "numbers", "ends"), [
    (False, None, [signal.SIGTERM], [143]),
    (False, 130, [signal.SIGTERM], [130]),  # the code is that of the first signal
    (False, None, [signal.SIGUSR1, signal.SIGINT], [130]),  # others are the business of their handlers
    (True, None, [signal.SIGINT], []),
])  # fmt: skip
def test_a_process_ends_of_its_own_signals_where_it_has_not_unwound(
    remembered, monkeypatch, unwound, code, numbers, ends
):
    found, done = [], threading.Event()
    monkeypatch.setattr(interruption, "_leave", lambda: found.append(interruption._State.code))
    interruption._State.code, interruption._State.patience = code, 0.0
    if unwound:
        done.set()
    reading, writing = os.pipe()
    os.write(writing, bytes(numbers))
    os.close(writing)
    interruption._end_unless(done, reading)
    os.close(reading)
    assert found == ends


def test_a_server_hears_of_signals_by_itself():
    before = signal.set_wakeup_fd(-1)
    try:
        interruption.leave_to_server()
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.set_wakeup_fd(before)
        interruption.remember(lambda: "nothing was kept")

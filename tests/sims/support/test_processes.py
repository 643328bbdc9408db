"""Workers end with the process that started them, however it ends."""

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from joblib.externals.loky import process_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from sims.support import processes

COMMAND = str(Path(sys.executable).with_name("snapcut"))

# Cells that say where they run and then go on for minutes: asleep, computing, or in foreign code that lets no
# other thread of the interpreter run.
TOY = """
import ctypes, os, pathlib, time
from sims.support.row import Row

def simulate(x, log, kind, seed):
    if x > 1:
        (pathlib.Path(log) / str(os.getpid())).touch()
        end = time.monotonic() + 120
        if kind == "asleep":
            time.sleep(120)
        elif kind == "computing":
            while time.monotonic() < end:
                pass
        else:
            ctypes.PyDLL(None).sleep(120)
    return [Row("x", measured=0.5, low=0.0, high=1.0)]
"""


@pytest.fixture(params=["asleep", "computing", "deaf"])
def sweep(request, tmp_path):
    """A running sweep with two busy workers: its process, their pids, and its folder."""
    (tmp_path / "toy_simulation.py").write_text(TOY)
    (tmp_path / "log").mkdir()
    (tmp_path / "toy.toml").write_text(
        f'simulation = "toy_simulation:simulate"\nlog = "{tmp_path}/log"\nkind = "{request.param}"\n'
        "[grid]\nx = [0, 1, 2, 3, 4, 5]\n"
    )
    process = subprocess.Popen(
        [COMMAND, "sweep", "toy.toml", "--out", "out", "--processes", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    give_up = time.monotonic() + 60
    while len([*tmp_path.glob("log/*"), *tmp_path.glob("out/cells/*.json")]) < 4:  # two workers, two cells
        assert process.poll() is None and time.monotonic() < give_up
        time.sleep(0.01)
    workers = [int(path.name) for path in (tmp_path / "log").iterdir()]
    yield process, workers, tmp_path
    process.kill()
    process.wait()
    process.stderr.close()
    for worker in filter(alive, workers):
        os.kill(worker, signal.SIGKILL)


def alive(pid):
    """Whether the process runs; one that ended and was not yet collected by anybody does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_end(workers, seconds):
    end = time.monotonic() + seconds
    while any(map(alive, workers)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, workers))


looks_into_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@looks_into_proc
def test_a_killed_parent_leaves_no_worker(sweep):
    process, workers, _ = sweep
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert all_end(workers, 2)


@looks_into_proc
def test_sigterm_ends_the_workers_and_keeps_what_is_finished(sweep):
    process, workers, folder = sweep
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert "Traceback" not in errors
    assert all_end(workers, 2)
    assert len(list((folder / "out" / "cells").glob("*.json"))) == 2
    assert not list((folder / "out" / "cells").glob(".*"))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nothing://127.0.0.1:9"])
def test_a_scheduler_that_cannot_answer_is_one_sentence(address):
    pytest.importorskip("distributed", reason="the cluster extra is not installed")
    sentence = f"^no Dask scheduler answers at {address} within 0.2 s; run here$"
    with pytest.raises(ConnectionError, match=sentence), processes.cluster(address, 0.2, "run here"):
        pass
    assert not [one for one in gc.get_objects() if type(one).__module__ == "distributed.client"]


def set_aside():
    return gc.get_freeze_count(), process_executor._MAX_MEMORY_LEAK_SIZE


def test_workers_are_kept_and_do_not_look_for_garbage_in_what_outlived_the_last_call():
    before = set_aside()  # a name of joblib's own: it must be there
    for count, growth in processes.run(set_aside, [(), ()], 2):
        assert count > 1000 and growth > 10 * before[1]
    assert set_aside() == before  # this process is the caller's own


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_work_that_kills_every_worker_is_given_up(monkeypatch):
    monkeypatch.setattr(processes, "_RESTARTS", 1)
    lost = pytest.warns(UserWarning, match=r"its work runs again \(2 left\)")
    with lost as said, pytest.raises(TerminatedWorkerError):
        list(processes.run(die, [(0,), (1,)], 2))
    assert len(said) == 1


def test_what_watches_the_parent_does_not_keep_a_worker_alive(monkeypatch):
    started = []

    class Recorded(threading.Thread):
        def start(self):
            started.append(self.daemon)

    monkeypatch.setattr(processes.threading, "Thread", Recorded)
    monkeypatch.setattr(processes.warnings, "showwarning", None)
    processes._watch.__wrapped__(os.getpid(), False)  # a call in the parent itself
    processes._watch.__wrapped__(os.getpid() + 1, False)
    assert started == [True]


@pytest.mark.parametrize(("platform", "lasting", "asked"), [
    ("linux", True, 1), ("linux", False, 0), ("darwin", True, 0),
])  # fmt: skip
def test_the_kernel_ends_a_worker_where_it_can_and_the_thread_lasts(monkeypatch, platform, lasting, asked):
    """What it watches is the thread that started the worker."""
    calls = []
    library = SimpleNamespace(prctl=lambda *arguments: calls.append(arguments[:2]))
    monkeypatch.setattr(processes.ctypes, "CDLL", lambda _: library)
    monkeypatch.setattr(processes.sys, "platform", platform)
    monkeypatch.setattr(processes.threading, "Thread", lambda **_: SimpleNamespace(start=lambda: None))
    monkeypatch.setattr(processes.warnings, "showwarning", None)
    processes._watch.__wrapped__(os.getpid() + 1, lasting)
    assert calls == asked * [(1, signal.SIGKILL)]


@pytest.mark.parametrize(("name", "kind", "heard"), [
    ("ExecutorManagerThread-3", KeyError, False), ("ExecutorManagerThread-3", ValueError, True),
    ("another", KeyError, True), (None, KeyError, True),
])  # fmt: skip
def test_the_feeder_of_a_pool_is_silent_about_calls_that_were_dropped(monkeypatch, name, kind, heard):
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    processes._hush_feeder.__wrapped__()
    thread = None if name is None else threading.Thread(name=name)
    threading.excepthook(SimpleNamespace(thread=thread, exc_type=kind))
    assert bool(told) is heard


@pytest.mark.parametrize(("count", "local", "ran"), [
    (1, True, "here"), (1, False, "elsewhere"), (2, True, "elsewhere"),
])  # fmt: skip
def test_one_process_is_this_one_unless_the_workers_are_chosen_elsewhere(monkeypatch, count, local, ran):
    monkeypatch.setattr(processes, "_unordered", lambda *_: [(0, "elsewhere")])
    assert list(processes.run(str, [("here",)], count, local=local)) == [ran]


@pytest.mark.parametrize("ends", list(itertools.permutations(range(4))))
def test_results_come_in_order_whichever_ends_first(monkeypatch, ends):
    """One that is last to end holds back all that follow, and then they come."""
    monkeypatch.setattr(processes, "_unordered", lambda *_: ((i, f"result {i}") for i in ends))
    assert list(processes.run(str, [(i,) for i in range(4)], 2)) == [f"result {i}" for i in range(4)]
    assert list(processes.run(str, [(i,) for i in range(4)], 2, ordered=False)) == [
        f"result {i}" for i in ends
    ]

"""The kernel cache can not go stale, and survives a read-only home."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import sims.kernels

ROOT = Path(sims.kernels.__file__).parents[2]

HELPER = """
from numba import njit

@njit(cache=True)
def constant():
    return {value}
"""
CALLER = """
from numba import njit
from sims.kernels.helper import constant

@njit(cache=True)
def answer():
    return constant()
"""


def run(code: str, folder: Path, **environment: str) -> str:
    cleared = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**cleared, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def house(folder: Path) -> Path:
    kernels = folder / "sims" / "kernels"
    kernels.mkdir(parents=True)
    (folder / "sims" / "__init__.py").touch()
    shutil.copy(ROOT / "sims" / "kernels" / "__init__.py", kernels)
    (kernels / "caller.py").write_text(CALLER)
    return kernels


def test_changing_a_helper_in_another_file_is_noticed(tmp_path):
    kernels = house(tmp_path)
    code = "from sims.kernels.caller import answer; print(answer())"
    cache = str(tmp_path / "cache")
    for value in (1, 2):
        (kernels / "helper.py").write_text(HELPER.format(value=value))
        assert run(code, tmp_path, SNAPCUT_CACHE=cache) == str(value)
    assert len(list((tmp_path / "cache").iterdir())) == 2  # one folder per state of the sources


@pytest.mark.skipif(sys.platform == "win32", reason="no locks")
def test_what_another_process_is_compiling_is_waited_for(tmp_path):
    kernels = house(tmp_path)
    (kernels / "helper.py").write_text(HELPER.format(value=6))
    slow = """
import time
from pathlib import Path
from sims.kernels import event
from sims.kernels.caller import answer

class Slow(event.Listener):
    def on_start(self, event):
        Path("started").touch()
        while not Path("go").exists():
            time.sleep(0.01)

    def on_end(self, event):
        pass

event.register("numba:compile", Slow())
answer()
"""
    quick = "from sims.kernels.caller import answer; answer(); print(sum(answer.stats.cache_hits.values()))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SNAPCUT_CACHE": str(tmp_path / "cache")}
    common = {"cwd": tmp_path, "env": environment, "text": True, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", slow], **common) as first:
        while not (tmp_path / "started").exists():
            assert first.poll() is None
            time.sleep(0.01)
        with subprocess.Popen([sys.executable, "-c", quick], **common) as second:
            with contextlib.suppress(subprocess.TimeoutExpired):
                second.wait(3)  # long enough to compile for itself
            (tmp_path / "go").touch()
            assert second.communicate()[0].strip() == "1"


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_a_terminal_is_told_what_is_compiled_and_for_how_long(tmp_path):
    import pty

    kernels = house(tmp_path)
    (kernels / "helper.py").write_text(HELPER.format(value=1))
    code = "from sims.kernels.caller import answer; answer()"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "SNAPCUT_CACHE": str(tmp_path / "cache")}
    told = []
    for _ in ("cold", "warm"):
        ours, theirs = pty.openpty()
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, stderr=theirs, check=True)
        os.write(theirs, b"end")
        told.append(os.read(ours, 10_000).decode())
        os.close(ours), os.close(theirs)
    first, last = told[0].splitlines()[:2]
    assert first.startswith("snapcut: compiling kernels") and str(tmp_path / "cache") in first
    assert re.fullmatch(r"snapcut: compiled caller \d+\.\d s; the next run finds them", last)
    assert told[1] == "end"


def test_the_fixed_folder_would_go_stale(tmp_path):
    """Why the folder carries the hash: the same change with one fixed folder returns the old answer."""
    kernels = house(tmp_path)
    (kernels / "__init__.py").write_text("")
    code = "from sims.kernels.caller import answer; print(answer())"
    for value in (1, 2):
        (kernels / "helper.py").write_text(HELPER.format(value=value))
        assert run(code, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache")) == "1"


TWICE = """
from numba import njit

@njit(cache=True)
def twice(x):
    return x + x
"""
KILLED = """
import os
import sims.kernels
from sims.kernels.caller import twice

def killed_at_the_second(kind, written=[]):
    write = getattr(sims.kernels._SealedFile, kind)

    def replaced(*arguments):
        written.append(kind)
        if len(written) == 2:
            os._exit(0)
        write(*arguments)

    setattr(sims.kernels._SealedFile, kind, replaced)

killed_at_the_second("_save_data")
killed_at_the_second("_save_index")
twice(0.25)
"""


def test_a_process_killed_while_it_writes_leaves_no_machine_code_of_other_types(tmp_path):
    """Without its index (lost, damaged, of sources installed once more) machine code lies there unnamed."""
    (house(tmp_path) / "caller.py").write_text(TWICE)
    cache = str(tmp_path / "cache")
    call = "from sims.kernels.caller import twice; print(twice({}), twice({}))"
    assert run(call.format(3, 0.75), tmp_path, SNAPCUT_CACHE=cache) == "6 1.5"
    (index,) = (tmp_path / "cache").rglob("caller.twice*.nbi")
    index.unlink()
    run(KILLED, tmp_path, SNAPCUT_CACHE=cache)
    assert run(call.format(0.25, 2), tmp_path, SNAPCUT_CACHE=cache) == "0.5 4"


def test_importing_numba_first_still_uses_the_named_folder(tmp_path):
    kernels = house(tmp_path)
    (kernels / "helper.py").write_text(HELPER.format(value=3))
    code = "import numba; from sims.kernels.caller import answer; print(answer())"
    assert run(code, tmp_path, SNAPCUT_CACHE=str(tmp_path / "cache")) == "3"
    assert list((tmp_path / "cache").rglob("*.nbi"))


def test_an_unwritable_cache_folder_does_not_stop_a_run(tmp_path):
    kernels = house(tmp_path)
    (kernels / "helper.py").write_text(HELPER.format(value=4))
    (tmp_path / "file").write_text("a file where a folder should be")
    code = "from sims.kernels.caller import answer; print(answer())"
    environment = {"SNAPCUT_CACHE": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    assert run(code, tmp_path, **environment) == "4"
    assert not list((tmp_path / "tmp").iterdir())  # a folder of its own, removed again


def test_a_folder_prepared_by_somebody_else_is_not_trusted(tmp_path):
    """Cached kernels are programs: a predictable name in a shared folder would let others plant one."""
    kernels = house(tmp_path)
    (kernels / "helper.py").write_text(HELPER.format(value=5))
    (tmp_path / "file").write_text("")
    (tmp_path / "tmp").mkdir()
    code = "from sims.kernels.caller import answer; answer(); import os; print(os.environ['NUMBA_CACHE_DIR'])"
    environment = {"SNAPCUT_CACHE": str(tmp_path / "file"), "TMPDIR": str(tmp_path / "tmp")}
    assert run(code, tmp_path, **environment) != run(code, tmp_path, **environment)


DAMAGES = {  # of the bytes in `data`
    "empty": "b''",
    "truncated": "data[: len(data) // 2]",
    "cut by one byte": "data[:-1]",
    "flipped at the start": "bytes([data[0] ^ 1]) + data[1:]",
    "flipped in the middle": "data[: (h := len(data) // 2)] + bytes([data[h] ^ 16]) + data[h + 1 :]",
    "of another kind": "b'hello' * 100",
}


def compiled(folder: Path) -> subprocess.CompletedProcess:
    cleared = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    cache = str(folder / "cache")
    return subprocess.run(
        [sys.executable, "-c", "from sims.kernels.caller import answer; print(answer())"],
        cwd=folder,
        env={**cleared, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "SNAPCUT_CACHE": cache},
        capture_output=True,
        text=True,
    )


def test_a_damaged_cache_is_compiled_again_with_one_line(tmp_path):
    kernels = house(tmp_path)
    (kernels / "helper.py").write_text(HELPER.format(value=6))
    assert compiled(tmp_path).stderr == ""
    for ending, damage in (("nbi", "truncated"), ("nbc", "flipped in the middle")):
        (victim,) = (tmp_path / "cache").rglob(f"caller.answer*.{ending}")
        victim.write_bytes(eval(DAMAGES[damage], {"data": victim.read_bytes()}))
        done = compiled(tmp_path)
        assert (done.returncode, done.stdout.strip()) == (0, "6")
        line = f"snapcut: the compiled kernel {str(victim)!r} is damaged and is compiled again\n"
        assert done.stderr == line
        before = victim.stat().st_mtime_ns
        again = compiled(tmp_path)
        assert (again.stdout.strip(), again.stderr) == ("6", "")
        assert victim.stat().st_mtime_ns == before  # mended, and used


# Every damage in one process: the modules are imported anew, and read their machine code from the files.
EVERY_DAMAGE = f"""
import contextlib, io, os, sys
from pathlib import Path
import pytest

import sims.kernels

def imported():
    for name in ("sims.kernels.caller", "sims.kernels.helper"):
        sys.modules.pop(name, None)
    sims.kernels._report_once.cache_clear()
    with contextlib.redirect_stderr(io.StringIO()) as said:
        from sims.kernels.caller import answer
        value = answer()
    return value, said.getvalue(), bool(answer.stats.cache_hits)

imported()
for ending in ("nbi", "nbc"):
    (victim,) = Path(os.environ["SNAPCUT_CACHE"]).rglob("caller.answer*." + ending)
    for name, damage in {DAMAGES}.items():
        victim.write_bytes(eval(damage, dict(data=victim.read_bytes())))
        line = "snapcut: the compiled kernel " + repr(str(victim)) + " is damaged and is compiled again\\n"
        assert imported() == (6, line, False), (ending, name)
        before = victim.stat().st_mtime_ns
        assert imported() == (6, "", True), (ending, name)
        assert victim.stat().st_mtime_ns == before, (ending, name)
print("whole")
"""


def test_every_damage_is_noticed(tmp_path):
    kernels = house(tmp_path)
    (kernels / "helper.py").write_text(HELPER.format(value=6))
    assert run(EVERY_DAMAGE, tmp_path, SNAPCUT_CACHE=str(tmp_path / "cache")) == "whole"


def test_the_sound_file_of_another_kernel_is_not_loaded(tmp_path):
    """A copy under the wrong name passes for whole, and would be run."""
    kernels = house(tmp_path)
    (kernels / "helper.py").write_text(HELPER.format(value=8))
    other = CALLER.replace("answer", "longer").replace("return ", "return 10 * ")
    (kernels / "caller.py").write_text(CALLER + other)
    cache = str(tmp_path / "cache")
    code = "from sims.kernels.caller import answer, longer; print(answer(), longer())"
    assert run(code, tmp_path, SNAPCUT_CACHE=cache) == "8 80"
    (victim,) = (tmp_path / "cache").rglob("caller.answer*.nbc")
    (wrong,) = (tmp_path / "cache").rglob("caller.longer*.nbc")
    shutil.copy(wrong, victim)
    assert run(code, tmp_path, SNAPCUT_CACHE=cache) == "8 80"


def test_a_folder_in_the_place_of_a_compiled_kernel_is_done_without(tmp_path):
    """As on a full disk: what cannot be kept is compiled for this run."""
    kernels = house(tmp_path)
    (kernels / "helper.py").write_text(HELPER.format(value=7))
    compiled(tmp_path)
    (victim,) = (tmp_path / "cache").rglob("caller.answer*.nbi")
    victim.unlink()
    victim.mkdir()
    (victim / "file").touch()
    done = compiled(tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "7")
    damaged, not_kept = done.stderr.splitlines()
    assert "is damaged" in damaged and "not kept" in not_kept


def test_a_function_of_no_module_is_compiled_beside_the_kernels():
    """What somebody made by exec has no module that the times of compiling could be kept for."""
    from numba import njit

    made: dict = {}
    exec("def double(x):\n    return 2 * x", made)
    made["double"].__module__ = None
    assert njit(made["double"])(21) == 42


def test_modules_that_took_longest_to_compile_are_told_first(monkeypatch, capsys):
    """Workers of a run, and a file instead of a terminal, are told nothing."""
    told = type(sims.kernels.compiling)()
    told.seconds.update(short=0.26, longest=12.0, long=3.04)
    for alone, terminal in ((False, True), (True, False)):
        told.alone = alone
        monkeypatch.setattr(sys.stderr, "isatty", lambda seen=terminal: seen)
        told.sum_up()
        assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    told.sum_up()
    line = "snapcut: compiled longest 12.0 s, long 3.0 s, short 0.3 s; the next run finds them\n"
    assert capsys.readouterr().err == line


def test_kernels_of_one_module_add_up_their_times(monkeypatch):
    """A kernel that compiles others counts once, and the modules are kept apart."""
    told = type(sims.kernels.compiling)()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    clock = iter([1.0, 3.0, 10.0, 14.0, 20.0, 21.0])
    monkeypatch.setattr(sims.kernels, "time", SimpleNamespace(perf_counter=lambda: next(clock)))

    def compiled(module, inner=None):
        function = SimpleNamespace(__module__=module)
        data = {"args": (), "dispatcher": SimpleNamespace(py_func=function, overloads={(): 0})}
        told.on_start(SimpleNamespace(data=data))
        if inner:
            compiled(inner)
        told.on_end(SimpleNamespace(data=data))

    compiled("house.one")
    compiled("house.one", inner="house.two")
    compiled("house.two")
    assert told.seconds == {"one": 6.0, "two": 1.0}

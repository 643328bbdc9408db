"""Settings shared by the whole suite."""

import os
import signal
import subprocess
import sys
import warnings

# Before numpy loads: two test processes whose matrix products each start a thread per core spin against one
# another, and products of 100 x 100 take ten times as long as with one thread.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A suite started in the background of a script ignores Ctrl-C, and so would every program it starts, those
# among them that are to be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import pytest
from hypothesis import settings

# The same examples on every machine, and no verdict by the clock: these tests decide a merge.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("ci")

_DRAWS: dict[str, dict] = {}  # states of the modules' generators before the first test of each


def pytest_runtest_setup(item):
    """Every test draws from its module's RNG as if it were the first: none passes by those before it."""
    generator = getattr(getattr(item, "module", None), "RNG", None)
    if generator is not None:
        bits = generator.bit_generator
        bits.state = _DRAWS.setdefault(item.module.__name__, bits.state)


@pytest.fixture
def outputs():
    """What a program prints with its kernels as plain Python, and compiled."""

    def run(code: str) -> list[str]:
        return [
            subprocess.run(
                [sys.executable, "-W", "error", "-c", code],
                env={**os.environ, "NUMBA_DISABLE_JIT": plain},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for plain in ("1", "0")
        ]

    return run


@pytest.fixture
def here(capsys, monkeypatch):
    """Run `snapcut` with these words in this process, for what needs none of its own: no start."""
    from snapcut import main

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # `main` sets its own

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*map(str, arguments)])
        out, errors = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, end.value.code, out, errors)

    return run

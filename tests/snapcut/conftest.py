"""The command, run as a user runs it."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from snapcut import main

COMMAND = str(Path(sys.executable).with_name("snapcut"))


@pytest.fixture(scope="session")
def snapcut():
    """Run `snapcut` with these words in a process of its own."""

    def run(*arguments, **options):
        return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, **options)

    return run


@pytest.fixture
def here(capsys, monkeypatch):
    """The same in this process, for what needs none of its own: it starts in no time."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # `main` sets its own

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*map(str, arguments)])
        out, errors = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, end.value.code, out, errors)

    return run

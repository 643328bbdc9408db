"""The command, run as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = str(Path(sys.executable).with_name("snapcut"))


@pytest.fixture(scope="session")
def snapcut():
    """Run `snapcut` with these words in a process of its own."""

    def run(*arguments, **options):
        return subprocess.run([COMMAND, *map(str, arguments)], capture_output=True, text=True, **options)

    return run

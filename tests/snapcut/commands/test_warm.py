"""`snapcut warm`: everything it does works, and it says what was compiled."""

import json

import pytest
from numba import njit

from snapcut.commands import warm


def fresh():
    """A kernel that no cache knows."""
    return njit(lambda x: x + 1)


def test_it_says_what_was_compiled(here, monkeypatch):
    kernel = fresh()
    monkeypatch.setattr(warm, "WORK", {"adding": lambda: kernel(1), "adding again": lambda: kernel(2)})
    monkeypatch.setenv("SNAPCUT_THREADS", "1")
    done = here("warm", "--json", "-")
    first, second = json.loads(done.stdout)["compiled"]
    assert done.returncode == 0
    assert first["for"] == "adding" and first["compiled"] == "test_warm"
    assert second == {"for": "adding again", "compiled": "nothing new", "seconds": 0}


@pytest.mark.parametrize("name", warm.WORK)
def test_all_of_its_work_can_be_done(name):
    assert warm._compile(name)["seconds"] >= 0

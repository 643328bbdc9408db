"""What a sweep refuses before its first cell, what it shows, and what it leaves as it was."""

import contextlib
import os

import numpy as np
import pytest

from sims import sweep
from sims.sweep import Sweep

CELLS = {"n": [8, 10], "max_value": [64, 128]}
OWN = """
from sims.support.row import Row
from sims.support.threads import default_threads

def simulate(seed, estimate=1.0, x=0):
    return [Row("threads", float(default_threads()))]
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A simulation of one's own, which says how many threads it may use."""
    (tmp_path / "own_simulation.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "own_simulation:simulate"


def test_what_cannot_be_swept_is_refused_before_the_first_cell(tmp_path, own):
    for wrong, words in (
        (Sweep("partition", {**CELLS, "colour": [1]}), "has no parameter 'colour'"),
        (Sweep(own, {"estimate": [1.0]}), "'estimate' names a column of the results"),
        (Sweep(own, {"x": [1, object()]}), "parameters must be numbers, words or lists of them"),
        (
            Sweep("partition", CELLS, seed=True),
            "seed must be a nonnegative integer below 2\\*\\*63, got True",
        ),
        (Sweep("partition", CELLS, seed=2**63), "seed must be a nonnegative integer below 2\\*\\*63"),
    ):
        with pytest.raises(ValueError, match=words):
            sweep.run(wrong, tmp_path / "out", processes=1)
        assert not (tmp_path / "out").exists()


def test_the_bar_goes_on_by_every_cell_and_at_once_by_those_that_are_there(tmp_path, monkeypatch):
    steps = []

    @contextlib.contextmanager
    def bar(total, what):
        steps.append((total, what))
        yield lambda done, *_: steps.append(done)

    grid = Sweep("partition", CELLS, {"trials": 9})
    sweep.run(Sweep("partition", {"n": [8], "max_value": [64]}, {"trials": 9}), tmp_path, processes=1)
    monkeypatch.setattr(sweep.progress, "bar", bar)
    sweep.run(grid, tmp_path, resume=True, processes=1)
    first, *others = [step for step in steps if step in ((4, "partition cells"), 1)]
    assert first == (4, "partition cells") and others == [1] * 4


def test_what_a_killed_sweep_was_writing_is_cleared_away(tmp_path):
    grid = Sweep("partition", CELLS, {"trials": 9})
    sweep.run(grid, tmp_path, processes=1)
    before = sorted(tmp_path.rglob("*"))
    with contextlib.suppress(KeyboardInterrupt), sweep.atomic_write(tmp_path / "cells" / "a.json"):
        (left,) = set(tmp_path.rglob("*")) - set(before)
        raise KeyboardInterrupt
    left.write_text("half")  # as by one that had no time to delete it
    sweep.run(grid, tmp_path, resume=True, processes=1)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("before", [None, "3"])
def test_a_cell_has_one_thread_and_leaves_the_setting_as_it_was(own, monkeypatch, before):
    monkeypatch.delenv("SNAPCUT_THREADS", raising=False)
    if before:
        monkeypatch.setenv("SNAPCUT_THREADS", before)
    assert sweep.compute(own, {}, 1)["estimate"] == 1.0
    assert os.environ.get("SNAPCUT_THREADS") == before


def test_a_cell_without_parameters_is_stored_and_found_again(own, tmp_path):
    rows = sweep.run(Sweep(own, {}), tmp_path, processes=1)
    again = sweep.run(Sweep(own, {}), tmp_path, processes=1, resume=True)  # a warning would be an error
    assert again == rows
    assert set(rows[0]) == {"seed", "quantity", "estimate", "low", "high", "theory", "source", "trials"}


def test_numbers_of_numpy_are_numbers(tmp_path):
    """As a grid or in it, beside it, and in lists: the cells are those of Python's numbers."""
    fixed = {"samples": 3, "trials": 2}
    plain = Sweep("lottery", {"bits": [2, 3]}, {"sizes": [2, 1], **fixed})
    narrow = Sweep(
        "lottery", {"bits": np.array([2, 3], np.int8)}, {"sizes": [np.int8(2), np.int64(1)], **fixed}
    )
    assert sweep.run(narrow, tmp_path / "narrow", processes=1) == sweep.run(
        plain, tmp_path / "plain", processes=1
    )
    assert sweep.run(plain, tmp_path / "narrow", resume=True, processes=1)[1]["bits"] == 3
    assert [type(cell["bits"]) for cell in narrow.cells()] == [int, int]

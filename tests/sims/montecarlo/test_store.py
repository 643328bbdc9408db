"""What is stored goes stale with its sources, and is written before anything is computed."""

import contextlib
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import sims
import theory
from sims import montecarlo
from sims.montecarlo import store
from sims.montecarlo.store import Moments, Store, source_digest
from sims.support.files import atomic_write, unsealed

CODE = "from sims.montecarlo.store import source_digest; print(source_digest())"


def digest(folder):
    return subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("changed", ["sims/partition.py", "sims/kernels/snr.py", "theory/storage.py"])
def test_a_change_in_any_room_of_either_floor_is_another_source(tmp_path, changed):
    for floor in (theory, sims):
        whole = Path(floor.__file__).parent
        shutil.copytree(whole, tmp_path / whole.name, ignore=shutil.ignore_patterns("__pycache__", "data"))
    before = digest(tmp_path)
    assert digest(tmp_path) == before
    with open(tmp_path / changed, "a") as file:
        file.write("# another line\n")
    assert digest(tmp_path) != before


def test_a_folder_of_the_same_name_where_one_works_changes_nothing(tmp_path):
    # a namespace package has no file: found by a sweep started beside a folder called sims
    (tmp_path / "sims").mkdir()
    (tmp_path / "theory").mkdir()
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == source_digest()


@pytest.mark.parametrize("estimator", ["probability", "mean"])
@pytest.mark.parametrize("place", ["file/run.json", "folder"])
def test_a_path_that_cannot_be_written_is_noticed_before_the_first_trial(tmp_path, estimator, place):
    """Not after a night of work."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    asked = []

    def sample(rng, count):
        asked.append(count)
        return rng.random(count) < 0.5

    options = {} if estimator == "probability" else {"bounds": (0, 1)}
    with pytest.raises(OSError, match=place.partition("/")[0]):
        getattr(montecarlo, estimator)(sample, 50, seed=1, key=("a",), store=tmp_path / place, **options)
    assert asked == []
    getattr(montecarlo, estimator)(
        sample, 50, seed=1, key=("a",), store=tmp_path / "new" / "run.json", **options
    )
    assert asked == [50]


@pytest.mark.parametrize("before", [None, "", "spoiled", "{}", "[" * 100_000])
def test_a_new_store_is_on_disk_before_any_block(tmp_path, before):
    """In place of what cannot be read, too."""
    path = tmp_path / "run.json"
    if before is not None:
        path.write_text(before)
        with pytest.warns(UserWarning, match="cannot be resumed and is computed anew"):
            Store(path, 1, ("a",), 10, [(0.0, 1.0)], "means")
    else:
        Store(path, 1, ("a",), 10, [(0.0, 1.0)], "means")
    again = Store(path, 1, ("a",), 10, [(0.0, 1.0)], "means")  # no warning: it is a store without blocks
    assert again.blocks == {} and unsealed(path.read_text())["blocks"] == {}


def test_one_impossible_moment_of_two_is_enough(tmp_path):
    made = Store(tmp_path / "run.json", 1, ("f",), 10, [(0.0, 1.0), (0.0, 1.0)], "means")
    made.add(0, Moments(10, (0.5, 0.5), (0.1, -0.1)))
    made.save()
    with pytest.warns(UserWarning, match="block 0 holds impossible moments"):
        again = Store(tmp_path / "run.json", 1, ("f",), 10, [(0.0, 1.0), (0.0, 1.0)], "means")
    assert again.blocks == {}


@pytest.mark.parametrize(("value", "bounds"), [(0.1, (0.0, 0.1)), (0.9, (0.0, 0.9)), (-0.1, (-0.1, 0.0))])
def test_a_run_in_which_every_trial_meets_a_bound_stays_inside_and_resumes(tmp_path, value, bounds):
    """The sum of 4,096 times 0.1 is rounded up: its mean passed the bound, and the file for damaged."""

    def run():
        sample = lambda _, count: np.full(count, value)  # noqa: E731
        path = tmp_path / "run.json"
        return montecarlo.mean(sample, 10_000, bounds=bounds, seed=1, key=("constant",), store=path)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, again = run(), run()
    assert first == again and first.value == value and first.low <= value <= first.high


@pytest.mark.parametrize(("seconds", "writes"), [(0.0, 2), (0.4, 3), (2.0, 5)])
def test_a_run_is_written_at_its_ends_and_every_second_between(tmp_path, monkeypatch, seconds, writes):
    """Four blocks of so many seconds each: none, the third, or every one is due."""
    clock, written = [0.0], []

    def sample(rng, count):
        clock[0] += seconds
        return rng.random(count) < 0.5

    @contextlib.contextmanager
    def recorded(path):
        written.append(path)
        with atomic_write(path) as file:
            yield file

    monkeypatch.setattr(store, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(store, "atomic_write", recorded)
    options = {"seed": 1, "key": ("w",), "block": 10, "threads": 1, "store": tmp_path / "run.json"}
    assert montecarlo.probability(sample, 40, **options).trials == 40
    assert len(written) == writes


@pytest.mark.parametrize("estimator", ["probability", "mean"])
@pytest.mark.parametrize("ends", [None, KeyError])
def test_a_run_that_could_not_be_kept_says_so_unless_worse_has_happened(tmp_path, estimator, ends):
    """The place of the file is taken while the run goes on."""
    path = tmp_path / "run.json"

    def sample(rng, count):
        path.unlink()
        path.mkdir()
        if ends:
            raise ends
        return rng.random(count) < 0.5 if estimator == "probability" else rng.random(count)

    bounds = {"bounds": (0, 1)} if estimator == "mean" else {}
    with pytest.raises(ends or OSError):
        getattr(montecarlo, estimator)(sample, 10, seed=1, key=("f",), store=path, **bounds)

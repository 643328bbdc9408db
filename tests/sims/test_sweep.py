"""A sweep loses nothing and repeats nothing, and gives the same bits wherever its cells run."""

import contextlib
import csv
import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor

from sims import sweep
from sims.support.files import atomic_write, sealed
from sims.support.threads import default_threads
from sims.sweep import Sweep

ROOT = str(Path(sweep.__file__).parents[1])
PARTITION = Sweep("partition", {"n": [8, 10], "max_value": [64, 128, 256]}, {"trials": 500}, seed=3)

# A simulation that logs every call, and waits, so that a test can kill it in the middle.
TOY = """
import os, pathlib, time
from sims import montecarlo
from sims.support.row import Row

def simulate(x, log, seed, wait=0.0):
    with open(pathlib.Path(log) / f"{os.getpid()}.log", "a") as file:
        file.write(f"{x}\\n")
    time.sleep(wait)
    gate = pathlib.Path(log).parent / "gate"
    while gate.exists() and x >= 6:  # a test holds the later cells back while it kills
        time.sleep(0.01)
    estimate = montecarlo.mean(lambda rng, n: rng.random(n), 5000, bounds=(0, 1), seed=seed, key=("toy", x))
    return [Row.of("mean", estimate), Row.law("law", 0.5, "exact")]
"""
DRIVER = """
import sys
from sims.sweep import Sweep, run
if __name__ == "__main__":
    folder, log = sys.argv[1:]
    run(Sweep("toy_simulation:simulate", {"x": list(range(12))}, {"log": log, "wait": 0.15}), folder,
        resume=True, processes=2)
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Folder with the toy simulation importable here and in every child process."""
    (tmp_path / "toy_simulation.py").write_text(TOY)
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "log").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), ROOT]))  # and what is tested, as here
    monkeypatch.delitem(sys.modules, "toy_simulation", raising=False)
    get_reusable_executor().shutdown(wait=True)  # workers of an earlier test would not see the new path
    yield tmp_path
    get_reusable_executor().shutdown(wait=True)


def calls(folder) -> list[int]:
    return sorted(int(x) for path in (folder / "log").iterdir() for x in path.read_text().split())


def toy_sweep(folder, wait=0.0):
    return Sweep(
        "toy_simulation:simulate", {"x": list(range(12))}, {"log": str(folder / "log"), "wait": wait}
    )


def test_one_process_and_two_give_the_same_rows_in_grid_order(tmp_path):
    one = sweep.run(PARTITION, tmp_path / "new" / "one", processes=1)
    two = sweep.run(PARTITION, tmp_path / "two", processes=2)
    assert one == two
    assert [(row["n"], row["max_value"]) for row in one] == [(n, m) for n in (8, 10) for m in (64, 128, 256)]
    assert all(row["low"] <= row["estimate"] <= row["high"] for row in one)


def test_kill_minus_nine_loses_nothing_and_repeats_nothing(toy):
    (toy / "gate").touch()
    command = [sys.executable, str(toy / "driver.py"), str(toy / "out"), str(toy / "log")]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    cells = toy / "out" / "cells"
    give_up = time.monotonic() + 60
    while not cells.exists() or len(list(cells.glob("*.json"))) < 4:
        assert process.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (toy / "gate").unlink()
    kept = {path.name for path in cells.glob("*.json")}
    assert 4 <= len(kept) < 12
    before = len(calls(toy))
    rows = sweep.run(toy_sweep(toy, 0.15), toy / "out", resume=True, processes=1)
    assert [row["x"] for row in rows] == list(range(12))
    assert len(calls(toy)) - before == 12 - len(kept)  # stored cells were not computed again


def test_a_lost_local_worker_costs_only_its_cells(toy, monkeypatch):
    (toy / "toy_simulation.py").write_text(
        TOY.replace(
            "    time.sleep(wait)",
            "    flag = pathlib.Path(log).parent / 'died'\n"
            "    if x == 5 and not flag.exists():\n"
            "        flag.touch(); os.kill(os.getpid(), 9)\n",
        )
    )
    with pytest.warns(UserWarning, match="a worker process was lost; its work runs again"):
        rows = sweep.run(toy_sweep(toy), toy / "out", processes=2)
    assert [row["x"] for row in rows] == list(range(12))


def test_a_dask_cluster_gives_the_same_bits_and_survives_a_killed_worker(toy, dask_cluster):
    here = sweep.run(toy_sweep(toy, 0.1), toy / "here", processes=1)
    (toy / "gate").touch()
    with dask_cluster(3) as cluster:
        killer = subprocess.Popen(
            [
                sys.executable,
                "-c",
                KILLER,
                str(toy / "there" / "cells"),
                str(cluster.workers[0].pid),
                str(toy / "gate"),
            ]
        )
        there = sweep.run(
            toy_sweep(toy, 0.1), toy / "there", backend="dask", scheduler=cluster.scheduler_address
        )
        assert killer.wait() == 0
    assert there == here


KILLER = """
import os, pathlib, sys, time
cells = pathlib.Path(sys.argv[1])
end = time.monotonic() + 60
while not (cells.exists() and len(list(cells.glob("*.json"))) >= 2):
    assert time.monotonic() < end
    time.sleep(0.005)
os.kill(int(sys.argv[2]), 9)
os.unlink(sys.argv[3])  # only now can the later cells end: the kill was in the middle
"""


def test_an_unreachable_cluster_is_one_sentence_that_offers_this_machine(tmp_path, monkeypatch):
    pytest.importorskip("distributed", reason="the cluster extra is not installed")
    monkeypatch.setattr(sweep, "_CONNECT_WITHIN", 1)
    with pytest.raises(ConnectionError, match="without --backend dask the sweep runs on this machine"):
        sweep.run(PARTITION, tmp_path / "out", backend="dask", scheduler="tcp://127.0.0.1:9")


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"n": 8}', "\x00"])
def test_a_damaged_cell_is_reported_and_computed_again(tmp_path, damage):
    rows = sweep.run(PARTITION, tmp_path, processes=1)
    victim = sorted((tmp_path / "cells").iterdir())[2]
    victim.write_text(damage)
    with pytest.warns(UserWarning, match="is damaged and its cell is computed again"):
        assert sweep.run(PARTITION, tmp_path, resume=True, processes=1) == rows
    assert json.loads(victim.read_text())["row"] in rows


def test_every_flipped_bit_of_a_cell_is_noticed(tmp_path):
    """Half of them would load as another row."""
    grid = Sweep("partition", {"n": [8]}, {"max_value": 64, "trials": 100}, seed=3)
    rows = sweep.run(grid, tmp_path, processes=1)
    (victim,) = (tmp_path / "cells").iterdir()
    whole = victim.read_bytes()
    for i in range(8 * len(whole)):
        data = bytearray(whole)
        data[i // 8] ^= 1 << i % 8
        victim.write_bytes(data)
        with pytest.warns(UserWarning, match="is damaged and its cell is computed again"):
            assert sweep._read(victim, victim.stem, grid, grid.cells()[0]) is None
    with pytest.warns(UserWarning, match="is damaged"):
        assert sweep.run(grid, tmp_path, resume=True, processes=1) == rows
    assert victim.read_bytes() == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"estimate": 2.0}, "outside its interval"),
        ({"n": 9}, "other parameters"),
        ({"seed": 4}, "other parameters"),
        ({"low": "none"}, "words where numbers belong"),
        ({"theory": "half"}, "words where numbers belong"),
        (None, "no row of results"),
        (True, "no row of results"),
    ],
)
def test_a_row_that_no_simulation_returns_is_computed_again(tmp_path, change, message):
    """Also where its checksum is right: whoever wrote it, it goes into no table."""
    rows = sweep.run(PARTITION, tmp_path, processes=1)
    victim = sorted((tmp_path / "cells").iterdir())[2]
    row = json.loads(victim.read_text())["row"]
    row = row | change if isinstance(change, dict) else change and {"n": row["n"], "seed": row["seed"]}
    victim.write_text(sealed({"cell": victim.stem, "row": row}))
    with pytest.warns(UserWarning, match=f"is damaged .*: .*{message}"):
        assert sweep.run(PARTITION, tmp_path, resume=True, processes=1) == rows


@pytest.mark.parametrize("kind", ["folder", "full folder", "pipe", "link to nothing"])
def test_a_cell_whose_place_is_taken_is_computed_again(tmp_path, kind):
    rows = sweep.run(PARTITION, tmp_path, processes=1)
    victim = sorted((tmp_path / "cells").iterdir())[2]
    victim.unlink()
    if kind == "pipe":
        os.mkfifo(victim)
    elif kind == "link to nothing":
        victim.symlink_to(tmp_path / "nothing")
    else:
        victim.mkdir()
        if kind == "full folder":
            (victim / "kept.txt").write_text("not ours")
    with pytest.warns(UserWarning, match="is damaged and its cell is computed again: it is no file"):
        assert sweep.run(PARTITION, tmp_path, resume=True, processes=1) == rows
    assert victim.is_file() and not victim.is_symlink()
    if kind == "full folder":
        assert (victim.with_suffix(".damaged") / "kept.txt").read_text() == "not ours"
    assert sweep.run(PARTITION, tmp_path, resume=True, processes=1) == rows  # and now it is whole


def test_everything_that_took_the_place_of_a_cell_is_kept(tmp_path):
    """One after the other, links to nothing too, which are there although they do not exist."""
    grid = Sweep("partition", {"n": [8]}, {"max_value": 64, "trials": 100}, seed=3)
    rows = sweep.run(grid, tmp_path, processes=1)
    (cell,) = (tmp_path / "cells").iterdir()
    targets = {f"{tmp_path}/nothing {i}" for i in range(3)}
    for target in sorted(targets):
        cell.unlink()
        cell.symlink_to(target)
        with pytest.warns(UserWarning, match="it is no file"):
            assert sweep.run(grid, tmp_path, resume=True, processes=1) == rows
    kept = [path for path in (tmp_path / "cells").iterdir() if path != cell]
    assert {path.suffix for path in kept} == {".damaged", ".damaged1", ".damaged2"}
    assert {os.readlink(path) for path in kept} == targets


def test_a_cell_under_another_name_is_not_taken_for_it(tmp_path):
    rows = sweep.run(PARTITION, tmp_path, processes=1)
    first, second, *_ = sorted((tmp_path / "cells").iterdir())
    row = json.loads(first.read_text())["row"] | {"trials": 1}  # the parameters are the same
    for other in (second.read_text(), sealed({"cell": second.stem, "row": row})):
        first.write_text(other)
        with pytest.warns(UserWarning, match="is damaged .*: it holds another cell"):
            assert sweep.run(PARTITION, tmp_path, resume=True, processes=1) == rows


def test_one_failing_cell_is_named_and_the_others_are_stored(toy):
    (toy / "toy_simulation.py").write_text(
        TOY.replace("    time.sleep(wait)", "    if x == 5: raise ZeroDivisionError('five')")
    )
    for processes in (1, 2):
        with pytest.raises(ValueError, match=r"the cell .*'x': 5.* failed: ZeroDivisionError: five"):
            sweep.run(toy_sweep(toy), toy / "out", resume=True, processes=processes)
        assert len(list((toy / "out" / "cells").glob("*.json"))) == 11


def test_how_many_more_cells_failed_is_said_besides_the_first(toy):
    (toy / "toy_simulation.py").write_text(
        TOY.replace("    time.sleep(wait)", "    if x >= 8: raise ValueError(f'no {x}')")
    )
    for cells, more in ((9, ""), (10, "; 1 more cells failed"), (12, "; 3 more cells failed")):
        grid = Sweep("toy_simulation:simulate", {"x": list(range(6, cells))}, {"log": str(toy / "log")})
        with pytest.raises(ValueError) as raised:
            sweep.run(grid, toy / f"out{cells}", processes=1)
        assert str(raised.value).endswith(f" failed: no 8{more}; the other cells are stored")
        assert len(sweep.stored_cells(toy / f"out{cells}")) == 2


def test_a_changed_simulation_of_ones_own_is_other_cells(toy):
    sweep.run(toy_sweep(toy), toy / "out", processes=1)
    (toy / "toy_simulation.py").write_text(TOY.replace('"law", 0.5', '"law", 0.25'))
    del sys.modules["toy_simulation"]
    importlib.invalidate_caches()
    rows = sweep.run(toy_sweep(toy), toy / "out", resume=True, processes=1)
    assert {row["law | exact"] for row in rows} == {0.25}


def test_fresh_and_resumed_rows_are_the_same(toy):
    grid = Sweep("toy_simulation:simulate", {"x": [(1, 2), (3, 4)]}, {"log": str(toy / "log")})
    assert sweep.run(grid, toy / "out", processes=1) == sweep.run(grid, toy / "out", resume=True, processes=1)


def test_a_sweep_in_this_process_leaves_its_threads_alone(tmp_path):
    before = default_threads()
    sweep.run(PARTITION, tmp_path, processes=1)
    assert default_threads() == before


def test_finished_cells_are_not_mixed_into_a_new_sweep_unasked(tmp_path):
    sweep.run(PARTITION, tmp_path, processes=1)
    with pytest.raises(ValueError, match="holds 6 finished cells"):
        sweep.run(PARTITION, tmp_path, processes=1)


def test_a_full_disk_ends_a_sweep_and_loses_nothing(tmp_path, monkeypatch):
    written = []

    @contextlib.contextmanager
    def filling(path, mode="w"):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        with atomic_write(path, mode) as file:
            yield file
        written.append(path)

    monkeypatch.setattr(sweep, "atomic_write", filling)
    with pytest.raises(OSError, match="No space left"):
        sweep.run(PARTITION, tmp_path / "out", processes=1)
    monkeypatch.undo()
    assert sorted((tmp_path / "out" / "cells").iterdir()) == sorted(written)  # three whole cells, no fragment
    before = {path: path.stat().st_mtime_ns for path in written}
    rows = sweep.run(PARTITION, tmp_path / "out", resume=True, processes=1)
    assert rows == sweep.run(PARTITION, tmp_path / "again", processes=1)
    assert {path: path.stat().st_mtime_ns for path in written} == before


def test_a_second_sweep_in_one_folder_refuses(tmp_path):
    with (
        sweep._only_one(tmp_path),
        pytest.raises(ValueError, match="another sweep is running"),
    ):
        sweep.run(PARTITION, tmp_path, processes=1)


def test_a_cell_is_the_same_in_whatever_order_its_parameters_stand():
    parameters = PARTITION.cells()[1]
    turned = dict(reversed(parameters.items()))
    assert list(turned) != list(parameters)
    assert sweep.cell_key(PARTITION, turned) == sweep.cell_key(PARTITION, parameters)


def test_another_seed_or_other_sources_are_other_cells(monkeypatch):
    parameters = PARTITION.cells()[0]
    keys = {sweep.cell_key(PARTITION, parameters)}
    keys.add(sweep.cell_key(Sweep("partition", PARTITION.grid, PARTITION.fixed, seed=4), parameters))
    keys.add(sweep.cell_key(PARTITION, PARTITION.cells()[1]))
    monkeypatch.setattr(sweep, "source_digest", lambda: "other")
    keys.add(sweep.cell_key(PARTITION, parameters))
    assert len(keys) == 4


def test_the_table_is_tidy(tmp_path):
    rows = sweep.run(PARTITION, tmp_path, processes=1)
    with open(sweep.save(rows, tmp_path / "table.csv")) as file:
        read = list(csv.DictReader(file))
    assert [float(row["estimate"]) for row in read] == [row["estimate"] for row in rows]
    assert any(name.startswith("P(perfect), limit law | ") for name in read[0])
    assert {row["source"] for row in read} == {"500 trials"} and {row["trials"] for row in read} == {"500"}


def test_a_table_of_parquet_is_written_in_bytes(tmp_path, monkeypatch):
    """Column by column, through pyarrow; what a row does not have is missing there."""
    pyarrow = types.ModuleType("pyarrow")
    pyarrow.parquet = types.ModuleType("pyarrow.parquet")
    pyarrow.table = lambda columns: columns
    pyarrow.parquet.write_table = lambda table, file: file.write(repr(table).encode())
    monkeypatch.setitem(sys.modules, "pyarrow", pyarrow)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", pyarrow.parquet)
    path = sweep.save([{"a": 1}, {"a": 2, "b": "x"}], tmp_path / "t.parquet")
    assert path.read_bytes() == b"{'a': [1, 2], 'b': [None, 'x']}"


def test_cells_go_to_this_machine_or_to_the_cluster(tmp_path, monkeypatch):
    """Of a cluster's workers none is a process of ours; and of so many, as many as were asked for."""
    asked = []

    def run(function, calls, processes, **options):
        asked.append((processes, options["local"]))
        return (function(*call) for call in calls)

    monkeypatch.setattr(sweep.workers, "run", run)
    monkeypatch.setattr(sweep.workers, "cluster", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(sweep, "default_threads", lambda: 7)
    here = sweep.run(PARTITION, tmp_path / "here", processes=3)
    there = sweep.run(PARTITION, tmp_path / "there", processes=2, backend="dask", scheduler="tcp://x:1")
    everywhere = sweep.run(PARTITION, tmp_path / "everywhere")
    assert here == there == everywhere and asked == [(3, True), (2, False), (7, True)]


def test_trials_are_those_asked_for_and_else_those_made(toy):
    """Population and number of runs of a splitting estimate are its parameter, not what it adds up to."""
    asked = {"n": 9, "max_value": 5, "rare": True, "trials": 100}
    assert sweep.compute("subset-sum", asked, 0)["trials"] == 100
    assert sweep.compute("toy_simulation:simulate", {"x": 1, "log": str(toy / "log")}, 0)["trials"] == 5000


def test_a_cell_keeps_the_interval_of_every_row(tmp_path, monkeypatch):
    (tmp_path / "two_rows.py").write_text(
        "from sims.support.row import Row\n"
        "def simulate(seed):\n"
        "    second = Row('second', 2.0, 1.75, 2.25, 3.0, 'law')\n"
        "    return [Row('first', 1.0, 0.5, 1.5), second, Row('third', 4.0)]\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    row = sweep.compute("two_rows:simulate", {}, 0)
    assert (row["low"], row["estimate"], row["high"]) == (0.5, 1.0, 1.5)
    others = {name: row[name] for name in row if name.startswith(("second", "third"))}
    assert others == {
        "second | law, measured": 2.0, "second | law, low": 1.75, "second | law, high": 2.25,
        "second | law": 3.0, "third, measured": 4.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("simulation = ", "is not valid TOML"),
        ("seed = 1", "needs a line like simulation"),
        ('simulation = "partition"', r"needs a table \[grid\]"),
        ('simulation = "partition"\n[grid]\nn = []', r"needs a table \[grid\]"),
        ('simulation = "partition"\n[grid]\nn = "8"', r"needs a table \[grid\]"),
        ('simulation = "partition"\n[grid]\nn = [8]\nmax_value = "9"', r"needs a table \[grid\]"),
        ('simulation = "partition"\nn = 8\nmax_value = 9\n[grid]', r"needs a table \[grid\]"),
        ('simulation = "partition"\nseed = -1\n[grid]\nn = [8]', "seed must be a nonnegative integer"),
        ('simulation = "partition"\n[grid]\nn = [8]\ncolour = [1]', "has no parameter 'colour'"),
        ('simulation = "sims.partition:simulate"\n[grid]\nn = [8]', "needs a value for 'max_value'"),
        ('simulation = "nothing"\n[grid]\nn = [8]', "simulation must be one of partition"),
        ('simulation = "sims.partition:nothing"\n[grid]\nn = [8]', "nothing' cannot be found: module"),
        ('simulation = "partition"\nseed = "x"\n[grid]\nn = [8]', "seed must be a nonnegative integer"),
        ('simulation = "partition"\nn = 8\ntrials = 1\n[grid]\nn = [8]\nmax_value = [9]', "given both fixed"),
    ],
)
def test_a_bad_sweep_file_is_one_sentence(tmp_path, text, message):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        sweep.load(path)


def test_a_sweep_file_says_what_it_says_and_begins_with_seed_0(tmp_path):
    path = tmp_path / "sweep.toml"
    for line, seed in (("", 0), ("seed = 7", 7)):
        path.write_text(f'simulation = "partition"\nmax_value = 64\n{line}\n[grid]\nn = [8, 10]\n')
        assert sweep.load(path) == Sweep("partition", {"n": [8, 10]}, {"max_value": 64}, seed)


def test_a_bad_backend_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match="backend must be one of local, dask"):
        sweep.run(PARTITION, tmp_path, backend="spark")
    with pytest.raises(ValueError, match="needs a scheduler address"):
        sweep.run(PARTITION, tmp_path, backend="dask")


def test_a_sweep_needs_a_process(tmp_path):
    for processes in (0, -1, 1.5):
        with pytest.raises(
            (ValueError, TypeError), match=f"processes must be an integer >= 1, got {processes}"
        ):
            sweep.run(PARTITION, tmp_path, processes=processes)


def test_an_estimate_at_the_end_of_its_interval_is_whole(tmp_path):
    """Nothing is perfect among such numbers: 0, from 0 on."""
    rare = Sweep("partition", {"n": [2]}, {"max_value": 10**9, "trials": 20})
    (row,) = sweep.run(rare, tmp_path, processes=1)
    assert row["estimate"] == row["low"] == 0 < row["high"]
    assert sweep.run(rare, tmp_path, processes=1, resume=True) == [row]  # a warning would be an error

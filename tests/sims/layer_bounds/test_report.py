"""The user's own layer: rows and columns, both methods, what is said, and rows kept after an interruption."""

import json

import ml_dtypes
import numpy as np
import pytest

from sims.layer_bounds import pruning_range, quantization_range, report
from sims.layer_bounds.problems import problem
from sims.networks.samples import as_samples
from sims.path_following.layers import compare, remarks


def layer(rows=3, columns=10):
    x, _ = problem("relu", columns, 0)
    return np.random.default_rng(0).standard_normal((rows, columns)), x


def test_numbers_are_those_of_the_ranges():
    w, x = layer()
    found = report.layer_report(w, x, bits=3, rows=[2, 0], columns=range(6))
    quantized = quantization_range(w[[0, 2], :6], inputs=x[:, :6], bits=3)
    pruned = pruning_range(w[[0, 2], :6], inputs=x[:, :6], keep=1)  # 3/16 of six columns, rounded down
    assert found.ranges["quantization"].optimum == pytest.approx(quantized.optimum)
    assert found.ranges["pruning"].optimum == pytest.approx(pruned.optimum)
    assert [line["setting"] for line in found.lines()] == ["3 bits", "1 of 6 kept"]
    for line in found.lines():
        tried = {**found.ranges[line["method"]].errors, "smallest kept": np.inf}  # a yardstick, no heuristic
        assert all(tried[line["by"]] <= error for error in tried.values())
    assert found.notes == [] and not found.interrupted


def test_the_mask_has_the_size_of_the_codes_at_every_width():
    """b of 16 columns, stored in 16 bits each, are as large as 16 codes of b bits."""
    for bits in range(2, 17):
        (_, codes, _), (_, mask, options) = report._tasks(16, bits, None, "weights")
        assert codes.startswith(f"{bits} bits") and mask == f"{bits} of 16 kept" and options["keep"] == bits


def test_steps_are_chosen_by_name_and_an_empty_bound_is_said():
    w, x = layer(2, 5)
    errors = {}
    for step in ("weights", "outputs", "joint"):
        found = report.layer_report(w, x, bits=3, step=step)
        errors[step] = found.ranges["quantization"].optimum
        assert [row["step"] > 0 for row in found.as_dict()["quantization"]["rows"]] == [True, True]
    assert found.lines()[0]["setting"] == "3 bits, best step"
    assert errors["joint"] < min(errors["weights"], errors["outputs"])
    joint = quantization_range(w, inputs=x, bits=3, step="joint")
    assert errors["joint"] == pytest.approx(joint.optimum)
    fine = report.layer_report(w[:1], x, bits=8, step="joint")
    assert fine.ranges["quantization"].bound == 0 < fine.ranges["quantization"].optimum
    (note,) = [n for n in fine.notes if "proves nothing in 1 of 1 rows" in n]
    assert "a best step over many bits is hard to cover" in note and "dependent" not in note
    x[:, 1] = x[:, 0]
    (note,) = [n for n in report.layer_report(w[:1], x, bits=2, step="joint").notes if "quantization" in n]
    assert "nothing is proved in 1 of 1 rows: inputs are dependent" in note
    with pytest.raises(ValueError, match=r"sparsity must lie between 0 and 1, got 1\.5"):
        report.layer_report(w, x, sparsity=1.5)
    with pytest.raises(ValueError, match="step must be one of weights, outputs, joint"):
        report.layer_report(w, x, step="best")


def test_a_row_and_a_column_count_once_in_the_order_of_the_layer():
    w, x = layer(4, 6)
    found = report.layer_report(w, x, bits=3, rows=[2, 0, 2], columns=[4, 1, 1, 3])
    once = report.layer_report(w[[0, 2]][:, [1, 3, 4]], x[:, [1, 3, 4]], bits=3)
    assert found.lines() == once.lines() and found.settings["pruning"].endswith("of 3 kept")
    assert found.as_dict() == once.as_dict()


@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("step", ["weights", "joint"])
def test_nothing_needs_a_proof_where_nothing_is_lost(step, kind):
    """Weights on the grid but for rounding: the bound is 0 as it should be, no input depends on others."""
    _, x = layer(1, 6)
    codes = np.random.default_rng(3).integers(-8, 8, (3, 6))
    codes[:, 0] = -8  # the only grid that holds them
    w = (codes * 0.0371).astype(kind)
    found = report.layer_report(w, x, bits=4, step=step)
    assert all(row.best < 1e-13 * row.energy for row in found.ranges["quantization"].rows)
    assert found.notes == []


def test_a_row_of_zeros_needs_no_proof():
    w, x = layer(3, 6)
    w[1] = 0.0
    for step in ("weights", "joint"):
        found = report.layer_report(w, x, bits=2, step=step)
        assert found.notes == [] and found.ranges["quantization"].rows[1].best == 0.0


@pytest.mark.parametrize("unit", [2.0**-30, 1.0, 2.0**30])
def test_rows_without_a_limit_are_counted_where_something_is_lost(unit):
    """Three samples of six inputs: no diagonal lies below the Gram matrix, and no row has a limit above 0."""
    w, _ = layer(3, 6)
    x = np.random.default_rng(1).standard_normal((3, 6))
    w[1] = [-8.0, 7.0, 1.0, 0.0, 3.0, 2.0]
    (note,) = [n for n in report.layer_report(unit * w, x, bits=4).notes if n.startswith("quantization")]
    assert note.startswith("quantization: the relaxation proves nothing in 2 of 3 rows (limit inf")
    assert "inputs are dependent" in note and "best step" not in note


def test_a_stopped_search_says_nothing_of_the_inputs():
    """Searches that ended early are counted as such; only those that never began mean dependent inputs."""
    w, x = layer(3, 10)
    fresh = quantization_range(w, inputs=x, bits=3), pruning_range(w, inputs=x, keep=4)
    stopped = (
        quantization_range(w, inputs=x, bits=3, node_limit=1),
        pruning_range(w, inputs=x, keep=4, node_limit=1),
    )
    for step in ("weights", "joint"):
        assert report._remarks(dict(zip(("quantization", "pruning"), fresh, strict=True)), step) == []
        notes = report._remarks(dict(zip(("quantization", "pruning"), stopped, strict=True)), step)
        assert [note.partition(";")[0] for note in notes] == [
            f"{method}: 3 of 3 searches were stopped" for method in ("quantization", "pruning")
        ]


def test_what_is_named_of_a_large_layer_is_taken_and_nothing_is_said():
    w, x = layer(12, 40)
    found = report.layer_report(w, x, bits=2, rows=[9, 11], columns=[38, 3])
    part = quantization_range(w[np.ix_([9, 11], [3, 38])], inputs=x[:, [3, 38]], bits=2)
    assert found.notes == [] and found.ranges["quantization"].optimum == pytest.approx(part.optimum)


def test_what_is_left_out_is_said():
    w, x = layer(12, 40)
    found = report.layer_report(w, x, bits=None, sparsity=0.9)
    assert list(found.ranges) == ["pruning"] and len(found.ranges["pruning"].rows) == 8
    assert found.notes[0].startswith("8 of 12 rows") and found.notes[1].startswith("columns 0-35 of 40")
    energies = np.sum(
        (x[:, :36] @ w[[0, 1, 3, 4, 6, 7, 9, 11], :36].T) ** 2, axis=0
    )  # spread from end to end
    assert [row.energy for row in found.ranges["pruning"].rows] == pytest.approx(energies)
    w, x = layer(8, 36)
    assert report.layer_report(w, x, bits=None, sparsity=35 / 36).notes == []  # nothing is left out
    for sparsity, kept, left in ((0.0, 36, 0.0), (1.0, 0, np.sum((x @ w.T) ** 2))):
        found = report.layer_report(w, x, bits=None, sparsity=sparsity)
        assert found.settings == {"pruning": f"{kept} of 36 kept"}
        assert found.ranges["pruning"].optimum == pytest.approx(left)


def test_an_interruption_keeps_the_rows_that_were_finished(monkeypatch):
    w, x = layer()
    one, calls = report._one, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return one(*arguments)

    monkeypatch.setattr(report, "_one", interrupted)
    found = report.layer_report(w, x, bits=2)
    assert found.interrupted and len(found.ranges["quantization"].rows) == 2
    assert found.notes[0] == "interrupted: 2 of 3 rows of quantization"
    calls[:] = [None, None]
    with pytest.raises(KeyboardInterrupt):  # nothing to keep
        report.layer_report(w, x, bits=2)


@pytest.mark.parametrize("pruned", [0, 1, 2])
def test_an_interruption_of_the_second_method_keeps_the_first(monkeypatch, pruned):
    """All rows of quantization, and those of pruning that were finished, none of them included."""
    w, x = layer()
    one, calls = report._one, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) > len(w) + pruned:
            raise KeyboardInterrupt
        return one(*arguments)

    monkeypatch.setattr(report, "_one", interrupted)
    try:
        found = report.layer_report(w, x, bits=2)
    except KeyboardInterrupt:  # which would end the tests
        pytest.fail("what was finished is lost")
    assert found.interrupted and found.notes[0] == f"interrupted: {pruned} of 3 rows of pruning"
    assert len(found.ranges["quantization"].rows) == 3
    kept = found.ranges.get("pruning")
    assert (len(kept.rows) if kept else 0) == pruned


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rows": [3]}, "rows must lie between 0 and 2, got 3"),
        ({"rows": [-1]}, "rows must lie between 0 and 2, got -1"),
        ({"columns": []}, "columns must lie between 0 and 9, got none"),
        ({"time_limit": -1.0}, "time_limit must be positive"),
    ],
)
def test_bad_choices_are_one_sentence(options, words):
    w, x = layer()
    with pytest.raises(ValueError, match=words):
        report.layer_report(w, x, **options)


def test_activations_as_people_hold_them():
    rng = np.random.default_rng(0)
    tokens = rng.standard_normal((2, 3, 4)).astype(ml_dtypes.bfloat16)
    images = rng.standard_normal((2, 3, 5, 5)).astype(np.float16)
    both = as_samples([tokens, tokens[0]])
    assert both.dtype == np.float64 and both.shape == (9, 4)
    np.testing.assert_array_equal(both[:3], tokens[0].astype(np.float64))
    assert as_samples([images], kernel=3, padding=1).shape == (50, 27)
    pixels = images.transpose(0, 2, 3, 1).reshape(-1, 3)
    np.testing.assert_array_equal(as_samples([images], kernel=1), pixels)
    for arrays, kernel, words in (
        ([], None, "at least one array"),
        ([images], None, "are images: name the side of the kernel"),
        ([tokens], 3, "got \\(2, 3, 4\\) and a kernel of 3"),
        ([tokens[0]], 1, "got \\(3, 4\\) and a kernel of 1"),
        ([tokens[0, 0]], None, "\\(batch, channels, height, width\\), got \\(4,\\)"),
        ([tokens, np.ones((2, 5))], None, "inputs differ in width: \\[4, 5\\]"),
    ):
        with pytest.raises(ValueError, match=words):
            as_samples(arrays, kernel)


def test_a_massive_channel_is_spoken_of():
    """One input 10^6 times the others: feedback sends almost every code to an end of the grid."""
    w, x = layer(4, 36)
    x[:, 3] *= 1e6
    rows = compare(w, x, bits=4, methods=["RTN", "GPFQ"])
    assert rows[1].exits > 0.5 * w.size
    last = compare(w, x, bits=4, methods=["GPFQ", "OPTQ"], order=np.argsort(np.linalg.norm(x, axis=0)))
    assert max(row.exits for row in last) < 0.1 * rows[1].exits  # what the remark advises
    notes = remarks(rows)
    assert any("left the grid" in note and "GPFQ at" in note and "OPTQ" in note for note in notes)
    assert notes[-1].startswith("no bound is shown for ") and "--bounds" in notes[-1]


def test_the_command(here, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    w, x = layer()
    np.save(tmp_path / "W.npy", w.astype(np.float16))
    np.save(tmp_path / "X.npy", x.reshape(4, -1, 10).astype(np.float32))
    np.save(tmp_path / "G.npy", x.astype(np.float32).astype(np.float64).T @ x.astype(np.float32))
    options = ["--bounds", "--bits", "2", "--rows", "0-1", "--json", "-"]
    answers = []
    for source in (["--inputs", "X.npy"], ["--gram", "G.npy"]):
        done = here("layer", "--weights", "W.npy", *source, *options)
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout)["bounds"])
    for method in ("quantization", "pruning"):
        one, other = (answer[method] for answer in answers)
        assert one["bound"] <= one["optimum"] <= one["heuristic"] and len(one["rows"]) == 2
        assert one["optimum"] == pytest.approx(other["optimum"], rel=1e-6)


def test_groups_of_rows_are_cells_of_a_sweep(tmp_path, dask_cluster):
    from sims import sweep

    w, x = layer(5, 8)
    np.save(tmp_path / "W.npy", w)
    np.save(tmp_path / "X.npy", x)
    fixed = {"weights": str(tmp_path / "W.npy"), "inputs": str(tmp_path / "X.npy"), "count": 2, "bits": 3}
    cells = sweep.Sweep("sims.layer_bounds.cells:layer_cell", {"first": [0, 2, 4]}, fixed)
    rows = sweep.run(cells, tmp_path / "out", processes=1)
    whole = quantization_range(w, inputs=x, bits=3)
    assert sum(row["estimate"] for row in rows) == pytest.approx(whole.optimum)
    assert [row["trials"] for row in rows] == [2, 2, 1]
    assert all(row["low"] <= row["estimate"] for row in rows)
    assert sweep.run(cells, tmp_path / "out", processes=1, resume=True) == rows
    with dask_cluster(1) as cluster:
        there = sweep.run(cells, tmp_path / "there", backend="dask", scheduler=cluster.scheduler_address)
    assert there == rows


def test_a_cell_takes_both_methods_and_names_what_is_wrong(tmp_path):
    from sims.layer_bounds.cells import layer_cell

    w, x = layer(5, 8)
    np.save(tmp_path / "W.npy", w)
    np.save(tmp_path / "X.npy", x)
    fixed = {"weights": str(tmp_path / "W.npy"), "inputs": str(tmp_path / "X.npy"), "count": 2, "bits": 3}
    for limit in (1, 10**6):
        ranges = {
            "quantization": quantization_range(w[2:4], inputs=x, bits=3, node_limit=limit),
            "pruning": pruning_range(w[2:4], inputs=x, keep=1, node_limit=limit),
        }
        for method, whole in ranges.items():
            error, *laws = layer_cell(**fixed, first=2, method=method, node_limit=limit)
            assert (error.measured, error.low, error.high) == pytest.approx(
                (whole.best, whole.lower, whole.best)
            )
            assert [law.theory for law in laws] == pytest.approx([whole.energy, whole.bound, whole.stopped])
            assert (error.source, error.trials, whole.stopped) == (method, 2, 2 if limit == 1 else 0)
    wrong = {
        "give either": {"inputs": ""},
        "first must be": {"first": 5},
        "count must be": {"count": 0},
        "columns must be": {"columns": 0},
        "method must be": {"method": "x"},
    }
    for words, change in wrong.items():
        with pytest.raises(ValueError, match=words):
            layer_cell(**{**fixed, **change})


def test_a_cell_of_a_sweep_draws_from_streams_of_its_seed(tmp_path, monkeypatch):
    from sims.layer_bounds import cells, quantization

    w, x = layer(3, 9)
    np.save(tmp_path / "W.npy", w)
    np.save(tmp_path / "X.npy", x)
    seeds, stream = [], quantization.stream
    monkeypatch.setattr(quantization, "stream", lambda seed, key: seeds.append(seed) or stream(seed, key))
    cells.layer_cell(str(tmp_path / "W.npy"), inputs=str(tmp_path / "X.npy"), count=2, bits=2, seed=7)
    assert seeds == [7, 7]


def test_a_cell_of_a_sweep_prunes_as_many_inputs_as_the_range(tmp_path):
    from sims.layer_bounds.cells import layer_cell

    w, x = layer(3, 9)  # 9 inputs and 3 rows: the sparsity is that of the inputs
    np.save(tmp_path / "W.npy", w)
    np.save(tmp_path / "X.npy", x)
    row, *_ = layer_cell(
        str(tmp_path / "W.npy"), inputs=str(tmp_path / "X.npy"), count=3, bits=4, method="pruning"
    )
    whole = pruning_range(w, inputs=x, keep=2)  # 9 less 75 %, rounded up
    assert row.measured == pytest.approx(whole.optimum, rel=1e-9)


def test_a_report_on_nothing_is_refused():
    with pytest.raises(ValueError, match="give bits, to quantize, or sparsity, to prune, or both"):
        report.layer_report(np.eye(3), np.eye(3), bits=None)

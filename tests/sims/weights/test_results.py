"""Which files take a line per tensor, and what stands on the lines."""

import contextlib
import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sims import weights
from sims.support import interruption
from sims.weights import judge, results
from sims.weights.formats import Stored
from sims.weights.results import by_lines


def test_a_name_decides_and_no_file_takes_none():
    assert by_lines(Path("a.jsonl")) is True
    assert by_lines(Path("a.json")) is False
    assert by_lines(None) is False


def test_a_line_for_every_tensor_and_one_for_the_network(tmp_path):
    rows = [
        weights.TensorRow(name, (3, 3), 9, 3.0, 2.0, {4: 9.0}, {4: 5.0}, {4: 0.0}, weights.Signal(1.0))
        for name in "ab"
    ]
    tables = [weights.Table((4,), rows[:count], planned=2, seen=count) for count in (1, 2)]
    table, interrupted = results.follow(tables, tmp_path / "lines.jsonl")
    assert (table, interrupted) == (tables[1], False)
    *tensors, network = map(json.loads, (tmp_path / "lines.jsonl").read_text().splitlines())
    assert [one["name"] for one in tensors] == ["a", "b"]
    assert "tensors" not in network and {"network", "totals", "recommendation"} <= set(network)


ROW = weights.TensorRow(
    "a", (2, 617), 1234, 3.26, 2.0, {2: 4.04, 4: 19.96}, {2: 5.0, 4: 10.26}, {2: 0.5, 4: 0.1},
    weights.Signal(1.0), stored=(Stored("INT4", 4.5, 20.04), Stored("2:4", 4.0, 9.96)),
)  # fmt: skip


def test_cells_of_a_tensor_have_one_digit_behind_the_point():
    line, *_ = weights.Table((2, 4), [ROW]).lines(budget=4.25)
    assert line == {
        "tensor": "a", "weights": "1,234", "kurtosis": "3.3", "2 bits": "4.0 / 5.0", "4 bits": "20.0 / 10.3",
        "verdict": "cut at 2, snap at 4", "best within 4.25 bits": "2:4 (10.0 dB)",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("budget", "stored", "cell"),
    [
        (4.5, ROW.stored, "INT4 (20.0 dB)"),
        (4.0, ROW.stored, "2:4 (10.0 dB)"),
        (3.99, ROW.stored, "none"),  # no format fits
        (None, ROW.stored, None),  # none is asked for
        (4.5, (), None),  # none was tried
        (None, (), None),
    ],
)
def test_the_best_format_has_a_cell_where_it_was_asked_for_and_formats_were_tried(budget, stored, cell):
    line, whole = weights.Table((2, 4), [replace(ROW, stored=stored)]).lines(budget)
    cells = {name: text for name, text in line.items() if name.startswith("best within")}
    assert cells == ({f"best within {budget:g} bits": cell} if cell else {})
    assert list(whole) == list(line) and [whole[name] for name in cells] == [""] * len(cells)


@pytest.mark.parametrize(
    ("name", "zeros"),
    [("2:4", True), ("4:8 + INT4", True), ("prune 50 %", True), ("prune 50 % + INT4", True), ("INT3", False)],
)
def test_the_best_format_with_zeros_stands_beside_the_best_of_all(name, zeros):
    """Two of four, or a share of all weights; of formats without zeros the best alone is named."""
    row = replace(ROW, stored=(Stored("INT4", 4.5, 20.04), Stored(name, 4.0, 9.96)))
    said = weights.Table((2, 4), [row]).best_format(5.0)
    assert said.startswith("Within 5 bits per weight INT4 keeps the most signal: 20.0 dB of the network")
    assert said.endswith(f"; the best with zeros, {name}, keeps 10.0 dB." if zeros else "for 1 of 1 tensors.")


def test_a_best_format_with_zeros_stands_alone():
    row = replace(ROW, stored=(Stored("2:4", 4.0, 20.04), Stored("INT3", 3.0, 9.96)))
    said = weights.Table((2, 4), [row]).best_format(5.0)
    assert said.startswith("Within 5 bits per weight 2:4 keeps") and said.endswith("for 1 of 1 tensors.")


def test_the_tensors_at_which_the_best_format_of_the_network_is_theirs_are_counted():
    """Of the second none fits into 5 bits, though the mean over all does; the third has a better one."""
    sizes = {"a": (4.0, 4.5), "b": (6.0, 7.0), "c": (4.0, 5.0)}
    rows = [
        replace(ROW, name=name, stored=(Stored("INT4", few, 20.0), Stored("2:4", many, 30.0)))
        for name, (few, many) in sizes.items()
    ]
    rows[0] = replace(rows[0], stored=(rows[0].stored[0], Stored("2:4", 4.5, 10.0)))
    said = weights.Table((2, 4), rows).best_format(5.0)
    assert "INT4 keeps the most signal: 20.0 dB of the network at 4.67 stored bits" in said
    assert said.endswith("best for 1 of 3 tensors.")


def test_the_bar_goes_on_by_the_bytes_of_every_tensor(monkeypatch):
    """Of those without a verdict, too; beside it stands how things are."""
    steps, arrays = [], {"a": np.eye(32), "zeros": np.zeros((40, 40)), "b": np.tri(50)}

    @contextlib.contextmanager
    def bar(total, what):
        steps.append((total, what))
        yield lambda done, news: steps.append((done, news()))

    monkeypatch.setattr(judge.progress, "bar", bar)
    weights.analyse(arrays, [4])
    sizes = [array.nbytes for array in arrays.values()]
    assert [done for done, _ in steps] == [sum(sizes), *sizes]
    assert steps[0][1] == "weights"
    assert [news.partition(" tensors")[0] for _, news in steps[1:]] == ["1 of 3", "2 of 3", "3 of 3"]


def test_a_tensor_that_does_not_fit_in_memory_when_it_is_judged_is_named(monkeypatch):
    def prepared(*_, **__):
        raise MemoryError

    monkeypatch.setattr(judge, "Values", prepared)
    with pytest.raises(ValueError, match=r"^tensor 'a' does not fit in memory when it is judged$"):
        weights.analyse({"a": np.eye(32)}, [4])


def test_an_interrupted_run_has_time_to_say_how_far_it_came(monkeypatch):
    state, said = interruption._State, []
    for name in ("kept", "patience"):
        monkeypatch.setattr(state, name, getattr(state, name))

    def growing():
        said.append(state.kept())
        for seen in (1, 2):
            yield weights.Table((2, 4), [ROW], planned=2, seen=seen)
            said.append(state.kept())

    results.follow(growing())
    assert said == ["no tensor was judged", "1 of 2 tensors judged", "2 of 2 tensors judged"]
    assert state.patience == 10


def test_a_file_of_every_number_has_a_line_for_every_tensor(tmp_path):
    results.save_csv(weights.Table((2, 4), [ROW], {"b": "empty"}), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        judged, skipped = csv.DictReader(file)
    assert (judged["tensor"], judged["shape"], judged["quantization_snr_4"]) == ("a", "2 x 617", "19.96")
    assert (skipped["tensor"], skipped["verdict"], skipped["note"]) == ("b", "not judged", "empty")


def test_the_line_of_the_network_has_its_sums():
    *_, whole = weights.Table((2, 4), [ROW]).lines()
    assert whole == {
        "tensor": "network, errors summed", "weights": "1,234", "kurtosis": "", "2 bits": "4.0 / 5.0",
        "4 bits": "20.0 / 10.3", "verdict": "cut at 2, snap at 4",
    }  # fmt: skip


def test_where_the_error_is_stands_in_a_sentence_if_there_is_any():
    of = "Of its tensors the worst keeps"
    lossless = replace(ROW, name="b", quantization={2: 4.04, 4: math.inf})
    assert weights.Table((2, 4)).distribution() == ""
    table = weights.Table((2, 4), [ROW, replace(ROW, name="b", quantization={2: 4.04, 4: 29.96})])
    assert table.distribution() == f"{of} 20.0 dB (a), the median 25.0 dB; 90.9 % of the error is in a."
    assert weights.Table((2, 4), [lossless]).distribution() == f"{of} everything (b), the median everything."


@pytest.mark.parametrize(
    ("total", "seen", "said"),
    [
        (0, 2, ""),
        (400, 1, "So far the verdict rests on 25 % of the file's bytes."),
        (100, 1, "So far the verdict rests on 100 % of the file's bytes."),
        (100, 2, "The verdict rests on 100 % of the file's bytes."),
        (400, 2, "Note: the verdict rests on only 25 % of the file's bytes; "),
    ],
)
def test_the_share_that_a_verdict_rests_on_is_said(total, seen, said):
    table = weights.Table((2, 4), [replace(ROW, nbytes=100)], total_bytes=total, planned=2, seen=seen)
    assert table.basis().startswith(said) and bool(table.basis()) == bool(said)
    assert weights.Table((2, 4), planned=7, seen=3).news() == "3 of 7 tensors"

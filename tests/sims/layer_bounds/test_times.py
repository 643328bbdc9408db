"""The table of times: it is measured as it says, on a size that costs nothing, without general solvers."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from sims.layer_bounds import oracles, times
from sims.layer_bounds.oracles import Solved


def test_rows_are_medians_of_instances_that_agree(monkeypatch):
    monkeypatch.setattr(times, "SIZES", {"bound": ((4,), (4,)), "masks": ((4,), ()), "codes": ((4,), (4,))})
    asked = []

    def same(question, gram, w, step):
        took, value, proved = times._ours(question, gram, w, step)
        asked.append(took)
        return took, value, value, not proved

    monkeypatch.setattr(times, "_theirs", same)
    rows = [dict(zip(times.COLUMNS, row, strict=True)) for row in times._measured()]
    assert [(row["question"], row["solver"]) for row in rows] == [
        ("bound", "snapcut"),
        ("bound", "cvxpy + Clarabel"),
        ("masks", "snapcut"),
        ("codes", "snapcut"),
        ("codes", "SCIP"),
    ]
    assert all(float(r["least"]) <= float(r["median"]) <= float(r["largest"]) for r in rows)
    assert [row["solved"] for row in rows] == [4, 0, 4, 4, 0] and len(asked) == 8
    assert float(rows[1]["largest"]) == float(f"{max(asked[:4]):.3g}")


def test_a_line_holds_the_middle_and_the_ends_of_four_instances(monkeypatch):
    ours, theirs = iter([4.0, 1.0, 10.0, 2.0]), iter([5.0, 5.0, 1.0, 7.0])
    monkeypatch.setattr(times, "SIZES", {"codes": ((4,), (4,)), "masks": ((4,), ())})
    monkeypatch.setattr(
        times, "_ours", lambda question, *_: (next(ours) if question == "codes" else 1.0, 2.0, True)
    )
    monkeypatch.setattr(times, "_theirs", lambda *_: ((took := next(theirs)), 2.0, 2.0, took < 6))
    assert list(times._measured()) == [
        ("codes", "snapcut", 4, "3", "1", "10", 4, 4),
        ("codes", "SCIP", 4, "5", "1", "7", 3, 4),
        ("masks", "snapcut", 4, "1", "1", "1", 4, 4),
    ]


def test_the_table_that_ships_has_the_sizes_that_are_measured():
    asked = {
        (question, solver, n)
        for question, sizes in times.SIZES.items()
        for solver, some in zip(("snapcut", times.SOLVERS[question]), sizes, strict=True)
        for n in some
    }
    table = times.load()
    assert {(row["question"], row["solver"], row["n"]) for row in table} == asked
    assert {row["instances"] for row in table} == {len(times.INSTANCES)} and len(table) == len(asked)


def test_the_least_of_several_rounds_counts(monkeypatch):
    ends = iter([0.0, 3.0, 10.0, 11.0, 20.0, 22.0])
    monkeypatch.setattr(times, "time", SimpleNamespace(process_time=lambda: next(ends)))
    assert times._timed(lambda: "answer", 3) == (1.0, "answer") and next(ends, None) is None


def test_our_answers_are_those_of_every_code_and_mask():
    """In units of the step where codes are asked for, of 4 bits; a quarter of the weights is kept."""
    y, squares = np.array([9.25, -8.75, 2.5]), np.array([1.0, 4.0, 0.5])
    apart = 1.0 * 2.25**2 + 4.0 * 0.75**2 + 0.5 * 0.5**2  # codes 7, -8, and 2 or 3
    for question in ("bound", "codes"):
        _, value, proved = times._ours(question, np.diag(squares), 0.5 * y, 0.5)
        assert value == pytest.approx(apart, rel=1e-6) and proved, question
    x, w = np.random.default_rng(0).standard_normal((20, 9)), np.linspace(-1, 1, 9) + 0.05
    fits = (np.linalg.lstsq(x[:, kept], x @ w, rcond=None)[1][0]
            for kept in map(list, itertools.combinations(range(9), 2)))  # fmt: skip
    assert times._ours("masks", x.T @ x, w, 0.5)[1:] == (pytest.approx(min(fits)), True)


def test_general_solvers_are_asked_the_same_once(monkeypatch):
    asked = []

    def solver(answer):
        return lambda gram, *given: asked.append(given) or answer

    monkeypatch.setattr(oracles, "conic", solver(3.0))
    monkeypatch.setattr(oracles, "scip_codes", solver(Solved("optimal", 2.0, 1.0)))
    monkeypatch.setattr(oracles, "scip_mask", solver(Solved("timelimit", 4.0, 3.0)))
    w = np.arange(1.0, 10.0)
    answers = [times._theirs(question, np.eye(9), w, 0.5)[1:] for question in ("bound", "codes", "masks")]
    assert answers == [(3.0, 3.0, True), (1.0, 2.0, True), (3.0, 4.0, False)]
    assert [given[1:] for given in asked] == [(-8, 7), (-8, 7, 5), (2, 5)]
    for given, weights in zip(asked, (2 * w, 2 * w, w), strict=True):
        np.testing.assert_array_equal(given[0], weights)


def test_neurons_have_the_step_of_four_bits(monkeypatch):
    """Of all steps within 30 % the one whose nearest codes lose least of the weights."""
    asked = []
    monkeypatch.setattr(times, "SIZES", {"codes": ((6,), ())})
    monkeypatch.setattr(times, "_ours", lambda *given: asked.append(given) or (1.0, 2.0, True))
    list(times._measured())
    assert len(asked) == len({tuple(w) for _, _, w, _ in asked}) == 4
    for _, gram, w, step in asked:
        tried = step * np.linspace(0.7, 1.3, 601)
        errors = [np.sum((np.clip(np.rint(w / s), -8, 7) * s - w) ** 2) for s in tried]
        assert errors[300] <= min(errors) * (1 + 1e-6) and gram.shape == (6, 6)


def test_the_table_is_written_after_everything_was_called_once(monkeypatch, tmp_path):
    asked = []
    for name, answer in (("conic", 1.0), ("scip_codes", Solved("optimal", 1.0, 1.0))):
        monkeypatch.setattr(oracles, name, lambda *_, name=name, answer=answer: asked.append(name) or answer)
    monkeypatch.setattr(times, "FOLDER", tmp_path)
    monkeypatch.setattr(times, "_measured", lambda: iter([(*asked, 4, 1, 2, 3, 4, 4)]))
    times.main()
    assert (tmp_path / times.FILE).read_text().splitlines() == [
        "question,solver,n,median,least,largest,solved,instances",
        "conic,scip_codes,4,1,2,3,4,4",
    ]

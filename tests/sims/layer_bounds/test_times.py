"""The table of times: it is measured as it says, on a size that costs nothing, without general solvers."""

from sims.layer_bounds import times


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

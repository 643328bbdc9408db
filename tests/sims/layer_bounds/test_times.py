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

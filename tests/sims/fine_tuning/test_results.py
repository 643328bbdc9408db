import json

import numpy as np
import pytest

from sims.fine_tuning import available, results, study


def test_the_table_holds_every_cell_it_speaks_of_and_its_medians():
    rows = results.load()
    expected = {
        (network, data, method, bits)
        for network, data in results.CASES
        for method in results.methods(network, data)
        for bits in results.BITS
    }
    assert {(r["network"], r["data"], r["method"], r["bits"]) for r in rows} == expected
    for row in rows:
        assert row["median"] == pytest.approx(float(np.median(row["accuracies"])), abs=1e-5)
        assert row["low"] <= row["median"] <= row["high"] and len(row["accuracies"]) == row["seeds"] == 10
        assert (len(row["steps"]) == 3) == (row["method"] in ("qat", "ste", "prune-then-quantize"))


@pytest.mark.skipif(not available(), reason="the train extra is not installed")
def test_a_cell_computed_here_is_the_one_of_the_table():
    """Other processors round differently: the same networks to a few images."""
    (row,) = (
        r
        for r in results.load()
        if (r["network"], r["data"], r["method"], r["bits"]) == ("dense", "digits", "prune", 2)
    )
    found = study.study(results.setting("dense", "digits"), [2], ["prune"], processes=1)
    (again,) = results.compact(found)
    assert abs(np.mean(json.loads(again["accuracies"])) - np.mean(row["accuracies"])) < 0.01
    np.testing.assert_allclose(json.loads(again["cka"]), row["cka"], atol=0.02)


def test_the_papers_table_is_whole():
    rows = results.paper_table()
    assert {row["method"] for row in rows} == {"quantization", "pruning"}
    assert all(isinstance(row[str(bits)], float) for row in rows for bits in range(2, 9))

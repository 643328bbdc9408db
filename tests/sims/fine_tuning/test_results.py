import json
import math
import re
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sims.fine_tuning import Setting, available, load, results, study


def test_the_table_holds_every_cell_it_speaks_of_and_its_medians():
    rows = results.load()
    expected = {
        (network, data, method, bits)
        for (network, data), methods in results.CASES.items()
        for method in methods
        for bits in results.BITS
    }
    assert {(r["network"], r["data"], r["method"], r["bits"]) for r in rows} == expected
    for row in rows:
        assert row["median"] == pytest.approx(float(np.median(row["accuracies"])), abs=1e-5)
        assert row["low"] <= row["median"] <= row["high"] and len(row["accuracies"]) == row["seeds"] == 10
        assert (len(row["steps"]) == 3) == (row["method"] in ("qat", "ste", "prune-then-quantize"))
        for name in results.LAYER_COLUMNS:
            ends = zip(row[f"{name}_low"], row[name], row[f"{name}_high"], strict=True)
            assert all(low <= middle <= high for low, middle, high in ends if None not in (low, middle, high))


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


def cell(method, bits, rates, low, high):
    row = {"network": "dense", "data": "digits", "method": method, "bits": bits, "seeds": len(rates)}
    row |= {
        "estimate": float(np.median(rates)),
        "low": low,
        "high": high,
        "theory": 0.95,
        "trials": len(rates),
    }
    row |= {f"accuracy of seed {i}, measured": rate for i, rate in enumerate(rates)}
    return row | {f"accuracy before, seed {i}, measured": 0.9 + i / 100 for i in range(len(rates))}


def test_lines_of_a_study_by_hand():
    """Four seeds on 450 images: what differs is counted in images."""
    images = len(load("digits").test_labels)
    assert images == 450
    first = cell("qat", 2, [400 / 450, 410 / 450, 395 / 450, 420 / 450], 0.87, 0.93)
    second = cell("prune", 2, [390 / 450, 405 / 450, 396 / 450, 420 / 450], 0.86, 0.92)
    found = study.Study(Setting(seeds=4), 0, [first, second])
    (line,) = found.lines()
    assert (line["bits"], line["sparsity"], line["original"]) == (2, 0.875, 95.0)
    assert (
        line["qat"] == "90.00 [87.00, 93.00]" and line["prune"] == f"{100 * 400.5 / 450:.2f} [86.00, 92.00]"
    )
    assert line["qat - prune"] == pytest.approx(100 * (10 + 5 - 1 + 0) / 4 / 450)
    assert line["seeds won"] == "2 of 4, 1 lost"
    sums = [a + b + c for a in (10, -10) for b in (5, -5) for c in (1, -1)]
    assert line["p"] == sum(total >= 14 for total in sums) / 8
    assert found.bits == [2] and found.methods == ["qat", "prune"] and found.of("prune", 2) is second
    fewest = [
        cell("qat", 2, [400 / 450, 410 / 450], 0.88, 0.92),
        cell("prune", 2, [390 / 450, 405 / 450], 0.86, 0.91),
    ]
    two = study.Study(Setting(seeds=2), 0, fewest).lines()[0]  # of four signs one alone reaches so far
    assert (two["p"], two["seeds won"]) == (0.25, "2 of 2, 0 lost")
    alone = study.Study(Setting(seeds=1), 0, [first, second]).lines()[0]
    assert "p" not in alone and "p" not in study.Study(Setting(seeds=4), 0, [second]).lines()[0]
    with pytest.raises(ValueError, match="no cell of 'qat' at 3 bits was run"):
        found.of("qat", 3)


def test_rows_of_the_table_keep_five_digits():
    row = cell("qat", 4, [1 / 3, 2 / 3], 0.3, 0.7) | {
        "CKA of the outputs, layer2, measured": 0.123456789,
        "CKA of the outputs, layer2, low": 0.1,
        "CKA of the outputs, layer2, high": 0.2,
    }
    (found,) = results.compact(study.Study(Setting(seeds=2), 0, [row]))
    assert found == {
        "network": "dense", "data": "digits", "method": "qat", "bits": 4, "seeds": 2, "median": 0.5,
        "low": 0.3, "high": 0.7, "accuracies": "[0.33333, 0.66667]", "originals": "[0.9, 0.91]",
        "weights_snr": "", "weights_snr_low": "", "weights_snr_high": "",
        "outputs_snr": "", "outputs_snr_low": "", "outputs_snr_high": "",
        "cka": "[null, 0.12346, null]", "cka_low": "[null, 0.1, null]", "cka_high": "[null, 0.2, null]",
        "steps": "", "steps_low": "", "steps_high": "",
    }  # fmt: skip
    again = results._read({**found, "bits": "4", "seeds": "2", "median": "0.5", "low": "0.3", "high": "0.7"})
    assert again["cka"] == [None, 0.12346, None] and again["steps"] == [] and again["median"] == 0.5
    assert again["cka_low"] == [None, 0.1, None] and again["steps_high"] == []
    made = results.setting("conv", "digits", 3)
    assert (made.network, made.seeds, made.pretraining, made.epochs) == ("conv", 3, 12, 8)
    assert "ste" in results.CASES["dense", "mnist"] and "ste" not in results.CASES["conv", "digits"]


def test_accuracies_are_whole_numbers_of_images():
    """The paired test counts them; five digits are in the table."""
    for row in results.load():
        images = np.array(row["accuracies"]) * results._IMAGES[row["data"]]
        assert np.abs(images - np.rint(images)).max() < 0.006
    assert results.setting("dense", "digits").seeds == 10


def test_the_gap_of_a_comparison_is_the_mean_of_the_pairs():
    for (network, data), bits in product(results.CASES, (8, 5, 2)):
        cells = {row["method"]: row["accuracies"] for row in results.load()
                 if (row["network"], row["data"], row["bits"]) == (network, data, bits)}  # fmt: skip
        rows = {row.quantity: row for row in results.comparison(network, data, bits)}
        gaps = [ours - theirs for ours, theirs in zip(cells["qat"], cells["prune"], strict=True)]
        before = next(
            row["originals"] for row in results.load() if row["network"] == network and row["data"] == data
        )
        middle = rows["accuracy of the original networks"].theory
        assert middle == pytest.approx(sum(sorted(before)[4:6]) / 2, abs=1e-12)  # of ten
        found = rows["learned steps above pruning"]
        assert (found.measured, found.trials) == (pytest.approx(math.fsum(gaps) / 10), 10)
        images = {"digits": 450, "mnist": 1000}[data]  # a quarter of 1,797, a fifth of 5,000
        counts = [round(gap * images) for gap in gaps]
        assert all(abs(gap * images - count) < 0.02 for gap, count in zip(gaps, counts, strict=True))
        sums = [
            sum(s * c for s, c in zip(signs, counts, strict=True)) for signs in product((1, -1), repeat=10)
        ]
        p = sum(one >= sum(counts) for one in sums) / 1024
        assert rows["p of no advantage"].theory == pytest.approx(p, rel=1e-12)


def test_the_guide_shows_the_table():
    text = (Path(__file__).parents[3] / "docs" / "fine_tuning.md").read_text(encoding="utf-8")
    names = {
        "learned steps": "qat", "fixed steps": "ste", "pruning": "prune", "both": "prune-then-quantize",
        "nearest": "nearest", "OPTQ": "optq", "GPFQ": "gpfq", "SPFQ": "spfq", "magnitude": "magnitude",
        "OBS": "obs",
    }  # fmt: skip
    cells = {(r["network"], r["data"], r["method"], r["bits"]): r for r in results.load()}
    for network, data in results.CASES:
        original, table = re.search(
            rf"\*\*{network} on {data}\*\* \(([\d.]+) % before compression\):\n\n((?:\|.*\n)+)", text
        ).groups()
        before = np.median(cells[network, data, "qat", 8]["originals"])
        assert original == f"{100 * before:.2f}"
        head, _, *lines = (
            [word.strip() for word in line.strip("|\n").split("|")] for line in table.splitlines()
        )
        assert [line[0] for line in lines] == ["8", "6", "4", "3", "2", "1"]
        for bits, *shown in lines:
            for title, value in zip(head[2:-1], shown[1:-1], strict=True):
                assert value == f"{100 * cells[network, data, names[title], int(bits)]['median']:.1f}"
            rows = {row.quantity: row for row in results.comparison(network, data, int(bits))}
            assert shown[-1] == f"{rows['p of no advantage'].theory:.2g}"


@pytest.fixture
def studies(monkeypatch):
    """The studies that are asked for, none of which is run."""
    asked = []

    def run(*given, **options):
        asked.append((*given, options))
        return SimpleNamespace(rows=[])

    monkeypatch.setattr(results, "study", run)
    monkeypatch.setattr(results, "compact", lambda found: [{"network": "dense"}])
    return asked


def test_larger_budgets_run_every_case_with_its_methods(studies, monkeypatch):
    monkeypatch.setattr(results, "_read", lambda row: row)
    assert len(results.rows("thorough", 4)) == len(results.CASES) == len(studies)
    for (setting, bits, methods, options), case in zip(studies, results.CASES.items(), strict=True):
        assert (setting.network, setting.data) == case[0] and setting.seeds == 4
        assert bits == results.BITS and methods == case[1] and not options


def test_the_table_is_written_from_cells_that_are_kept(studies, monkeypatch, tmp_path, capsys):
    out, kept = tmp_path / "a.csv", tmp_path / "kept"
    given = ["x", "--out", str(out), "--folder", str(kept), "--processes", "3"]
    monkeypatch.setattr("sys.argv", given)
    results.main()
    for (setting, bits, methods, options), case in zip(studies, results.CASES.items(), strict=True):
        assert (setting.network, setting.data) == case[0] and (bits, methods) == (results.BITS, case[1])
        folder = kept / f"{setting.network}-{setting.data}"
        assert options == {"folder": folder, "resume": True, "processes": 3}
    assert out.read_text().split() == ["network", *["dense"] * len(studies)]
    assert capsys.readouterr().out.endswith(f"wrote {out}\n")

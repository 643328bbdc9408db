"""Rows of a drawn layer: the ranges of that layer, and medians over the layers that follow it."""

import numpy as np
import pytest

from sims import simulations
from sims.layer_bounds import pruning_range, quantization_range, simulate
from sims.layer_bounds.problems import problem


def test_rows_are_the_ranges_of_the_layer_and_medians_over_layers(monkeypatch):
    monkeypatch.setattr(simulate, "BLOCK", 7)  # two blocks and a part of one
    rows = {row.quantity: row for row in simulations.layer_bounds("relu", 5, 0.5, 3, trials=16, seed=2)}
    best = []
    for seed in range(2, 18):
        x, w = problem("relu", 5, seed, correlation=0.5)
        codes = quantization_range(w, inputs=x, bits=3)
        mask = pruning_range(w, inputs=x, keep=5 - 5)
        best.append([10 * np.log10(one.energy / one.best) for one in (codes, mask)])
        if seed == 2:
            assert rows["best codes (dB)"].theory == pytest.approx(best[0][0], rel=1e-9)
            assert codes.optimum is not None and rows["best codes (dB)"].source == "proved optimum"
            limit = rows["certified limit of any codes (dB)"].theory
            assert limit == pytest.approx(codes.snr().bound, rel=1e-6)
            rounded = 10 * np.log10(codes.energy / codes.errors["nearest"])
            assert rows["codes by nearest (dB)"].theory == pytest.approx(rounded, rel=1e-9)
    assert rows["best mask, 0 of 5 kept (dB)"].theory == pytest.approx(best[0][1], abs=1e-9)
    for index, name in enumerate(("best codes", "best mask")):
        row = rows[f"{name}, median over layers (dB)"]
        assert row.measured == pytest.approx(np.median(best, axis=0)[index], abs=1e-9) and row.trials == 16


@pytest.mark.parametrize("bits", [4, 8])
def test_rows_name_the_heuristics_that_users_know_and_no_yardstick(bits):
    """Masks by magnitude, OBS and swaps: "smallest kept" is what a search starts from at worst."""
    rows = simulations.layer_bounds("relu", 8, 0.5, bits, seed=3)
    pruned = pruning_range(
        problem("relu", 8, 3, correlation=0.5)[1],
        keep=bits // 2,
        inputs=problem("relu", 8, 3, correlation=0.5)[0],
    )
    assert "smallest kept" in pruned.errors
    masks = {row.quantity: row.theory for row in rows if row.quantity.startswith("mask by")}
    assert list(masks) == [f"mask by {name} (dB)" for name in ("magnitude", "OBS", "swaps")]
    for name in ("magnitude", "OBS", "swaps"):
        lost = pruned.energy / 10 ** (masks[f"mask by {name} (dB)"] / 10)
        assert lost == pytest.approx(pruned.errors[name], rel=1e-9)


def test_a_layer_too_wide_is_one_sentence():
    with pytest.raises(ValueError, match="inputs must be an integer from 1 to 24, got 40"):
        simulations.layer_bounds(inputs=40)


def test_layers_of_a_simulation_are_searched_up_to_a_limit(monkeypatch):
    """Half a million nodes for codes and 50,000 for masks, whose nodes take ten times as long."""
    asked = []
    for name in ("quantization_range", "pruning_range"):
        original = getattr(simulate, name)

        def searched(w, original=original, **options):
            asked.append((options["node_limit"], options.get("relaxation")))
            return original(w, **options)

        monkeypatch.setattr(simulate, name, searched)
    simulate.layer(("relu", 4, 0.5), 3, 2)
    simulate.layer(("relu", 4, 0.5), 3, 2, relaxation=False)
    list(simulate.growing_best(("relu", 4, 0.5), 3, seed=2, trials=1))
    assert asked == [(500_000, True), (50_000, None), *[(500_000, False), (50_000, None)] * 2]

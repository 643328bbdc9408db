"""Slices of layers, and the two methods on one of them, against enumeration."""

import itertools

import numpy as np
import pytest

from sims.layer_bounds import layers
from sims.layer_bounds.layers import COLUMNS, Slice, _slice, compared, real_slices
from sims.layer_bounds.problems import problem
from sims.layer_bounds.relaxation import solve


def test_a_slice_holds_the_first_columns_that_carry_anything():
    rng = np.random.default_rng(0)
    inputs, weights = rng.normal(size=(50, COLUMNS + 9)), rng.normal(size=(4, COLUMNS + 9))
    inputs[:, [0, 7]] = 0.0
    inputs[1:, 3] = 0.0  # one sample is enough
    inputs[:, 5] = -np.abs(inputs[:, 5])  # and no sign less than another
    inputs[1:, 9], inputs[0, 9] = 0.0, -1.0
    found = _slice("net", "layer", weights, inputs)
    columns = [i for i in range(COLUMNS + 9) if i not in (0, 7)][:36]
    assert (found.network, found.layer, found.samples) == ("net", "layer", 50)
    np.testing.assert_array_equal(found.weights, weights[:, columns])
    np.testing.assert_allclose(found.gram, inputs[:, columns].T @ inputs[:, columns])


def test_the_layers_of_the_digits_see_what_the_layers_before_give_them():
    first, second, third = real_slices(("digits",))
    assert [one.layer for one in (first, second, third)] == ["1", "2", "3"]
    from sims.networks import digits

    network = digits.load()
    hidden = [network.train_images]
    for weights in network.weights[:2]:
        product = hidden[-1] @ weights.T
        hidden.append(np.where(product > 0, product, 0.0))
    for one, inputs in zip((first, second, third), hidden, strict=True):
        live = np.flatnonzero(np.abs(inputs).sum(axis=0))[:36]
        np.testing.assert_allclose(one.gram, inputs[:, live].T @ inputs[:, live])
        assert one.samples == len(inputs)


def test_both_methods_by_enumeration():
    x, _ = problem("relu", 4, 1)
    w = np.random.default_rng(2).normal(size=(5, 4))
    found = compared(Slice("net", "layer", w, x.T @ x, len(x)), 4, 3)
    rows = w[[0, 2, 4]]  # spread evenly
    steps = [row.details["step"] for row in found.quantized.rows]
    every = np.array(list(itertools.product(range(-8, 8), repeat=4)))
    least = []
    for row, step in zip(rows, steps, strict=True):
        e = every * step - row
        least.append(np.min(np.sum(e @ (x.T @ x) * e, axis=1)))
    assert found.quantized.optimum == pytest.approx(sum(least), rel=1e-9)
    pruned = 0.0
    for row in rows:  # a quarter of four columns is kept
        fits = (np.linalg.lstsq(x[:, [k]], x @ row, rcond=None)[1][0] for k in range(4))
        pruned += min(fits)
    assert found.pruned.optimum == pytest.approx(pruned, rel=1e-7)
    published = [
        solve(x.T @ x, row / step, -8, 7, published=True).value * step**2
        for row, step in zip(rows, steps, strict=True)
    ]
    assert found.published == pytest.approx(sum(max(0.0, value) for value in published), rel=1e-9)
    assert 0 < found.published <= found.quantized.bound * (1 + 1e-6)


def test_both_searches_of_a_slice_stop_at_their_limits(monkeypatch):
    """A tenth of the nodes for masks, which take ten times as long."""
    asked = []
    for name in ("quantization_range", "pruning_range"):
        original = getattr(layers, name)

        def searched(w, original=original, **options):
            asked.append(options["node_limit"])
            return original(w, **options)

        monkeypatch.setattr(layers, name, searched)
    x, w = problem("relu", 4, 1)
    one = Slice("net", "layer", w[None, :], x.T @ x, len(x))
    compared(one, 4, 1, 500)
    compared(one, 4, 1)
    assert asked == [500, 50, 2_000_000, 200_000]

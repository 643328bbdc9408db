"""Allocation: the search against every choice, its result against what formats lose, bad budgets."""

import itertools
import json
import math

import numpy as np
import pytest

from sims.weights.allocation import allocate, allocate_stored
from sims.weights.encoding import encode
from sims.weights.formats import Stored, noise
from sims.weights.knapsack import choose
from theory.formats import FORMATS

BY_NAME = {form.name: form for form in FORMATS}


def every_choice(costs, errors, budget):
    totals = [
        sum(e[k] for e, k in zip(errors, picked, strict=True))
        for picked in itertools.product(*(range(len(c)) for c in costs))
        if sum(c[k] for c, k in zip(costs, picked, strict=True)) <= budget
    ]
    return min(totals)


@pytest.mark.parametrize("states", [1, 3, 4000])
def test_small_problems_against_every_choice(states):
    rng = np.random.default_rng(states)
    closed = 0
    for _ in range(150):
        items = rng.integers(1, 6)
        costs = [rng.integers(1, 20, rng.integers(1, 6)) for _ in range(items)]
        errors = [rng.random(c.size).round(2) * rng.choice([0.1, 1, 5]) for c in costs]
        low, high = sum(c.min() for c in costs), sum(c.max() for c in costs)
        budget = int(rng.integers(low, high + 2))
        found, best = choose(costs, errors, budget, states), every_choice(costs, errors, budget)
        assert found.cost == sum(c[k] for c, k in zip(costs, found.picked, strict=True)) <= budget
        assert found.error == pytest.approx(sum(e[k] for e, k in zip(errors, found.picked, strict=True)))
        assert found.bound <= best + 1e-12 and found.error >= best - 1e-12
        closed += found.gap == 0
        if states == 4000 or found.gap == 0:
            assert found.error == pytest.approx(best, abs=1e-12)
    assert closed == 150 if states == 4000 else closed > 75


def test_a_large_problem_is_certified():
    rng = np.random.default_rng(0)
    sizes = rng.integers(300, 4_000_000, 300)
    bits = np.sort(rng.uniform(1.5, 9, 30))
    costs = [np.round(bits * n).astype(int) for n in sizes]
    errors = [
        n * np.exp(1.5 * rng.normal()) * 10 ** (-(5.4 * bits + rng.normal(size=30)) / 10) for n in sizes
    ]
    found = choose(costs, errors, int(4 * sizes.sum()))
    assert found.gap < 1e-4 and found.bound <= found.error
    price = found.price  # the Lagrangian bound by hand, at any price
    for other in (price, 0.9 * price, 2 * price):
        dual = sum((e + other * c).min() for c, e in zip(costs, errors, strict=True)) - other * int(
            4 * sizes.sum()
        )
        assert dual <= found.error


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(1)
    return {
        "heavy": rng.standard_t(3, size=(32, 96)),
        "small": rng.normal(size=(20, 50)) / 50,
        "conv": rng.normal(size=(8, 3, 3, 3)),
        "zero": np.zeros((16, 16)),
    }


@pytest.mark.parametrize("budget", [2.0, 2.5, 4.0, 5.3, 16.0])
def test_never_worse_than_one_format_for_all(arrays, budget):
    found = allocate(arrays, budget)
    assert found.bits_per_weight <= budget + 1e-12
    assert found.gain >= 0 or math.isnan(found.gain)
    total = sum(found.stored_bits[name] * found.sizes[name] for name in arrays) / sum(found.sizes.values())
    assert found.bits_per_weight == pytest.approx(total, abs=1e-3)
    assert json.loads(json.dumps(found.as_dict()))["tensors"][0]["name"] == "heavy"
    if budget == 16.0:
        assert found.error == 0 and found.snr == math.inf


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_encoded_values_have_the_error_that_is_stated(arrays, form):
    for name in ("heavy", "conv", "small"):
        w = arrays[name]
        lost = np.sum((w - encode(w, form)) ** 2) / np.sum(w**2)
        assert lost == pytest.approx(noise(w, form), rel=1e-9, abs=1e-14)
    assert not encode(arrays["zero"], form).any()


def test_outputs_are_weighed_by_their_inputs(arrays):
    rng = np.random.default_rng(5)
    loud = {name: w for name, w in arrays.items() if name in ("heavy", "small")}
    grams = {name: (lambda x: x.T @ x)(rng.normal(size=(200, w.shape[1]))) for name, w in loud.items()}
    grams["small"] = grams["small"] * 1e6  # the small tensor sees large inputs
    outputs, weights = allocate(loud, 4.5, grams), allocate(loud, 4.5)
    assert outputs.objective == "outputs" and math.isnan(outputs.limit)
    assert outputs.stored_bits["small"] > weights.stored_bits["small"]
    picked = {name: encode(w, BY_NAME[outputs.formats[name]]) for name, w in loud.items()}
    lost = sum(np.sum((w - picked[name]) @ grams[name] * (w - picked[name])) for name, w in loud.items())
    energy = sum(np.sum(w @ grams[name] * w) for name, w in loud.items())
    assert outputs.error == pytest.approx(lost / energy, rel=1e-9)


def test_huge_and_tiny_weights_have_no_unit(arrays):
    forms = [form for form in FORMATS if form.scale != "half"]  # float16 has an end
    found = allocate({"a": arrays["heavy"], "b": arrays["small"]}, 4.0, formats=forms)
    for unit in (2.0**500, 2.0**-500):
        scaled = allocate({"a": unit * arrays["heavy"], "b": unit * arrays["small"]}, 4.0, formats=forms)
        assert scaled.formats == found.formats and scaled.error == pytest.approx(found.error, rel=1e-6)


def test_bad_budgets_and_tensors(arrays):
    one = {"w": arrays["heavy"]}
    for budget, message in (
        (0.5, "must be at least 2, what the cheapest"),
        (16.5, "must be at most 16"),
        (math.nan, "must be positive and finite"),
    ):
        with pytest.raises(ValueError, match=message):
            allocate_stored({"w": [Stored("INT2", 2, 8.0)]}, {"w": 100}, {"w": 1.0}, budget)
    with pytest.raises(ValueError, match="tensor 'w' cannot be stored: values must be finite"):
        allocate({"w": np.array([[1.0, np.inf]])}, 4)
    with pytest.raises(ValueError, match="there is none for 'w'"):
        allocate(one, 4, {})
    with pytest.raises(ValueError, match="must be 96 x 96, all finite, got \\(3, 3\\)"):
        allocate(one, 4, {"w": np.eye(3)})
    with pytest.raises(ValueError, match="at least one tensor"):
        allocate({}, 4)

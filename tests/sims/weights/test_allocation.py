"""Allocation: the search against every choice, its result against what formats lose, bad budgets."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest

from sims import weights
from sims.weights.allocation import allocate, allocate_stored, allocate_table
from sims.weights.encoding import encode
from sims.weights.formats import Stored, channel_snr, noise
from sims.weights.knapsack import Choice, choose
from theory.formats import FORMATS, WITHOUT_LAW

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


def least_error(costs, errors, budget):
    """The optimum from a table: the least error at every cost, one item after the other."""
    table = np.full(budget + 1, np.inf)
    table[0] = 0.0
    for c, e in zip(costs, errors, strict=True):
        tables = [
            np.concatenate([np.full(x, np.inf), table])[: budget + 1] + y for x, y in zip(c, e, strict=True)
        ]
        table = np.min(tables, axis=0)
    return float(table.min())


@pytest.mark.parametrize("states", [2, 3, 5])
def test_what_is_dropped_at_several_items_counts_in_the_bound(states):
    """With so few partial choices more are dropped at item after item, and the least of all decides."""
    rng = np.random.default_rng(states)
    open_ = 0
    for _ in range(60):
        costs = [np.cumsum(rng.integers(1, 30, 5)) for _ in range(8)]
        errors = [np.sort(rng.random(5))[::-1] for _ in range(8)]
        budget = int(sum(c[2] for c in costs))
        found, best = choose(costs, errors, budget, states), least_error(costs, errors, budget)
        assert found.bound <= best * (1 + 1e-12) and found.error >= best * (1 - 1e-12)
        open_ += found.bound < best
    assert open_ > 10


def test_of_equal_errors_the_least_cost_is_taken():
    """Whole numbers: options of one cost, of one error and of both, as formats have on a tensor of zeros."""
    rng = np.random.default_rng(7)
    for _ in range(150):
        costs = [rng.integers(0, 5, size) for size in rng.integers(1, 6, rng.integers(1, 5))]
        errors = [rng.integers(0, 4, c.size).astype(float) for c in costs]
        budget = sum(int(c.min()) for c in costs) + int(rng.integers(0, 8))
        found = choose(costs, errors, budget)
        assert found.error == found.bound == every_choice(costs, errors, budget)
        equal = [
            sum(c[k] for c, k in zip(costs, picked, strict=True))
            for picked in itertools.product(*(range(c.size) for c in costs))
            if sum(e[k] for e, k in zip(errors, picked, strict=True)) == found.error
        ]
        assert found.cost == min(equal)


def test_of_equal_errors_at_equal_costs_the_search_decides():
    """8 bits and an error of 7 either way; the first guess, by prices, is (1, 0, 1)."""
    costs, errors = [[3, 5], [1, 5], [0, 2, 4]], [[2.0, 0.0], [5.0, 4.0], [7.0, 2.0, 0.0]]
    found = choose(costs, errors, 8)
    assert found.picked == (0, 0, 2) and found.cost == 8 and found.error == found.bound == 7


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


@pytest.mark.parametrize(
    "form", [form for form in (*FORMATS, *WITHOUT_LAW) if form.rule == "max"], ids=lambda form: form.name
)
@pytest.mark.parametrize("both_signs", [True, False])
def test_zeros_of_weights_have_the_error_that_is_stated(form, both_signs):
    """Half of the weights are zeros, which a grid that begins at the smallest weight restores as others."""
    rng = np.random.default_rng(23)
    array = rng.normal(size=(4, 128)) * (rng.random((4, 128)) < 0.5)
    array = array if both_signs else np.abs(array)
    lost = sum((float(a) - float(b)) ** 2 for a, b in zip(array.flat, encode(array, form).flat, strict=True))
    assert noise(array, form) == pytest.approx(
        lost / sum(float(a) ** 2 for a in array.flat), rel=1e-6, abs=1e-15
    )


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


FEW = [BY_NAME[name] for name in ("INT2", "INT4", "INT8", "NF4 b64", "Q8_0")]


def test_outputs_of_inputs_in_any_unit(arrays):
    """Weights of 2^-300 beside ones of 2^300: each is rounded in a unit of its own."""
    rng = np.random.default_rng(6)
    grams = {"a": np.cov(rng.normal(size=(96, 300))), "b": np.cov(rng.normal(size=(50, 300)))}
    loud, forms = {"a": arrays["heavy"], "b": arrays["small"]}, [form for form in FEW if form.scale != "half"]
    found = allocate(loud, 4.0, grams, forms)
    scaled = allocate({name: w * 2.0**-30 for name, w in loud.items()}, 4.0, grams, forms)
    faint = allocate(loud, 4.0, {name: 1e-20 * gram for name, gram in grams.items()}, forms)
    for other in (scaled, faint):
        assert other.formats == found.formats and other.error == pytest.approx(found.error, rel=1e-9)
    for given in (loud | {"zero": np.zeros((4, 8))}, {"zero": np.zeros((4, 8))} | loud):
        beside = {name: np.eye(w.shape[1]) for name, w in given.items()}
        tiny = {name: w * 2.0**-600 for name, w in given.items()}
        for sums in (None, beside):  # zeros have no unit that others vanish beside
            one, other = allocate(given, 4.0, sums, forms), allocate(tiny, 4.0, sums, forms)
            assert other.formats == one.formats and other.error == pytest.approx(one.error, rel=1e-9) != 0
    apart = allocate({"a": loud["a"] * 2.0**-300, "b": loud["b"] * 2.0**300}, 4.0, grams, forms)
    alone = allocate({"b": loud["b"]}, apart.stored_bits["b"], {"b": grams["b"]}, forms)
    assert apart.error == pytest.approx(alone.error, rel=1e-9) and apart.stored_bits["a"] < 3


def test_outputs_may_have_the_formats_that_are_asked_for_and_no_others(arrays):
    grams, one = {"heavy": np.eye(96)}, {"heavy": arrays["heavy"]}
    assert [allocate(one, budget, grams, FEW[:2]).formats["heavy"] for budget in (2, 15, 16)] == [
        "INT2", "INT4", "as it is",
    ]  # fmt: skip


def test_the_error_of_weights_is_that_of_what_is_stored(arrays):
    pair = {"a": arrays["heavy"], "b": arrays["small"] * 2.0**7}
    found = allocate(pair, 4.3, formats=FEW)

    def lost(w, form):
        if form.endswith(" per channel"):
            return np.sum(w**2) * 10 ** (-channel_snr(w, [int(form[3])])[0] / 10)
        return np.sum((w - encode(w, BY_NAME[form])) ** 2)

    total = sum(lost(w, found.formats[name]) for name, w in pair.items())
    assert found.error == pytest.approx(total / sum(np.sum(w**2) for w in pair.values()), rel=1e-6)


SIZES, ENERGIES = {"a": 100, "b": 300}, {"a": 9.0, "b": 1.0}
OFFERED = {
    "a": [Stored("low", 2.0, 8.0), Stored("own", 3.0, 15.0), Stored("high", 5.0, 26.0)],
    "b": [Stored("low", 2.0, 9.0), Stored("high", 5.0, 27.0), Stored("odd", 3.25, 19.0)],
}


@pytest.mark.parametrize("budget", [2.0, 2.75, 3.25, 5.0, 6.0, 9.0, 16.0])
def test_every_number_of_an_allocation_by_hand(budget):
    kept = Stored("as it is", 16.0, math.inf)
    options = {name: [*offered, kept] for name, offered in OFFERED.items()}

    def lost(name, one):
        return ENERGIES[name] / 10 * 10 ** (-one.snr / 10)

    def spent(a, b):
        return (100 * a.bits + 300 * b.bits) / 400

    pairs = [(a, b) for a in options["a"] for b in options["b"] if spent(a, b) <= budget]
    a, b = min(pairs, key=lambda pair: lost("a", pair[0]) + lost("b", pair[1]))
    same = [pair for pair in pairs if pair[0].name == pair[1].name]
    one, other = min(same, key=lambda pair: lost("a", pair[0]) + lost("b", pair[1]))
    found = allocate_stored(OFFERED, SIZES, ENERGIES, budget)
    assert found.formats == {"a": a.name, "b": b.name} and found.stored_bits == {"a": a.bits, "b": b.bits}
    assert found.budget == budget and found.bits_per_weight == spent(a, b)
    error, uniform = lost("a", a) + lost("b", b), lost("a", one) + lost("b", other)
    assert found.error == pytest.approx(error, rel=1e-12) and found.gap == 0
    assert found.uniform == one.name and found.uniform_error == pytest.approx(uniform, rel=1e-12)
    # the level of water, by steps: both variances are served from 2 bits on
    variances, level = (9 / 100, 1 / 300), 10 ** ((math.log10(9 / 100) + 3 * math.log10(1 / 300)) / 4)
    level *= 4.0**-budget
    assert level < min(variances)
    assert found.limit == pytest.approx(10 * math.log10(10 / (400 * level)), rel=1e-9)
    values = found.as_dict()
    assert values["limit_snr"] == found.limit and values["objective"] == "weights"
    assert values["budget"] == budget and values["bits_per_weight"] == spent(a, b)
    if budget == 16.0:
        assert found.gain == 0 and found.snr == math.inf and found.price == 0
        return
    assert found.snr == pytest.approx(-10 * math.log10(error)) and values["snr"] == found.snr
    assert found.gain == pytest.approx(10 * math.log10(uniform / error), abs=1e-9)
    assert values["uniform"] == {"format": one.name, "snr": pytest.approx(-10 * math.log10(uniform))}
    assert values["tensors"][0] == {"name": "a", "format": a.name, "size": 100, "stored_bits": a.bits}
    assert [line["tensor"] for line in found.lines()] == (["a", "b"] if a.bits >= b.bits else ["b", "a"])
    start = (
        f"Formats by tensor within {budget:g} bits: {spent(a, b):.4g} bits per weight keep {found.snr:.2f} dB"
    )
    assert found.sentence() == (
        f"{start} of the weights, {found.gain:.2f} dB more than {one.name} for all; no choice is better."
    )


@pytest.mark.parametrize(
    ("budget", "uniform"), [(2.0, "low"), (3.0, "low"), (3.99, "low"), (4.0, "high"), (15.0, "high")]
)
def test_one_format_for_all_may_take_all_that_is_allowed(budget, uniform):
    """However little of it the choice by tensor takes: here one tensor loses nothing in either format."""
    formats = {
        "a": [Stored("low", 2.0, math.inf), Stored("high", 4.0, math.inf)],
        "b": [Stored("low", 2.0, 10.0), Stored("high", 4.0, 20.0)],
    }
    found = allocate_stored(formats, {"a": 64, "b": 64}, {"a": 1.0, "b": 1.0}, budget)
    assert found.uniform == uniform
    assert found.uniform_error == pytest.approx({"low": 0.05, "high": 0.005}[uniform], rel=1e-12)
    assert found.bits_per_weight == {2.0: 2.0, 15.0: 9.0}.get(budget, 3.0)


@pytest.mark.parametrize("shift", [0, 1, 20, 30, 31, 32, 40, 52])
def test_costs_have_no_unit(shift):
    """Those of a tensor of 2^27 weights of 16 bits and more, too."""
    rng = np.random.default_rng(5)
    costs = [sorted(rng.integers(1, 40, size=4).tolist()) for _ in range(5)]
    errors = [sorted(rng.random(4).tolist(), reverse=True) for _ in range(5)]
    budget = sum(each[1] for each in costs)
    plain, found = (
        choose(costs, errors, budget),
        choose([[c << shift for c in each] for each in costs], errors, budget << shift),
    )
    assert found.picked == plain.picked and found.cost == plain.cost << shift
    assert found.error == plain.error == every_choice(costs, errors, budget) and found.gap == 0


def test_the_price_is_the_slope_of_the_first_step_that_is_not_paid():
    """On the lower hulls of (bits, error) the steps stand in the order of what a bit saves."""
    a, b = (
        [0.9 * 10 ** (-x / 10) for x in (8.0, 15.0, 26.0)],
        [0.1 * 10 ** (-x / 10) for x in (9.0, 19.0, 27.0)],
    )
    slopes = {  # error saved per bit and weight of the network
        "a to own": 4 * (a[0] - a[1]), "a to high": 2 * (a[1] - a[2]), "b": (b[0] - b[1]) / 1.25 * 4 / 3,
    }  # fmt: skip
    assert list(slopes.values()) == sorted(slopes.values(), reverse=True)
    for budget, name in ((2.0, "a to own"), (2.25, "a to high"), (2.75, "b")):
        expected = slopes[name]
        assert allocate_stored(OFFERED, SIZES, ENERGIES, budget).price == pytest.approx(
            expected, rel=1e-12
        ), budget


def test_what_does_not_fit_or_is_all_zero_has_no_gain():
    offered = {"a": [Stored("one", 2.0, 8.0)], "b": [Stored("two", 3.0, 9.0)]}
    found = allocate_stored(offered, SIZES, ENERGIES, 4.0)
    assert (
        found.uniform == ""
        and math.isnan(found.gain)
        and "no single format fits; no choice" in found.sentence()
    )
    zero = allocate_stored(OFFERED, SIZES, {"a": 0.0, "b": 0.0}, 4.0)
    assert (zero.error, zero.gain, zero.price) == (0.0, 0.0, 0.0) and math.isnan(zero.limit)
    with pytest.raises(ValueError, match=r"must be at least 2.75, what the cheapest formats"):
        allocate_stored(offered, SIZES, ENERGIES, 2.7499)  # a bit too few
    alike = [Stored("dear", 3.0, 8.0), Stored("cheap", 2.0, 8.0), Stored("dearer", 3.5, 8.0)]
    assert allocate_stored({"a": alike, "b": alike}, SIZES, ENERGIES, 4.0).uniform == "cheap"


@pytest.mark.parametrize("unit", [1e-300, 0.1, 1e300])
def test_energies_may_have_any_unit(unit):
    usual = allocate_stored(OFFERED, SIZES, ENERGIES, 4.0)
    found = allocate_stored(OFFERED, SIZES, {name: unit * one for name, one in ENERGIES.items()}, 4.0)
    assert found.formats == usual.formats and usual.limit > usual.snr
    for name in ("error", "gap", "price", "uniform_error", "limit"):
        assert getattr(found, name) == pytest.approx(getattr(usual, name), rel=1e-9), name


def test_what_a_choice_leaves_unspent_counts_in_its_bound():
    costs = [[6, 8, 11], [1, 5, 7], [6, 7, 9], [3, 6, 8], [1, 5, 10]]
    errors = [[39.0, 38, 31], [37.0, 29, 14], [38.0, 37, 22], [23.0, 18, 7], [28.0, 24, 12]]
    assert every_choice(costs, errors, 28) == 125.0
    found = choose(costs, errors, 28, states=2)  # so few prove it, since dear options do not fit together
    assert (found.error, found.bound, found.gap) == (125.0, 125.0, 0.0)


def test_what_may_be_left_to_gain_is_said():
    found = dataclasses.replace(allocate_stored(OFFERED, SIZES, ENERGIES, 4.0), gap=0.0123)
    assert found.sentence().endswith("; at most 1.2 % of the error to gain.")


def test_a_table_is_allocated_as_its_tensors_are():
    """Signals are mantissas with exponents of their own: 9 = 36 4^-1, 1 = 4^-5 1024."""
    signals = {"a": weights.Signal(36.0, -1), "b": weights.Signal(1024.0, -5)}
    rows = [
        weights.TensorRow(
            name, (n,), n, 3.0, 2.0, {4: 1.0}, {4: 1.0}, {4: 0.0}, signals[name], stored=tuple(OFFERED[name])
        )
        for name, n in SIZES.items()
    ]
    for shift in (0, 400):  # squares may leave double precision
        moved = [
            dataclasses.replace(row, signal=weights.Signal(row.signal.mantissa, row.signal.exponent + shift))
            for row in rows
        ]
        found = allocate_table(weights.Table((4,), moved), 3.0)
        assert found == allocate_stored(OFFERED, SIZES, ENERGIES, 3.0)
    far = [
        dataclasses.replace(row, signal=weights.Signal(1.0, n))
        for row, n in zip(rows, (600, -600), strict=True)
    ]
    found = allocate_table(weights.Table((4,), far), 3.0)
    assert found == allocate_stored(OFFERED, SIZES, {"a": 1.0, "b": 0.0}, 3.0)


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
    with pytest.raises(ValueError, match="must be 96 x 96, all finite, got \\(96, 96\\)"):
        allocate(one, 4, {"w": np.diag([*range(95), np.inf])})
    with pytest.raises(ValueError, match="at least one tensor"):
        allocate({}, 4)


def test_what_costs_more_than_the_budget_is_no_choice():
    assert choose([[2, 4], [3]], [[1.0, 0.0], [1.0]], 5).picked == (0, 0)
    with pytest.raises(ValueError, match="the cheapest options cost 5, more than the budget of 4"):
        choose([[2, 4], [3]], [[1.0, 0.0], [1.0]], 4)


def test_of_choices_that_cost_the_same_the_better_one_is_followed():
    """There are 2^20 of 21 different costs: a table of 30 is enough, and an odd unit is left over."""
    found = choose([[0, 2]] * 20, [[1.0, 0.0]] * 20, 9, states=30)
    assert (found.cost, found.error, found.gap) == (8, 16.0, 0.0)


def test_a_budget_of_as_many_bits_as_there_are_is_met_whatever_a_product_rounds_to():
    """In doubles 4.35 * 100 is below 435."""
    found = allocate_stored({"w": [Stored("a", 4.35, 20.0)]}, {"w": 100}, {"w": 1.0}, 4.35)
    assert found.formats == {"w": "a"} and found.bits_per_weight == 4.35
    with pytest.raises(ValueError, match=r"must be at least 4\.35"):
        allocate_stored({"w": [Stored("a", 4.35, 20.0)]}, {"w": 100}, {"w": 1.0}, 4.3499)


@pytest.mark.parametrize(("bound", "gap"), [(0.0, 1.0), (3.0, 0.25), (4.0, 0.0), (5.0, 0.0)])
def test_the_gap_is_the_share_of_the_error_above_the_bound(bound, gap):
    assert Choice((0,), 1, 4.0, bound, 0.0).gap == gap
    assert Choice((0,), 1, 0.0, bound, 0.0).gap == 0.0

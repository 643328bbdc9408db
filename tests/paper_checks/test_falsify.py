"""A search for counterexamples: the smallest one of a false bound, none of a true one, and its strategies."""

import itertools
import sys
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paper_checks import strategies
from paper_checks.falsify import falsify
from sims import montecarlo
from sims.lottery import embed
from sims.path_following import compress
from sims.subset_sum import find_subset
from theory.operators import StochasticRounding
from theory.snr import quantization_snr


def test_the_smallest_counterexample_of_a_false_bound_is_found():
    """C(2k, k) <= 3.9^k fails first at k = 55: counted, not estimated."""
    first = next(k for k in range(1, 200) if comb(2 * k, k) > 3.9**k)
    found = falsify(lambda k: 3.9**k, lambda k: float(comb(2 * k, k)), {"k": st.integers(1, 200)})
    assert found.verdict == "refuted" and found.counterexample == {"k": first}
    assert f"smallest counterexample k={first}" in str(found)


def test_a_true_bound_is_not_refuted_and_its_tightest_setting_is_named():
    found = falsify(lambda k: 4.0**k, lambda k: float(comb(2 * k, k)), {"k": st.integers(1, 20)})
    assert (found.verdict, found.counterexample, found.tightest) == ("not refuted", None, {"k": 1})
    assert str(found).endswith("tightest k=1: measured 2, bound 4")
    lower = falsify(lambda k: k, lambda k: k + 1 / k, {"k": st.integers(1, 9)}, side="lower")
    assert (lower.verdict, lower.tightest) == ("not refuted", {"k": 9})


def test_monte_carlo_refutes_only_what_exact_intervals_exclude():
    """P(n coins all fall heads) <= factor 2^-n; each setting gets trials of its own."""
    seeds = []

    def heads(n, seed):
        seeds.append(seed)
        return montecarlo.probability(lambda rng, count: rng.random(count) < 0.5**n, 2000, seed=seed)

    searched = {"n": st.integers(1, 6)}
    assert falsify(lambda n: 0.5**n, heads, searched, examples=30).verdict == "not refuted"
    assert len(set(seeds)) == len(seeds) == 6
    false = falsify(lambda n: 0.7 * 0.5**n, heads, searched, examples=30)
    assert false.verdict == "refuted" and false.measurement.low > 0.7 * 0.5 ** false.counterexample["n"]


def test_the_k_th_setting_has_its_share_of_the_level():
    """1/(k (k + 1)) of it: the second one a sixth, so that a p-value of 0.4 levels refutes nothing there."""
    from scipy import optimize

    from paper_checks.falsify import _Search

    estimate = montecarlo.probability(lambda rng, count: rng.random(count) < 0.5, 2000, seed=1)
    bounds = {}
    for name, p in (("first", 0.004), ("second", 0.004), ("third", 0.0008)):
        bounds[name] = optimize.brentq(lambda b, p=p: estimate.p_values(b)[0] - p, 0.3, estimate.value)
    search = _Search(lambda k: bounds[k], lambda k: estimate, "upper", 0.01, 0, {"k"})
    assert [search.at({"k": name})[1] for name in bounds] == [True, False, True]


def test_of_equally_tight_settings_the_first_is_named():
    found = falsify(lambda k: 2.0 * k, lambda k: float(k), {"k": st.integers(1, 5)}, examples=20)
    assert found.tightest == {"k": 1}


def test_a_search_of_another_seed_draws_otherwise():
    drawn = {0: set(), 1: set()}
    for seed, seeds in drawn.items():

        def heads(n, seed, seeds=seeds):
            seeds.add(seed)
            return 0.0

        falsify(lambda n: 1.0, heads, {"n": st.integers(1, 6)}, examples=10, seed=seed)
    assert drawn[0] and not drawn[0] & drawn[1]


def test_bad_input_is_one_sentence(monkeypatch):
    searched = {"k": st.integers(1, 3)}
    for options, message in (
        ({"side": "left"}, "side must be one of upper, lower"),
        ({"examples": 0}, "examples must be an integer"),
        ({"level": 1.5}, "level must lie"),
    ):
        with pytest.raises(ValueError, match=message):
            falsify(float, float, searched, **options)
    with pytest.raises(ValueError, match="parameters must name at least one strategy"):
        falsify(float, float, {})
    with pytest.raises(ValueError, match="allows no value"):
        falsify(lambda k: float("nan"), lambda k: 1.0, searched)
    with pytest.raises(ValueError, match=r"the simulation gave NaN at \{'k': 1\}"):
        falsify(lambda k: 1.0, lambda k: float("nan"), searched)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match=r"property tests need hypothesis; install it with .*\[property\]"):
        strategies.widths()


@settings(max_examples=40)
@given(strategies.compressors(), st.floats(-1, 1))
def test_operators_err_by_no_more_than_they_say(operator, place):
    low, high = (max(min(end, 1e3), -1e3) for end in operator.limits)
    value = (low + high) / 2 + place * (high - low) / 2
    for point, _ in operator.outcomes(value):
        assert abs(point - value) <= operator.max_error * (1 + 1e-9)


@settings(max_examples=20)
@given(strategies.laws(), strategies.widths(), strategies.grids(7))
def test_laws_and_grids_are_ones_that_theory_takes(law, bits, grid):
    assert quantization_snr(law, bits) > 0
    assert 0 in grid and np.array_equal(grid, -grid[::-1])


@settings(max_examples=30)
@given(st.data())
def test_instances_are_solved_exactly(data):
    law = data.draw(strategies.sampling_laws())
    values, target = data.draw(strategies.instances(8, 9, law))
    sums = {sum(chosen) for n in range(len(values) + 1) for chosen in itertools.combinations(values, n)}
    mask = find_subset(values, target)
    assert (mask is not None) == (target in sums) and (mask is None or values[mask].sum() == target)


@settings(max_examples=15)
@given(strategies.layers(2, 5, 4), strategies.max_values(3))
def test_layers_compress_within_the_first_bound(layer, m):
    w, x = layer
    found = compress(w, x, operator=StochasticRounding(1.0 / m), seed=0)
    assert found.weights.shape == w.shape and (found.error >= 0).all()


@settings(max_examples=10)
@given(strategies.networks(2, 3, 1))
def test_networks_get_tickets(network):
    assert embed(network, 1, 30, 0, "two_layer", signed_inputs=True, retries=5).verify()

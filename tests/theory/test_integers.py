"""Every integer argument is exact: NumPy's fixed-width integers would wrap around without a word."""

import math

import numpy as np
import pytest

from sims.lottery import embed
from sims.lottery.network import check_network
from theory import convex_order, lottery, partition, subset_sum
from theory.distributions import Gaussian, StudentT
from theory.formats import float_levels
from theory.lottery import products
from theory.operators import NearestRounding, OneBit, StochasticRounding
from theory.path_following.exits import sufficient_scale
from theory.path_following.laws import direct_error, saturation_law
from theory.snr import equal_sparsity, pruned_count
from theory.snr import limits as snr_limits
from theory.storage import bits_per_weight, break_even_sparsity
from theory.subset_sum.cox import scaled_target

# each call twice: with Python integers, and with the narrow type that wraps around in it
CALLS = [
    (lambda w: partition.lemma1_bounds(24, w(2**40), 5), np.int64),
    (lambda w: partition.window_max_value(w(24), 0.0), np.uint8),
    (lambda w: partition.perfect_partition_count_pmf(3, w(60), 2**50, form="corrected"), np.uint8),
    (lambda w: partition.min_discrepancy_survival(w(127), 20, 2**22), np.int8),
    (lambda w: lottery.counting_bound(w(10**5), w(10**5), 256), np.int32),
    (lambda w: lottery.drawn_units(w(100), w(21)), np.int8),
    (lambda w: lottery.parameter_counts([w(100), w(120)], w(21), w(127)).bound, np.int8),
    (lambda w: lottery.parameter_counts([w(100), w(120)], w(21), w(127)).target, np.int8),
    (lambda w: lottery.miss_probabilities(w(1), w(12), "product").size, np.int8),
    (lambda w: lottery.expected_failures([np.array([[w(-128)]])], np.arange(129.0) / 1000), np.int8),
    (lambda w: lottery.success_probability([np.array([[w(-128)]])], np.arange(129.0) / 1000), np.int8),
    (lambda w: products.shared_divisor_bound([np.array([[3, 1]])], w(100), w(127), w(2)), np.int8),
    (lambda w: products.reduced_shares(w(100), w(3)).size, np.uint8),
    (lambda w: bits_per_weight("n:m", 0.5, w(16), group=w(32)), np.uint8),
    (lambda w: bits_per_weight("run-length", 0.99, w(250)), np.uint8),
    (lambda w: bits_per_weight("block", 0.0, w(200), scale_bits=w(200), block=w(2)), np.uint8),
    (lambda w: break_even_sparsity("bitmask", w(200), w(255)), np.uint8),
    (lambda w: subset_sum.poisson_mean([90, -3, 40, 70, 11], w(100), "gaussian", delta=w(100)), np.int8),
    (lambda w: subset_sum.miss_probability(12, w(127), w(100), "product", delta=w(100)), np.int8),
    (lambda w: subset_sum.every_target_miss(w(14), w(127), delta=w(100), limit=w(120)), np.int8),
    (lambda w: subset_sum.lemma3_bounds(w(24), w(120), w(100), w(-100)), np.int8),
    (lambda w: subset_sum.reach_probability(w(12), w(120), w(101), divisor=w(3)), np.int8),
    (lambda w: scaled_target(w(100), w(127), w(100)), np.int8),
    (lambda w: StochasticRounding(0.5, bits=w(8)).limits, np.int8),
    (lambda w: NearestRounding(w(100), bits=w(8)).limits, np.int8),
    (lambda w: OneBit(w(100)).interval_length, np.int8),
    (lambda w: float(Gaussian(w(100)).second_moment), np.int8),
    (lambda w: StudentT(w(3), w(100)).second_moment, np.int8),
    (lambda w: float_levels(w(8), w(7)).size, np.uint8),
    (lambda w: equal_sparsity(w(1), mask=True), np.uint8),
    (lambda w: snr_limits.shannon_bound_snr(Gaussian(), w(100)), np.int8),
    (lambda w: snr_limits.rate_distortion_snr(w(100)), np.int8),
]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("call", "narrow"), CALLS)
def test_narrow_integers_give_what_integers_give(call, narrow):
    exact = call(int)
    assert call(narrow) == exact
    assert np.all(np.isfinite(np.asarray(exact, float)))


def test_values_that_are_known():
    assert lottery.counting_bound(np.int32(10**5), np.int32(10**5), 256) == 8e10
    assert bits_per_weight("n:m", 0.5, np.uint8(16), group=32) == 10.5
    assert lottery.expected_failures([np.array([[-128]], np.int8)], np.arange(129.0) / 128) == 1.0


def test_tickets_take_narrow_integers():
    target = [np.array([[-128, 60]], np.int8)]
    with pytest.raises(ValueError, match="beyond the grid"):
        check_network(target, 127, 127)
    tickets = [
        embed([np.array([[200]])], w(15), w(12), seed=w(3), law="product").drawn_parameters
        for w in (int, np.uint8)
    ]
    assert tickets[0] == tickets[1]


LONG = 10**400  # beyond every double


@pytest.mark.parametrize(
    "call",
    [
        lambda: bits_per_weight("n:m", 0.5, 4, group=LONG),
        lambda: bits_per_weight("block", 0, 4, block=LONG),
        lambda: bits_per_weight("dense", 0, LONG),
        lambda: break_even_sparsity("bitmask", 4, LONG),
        lambda: lottery.counting_bound(LONG, 3, 4),
        lambda: lottery.drawn_units(3, LONG),
        lambda: lottery.parameter_counts([3, 4], 3, LONG),
        lambda: convex_order.tail_bound(1.0, 0.1, LONG),
        lambda: saturation_law(LONG, 3, 1.0, 1.0),
        lambda: direct_error(3, LONG, 1.0),
        lambda: sufficient_scale(0.1, LONG, 0.1, OneBit(1.0)),
        lambda: OneBit(LONG),
        lambda: snr_limits.rate_distortion_snr(LONG),
        lambda: snr_limits.panter_dite_snr(Gaussian(), LONG),
        lambda: snr_limits.lloyd_max(Gaussian(), 10**12),
        lambda: snr_limits.entropy_coded(Gaussian(), 1e-9),
        lambda: pruned_count(LONG, 0.5),
        lambda: subset_sum.poisson_mean([1, 2, 3], LONG),
        lambda: subset_sum.miss_probability(LONG, 5, 3),
        lambda: subset_sum.every_target_miss(5, 10**12),
    ],
)
def test_integers_beyond_every_double_are_one_sentence(call):
    with pytest.raises(ValueError, match=r"must (be|lie|hold)") as caught:
        call()
    assert len(str(caught.value)) < 200  # no sentence of 400 digits


def test_laws_of_grids_beyond_every_double():
    # 2^n and M leave double precision, their ratio does not
    mu = 2.0**3 / math.sqrt(2 * math.pi * 1200 / 3)  # n - log2 M = 2, c = 1/3
    assert subset_sum.cox.cox_mean(1200, 2**1198) == pytest.approx(mu, rel=1e-12)
    assert scaled_target(1200, 2**1198, 2**1197) == pytest.approx(1 / 20, rel=1e-12)
    miss = subset_sum.miss_probability(1200, 2**1198, 2**1197, form="cox")
    assert miss == pytest.approx(float(subset_sum.cox.cox_miss(mu, 0.05)), rel=1e-9)
    assert subset_sum.cox.cox_miss(math.inf, 1.0) == 0.0
    assert subset_sum.lemma4_failure(300, 2**2000, 2**1999) == pytest.approx(2 * 300 ** (-1 / 7) + 1)
    assert pruned_count(2**52, 0.5) == 2**51 and pruned_count(10**17, 0.5) == 5 * 10**16
    # 10^12 inputs: the waste per round is the Erdos-Borwein constant
    assert lottery.drawn_units(10**12, 1)[0] - 10**12 == pytest.approx(lottery.ERDOS_BORWEIN, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: lottery.counting_bound(10.5, 10, 256), "fan_in must be an integer >= 1, got 10.5"),
        (lambda: lottery.counting_bound(True, 10, 256), "fan_in must be an integer >= 1, got True"),
        (
            lambda: lottery.parameter_counts([4, 2], 8, 7, construction="three_layer"),
            "construction must be one of",
        ),
        (lambda: lottery.parameter_counts([4, 2], 8, 7, allotment="any"), "allotment must be one of"),
        (lambda: lottery.parameter_counts([4, 2], 8, 7, copies=0), "copies must be an integer >= 1"),
        (lambda: partition.lemma1_bounds(24, 2.5), "max_value must be an integer"),
        (lambda: partition.lemma1_bounds(24, 8, 0.5), "target must be an integer"),
        (lambda: partition.window_max_value(24, math.inf), "parameter must be finite"),
        (lambda: partition.window_max_value(24, -math.inf), "parameter must be finite"),
        (lambda: bits_per_weight("n:m", 0.5, 4, group=4.0), "group must be an integer"),
        (lambda: bits_per_weight("block", bits=4, scale_bits=-1), "scale_bits must be a finite number"),
        (lambda: Gaussian().partial_moment(1.5), "order must be an integer from 0 to 4"),
        (lambda: snr_limits.lloyd_max(Gaussian(), 4.0), "count must be an integer"),
        (lambda: products.reduced_shares(4, 1.5), "ratio must be an integer"),
        (lambda: subset_sum.poisson_mean([1, 2], 0.5), "target must be an integer"),
    ],
)
def test_what_is_no_integer_is_one_sentence(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()

"""Every integer argument is exact: NumPy's fixed-width integers would wrap around without a word."""

import math

import numpy as np
import pytest

from sims.lottery import embed
from sims.lottery.network import check_network
from theory import (
    convex_order,
    fine_tuning,
    hardware,
    lottery,
    partition,
    rotations,
    snr,
    storage,
    subset_sum,
)
from theory.distributions import Gaussian, StudentT
from theory.formats import FORMATS, Format, affine_snr, family, float_levels, ray_error
from theory.formats.laws import format_error, group_pruning_error
from theory.integer_sums import variance
from theory.lottery import products
from theory.operators import NearestRounding, OneBit, StochasticRounding
from theory.path_following.exits import sufficient_scale
from theory.path_following.laws import direct_error, saturation_law
from theory.snr import equal_sparsity, pruned_count
from theory.snr import limits as snr_limits
from theory.snr.certified import gaussian_optimum
from theory.storage import bits_per_weight, break_even_sparsity
from theory.subset_sum.bounds import critical_divisors, divides_every_sample
from theory.subset_sum.cox import cox_mean, scaled_target, thinned_by_zeros
from theory.subset_sum.saddlepoint import saddlepoint_miss_probability

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
    (lambda w: subset_sum.exact_is_cheap(3, 1, w(100), delta=w(120)), np.int8),
    (lambda w: hardware.Layer(128, 128, stored_bits=w(4), activation_bits=w(16)).bytes_moved, np.int8),
    (lambda w: hardware.Layer(128, 128, value_bits=w(100), activation_bits=w(100)).bit_operations, np.int8),
    (lambda w: subset_sum.miss_law(3, 1).probability(w(100)), np.int8),
    (lambda w: sum(subset_sum.miss_law(3, 5).polynomial(w(3))), np.int8),
    (lambda w: subset_sum.failure_prefactor(3, 5).probability(w(100)), np.int8),
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
    form, accuracy = subset_sum.miss_form(1200, 2**1198)
    assert form == "cox" and accuracy.startswith("about 1 %")
    assert subset_sum.miss_probability(5, LONG, 3) == 1.0
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


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: partition.critical_bits(v), "n must be a number of items >= 1, got"),
        (lambda v: partition.min_discrepancy_distribution(3, v), r"n \* max_value must be at most 8192"),
        (lambda v: partition.perfect_probability(1, v), r"n \* max_value must be at most 8192"),
        (lambda v: partition.perfect_partition_distribution(3, v), "multisets, more than 1000000"),
        (lambda v: subset_sum.miss_law(v, 1), "the exact chain takes samples up to 256"),
        (lambda v: subset_sum.miss_law(3, v), "the exact chain takes samples up to 256, targets up to 4096"),
        (lambda v: subset_sum.miss_law(3, 1, delta=v), "targets up to 4096 and products"),
        (lambda v: subset_sum.failure_prefactor(v, 1), "takes samples up to 4096 and targets up to 128"),
        (lambda v: subset_sum.failure_prefactor(3, v), "takes samples up to 4096 and targets up to 128"),
        (lambda v: subset_sum.second_moment(5, v, 1), r"the exact second moment needs n\*\*2 \*"),
        (lambda v: subset_sum.expected_solutions(5, v, 1, "product"), "the product law needs n"),
        (lambda v: subset_sum.samples_needed(9, v, 0.1), "no n up to 4096 brings the miss probability"),
    ],
)
@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_work_beyond_every_limit_is_refused_in_one_sentence(call, message, digits):
    """Whatever its size: Python itself prints no integer of 5000 digits."""
    with pytest.raises(ValueError, match=message) as caught:
        call(10**digits)
    assert len(str(caught.value)) < 240


BEYOND = 2**63  # one more than 63 bits hold
WHATEVER_THE_SIZE = [  # of what computes with integers
    (lambda: variance(BEYOND, "nonzero"), 4 * variance(BEYOND // 2, "nonzero")),
    (lambda: subset_sum.reach_probability(1, 3, BEYOND), 1),
    (lambda: partition.lemma1_bounds(24, 5, BEYOND), (0.0, 0.0)),
    (lambda: 2 * partition.lemma1_bounds(24, BEYOND)[0], partition.lemma1_bounds(24, BEYOND // 2)[0]),
    (
        lambda: 2 * partition.expected_perfect_partitions(64, np.array([BEYOND], object)),
        partition.expected_perfect_partitions(64, np.array([BEYOND // 2])),
    ),
    (lambda: divides_every_sample(BEYOND, 4), 0),
    (lambda: divides_every_sample(BEYOND, 2 * BEYOND), 1 / BEYOND),
    (lambda: subset_sum.reach_probability(3, 4, 2, divisor=BEYOND), 0),  # no sample is a multiple
    (lambda: cox_mean(5, 3, delta=BEYOND), (2 * BEYOND + 1) * cox_mean(5, 3)),
    (lambda: subset_sum.every_target_miss(5, 3, delta=BEYOND), 0.0),
    (lambda: subset_sum.every_target_miss(5, 3, delta=BEYOND, limit=BEYOND), 0.0),
    (lambda: thinned_by_zeros([1.0, 0.5], BEYOND), 0.5),
    (lambda: subset_sum.exact_miss_probability(3, 3, 1, delta=BEYOND), 0),
    (lambda: subset_sum.exact_every_target_miss(3, 3, delta=BEYOND), 0),
    (lambda: subset_sum.certified_interval(3, 3, 1, delta=BEYOND).upper, 0),
    (lambda: subset_sum.lemma3_bounds(24, 5, 1, BEYOND), (0.0, 0.0)),
    (lambda: subset_sum.miss_form(5, 9, delta=BEYOND)[0] == "saddlepoint", True),
    (lambda: subset_sum.miss_probability(5, 9, 2, delta=BEYOND), 0.0),
    (lambda: saddlepoint_miss_probability(5, 9, 2, delta=BEYOND), 0.0),
    (lambda: subset_sum.poisson_mean([1, 2], BEYOND), 0.0),
    (
        lambda: subset_sum.poisson_mean([1, 2], 1, "gaussian", delta=BEYOND),
        (2 * BEYOND + 1) * subset_sum.poisson_mean([1, 2], 1, "gaussian"),
    ),
]


@pytest.mark.parametrize(("call", "expected"), WHATEVER_THE_SIZE)
def test_integers_of_64_bits_are_taken_where_integers_are_computed_with(call, expected):
    assert call() == pytest.approx(expected, rel=1e-13)


NVFP4 = next(form for form in FORMATS if form.name == "NVFP4")
ONE, MISS = [np.array([[1]])], np.ones((3, 2))
LIMITS = [  # the call, what it names, the least and the most
    (lambda v: snr.check_bits(v), "bits", 1, 16),
    (lambda v: Gaussian().partial_moment(v, 0.0, 1.0), "order", 0, 4),
    (lambda v: fine_tuning.cubic_sparsity(1, 0.5, v, 5), "begin", 0, None),
    (lambda v: fine_tuning.cubic_sparsity(1, 0.5, 5, v), "end", 6, None),
    (lambda v: fine_tuning.cubic_sparsity(1, 0.5, 0, 5, frequency=v), "frequency", 1, None),
    (lambda v: fine_tuning.gradient_scale(v, fine_tuning.tuning_codes(4)), "count", 1, None),
    (lambda v: fine_tuning.balanced_step(Gaussian(), v), "bits", 2, 16),
    (lambda v: affine_snr(Gaussian(), v), "bits", 1, 16),
    (lambda v: family("symmetric", 4, v), "group", 0, None),
    (lambda v: float_levels(v, 3), "exponent_bits", 1, 8),
    (lambda v: float_levels(1, v), "mantissa_bits", 0, 23),
    (lambda v: NVFP4.stored_bits_in_rows(v), "columns", 1, None),
    (lambda v: Format("x", "int4", v), "x: bits", 1, None),
    (lambda v: Format("x", "int4", 4, block=v), "x: block", 0, None),
    (lambda v: Format("x", "int4", 4, keep=v), "x: keep", 0, None),
    (lambda v: Format("x", "int4", 4, group=v), "x: group", 0, None),
    (lambda v: group_pruning_error(Gaussian(), 1, v), "group", 1, None),
    (lambda v: group_pruning_error(Gaussian(), v, 4), "keep", 1, 4),
    (lambda v: format_error(Gaussian(), NVFP4, v), "size", 16, None),
    (lambda v: ray_error(v, 3.0), "block", 2, None),
    (lambda v: hardware.break_even_sparsity("bitmask", hardware.Machine(1e12, 1e14), v), "batch", 1, None),
    (lambda v: hardware.Layer(v, 4), "fan_out", 1, None),
    (lambda v: hardware.Layer(4, v), "fan_in", 1, None),
    (lambda v: hardware.Layer(4, 4, v), "batch", 1, None),
    (lambda v: variance(v, "nonzero"), "max_value", 1, None),
    (lambda v: subset_sum.miss_probability(v, 3, 1), "n", 0, None),
    (lambda v: lottery.counting_bound(v, 1, 2), "fan_in", 1, None),
    (lambda v: lottery.counting_bound(1, v, 2), "fan_out", 1, None),
    (lambda v: lottery.counting_bound(1, 1, v), "values", 2, None),
    (lambda v: lottery.drawn_units(v, 1), "fan_in", 1, None),
    (lambda v: lottery.drawn_units(1, v), "samples", 1, None),
    (lambda v: lottery.parameter_counts([v, 3], 1, 1), "sizes", 1, None),
    (lambda v: lottery.parameter_counts([3], v, 1), "samples", 1, None),
    (lambda v: lottery.parameter_counts([3, 3], 1, v), "max_value", 1, None),
    (lambda v: lottery.parameter_counts([3, 3], 1, 1, copies=v), "copies", 1, None),
    (lambda v: products.missing_products(v), "max_value", 1, None),
    (lambda v: products.shared_divisor_bound(ONE, 2, v), "max_value", 1, None),
    (lambda v: products.shared_divisor_bound(ONE, v, 3), "samples", 0, None),
    (lambda v: products.reduced_shares(v, 2), "max_value", 1, None),
    (lambda v: products.reduced_shares(2, v), "ratio", 1, None),
    (lambda v: products.candidate_price(v, 1), "max_value", 1, None),
    (lambda v: lottery.samples_needed([np.array([[0]])], v, 0.1), "max_value", 1, None),
    (lambda v: lottery.block_success_probability(ONE, MISS, v), "samples", 1, None),
    (lambda v: lottery.miss_probabilities(v, 3, limit=0), "samples", 0, None),
    (lambda v: lottery.miss_probabilities(1, v), "max_value", 1, None),
    (lambda v: lottery.miss_probabilities(1, 3, limit=v), "limit", 0, None),
    (lambda v: lottery.predicted_failures([np.array([[0]])], 3, v), "samples", 0, None),
    (lambda v: lottery.predicted_failures([np.array([[0]])], v, 1), "max_value", 1, None),
    (lambda v: lottery.copies_success_probability(ONE, MISS, v, 1), "samples", 0, None),
    (lambda v: lottery.copies_success_probability(ONE, MISS, 1, v), "copies", 0, None),
    (lambda v: lottery.miss_probability_table(v, 3), "samples", 0, None),
    (lambda v: partition.min_discrepancy_distribution(v, 3), "n", 1, None),
    (lambda v: partition.min_discrepancy_distribution(3, v), "max_value", 1, None),
    (lambda v: partition.perfect_partition_distribution(v, 3), "n", 1, None),
    (lambda v: partition.perfect_partition_distribution(3, v), "max_value", 1, None),
    (lambda v: partition.lemma1_bounds(v, 3), "n", 1, None),
    (lambda v: partition.lemma1_bounds(3, v), "max_value", 1, None),
    (lambda v: partition.expected_perfect_partitions(3, np.array([2**70, v])), "max_value", 1, None),
    (lambda v: partition.window_max_value(v, 1.0), "n", 1, None),
    (lambda v: rotations.rotation_block(8, v), "block", 2, None),
    (lambda v: gaussian_optimum(v), "bits", 2, 8),
    (lambda v: snr.grid_ratio(Gaussian(), snr.integer_levels(4), 3.0, v), "steps", 2, None),
    (lambda v: snr.scale_spread(Gaussian(), snr.integer_levels(4), v), "size", 1, None),
    (lambda v: snr_limits.lloyd_max(Gaussian(), v), "count", 2, 2**20),
    (lambda v: pruned_count(v, 0.5), "size", 0, None),
    (lambda v: storage.run_length_bits(0.5, v), "run_bits", 0, 1000),
    (lambda v: bits_per_weight("csr", 0.5, columns=v), "columns", 1, None),
    (lambda v: bits_per_weight("n:m", 0.0, group=v), "group", 1, None),
    (lambda v: bits_per_weight("block", 0.5, block=v), "block", 1, None),
    (lambda v: divides_every_sample(v, 4), "divisor", 1, None),
    (lambda v: critical_divisors(4, 3, count=v), "count", 0, None),
    (lambda v: subset_sum.reach_probability(3, 4, 2, divisor=v), "divisor", 1, None),
    (lambda v: cox_mean(5, 3, delta=v), "delta", 0, None),
    (lambda v: subset_sum.every_target_miss(5, 3, delta=v), "delta", 0, None),
    (lambda v: subset_sum.every_target_miss(5, 3, limit=v), "limit", 0, None),
    (lambda v: thinned_by_zeros([1.0, 0.5], v), "max_value", 1, None),
    (lambda v: subset_sum.continuous_miss(v, 0.1, 0.5), "n", 1, None),
    (lambda v: subset_sum.fresh_targets_miss([0.5], v), "count", 0, None),
    (lambda v: subset_sum.miss_law(3, 1, delta=v), "delta", 0, None),
    (lambda v: subset_sum.exact_miss_probability(0, 3, 1, delta=v), "delta", 0, None),
    (lambda v: subset_sum.exact_every_target_miss(3, 3, delta=v), "delta", 0, None),
    (lambda v: subset_sum.exact_every_target_miss(3, 3, limit=v), "limit", 0, None),
    (lambda v: subset_sum.certified_interval(3, 3, 1, delta=v), "delta", 0, None),
    (lambda v: subset_sum.lemma4_failure(v, 3, 1), "n", 2, None),
    (lambda v: subset_sum.miss_form(5, 9, delta=v), "delta", 0, None),
    (lambda v: subset_sum.miss_probability(0, 9, 2, delta=v), "delta", 0, None),
    (lambda v: saddlepoint_miss_probability(0, 2, 1, delta=v), "delta", 0, None),
    (lambda v: subset_sum.poisson_mean([1, 2], 1, delta=v), "delta", 0, None),
]


@pytest.mark.parametrize(("call", "name", "least", "most"), LIMITS)
def test_beyond_its_limits_an_integer_is_refused_by_its_own_name(call, name, least, most):
    """The least is taken, what lies below it or above the most is one sentence with both."""
    call(least)
    allowed = f">= {least}" if most is None else f"from {least} to {most}"
    for value in (least - 4, least - 1, *(() if most is None else (most + 1,))):
        with pytest.raises(ValueError, match="must be an integer") as caught:
            call(value)
        assert str(caught.value) == f"{name} must be an integer {allowed}, got {value}"


@pytest.mark.parametrize("operator", [NearestRounding, StochasticRounding])
def test_operators_round_to_grids_of_2_to_32_bits(operator):
    assert operator(0.5, bits=2).bits == 2 and operator(0.5, bits=32).bits == 32
    for bits in (0, -1, 33):
        with pytest.raises(
            ValueError, match=f"{operator.__name__}: bits must be an integer from 2 to 32, got {bits}"
        ):
            operator(0.5, bits=bits)

"""Every bound of theory/ on an instance where it is attained, or nearly: 2 % less would be wrong."""

import itertools
import math

import mpmath
import numpy as np
import pytest

from theory import convex_order, lottery, subset_sum
from theory.operators import NearestRounding, OneBit, StochasticRounding
from theory.path_following import (
    alignment_bound,
    error_covariance,
    error_variance,
    gram_schmidt_reversed,
    optq_covariance,
)
from theory.path_following.exits import exit_bound, sufficient_scale
from theory.path_following.laws import layer_error_bound, second_moment
from theory.subset_sum.bounds import second_moment_bounds

NEAR = 0.98


def holds_and_is_attained(attained, bound):
    """The bound holds, and 2 % less of it does not."""
    assert attained <= bound * (1 + 1e-9)
    assert attained > NEAR * bound


def steps(weights, inputs, operator, scale):
    """(probability, w - q) of every outcome of path following, by its recursion."""
    states = [(1.0, np.zeros(len(inputs)), ())]
    for w, column in zip(weights, inputs.T, strict=True):
        grown = []
        for chance, u, errors in states:
            v = w + column @ u / (scale * (column @ column))
            for point, p in operator.outcomes(float(v)):
                grown.append((chance * p, u + (w - point) * column, (*errors, w - point)))
        states = grown
    return [(chance, np.array(errors)) for chance, _, errors in states]


def test_gaussian_domination_by_a_fair_coin():
    # E (X)_+ of a fair coin on +-L/2 is L/4, that of N(0, s^2) is s phi(0)
    for length in (1.0, 0.25):
        root = math.sqrt(convex_order.gaussian_variance(length))
        holds_and_is_attained(length / 4, root / math.sqrt(2 * math.pi))
        slack = convex_order.stop_loss_slack([-length / 2, length / 2], [0.5, 0.5], root)
        assert slack == pytest.approx(0, abs=1e-15)
        assert convex_order.stop_loss_slack([-length / 2, length / 2], [0.5, 0.5], NEAR * root) < -1e-4


@pytest.mark.parametrize("chance", [0.3, 1e-3, 1e-9, 1e-30])
def test_a_rare_atom_has_the_least_room_far_out(chance):
    # {-p, 1 - p} with mean zero: its line has the Gaussian's slope at s z, P(Z > z) = p, and they meet there
    # where s phi(z) = p (1 - p); an exact s a tenth smaller leaves a tenth of it missing
    with mpmath.workdps(50):
        z = mpmath.findroot(lambda z: mpmath.log(mpmath.ncdf(-z) / chance), math.sqrt(-2 * math.log(chance)))
        std = float(0.9 * chance * (1 - chance) / mpmath.npdf(z))
    slack = convex_order.stop_loss_slack([-chance, 1 - chance], [1 - chance, chance], std)
    assert slack == pytest.approx(-0.1 * chance * (1 - chance), rel=1e-10, abs=0)


@pytest.mark.parametrize("level", [0.2, 1e-3, 1e-8])
def test_one_coordinate_reaches_the_superquantile_radius(level):
    # three points: E[Z | Z > q] on both sides with g/2 each, 0 between; dominated, |X| = r with probability g
    radius = convex_order.tail_bound(1.0, level)
    law = [-radius, 0.0, radius], [level / 2, 1 - level, level / 2]
    assert convex_order.stop_loss_slack(*law, 1.0) >= -1e-15
    further = [-radius / NEAR, 0.0, radius / NEAR], law[1]
    assert convex_order.stop_loss_slack(*further, 1.0) < 0
    holds_and_is_attained(level / 2, convex_order.exceedance_bound(1.0, radius))
    # 2 % further out the same chance is too much
    assert convex_order.exceedance_bound(1.0, radius / NEAR) < level / 2


@pytest.mark.parametrize("norm", ["sup", "euclidean"])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_norms_reach_their_superquantiles(norm, dimension):
    # E[Z | cell] is dominated by Z and has the norm r on every cell beyond q: drawn here, by Gaussian points
    z = np.random.default_rng(5).standard_normal((400_000, dimension))
    size = np.abs(z).max(axis=1) if norm == "sup" else np.sqrt((z * z).sum(axis=1))
    far = np.sort(size)[-40_000:]
    form = "superquantile-max" if norm == "sup" else "superquantile"
    radius = convex_order.tail_bound(1.0, 0.1, dimension, form, norm)
    assert far.mean() == pytest.approx(radius, rel=0.004)  # standard error 0.001


def test_chernoff_radii_far_out_and_in_many_dimensions():
    # what a law attains (the superquantile) against the closed forms, which are looser: met in the limit
    for form, arguments in (("chernoff", (1e-300, 1)), ("chernoff", (1e-300, 8))):
        holds_and_is_attained(
            convex_order.tail_bound(1.0, *arguments, "superquantile-max"),
            convex_order.tail_bound(1.0, *arguments, form),
        )
    sharp = convex_order.tail_bound(1.0, 0.01, 10**6, "superquantile", "euclidean")
    chernoff = convex_order.tail_bound(1.0, 0.01, 10**6, "chernoff", "euclidean")
    # beyond sqrt(m) both terms are small: compare what they add to it, 2 sqrt(m x) against a Gaussian's tail
    assert sharp - 1000 == pytest.approx(1.885, abs=1e-3)
    assert chernoff - 1000 == pytest.approx(math.sqrt(-math.log(0.01)), rel=1e-2)
    eigenvalues = np.full(10**4, 2.0)
    holds_and_is_attained(
        math.sqrt(2) * convex_order.tail_bound(1.0, 0.01, 10**4, "superquantile", "euclidean"),
        convex_order.euclidean_tail_bound(eigenvalues, 0.01),
    )


def test_one_step_attains_the_error_variance():
    # N = 1, C = 1, w in mid-cell: u = +-d/2 |X|, a fair coin
    operator, column = StochasticRounding(0.5), np.array([[3.0], [4.0]])
    outcomes = steps([0.25], column, operator, 1.0)
    loss = sum(p * max(float(e[0]) * 5.0, 0.0) for p, e in outcomes)
    root = math.sqrt(error_variance(1.0, operator, 5.0))
    holds_and_is_attained(loss, root / math.sqrt(2 * math.pi))


@pytest.mark.parametrize("scale", [0.8, 1.0, 2.0, 5.0])
def test_rank_one_data_attain_beta(scale):
    # the dominating covariance tends to beta in the direction of the data, the factor C^2/(2C - 1) with it
    operator = StochasticRounding(0.5)
    covariance = error_covariance(np.full((1, 80), 2.0), scale, operator)[0, 0]
    holds_and_is_attained(covariance, error_variance(scale, operator, 2.0))


@pytest.mark.parametrize("method", ["nearest", "greedy", "spfq"])
def test_what_is_no_method_has_no_bound_even_without_inputs(method):
    with pytest.raises(ValueError, match="method must be 'path-following', 'optq' or 'direct'"):
        layer_error_bound(np.zeros((2, 2)), StochasticRounding(0.5), method)


def test_orthogonal_columns_in_mid_cell_attain_the_second_moment_and_optq():
    operator = StochasticRounding(0.5)
    x = np.array([[1.0, 1.0], [1.0, -1.0], [0.5, 0.0]])
    x[:, 1] -= x[:, 0] * (x[:, 0] @ x[:, 1]) / (x[:, 0] @ x[:, 0])
    mean = sum(p * np.sum((x @ e) ** 2) for p, e in steps([0.25, 0.75], x, operator, 1.3))
    holds_and_is_attained(mean, layer_error_bound(x.T @ x, operator, scale=1.3))
    holds_and_is_attained(mean, second_moment(x, 1.3, 0.25**2))
    holds_and_is_attained(mean, layer_error_bound(x.T @ x, operator, "optq"))
    holds_and_is_attained(mean, layer_error_bound(x.T @ x, operator, "direct"))
    # one direction alone: the stop-loss of a fair coin on +-d/2 |g_t|
    for g in gram_schmidt_reversed(x).T:
        direction = g / np.linalg.norm(g)
        loss = sum(p * max(direction @ x @ e, 0.0) for p, e in steps([0.25, 0.75], x, operator, 1.0))
        spread = math.sqrt(direction @ optq_covariance(x, operator) @ direction)
        holds_and_is_attained(loss, spread / math.sqrt(2 * math.pi))


@pytest.mark.parametrize(
    "x", [np.ones((1, 4)), np.eye(4), np.ones((3, 4)) * 2], ids=["one", "unit", "rank-one"]
)
def test_deterministic_bounds_on_aligned_and_orthogonal_columns(x):
    # every weight half a step off, all to the same side (12, 14, ... quarter steps are halves of even codes)
    operator = NearestRounding(0.5)
    error = np.full(4, 0.25)
    holds_and_is_attained(np.sum((x @ error) ** 2), layer_error_bound(x.T @ x, operator, "direct"))
    if x.shape[0] == 4:
        for method in ("path-following", "optq"):
            holds_and_is_attained(np.sum((x @ error) ** 2), layer_error_bound(x.T @ x, operator, method))


def test_exit_bound_of_one_correction():
    # w_2 just below the end: the fair coin of the first error sends v_2 beyond it with probability 1/2
    operator, scale = StochasticRounding(1.0, bits=4), 2.0
    x = np.array([[1.0, 1.0], [0.0, 1.0]])
    correction = 0.5 * 1.0 / (scale * 2.0)
    for end, sign in ((operator.limits[1], 1), (operator.limits[0], -1)):
        w = np.array([0.5, end - sign * correction * (1 - 1e-9)])
        out = sum(
            p for p, e in steps(w[:1], x[:, :1], operator, scale)
            if sign * (w[1] + x[:, 1] @ (x[:, :1] @ e) / (scale * 2.0) - end) > 0
        )  # fmt: skip
        assert out == 0.5
        holds_and_is_attained(out, exit_bound(w, x, scale, operator)[0])


def test_sufficient_scale_far_out():
    # both ends, N columns, each by the law that attains its tail: at 2 % less of 2C - 1 they exceed e
    level, columns, k = 1e-290, 4, 3.0
    operator = OneBit(1.0)
    c = sufficient_scale(0.25, columns, level, operator, k)

    def exits(excess):  # s^2 k^2/(2C - 1), s^2 = pi L^2/8 = pi/2
        return (
            2 * columns * convex_order.exceedance_bound(math.sqrt(math.pi / 2) * k / math.sqrt(excess), 0.75)
        )

    assert exits(2 * c - 1) <= level < exits(NEAR * (2 * c - 1))


@pytest.mark.parametrize("weights", [[1.0, 2.0], [0.5, -3.0]])
def test_alignment_bound_of_displacements_in_one_direction(weights):
    # X~ = (e1, e2), displaced along e3: nothing is projected away, and nothing cancels
    x = np.eye(3)[:, :2]
    shift = np.array([0.1, 0.2]) * np.sign(weights)
    y = x + np.outer([0.0, 0.0, 1.0], shift)
    residual = np.zeros(3)
    for w, target, column in zip(weights, y.T, x.T, strict=True):  # one sweep
        residual += w * target
        residual -= column * (column @ residual) / (column @ column)
    holds_and_is_attained(np.linalg.norm(residual), alignment_bound([weights], x, y)[0])


def test_counting_bound_of_binary_weights():
    # three parallel parameters 1, 2, 4: eight prunings, eight values, log2 8 parameters
    sums = {sum(part) for k in range(4) for part in itertools.combinations((1, 2, 4), k)}
    assert lottery.counting_bound(1, 1, len(sums)) == pytest.approx(3)
    # two such entries: 64 matrices of 6 parameters
    assert lottery.counting_bound(2, 1, len(sums)) == pytest.approx(6)


def test_one_sample_attains_every_bound_of_a_miss():
    for law, chance in (("nonzero", 1 / 10), ("uniform", 1 / 11), ("product", 4 / 100)):
        missed = 1 - chance  # t = 3 at M = 5: one value; as a product 1 x 3 and 3 x 1 with two signs each
        for bound in (subset_sum.trivial_miss, subset_sum.block_miss):
            holds_and_is_attained(missed, bound(1, 5, 3, law))
        lower, upper = subset_sum.miss_probability_bounds(1, 5, 3, law)
        assert lower == pytest.approx(missed) and upper == pytest.approx(missed)
        hit = subset_sum.hit_probability_bounds(1, 5, 3, law)
        assert hit == pytest.approx((chance, chance))


def test_two_letters_attain_the_lower_bound_of_a_miss():
    for n in (3, 6):
        exact = float(subset_sum.exact_miss_probability(n, 2, 1))
        assert subset_sum.miss_lower_bound(n, 2, 1) == pytest.approx(exact, rel=1e-14)
        # M = 1: all samples -1
        assert subset_sum.miss_probability_bounds(n, 1, 1) == pytest.approx((2.0**-n, 2.0**-n))


def test_the_cheap_second_moment_is_exact_for_one_sample():
    first, second = second_moment_bounds(1, 5, 3)
    weight = first[:, 1] / first[0, 1]
    np.testing.assert_allclose(second[:, 1], weight**2 * 0.1)  # Z is the weight, or 0

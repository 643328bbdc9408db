"""The rows of one simulated setting against trials and sums written out."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from sims.montecarlo import stream
from sims.path_following.problems import adversarial_columns, problem
from sims.path_following.simulate import (
    OPERATORS,
    SQUARE_KEY,
    Case,
    block_size,
    largest_errors,
    named_operator,
    setting,
    simulate,
    square_limit,
)
from sims.path_following.trials import error_sampler
from theory.operators import NearestRounding, OneBit, PruneThenRound, StochasticPruning, StochasticRounding
from theory.path_following.exits import exit_bound

N, M, C, TRIALS, SEED = 12, 6, 1.5, 600, 3


def errors_of(x, w, operator, uniforms):
    """u_N of every trial, column by column; whether v left the limits."""
    count = uniforms.shape[1]
    u, left = np.zeros((count, len(x))), np.zeros(count, bool)
    for t in range(x.shape[1]):
        v = w[t] + u @ x[:, t] / (C * (x[:, t] @ x[:, t]))
        left |= (v < float(operator.limits[0])) | (v > float(operator.limits[1]))
        u += np.outer(w[t] - operator(v, uniforms[t]), x[:, t])
    return u, left


def columns_of_the_error_map(x):
    columns = []
    for t in range(x.shape[1]):
        u = x[:, t].copy()
        for later in x.T[t + 1 :]:
            u -= later * (later @ u) / (C * (later @ later))
        columns.append(u)
    return np.array(columns).T


def drawn(key):
    return stream(SEED, key, 0).random((N, TRIALS))


def sharp_radius(std, level):
    tail = level / (2 * M)
    return std * NormalDist().pdf(NormalDist().inv_cdf(1 - tail)) / tail


def test_every_row_is_what_its_source_says():
    operator, level = StochasticRounding(0.25), 0.1
    rows = simulate(operator, columns=N, samples=M, scale=C, level=level, trials=TRIALS, seed=SEED)
    x, w = setting(operator, N, M, SEED)
    a = columns_of_the_error_map(x)
    norm = max(np.linalg.norm(column) for column in x.T)
    beta = math.pi * 0.25**2 / 8 * C**2 / (2 * C - 1) * norm**2
    saturating = 0.0
    for _ in range(N):  # E |P u|^2 = |u|^2 (1 - (2C - 1)/(C^2 m)) for a Gaussian column, which adds var m
        saturating = saturating * (1 - (2 * C - 1) / (C**2 * M)) + 0.25**2 / 6 * M
    expected = {
        "bound, paper form": M * 4 * beta,
        "bound, range form": M * beta,
        "bound, Popoviciu": 0.25**2 / 4 * np.sum(a**2),
        "law, these inputs": 0.25**2 / 6 * np.sum(a**2),
        "law, Gaussian inputs": saturating,
        "round to nearest": N * M * 0.25**2 / 12,
        "bound, paper form and tail": 2 * math.sqrt(4 * beta * math.log(math.sqrt(2) * M / level)),
        "bound, range form, sharp tail": sharp_radius(math.sqrt(beta), level),
        "bound, covariance, sharp tail": sharp_radius(
            0.25 * math.sqrt(math.pi / 8 * (a**2).sum(axis=1).max()), level
        ),
    }
    assert {row.source: row.theory for row in rows} == pytest.approx(expected, rel=1e-9)
    squares = (errors_of(x, w, operator, drawn(SQUARE_KEY))[0] ** 2).sum(axis=1)
    largest = np.abs(errors_of(x, w, operator, drawn(("path_following", "largest")))[0]).max(axis=1)
    for row in rows:
        if row.quantity == "mean squared error":
            assert row.measured == pytest.approx(squares.mean(), rel=1e-9)
        else:
            assert row.quantity == "90 % quantile of the largest error"
            assert row.measured == pytest.approx(np.sort(largest)[540], rel=1e-9)
        assert row.low < row.measured < row.high
        assert row.trials == TRIALS


@pytest.mark.parametrize(
    ("level", "shown"), [(0.5, "50"), (0.125, "87.5"), (0.05, "95"), (0.001, "99.9"), (1e-7, "99.99999")]
)
def test_the_quantile_of_the_largest_error_is_named_with_all_its_nines(level, shown):
    rows = Case(StochasticRounding(0.5), columns=4, samples=3, level=level).rows()
    names = {row.quantity for row in rows}
    assert names == {"mean squared error", f"{shown} % quantile of the largest error"}


def test_exits_are_counted_and_stand_alone_when_there_are_some():
    operator = OneBit(1.0)
    x, w = setting(operator, N, M, SEED)
    left = errors_of(x, w, operator, drawn(("path_following", "exit")))[1]
    (row,) = simulate(operator, columns=N, samples=M, scale=C, trials=TRIALS, seed=SEED)
    assert row.measured == left.mean() > 0
    assert row.theory == exit_bound(w, x, C, operator)[0]


def test_an_early_stop_waits_for_a_share_of_the_second_moment_bound(monkeypatch):
    monkeypatch.setattr("sims.path_following.simulate.EXIT_TRIALS", 70)
    options = {"columns": N, "samples": M, "scale": 4.0, "seed": SEED, "trials": 60_000}
    exits, *rows = simulate(StochasticRounding(0.25, bits=5), width=0.8, **options)
    assert (exits.quantity, exits.trials, exits.measured) == ("P(v leaves the limits)", 70, 0.0)
    by_source = {row.source: row for row in rows}
    found = by_source["bound, Popoviciu"]
    assert 0.5 * found.theory < found.high - found.low <= 0.8 * found.theory
    assert found.trials < 60_000 and {row.trials for row in rows} == {found.trials}
    assert by_source["bound, range form"].theory > 1.5 * found.theory
    fewer = simulate(StochasticRounding(0.25, bits=5), width=0.8, **options | {"trials": 50})
    assert {row.trials for row in fewer} == {50}  # at most as many as were asked for


@pytest.mark.parametrize("step", [2.0**-7, 0.25, 2.0**7])
def test_an_early_stop_does_not_depend_on_the_unit_of_the_error(step):
    """The square of an error grows with that of the step, and so does the bound it is measured in."""
    rows = simulate(
        StochasticRounding(step), columns=N, samples=M, scale=4.0, seed=SEED, trials=60_000, width=0.8
    )
    (found,) = [row for row in rows if row.source == "bound, Popoviciu"]
    assert 0.3 * found.theory < found.high - found.low <= 0.8 * found.theory
    assert found.trials < 60_000


def test_the_gaussian_law_is_for_gaussian_inputs():
    options = {"columns": N, "samples": M, "scale": C, "trials": 100}
    low_rank = simulate(StochasticRounding(0.25), rank=2, **options)
    assert [row.source for row in low_rank if row.source.startswith("law")] == ["law, these inputs"]
    others = simulate(StochasticPruning(0.25), **options)
    assert [row for row in others if not row.source.startswith("bound")] == []


@pytest.mark.parametrize(("step", "mark"), [(2 / 3, "law"), (2.0, "law"), (0.8, "no law (cells not filled)")])
def test_a_mean_variance_is_a_law_where_weights_fill_whole_cells(step, mark):
    """From -1 to 1 are three cells of 2/3 and one of 2, but two and a half of 0.8."""
    laws = Case(StochasticRounding(step), columns=8, samples=4).square_laws
    assert [source for source in laws if "law" in source] == [
        f"{mark}, these inputs",
        f"{mark}, Gaussian inputs",
    ]


def test_weights_stay_within_half_of_the_nearer_limit():
    for operator, reach in (
        (StochasticRounding(0.25), 1.0),
        (StochasticRounding(0.25, bits=3), 0.375),  # limits -1 and 0.75
        (OneBit(0.5), 0.25),
        (OneBit(4.0), 1.0),
        (StochasticPruning(9.0), 1.0),
    ):
        _, weights = setting(operator, 2000, 2)
        assert 0.99 * reach < np.abs(weights).max() <= reach
        assert weights.min() < -0.9 * reach


def test_no_trial_exceeds_the_limit_of_the_square():
    operator = PruneThenRound(0.7, 0.25)
    x, w = problem(N, M, SEED)
    limit = square_limit(x, C, operator)
    assert limit == pytest.approx(N * 0.75**2 * np.linalg.norm(columns_of_the_error_map(x), 2) ** 2)
    squares = (errors_of(x, w, operator, drawn("any"))[0] ** 2).sum(axis=1)
    assert 0.01 * limit < squares.max() <= limit


def test_blocks_of_trials_come_from_streams_of_their_own():
    def sample(rng, count):
        return rng.standard_normal((count, 3))

    found = largest_errors(sample, 150, 5, ("a", "key"), block=64)
    parts = [stream(5, ("a", "key"), i).standard_normal((count, 3)) for i, count in enumerate((64, 64, 22))]
    assert found.tolist() == sorted(np.abs(np.concatenate(parts)).max(axis=1))
    assert [block_size(n, 7) for n in (1, 512, 1024, 2**15, 2**20)] == [4096, 4096, 2048, 64, 64]
    assert [block_size(7, n) for n in (1024, 2**15)] == [2048, 64]


def test_operators_by_name():
    assert named_operator("rounding", 0.5, 2.0, 3) == StochasticRounding(0.5, bits=3)
    assert named_operator("one-bit", 0.5, 2.0) == OneBit(0.5)
    assert named_operator("pruning", 0.5, 2.0) == StochasticPruning(2.0)
    assert named_operator("prune-then-round", 0.5, 2.0) == PruneThenRound(2.0, 0.5)


@pytest.mark.parametrize("rank", [None, 1, 4])
def test_entries_have_variance_one_whatever_the_rank(rank):
    x, w = problem(300, 250, seed=1, rank=rank, spread=0.5)
    assert np.mean(x**2) == pytest.approx(1.0, abs=0.25 if rank else 0.02)
    assert np.linalg.matrix_rank(x) == (rank or 250)
    assert 0.49 < np.abs(w).max() <= 0.5


@pytest.mark.parametrize(("weight", "samples"), [(0.3, 4), (-0.45, 4), (0.8, 4), (0.3, 2)])
def test_adversarial_columns_are_never_corrected(weight, samples):
    """Orthogonal to the error made so far: nearest rounding with C = 1 rounds every weight by itself."""
    x = adversarial_columns(samples, 30, weight, np.random.default_rng(2))
    np.testing.assert_allclose(np.linalg.norm(x, axis=0), 1.0)
    u, operator = np.zeros(samples), NearestRounding(1.0)
    for column in x.T:
        assert column @ u == pytest.approx(0.0, abs=1e-12)
        u += (weight - operator(weight + column @ u)) * column
    lost = abs(weight - round(weight))
    assert np.linalg.norm(u) == pytest.approx(lost * math.sqrt(30))


@pytest.mark.parametrize("step", [1e-200, 1e-100, 1e100, 1e200])
@pytest.mark.parametrize("operator", list(OPERATORS))
def test_operators_whose_squares_are_no_doubles_are_refused(operator, step):
    with pytest.raises(ValueError, match="whose square leaves double precision"):
        simulate(named_operator(operator, step, step), columns=4, samples=4, trials=10)


@pytest.mark.parametrize("operator", ["rounding", "prune-then-round"])
def test_steps_below_the_digits_of_the_weights_are_refused(operator):
    """The law of the errors would be that of double precision; a little above it is that of the steps."""
    for step in (1e-17, 1e-40):
        with pytest.raises(ValueError, match="finer than the digits of weights up to 1"):
            simulate(named_operator(operator, step, step), columns=4, samples=4, trials=10)
    for step in (1e-14, 0.5):
        plain, *_ = simulate(named_operator(operator, step, step), columns=8, samples=4, trials=400)
        assert plain.low < plain.measured < plain.theory
    assert simulate(named_operator("pruning", 1.0, 1e-40), columns=4, samples=4, trials=10)[0].measured == 0


@pytest.mark.parametrize("level", [-math.inf, 0.0, 1.0, math.inf, math.nan])
def test_a_failure_level_is_a_probability(level):
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1"):
        simulate(named_operator("rounding", 0.5, 0.5), columns=4, samples=4, trials=10, level=level)


def test_the_largest_error_of_a_wide_neuron_comes_from_smaller_blocks():
    """Of 600 columns 3495 trials, 2^21 / 600, come from one stream; and the interval has its level."""
    case = Case(StochasticRounding(0.25), columns=600, samples=2, level=0.1, seed=5)
    inputs, weights = case.data
    sample = error_sampler(weights, inputs, case.operator, case.scale)
    key = ("path_following", "largest")
    errors = [sample(stream(5, key, block), count) for block, count in ((0, 3495), (1, 205))]
    largest = np.sort(np.abs(np.concatenate(errors)).max(axis=1))
    narrow, wide = case.largest(3700, 0.5), case.largest(3700, 0.999)
    assert narrow[0] == wide[0] == largest[3330]
    assert wide[1] < narrow[1] <= narrow[0] <= narrow[2] < wide[2]
    # of 3700 trials 3330 +- 18.2 lie below the quantile: 0.67 and 3.29 standard deviations to either side
    for (_, low, high), reach in ((narrow, 0.6745), (wide, 3.2905)):
        ranks = np.searchsorted(largest, [low, high])
        assert np.abs(ranks - (3330 + np.array([-1, 1]) * reach * math.sqrt(333))).max() < 4


def test_problems_of_every_size_are_drawn_on_their_own():
    """Else the inputs of a smaller one would begin those of a larger one."""
    sizes = [(5, 8), (5, 9), (6, 8)]
    assert len({problem(*size, seed=3)[0][0, 0] for size in sizes}) == 3
    # of rank 1 a row is a multiple of every other: full inputs are drawn before, from another stream
    full, low = problem(5, 8, seed=3)[0], stream(3, ("path_following", 5, 8, 1))
    low.standard_normal((8, 5))
    expected = low.standard_normal((8, 1)) @ low.standard_normal((1, 5))
    np.testing.assert_allclose(problem(5, 8, seed=3, rank=1)[0], expected, rtol=1e-12)
    assert not np.allclose(full, expected)
    same = stream(3, ("path_following", 5, 8, 0)).standard_normal((8, 5))  # of no rank: as of rank 0
    np.testing.assert_array_equal(full, same)

"""Sums over sorted magnitudes and certified scales, against loops and against every scale that matters."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import snr as kernels

quarters = st.integers(0, 40).map(lambda k: k / 4)
magnitudes = st.lists(quarters, max_size=70).map(lambda found: np.array(sorted(found)))
scales = st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 16.0])  # w / s is exact, halves are met often
LEVELS = {
    "one": [0.0, 1.0],
    "integers": [0.0, 1.0, 2.0, 3.0],
    "not quite": [0.0, 1.0, 2.0, 4.0],
    "uneven": [0.0, 0.25, 0.5, 3.0, 3.5],
    "many": [float(k) for k in range(16)],
    "many and a gap": [*map(float, range(15)), 16.0],
}


def side(w, buckets=None):
    buckets = max(1, w.size // 2) if buckets is None else buckets
    return kernels.Side(w, *kernels.prepare(w, buckets))


def levels_of(found):
    found = np.array(found)
    edges, gaps = (found[1:] + found[:-1]) / 2, np.diff(found)
    uniform = bool(found.size > 1 and (found == np.arange(found.size)).all())
    scratch = np.empty(gaps.size, np.int64), np.empty(gaps.size, np.int64), np.empty(gaps.size + 5)
    return kernels.Levels(edges, gaps, float(found[-1]), uniform, *scratch)


def error(w, s, found):
    """Squared error of the nearest scaled level; exact for quarters on dyadic scales."""
    return sum(min((x - s * level) ** 2 for level in found) for x in w.tolist())


@given(magnitudes, st.integers(1, 40))
def test_prefix_sums_and_buckets(w, buckets):
    p1, p2, table = kernels.prepare(w, buckets)
    blocks = [w[: kernels.BLOCK * k] for k in range(w.size // kernels.BLOCK + 1)]
    assert p1.tolist() == [sum(part) for part in [*blocks, w]]
    assert p2.tolist() == [sum(part**2) for part in [*blocks, w]]
    rate = buckets / w[-1] if w.size and w[-1] else 0.0
    for i in range(buckets + 2):
        below = [x for x in w.tolist() if int(x * rate) < i]
        assert table[i].tolist() == [len(below), sum(below)]


def test_prefix_sums_do_not_lose_small_weights_among_large_ones():
    """Compensated: whichever of the two summands is larger."""
    for values in ([1e-9] * 40 + [1.0] * 40, [1.0, 1e8, 1e8], [1e-3] * 1000):
        w = np.array(values)
        p1, p2, table = kernels.prepare(w, 3)
        assert p1[-1] == math.fsum(w)
        assert p2[-1] == math.fsum(w * w)
        assert table[-1, 1] == math.fsum(w)


@given(magnitudes, st.integers(1, 40), st.one_of(quarters, st.floats(0, 12)), st.integers(0, 70))
def test_positions_and_prefixes(w, buckets, x, k):
    p1, p2, table = kernels.prepare(w, buckets)
    assert kernels.position(w, table, x) == sum(v <= x for v in w.tolist())
    k = min(k, w.size)
    assert kernels.prefix1(w, p1, k) == sum(w[:k])
    assert kernels.prefix2(w, p2, k) == sum(w[:k] ** 2)


@given(magnitudes, st.integers(1, 5), scales)
def test_sums_on_the_integers(w, top, s):
    """Halves go up."""
    codes = [min(math.floor(x / s + 0.5), top) for x in w.tolist()]
    a, b = kernels.rounded_sums(w, float(top), s)
    assert (a, b) == (sum(q * x for q, x in zip(codes, w.tolist(), strict=True)), sum(q * q for q in codes))


@settings(max_examples=200)
@given(magnitudes, st.sampled_from(sorted(LEVELS)), scales, st.booleans())
def test_sums_of_one_sign_whichever_way_they_are_found(w, name, s, crowded):
    """Few weights, few enough to round, many: in buckets of a few or all in one."""
    found = LEVELS[name]
    a, b = kernels.side_sums(side(w, 1 if crowded else None), levels_of(found), s)
    assert (w**2).sum() - 2 * s * a + s * s * b == error(w, s, found)
    codes = [min(found, key=lambda level: (abs(x - s * level), level)) for x in w.tolist()]  # halves go down
    if not levels_of(found).uniform:
        assert (a, b) == (
            sum(q * x for q, x in zip(codes, w.tolist(), strict=True)),
            sum(q * q for q in codes),
        )


@pytest.mark.parametrize("buckets", [1, 3, 20])
@pytest.mark.parametrize("name", ["one", "not quite", "uneven"])
def test_sums_of_many_weights_in_buckets_of_any_size(name, buckets):
    """Many weights above the last threshold or none, in buckets that are passed one by one or bisected."""
    found = LEVELS[name]
    for n in (11, 40, 75, 300):
        for largest in (40, 4):
            w = np.sort(np.random.default_rng(n).integers(0, largest + 1, n)) / 4
            for s in (0.125, 0.5, 1.0, 2.0, 4.0, 16.0):
                a, b = kernels.side_sums(side(w, buckets), levels_of(found), s)
                assert (w**2).sum() - 2 * s * a + s * s * b == error(w, s, found)


@given(magnitudes, st.sampled_from(sorted(LEVELS)), scales)
def test_what_clipping_and_zeroing_cost(w, name, s):
    found = LEVELS[name]
    beyond = sum((x - s * found[-1]) ** 2 for x in w.tolist() if x > s * found[-1])
    assert kernels.clipping(side(w), found[-1], s) == beyond
    edges = levels_of(found).e
    small = sum(x * x for x in w.tolist() if x <= s * found[1] / 2)
    assert kernels.zeroing(side(w), edges, s) == small
    assert kernels.zeroing(side(w), edges[:0], s) == sum(w**2)


@given(st.floats(0.1, 2), st.floats(1e-3, 2), st.floats(0, 3), st.floats(0, 3), st.floats(0, 9))
def test_the_chord_bound_is_the_least_value_on_the_interval(sa, width, la, fall, m2):
    sb, lb = sa + width, max(la - fall, 0.0)
    s = np.linspace(sa, sb, 4001)
    values = m2 - 2 * s * (la + (lb - la) * (s - sa) / width)
    found = kernels.chord_bound(m2, sa, la, sb, lb)
    assert found <= values.min() + 1e-9
    assert found == pytest.approx(values.min(), abs=1e-6)


def every_scale(w, levels):
    """Least error over all scales: between two scales where a code changes, the codes decide the best one."""
    w, levels = np.asarray(w), np.asarray(levels)
    edges = (levels[1:] + levels[:-1]) / 2
    changes = np.unique([x / e for x in w for e in edges if x * e > 0])
    best = float(w @ w)
    if changes.size:
        between = np.concatenate([[changes[0] / 2], (changes[1:] + changes[:-1]) / 2, [changes[-1] * 2]])
        for s in between:
            codes = levels[np.abs(w[:, None] / s - levels).argmin(axis=1)]
            if codes @ codes:
                best = min(best, float(w @ w - (codes @ w) ** 2 / (codes @ codes)))
    return best


def halves(values):
    """Both signs as the kernels take them."""
    values = np.asarray(values)
    return side(np.sort(values[values >= 0])), side(np.sort(-values[values < 0]))


signed = st.lists(
    st.one_of(st.integers(-8, 8).map(float), st.integers(-4000, 4000).map(lambda k: k / 1000)),
    min_size=1,
    max_size=12,
)
tables = st.sampled_from(sorted(LEVELS)).map(LEVELS.__getitem__)


@settings(max_examples=120)
@given(signed, tables, st.one_of(tables, st.just([0.0])))
def test_the_optimal_scale_is_that_of_every_scale(values, up, down):
    above, below = levels_of(up), levels_of(down)
    s, found, bound, _ = kernels.optimal_scale(*halves(values), above, below, 1e-9, 100_000)
    energy = sum(x * x for x in values)
    least = every_scale(values, [*(-x for x in reversed(down[1:])), *up])
    assert found == pytest.approx(least, rel=1e-8, abs=1e-12 * energy)
    assert least * (1 - 1e-8) - 1e-12 * energy <= bound + 1e-8 * found + 2e-13 * energy
    assert bound <= found
    nearest = [min([*up, *(-x for x in down)], key=lambda level: abs(x - s * level)) for x in values]
    reached = sum((x - s * q) ** 2 for x, q in zip(values, nearest, strict=True))
    assert reached == pytest.approx(found, rel=1e-8, abs=1e-12 * energy)


def test_where_zero_is_the_only_level_all_is_lost_at_any_scale():
    nothing = levels_of([0.0])
    assert kernels.optimal_scale(*halves([3.0, -4.0]), nothing, nothing, 1e-9, 100) == (1.0, 25.0, 25.0, 0)


@settings(max_examples=60)
@given(signed, tables, tables, st.integers(1, 60), st.sampled_from([0.5, 1e-2, 1e-6]))
def test_a_search_cut_short_still_bounds_every_scale(values, up, down, limit, tolerance):
    _, found, bound, _ = kernels.optimal_scale(
        *halves(values), levels_of(up), levels_of(down), tolerance, limit
    )
    least = every_scale(values, [*(-x for x in reversed(down[1:])), *up])
    slack = 1e-12 * sum(x * x for x in values)
    assert bound <= least + slack
    assert found >= least - slack


def alternated(values, levels, s):
    """Best codes, best scale, and so on: eight times, or until the scale gains less than 1e-9."""
    values, levels = np.array(values), np.array(levels)
    error = math.inf
    for _ in range(8):
        codes = levels[np.abs(values[:, None] - s * levels).argmin(axis=1)]
        here = float(np.sum((values - s * codes) ** 2))
        error = min(error, here)
        if not codes.any():
            break
        best = float(codes @ values / (codes @ codes))
        after = float(np.sum((values - best * codes) ** 2))
        if here - after <= 1e-9 * here:
            break
        s, error = best, min(error, after)
    return s, error


@settings(max_examples=100)
@given(signed, tables, tables, st.integers(1, 500).map(lambda k: k / 97))
def test_polishing_alternates_codes_and_scale(values, up, down, s):
    values = [x + 2**0.5 * (i + 1) / 1000 for i, x in enumerate(values)]  # no halves, which go either way
    above, below = levels_of(up), levels_of(down)
    levels = [*(-x for x in reversed(down[1:])), *up]
    m2 = sum(x * x for x in values)
    better, after, count = kernels.polish(*halves(values), above, below, m2, s, math.inf, 5)
    scale, expected = alternated(values, levels, s)
    assert after == pytest.approx(expected, rel=1e-6, abs=1e-9 * m2)
    assert better == pytest.approx(scale, rel=1e-6) or expected < 1e-9 * m2
    assert 6 <= count <= 13


@pytest.mark.parametrize("s", [0.01, 0.1, 5.0])
def test_polishing_ends_after_eight_rounds_with_the_error_of_its_last_scale(s):
    values = np.random.default_rng(0).standard_normal(60) * 3
    found, both = LEVELS["many"], levels_of(LEVELS["many"])
    m2 = float(values @ values)
    better, after, count = kernels.polish(*halves(values), both, both, m2, s, math.inf, 0)
    scale, expected = alternated(values, [*(-x for x in reversed(found[1:])), *found], s)
    assert count == 8 and (better, after) == pytest.approx((scale, expected), rel=1e-9)


# Few weights on many levels, where the first scales tried and polished end in a local minimum.
HARD = [(123, 6), (218, 11), (147, 6), (340, 6), (191, 7), (234, 10)]


@pytest.mark.parametrize(("seed", "n"), HARD)
def test_the_search_leaves_local_minima(seed, n):
    values = np.round(np.random.default_rng(seed).standard_normal(n) * 3, 2)
    for name in ("many", "many and a gap"):
        levels = levels_of(LEVELS[name])
        least = every_scale(values, [*(-x for x in reversed(LEVELS[name][1:])), *LEVELS[name]])
        _, found, bound, count = kernels.optimal_scale(*halves(values), levels, levels, 1e-9, 100_000)
        assert found == pytest.approx(least, rel=1e-8)
        assert bound == pytest.approx(least, rel=1e-8)
        for limit in range(1, count + 5, 3):
            _, found, bound, spent = kernels.optimal_scale(*halves(values), levels, levels, 1e-9, limit)
            assert bound <= least * (1 + 1e-9) <= found * (1 + 2e-9)
            assert spent <= max(limit, 40) + 9


def test_every_evaluation_is_counted():
    """Asked for a gap that no search can close, it ends with the evaluations."""
    values = np.round(np.random.default_rng(340).standard_normal(6) * 3, 2)
    levels = levels_of(LEVELS["many"])
    for limit in (100, 500):
        assert limit <= kernels.optimal_scale(*halves(values), levels, levels, -1.0, limit)[3] <= limit + 9


@pytest.mark.parametrize("name", ["many", "many and a gap"])
def test_the_evaluations_said_are_those_made(monkeypatch, name):
    """Counted from outside, in the search as Python runs it."""
    made = []
    sums = kernels.both_sums
    monkeypatch.setattr(kernels, "both_sums", lambda *given: made.append(given) or sums(*given))
    monkeypatch.setattr(kernels, "polish", getattr(kernels.polish, "py_func", kernels.polish))
    search = getattr(kernels.optimal_scale, "py_func", kernels.optimal_scale)
    levels = levels_of(LEVELS[name])
    for seed, n in HARD:
        values = np.round(np.random.default_rng(seed).standard_normal(n) * 3, 2)
        made.clear()
        assert search(*halves(values), levels, levels, 1e-9, 100_000)[3] == len(made)


@given(magnitudes, magnitudes, st.data())
def test_the_smallest_squares_of_two_lists(first, second, data):
    count = data.draw(st.integers(0, first.size + second.size))
    expected = sum(sorted([*(first**2).tolist(), *(second**2).tolist()])[:count])
    assert kernels.smallest_squares(side(first), side(second), count) == expected


@given(st.lists(st.integers(-9, 9), max_size=12))
def test_folding_turns_negative_ones_round(values):
    w = np.array(sorted(map(float, values)))
    zero = sum(v < 0 for v in values)
    kernels.fold(w, zero)
    assert w.tolist() == sorted(-v for v in values if v < 0) + sorted(v for v in values if v >= 0)


def test_a_limit_is_proved_to_130_db_of_the_energy_and_no_less():
    """A level next to zero: weights beside its threshold cost billionths of the energy at most."""
    levels = levels_of([0.0, 1e-5, 1.0])
    for seed in range(8):
        small = np.random.default_rng(seed).uniform(0.3e-5, 0.7e-5, 60)
        values = np.concatenate([[1.0, -1.0], small, -small])
        _, found, bound, _ = kernels.optimal_scale(*halves(values), levels, levels, 1e-9, 200_000)
        assert 1e-10 < found < 1e-8 and found - 4e-13 < bound <= found


@pytest.mark.parametrize("name", sorted(LEVELS))
@pytest.mark.parametrize("power", [-30, 30])
def test_the_search_knows_no_unit(name, power):
    """Weights times a power of two: the scale times it, errors times its square, and as many trials."""
    unit, found = 2.0**power, levels_of(LEVELS[name])
    for seed, size in ((0, 12), (1, 40), (2, 300)):
        w = np.random.default_rng(seed).standard_t(3, size)
        sides = [np.sort(w[w >= 0]), np.sort(-w[w < 0])]
        s, error, bound, trials = kernels.optimal_scale(*map(side, sides), found, found, 1e-6, 4000)
        again = kernels.optimal_scale(*(side(unit * part) for part in sides), found, found, 1e-6, 4000)
        assert again == (unit * s, unit**2 * error, unit**2 * bound, trials) and 0 < bound <= error

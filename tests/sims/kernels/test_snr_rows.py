"""Scales of every row on the integers, against loops and against every scale that matters."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import snr_rows as kernels

quarters = st.lists(st.integers(-40, 40).map(lambda k: k / 4), min_size=1, max_size=20)
signed = st.lists(
    st.one_of(st.integers(-8, 8).map(float), st.integers(-4000, 4000).map(lambda k: k / 1000)),
    min_size=1,
    max_size=12,
)
widths = st.integers(1, 5)


def padded(values):
    """As long as the next multiple of 16: zeros add nothing to any sum."""
    x = np.zeros(-(-len(values) // 16) * 16)
    x[: len(values)] = values
    return x


@given(quarters, widths, st.sampled_from([0.125, 0.25, 0.5, 1.0, 2.0, 4.0]))
def test_sums_of_rounded_weights(values, bits, s):
    """Halves go up; the ends of the grid hold what lies beyond."""
    n = 2 ** (bits - 1)
    codes = [max(min(math.floor(x / s + 0.5), n - 1), -n) for x in values]
    x = padded(values)
    a, b = kernels.integer_sums(x, np.empty(x.size), float(n), n - 1.0, s)
    assert (a, b) == (sum(q * v for q, v in zip(codes, values, strict=True)), sum(q * q for q in codes))


def every_scale(w, bits):
    """Least error over all scales: between two scales where a code changes, the codes decide the best one."""
    w, levels = np.asarray(w), np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))
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


def searched(values, bits, tolerance, limit):
    x, n = padded(values), 2.0 ** (bits - 1)
    return kernels.integer_scale(x, np.empty(x.size), np.empty((256, 4)), n, n - 1.0, tolerance, limit)


@settings(max_examples=120)
@given(signed, widths)
def test_the_scale_is_that_of_every_scale(values, bits):
    s, found, bound, _ = searched(values, bits, 1e-9, 100_000)
    energy, least = sum(x * x for x in values), every_scale(values, bits)
    assert found == pytest.approx(least, rel=1e-8, abs=1e-12 * energy)
    assert least * (1 - 1e-8) - 1e-12 * energy <= bound + 1e-8 * found + 2e-13 * energy
    assert bound <= found
    n = 2 ** (bits - 1)
    reached = sum((x - s * max(min(round(x / s), n - 1), -n)) ** 2 for x in values)
    assert reached == pytest.approx(found, rel=1e-8, abs=1e-12 * energy)


@settings(max_examples=60)
@given(signed, widths, st.integers(1, 60), st.sampled_from([0.5, 1e-2, 1e-6]))
def test_a_search_cut_short_still_bounds_every_scale(values, bits, limit, tolerance):
    _, found, bound, _ = searched(values, bits, tolerance, limit)
    slack = 1e-12 * sum(x * x for x in values)
    assert bound - slack <= every_scale(values, bits) <= found + slack


# Few weights on many levels, where the first scales tried and polished end in a local minimum.
HARD = [(340, 6), (114, 7), (107, 7), (108, 6), (123, 6), (223, 9)]


@pytest.mark.parametrize(("seed", "n"), HARD)
def test_the_search_leaves_local_minima(seed, n):
    values = np.round(np.random.default_rng(seed).standard_normal(n) * 3, 2)
    for bits in (4, 5):
        least = every_scale(values, bits)
        _, found, bound, count = searched(values, bits, 1e-9, 100_000)
        assert found == pytest.approx(least, rel=1e-8)
        assert bound == pytest.approx(least, rel=1e-8)
        for limit in range(1, count + 5, 3):
            s, found, bound, spent = searched(values, bits, 1e-9, limit)
            assert bound <= least * (1 + 1e-9) <= found * (1 + 2e-9)
            assert spent <= max(limit, 20) + 9
            codes = np.clip(np.floor(values / s + 0.5), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            again = values @ values - (codes @ values) ** 2 / (codes @ codes)
            assert again >= found * (1 - 1e-6)  # polished: its codes have no better scale


def test_every_evaluation_is_counted():
    """Asked for a gap that no search can close, it ends with the evaluations."""
    values = np.round(np.random.default_rng(340).standard_normal(6) * 3, 2)
    for limit in (100, 500):
        assert limit <= searched(values, 4, -1.0, limit)[3] <= limit + 9


def test_the_evaluations_said_are_those_made(monkeypatch):
    """Counted from outside, in the search as Python runs it."""
    made = []
    sums = kernels.integer_sums
    monkeypatch.setattr(kernels, "integer_sums", lambda *given: made.append(given) or sums(*given))
    search = getattr(kernels.integer_scale, "py_func", kernels.integer_scale)
    for seed, n in HARD:
        x = padded(np.round(np.random.default_rng(seed).standard_normal(n) * 3, 2))
        made.clear()
        assert search(x, np.empty(x.size), np.empty((256, 4)), 8.0, 7.0, 1e-9, 100_000)[3] == len(made)


def test_what_lies_on_the_grid_is_polished_once():
    """1 on {-2, ..., 1}: four scales from 1 down to 1/8, and one polish, which finds nothing to gain."""
    assert searched([1.0], 2, 1e-9, 100) == (1.0, 0.0, 0.0, 5)


@settings(max_examples=60)
@given(st.lists(signed, min_size=1, max_size=3), st.sampled_from([0, 2048]))
def test_rows_of_unequal_scale_sorted_or_not(found, short):
    columns = max(map(len, found))
    rows = np.array([[*row, *[0.0] * (columns - len(row))] for row in found])
    rows *= np.array([1.0, 1e-3, 300.0])[: len(rows), None]
    bits = np.array([2, 1, 4])
    errors, bounds = kernels.row_errors(rows, bits, 1e-9, 100_000, short)
    for r, row in enumerate(rows):
        for j, b in enumerate(bits.tolist()):
            assert errors[r, j] == pytest.approx(every_scale(row, b), rel=1e-8, abs=1e-12 * (row @ row))
            assert bounds[r, j] <= errors[r, j] <= bounds[r, j] * (1 + 1e-8) + 2e-13 * (row @ row)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("power", [-30, 30])
def test_the_search_knows_no_unit(bits, power):
    """Weights times a power of two: the scale times it, errors times its square, and as many trials."""
    unit = 2.0**power
    for seed, size in ((0, 5), (1, 30), (2, 200)):
        w = np.random.default_rng(seed).standard_t(3, size)
        s, error, bound, trials = searched(w, bits, 1e-6, 4000)
        assert searched(unit * w, bits, 1e-6, 4000) == (unit * s, unit**2 * error, unit**2 * bound, trials)
        assert 0 < bound <= error

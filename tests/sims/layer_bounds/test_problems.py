"""Inputs of known covariance: what is drawn has it."""

import itertools

import numpy as np
import pytest

from sims.layer_bounds.problems import problem

N, M = 5, 40_000
PLACES = np.abs(np.subtract.outer(np.arange(N), np.arange(N)))
LAWS = {
    "independent": (PLACES == 0).astype(float),
    "autoregressive": 0.7**PLACES,
    "equicorrelated": np.where(PLACES == 0, 1.0, 0.7),
}


@pytest.mark.parametrize("kind", LAWS)
def test_columns_have_variance_one_and_the_stated_correlation(kind):
    x, w = problem(kind, N, 3, correlation=0.7, samples=M)
    assert x.shape == (M, N) and w.shape == (N,)
    np.testing.assert_allclose(x.T @ x / M, LAWS[kind], atol=5 / np.sqrt(M))


def test_rectified_inputs_are_the_positive_parts():
    """E max(z, 0) = 1/sqrt(2 pi), E max(z, 0)^2 = 1/2; of two, (sqrt(1 - r^2) + r (pi - acos r)) / (2 pi)."""
    x, _ = problem("relu", N, 3, correlation=0.7, samples=M)
    assert x.min() == 0.0
    np.testing.assert_allclose(x.mean(axis=0), 1 / np.sqrt(2 * np.pi), atol=0.015)
    np.testing.assert_allclose((x**2).mean(axis=0), 0.5, atol=0.03)
    mixed = (np.sqrt(1 - 0.49) + 0.7 * (np.pi - np.arccos(0.7))) / (2 * np.pi)
    assert np.mean(x[:, 0] * x[:, 1]) == pytest.approx(mixed, abs=0.03)


def test_sixteen_samples_a_column_and_a_correlation_of_nine_tenths_unless_asked_otherwise():
    x, w = problem("autoregressive", 7, 1)
    same, _ = problem("autoregressive", 7, 1, correlation=0.9, samples=112)
    np.testing.assert_array_equal(x, same)
    other, v = problem("autoregressive", 7, 2)
    assert x.shape == other.shape and not np.array_equal(x, other) and not np.array_equal(w, v)
    np.testing.assert_array_equal(problem("relu", 2)[0], problem("relu", 2, 0)[0])
    assert problem("independent", 2, correlation=0.0, samples=1)[0].shape == (1, 2)
    with pytest.raises(ValueError, match="columns must be an integer >= 1, got 0"):
        problem("relu", 0)
    for wrong in (1.0, -0.1):
        with pytest.raises(ValueError, match=r"correlation must lie in \[0, 1\)"):
            problem("relu", 3, correlation=wrong)


def test_every_argument_but_the_number_of_samples_names_a_stream_of_its_own():
    """The first number of an autoregressive or independent layer is the first that its stream drew."""
    options = itertools.product(("independent", "autoregressive"), (4, 5, 8), (0, 1), (0.5, 0.9))
    drawn = [
        [problem(kind, columns, seed, correlation=r, samples=m)[0][0, 0] for m in (3, 40)]
        for kind, columns, seed, r in options
    ]
    assert all(few == many for few, many in drawn)
    assert len({few for few, _ in drawn}) == len(drawn) == 24


@pytest.mark.parametrize("kind", [*LAWS, "relu"])
def test_a_correlation_of_zero_is_zero_however_it_is_written(kind):
    """Streams are named by the text of their keys, and 0 is not 0.0 there: the layers were two."""
    first, w = problem(kind, 3, correlation=0.0)
    for zero in (0, np.float32(0), np.int64(0), False):
        x, v = problem(kind, 3, correlation=zero)
        np.testing.assert_array_equal(x, first)
        np.testing.assert_array_equal(v, w)

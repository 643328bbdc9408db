import numpy as np
import pytest

from sims.support.powers import times_power


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_times_a_power_has_the_bits_of_ldexp_whatever_the_exponent(dtype):
    """Results that are subnormal, zero or infinite, and powers that are no number of the type themselves."""
    rng = np.random.default_rng(0)
    limits = np.finfo(dtype)
    values = np.array(
        [0.0, -0.0, 1.0, -3.0, limits.max, limits.tiny, -limits.smallest_subnormal, np.inf, np.nan]
    )
    values = np.concatenate([values, rng.normal(size=40), 2.0 ** rng.integers(-60, 60, 9)]).astype(dtype)
    edges = [limits.minexp, limits.maxexp]
    near = [edge + d for edge in edges for d in range(-30, 31)]
    with np.errstate(over="ignore", under="ignore"):
        for exponent in [*range(-40, 41), *near, -5000, 5000]:
            np.testing.assert_array_equal(times_power(values, exponent), np.ldexp(values, exponent))
            assert times_power(values, exponent).dtype == dtype


def test_times_a_power_in_place_and_beside():
    values = np.array([[1.5, -2.0]], np.float32)
    beside = np.empty_like(values)
    assert times_power(values, 3, out=beside) is beside
    assert beside.tolist() == [[12.0, -16.0]] and values.tolist() == [[1.5, -2.0]]
    for exponent in (-1, 200):
        one = values.copy()
        with np.errstate(over="ignore"):
            assert times_power(one, exponent, out=one) is one
            assert one.tolist() == np.ldexp(values, exponent).tolist()

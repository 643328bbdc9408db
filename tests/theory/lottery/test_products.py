"""Products: the first arguments that are out of range, and bounds of what cannot succeed."""

import numpy as np
import pytest

from theory.lottery.products import candidate_price, missing_products, reduced_shares, shared_divisor_bound

ODD = [np.array([[1]])]


@pytest.mark.parametrize(
    ("call", "name", "least"),
    [
        (missing_products, "max_value", 1),
        (lambda v: candidate_price(v, 1), "max_value", 1),
        (lambda v: shared_divisor_bound(ODD, 3, v), "max_value", 1),
        (lambda v: shared_divisor_bound(ODD, v, 3), "samples", 0),
        (lambda v: reduced_shares(v, 2), "max_value", 1),
        (lambda v: reduced_shares(2, v), "ratio", 1),
    ],
)
def test_the_least_that_is_taken(call, name, least):
    call(least)
    with pytest.raises(ValueError, match=f"{name} must be an integer >= {least}, got {least - 1}"):
        call(least - 1)


def test_what_no_candidate_reaches_has_no_chance():
    # without a sample only what the prime divides asks for nothing
    assert shared_divisor_bound(ODD, 0, 3) == 0.0 == shared_divisor_bound(ODD, 0, 3, independent=True)
    assert shared_divisor_bound([*ODD, np.array([[2]])], 0, 3) == 0.0
    assert shared_divisor_bound([np.array([[3]])], 0, 3, prime=3) == 1.0


@pytest.mark.parametrize("value", [-3, 0, 1, 4, 9, 25, 35, 49, 121])
def test_squares_of_primes_are_no_primes(value):
    with pytest.raises(ValueError, match=f"prime={value} must be a prime"):
        shared_divisor_bound(ODD, 2, 12, prime=value)


@pytest.mark.parametrize("value", [2, 3, 5, 7, 11, 13])
def test_one_sample_has_two_factors_without_the_prime(value):
    """Of 1..12 the share that is no multiple, twice."""
    share = sum(v % value != 0 for v in range(1, 13)) / 12
    assert shared_divisor_bound(ODD, 1, 12, prime=value) == pytest.approx(share**2, rel=1e-12)


def test_nothing_is_paid_for_the_weight_that_no_candidate_is_needed_for():
    with pytest.raises(ValueError, match="target=0 must be another weight"):
        candidate_price(5, 0)
    assert candidate_price(5, -7) == candidate_price(5, 7) == pytest.approx(1.5531, abs=5e-5)

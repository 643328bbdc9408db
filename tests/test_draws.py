"""Tests that draw from a generator of their module draw the same, whatever ran before them."""

import numpy as np
import pytest

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("order", ["first", "second", "third"])
def test_every_test_begins_where_the_generator_of_its_module_begins(order):
    assert RNG.random(3).tolist() == np.random.default_rng(7).random(3).tolist()

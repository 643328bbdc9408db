"""Walsh-Hadamard transforms against the matrix written out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import hadamard as kernels


def sylvester(size):
    """Entry (i, j) is the parity of the bits that i and j share."""
    return np.array([[(-1) ** (i & j).bit_count() for j in range(size)] for i in range(size)])


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16, 32, 64])
def test_butterflies_are_the_matrix(size):
    x = np.random.default_rng(size).integers(-9, 10, size).astype(float)
    expected = sylvester(size) @ x
    for h in (part for part in (1, 2, 4, 8, 16, 32, 64) if part <= size):  # parts of that length are done
        found = np.concatenate([sylvester(h) @ part for part in x.reshape(-1, h)]).astype(float)
        kernels.transform(found, h)
        assert found.tolist() == expected.tolist()


@settings(max_examples=60)
@given(
    st.integers(1, 3),
    st.sampled_from([1, 2, 4, 8, 16, 32]),
    st.integers(0, 3),
    st.integers(0, 40),
    st.integers(0, 2**32),
)
def test_rows_are_rotated_block_by_block(count, block, first, columns, seed):
    """Signs before and after; columns before `first` and those that fill no block stay."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-9, 10, (count, first + columns)).astype(float)
    before, after = rng.choice([-1.0, 1.0], (2, first + columns))
    expected = rows.copy()
    for start in range(first, first + columns // block * block, block):
        part = slice(start, start + block)
        expected[:, part] = (rows[:, part] * before[part]) @ sylvester(block).T * after[part] / block**0.5
    kernels.rotate_rows(rows, first, block, before, after)
    np.testing.assert_allclose(rows, expected, rtol=1e-14, atol=1e-13)

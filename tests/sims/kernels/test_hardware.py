"""Products with a stored matrix against the matrix written out; small integers, exact in float32."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.kernels import hardware as kernels

sizes = st.tuples(st.integers(1, 3), st.integers(1, 12))  # rows of the matrix, rows of inputs


def drawn(seed, m, batch, n, low=-7, high=8):
    rng = np.random.default_rng(seed)
    weights = rng.integers(low, high, (m, n))
    inputs = rng.integers(-9, 10, (batch, n)).astype(np.float32)
    scales = rng.choice([0.25, 0.5, 1.0, 4.0], m).astype(np.float32)
    return rng, weights, inputs, scales, np.full((batch, m), np.nan, np.float32)


@settings(max_examples=40)
@given(st.integers(0, 2**32), sizes, st.integers(1, 70))
def test_dense_and_eight_bits(seed, shape, n):
    _, weights, inputs, scales, out = drawn(seed, *shape, n, -128, 128)
    kernels.dense(weights.astype(np.float32), inputs, out)
    assert out.tolist() == (inputs @ weights.T).tolist()
    kernels.int8(weights.astype(np.int8), scales, inputs, out)
    assert out.tolist() == (inputs @ (scales[:, None] * weights).T).tolist()


@settings(max_examples=40)
@given(st.integers(0, 2**32), sizes, st.integers(1, 35))
def test_two_codes_in_a_byte(seed, shape, half):
    """Codes -8 to 7 plus 8: the first half of a row below, the second above."""
    _, codes, inputs, scales, out = drawn(seed, *shape, 2 * half, -8, 8)
    packed = np.array(
        [[(a + 8) + 16 * (b + 8) for a, b in zip(row[:half], row[half:], strict=True)] for row in codes]
    )
    kernels.int4(packed.astype(np.uint8), scales, inputs, out)
    assert out.tolist() == (inputs @ (scales[:, None] * codes).T).tolist()


@settings(max_examples=40)
@given(
    st.integers(0, 2**32), sizes, st.sampled_from([1, 63, 64, 65, 130]), st.sampled_from([0.0, 0.1, 0.6, 1.0])
)
def test_a_bit_for_every_weight(seed, shape, n, share):
    rng, weights, inputs, _, out = drawn(seed, *shape, n)
    kept = rng.random(weights.shape) < share
    words = -(-n // 64)
    masks = np.array(
        [
            [sum(1 << k for k, bit in enumerate(row[64 * w : 64 * w + 64]) if bit) for w in range(words)]
            for row in kept.tolist()
        ],
        np.uint64,
    )
    starts = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    kernels.bitmask(masks, starts, weights[kept].astype(np.float32), inputs, out)
    assert out.tolist() == (inputs @ (kept * weights).T).tolist()


@settings(max_examples=40)
@given(st.integers(0, 2**32), sizes, st.integers(1, 20))
def test_two_of_every_four(seed, shape, groups):
    rng, weights, inputs, _, out = drawn(seed, *shape, 4 * groups)
    chosen = np.array([[rng.permutation(4)[:2] for _ in range(groups)] for _ in weights])
    places = (chosen[:, :, 0] + 4 * chosen[:, :, 1]).astype(np.uint8)
    dense, values = np.zeros_like(weights), np.empty((len(weights), 2 * groups), np.float32)
    for r, g, i in np.ndindex(*chosen.shape):
        k = 4 * g + chosen[r, g, i]
        dense[r, k] = values[r, 2 * g + i] = weights[r, k]
    kernels.two_of_four(values, places, inputs, out)
    assert out.tolist() == (inputs @ dense.T).tolist()

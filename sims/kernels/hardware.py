"""Products of a stored matrix with inputs, a kernel for each way to store it: `benchmarks/hardware.py`.

Weights (m, n), inputs (B, n), outputs (B, m), float32. Codes of integers have one scale per row.
"""

import numpy as np

from sims.kernels import kernel


@kernel(fastmath=True)
def dense(weights, inputs, outputs):
    """Float32 weights as they are."""
    for r in range(weights.shape[0]):
        row = weights[r]
        for b in range(inputs.shape[0]):
            total = np.float32(0)
            for k in range(row.size):
                total += row[k] * inputs[b, k]
            outputs[b, r] = total


@kernel(fastmath=True)
def int8(codes, scales, inputs, outputs):
    """Eight-bit codes, widened as they are read."""
    for r in range(codes.shape[0]):
        row = codes[r]
        for b in range(inputs.shape[0]):
            total = np.float32(0)
            for k in range(row.size):
                total += np.float32(row[k]) * inputs[b, k]
            outputs[b, r] = total * scales[r]


@kernel(fastmath=True)
def int4(packed, scales, inputs, outputs):
    """Two codes plus 8 in a byte: the first half of a row in the low nibbles, the second in the high."""
    half = packed.shape[1]
    for r in range(packed.shape[0]):
        row = packed[r]
        for b in range(inputs.shape[0]):
            x = inputs[b]
            low = high = ones = np.float32(0)
            for k in range(half):
                low += np.float32(row[k] & np.uint8(15)) * x[k]
                high += np.float32(row[k] >> np.uint8(4)) * x[half + k]
                ones += x[k] + x[half + k]
            outputs[b, r] = (low + high - np.float32(8) * ones) * scales[r]


@kernel(fastmath=True)
def bitmask(masks, starts, values, inputs, outputs):
    """A bit per weight, 64 to a word; kept values in order, `starts` where every row's begin."""
    for r in range(masks.shape[0]):
        for b in range(inputs.shape[0]):
            total, at = np.float32(0), starts[r]
            for word in range(masks.shape[1]):
                mask, first = masks[r, word], 64 * word
                while mask:
                    lowest = mask & (~mask + np.uint64(1))
                    place = 0
                    rest = lowest
                    for shift in (32, 16, 8, 4, 2, 1):
                        if rest >> np.uint64(shift):
                            rest >>= np.uint64(shift)
                            place += shift
                    total += values[at] * inputs[b, first + place]
                    at += 1
                    mask ^= lowest
            outputs[b, r] = total


@kernel(fastmath=True)
def two_of_four(values, places, inputs, outputs):
    """Two values of every four; their places 0-3 in the bits of a byte, two and two."""
    for r in range(values.shape[0]):
        for b in range(inputs.shape[0]):
            total = np.float32(0)
            x = inputs[b]
            for g in range(places.shape[1]):
                place = np.uint64(places[r, g])
                first = np.uint64(4) * np.uint64(g)
                total += values[r, 2 * g] * x[first + (place & np.uint64(3))]
                total += values[r, 2 * g + 1] * x[first + (place >> np.uint64(2))]
            outputs[b, r] = total

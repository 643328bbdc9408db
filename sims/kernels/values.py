"""A few passes over values as they are: a narrow copy, their kurtosis, their order."""

import numpy as np

from sims.kernels import kernel


@kernel(_nrt=False)  # arguments are borrowed, see sims.kernels.snr
def narrow(values, out):
    """Copy float64 values to float32; False, with `out` unfinished, where a value would change.

    Neither may one change that is divided by a power of two so that the largest is about 1: zeros aside,
    magnitudes must lie between 1e-30 and 1e7, which keeps them normal.
    """
    for first in range(0, values.size, 4096):
        part, copy = values[first : first + 4096], out[first : first + 4096]
        changed = np.int64(0)
        for i in range(part.size):
            x = part[i]
            copy[i] = x
            size = abs(x)
            normal = (size >= 1e-30) & (size <= 1e7)
            changed += np.int64((np.float64(copy[i]) != x) | ((x != 0.0) & ~normal))
        if changed:
            return False
    return True


@kernel
def centred_kurtosis(w, factor):
    """Fourth central moment over the squared second, of factor * w without a copy; nan for a constant."""
    total = 0.0
    constant = True
    for x in w:
        total += np.float64(x) * factor
        constant = constant and x == w[0]
    if constant:
        return np.nan
    mean = total / w.size
    second = fourth = 0.0
    for x in w:
        deviation = np.float64(x) * factor - mean
        square = deviation * deviation
        second += square
        fourth += square * square
    return w.size * fourth / (second * second)


@kernel
def sort_floats(bits, other):
    """Sort float32 numbers by their bits, digit by digit of eight bits; NaN comes last.

    bits, other: uint32, as many; what was in `other` is lost. Positive numbers have the order of their bits,
    negative ones the reverse.
    """
    most, sign, last = np.uint32(0xFFFFFFFF), np.uint32(0x80000000), np.uint32(255)
    counts = np.zeros((4, 256), np.int64)
    for i in range(bits.size):
        x = bits[i]
        if (x & ~sign) > np.uint32(0x7F800000):
            x = most
        else:
            x ^= most if x & sign else sign
        bits[i] = x
        for digit in range(4):
            counts[digit, (x >> np.uint32(8 * digit)) & last] += 1
    places = np.empty(256, np.int64)
    before, after = bits, other
    for digit in range(4):
        total = 0
        for k in range(256):
            places[k] = total
            total += counts[digit, k]
        shift = np.uint32(8 * digit)
        for i in range(bits.size):
            x = before[i]
            k = (x >> shift) & last
            after[places[k]] = x
            places[k] += 1
        before, after = after, before
    for i in range(bits.size):
        bits[i] ^= sign if bits[i] & sign else most

"""Powers of two."""

import numpy as np


def times_power(values: np.ndarray, exponent: int, out: np.ndarray | None = None) -> np.ndarray:
    """values 2^exponent, the bits of `np.ldexp` in a twentieth of its time.

    Where the power is a normal number of their type, the product is rounded once, as by ldexp.

    Parameters
    ----------
    values
        float32 or float64, any shape.
    exponent
        Any integer.
    out
        Where the result goes, `values` allowed.

    Examples
    --------
    >>> times_power(np.array([3.0, -0.5]), -1)
    array([ 1.5 , -0.25])
    """
    limits = np.finfo(values.dtype)
    if limits.minexp <= exponent < limits.maxexp:
        return np.multiply(values, values.dtype.type(2.0**exponent), out=out)
    return np.ldexp(values, exponent, out=out)

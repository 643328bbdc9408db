"""Arguments checked in one place: whole numbers, shares, positive numbers, choices.

Each function returns the value in the form that computations want, or raises with one sentence that names the
argument, the value, and what would be right: TypeError where its kind is wrong, ValueError where its size is.
"""

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np


def whole(
    name: str, value: Any, least: int | None = None, most: int | None = None, any_size: bool = False
) -> int:
    """`value` as a Python integer between `least` and `most`.

    NumPy integers are converted: exact arithmetic must not wrap around at 64 bits. Integers of more than
    63 bits are refused unless the computation is one with integers (`any_size`): doubles end somewhere.

    Examples
    --------
    >>> whole("n", np.int8(100), 1) ** 10
    100000000000000000000
    >>> whole("bits", 0, 1, 16)
    Traceback (most recent call last):
    ValueError: bits must be an integer from 1 to 16, got 0
    """
    if least is None:
        allowed = "an integer"
    elif most is None:
        allowed = f"an integer >= {least}"
    else:
        allowed = f"an integer from {least} to {most}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    if (least is not None and value < least) or (most is not None and value > most):
        raise ValueError(f"{name} must be {allowed}, got {shown(value)}")
    if most is None and not any_size and abs(int(value)) >= 2**63:
        raise ValueError(f"{name} must be smaller than 2**63 in magnitude, got {shown(value)}")
    return int(value)


def shown(value: Any) -> str:
    """A number as a sentence shows it: of a very long integer its size alone."""
    if isinstance(value, int) and abs(value) >= 10**30:
        return f"an integer of {value.bit_length()} bits"
    return str(value)


def reals(name: str, value: Any) -> np.ndarray:
    """`value` as an array of float64; integers beyond 1.8e308, which no double holds, are one sentence."""
    try:
        return np.asarray(value, np.float64)
    except OverflowError:
        raise ValueError(f"{name} must lie within double precision, got an integer beyond it") from None


def integers(name: str, value: Any) -> np.ndarray:
    """`value` as an array of int64: what is no whole number is not cut to one.

    Examples
    --------
    >>> integers("weights", [3.0, -128.0])
    array([   3, -128])
    >>> integers("weights", [3, 0.5])
    Traceback (most recent call last):
    ValueError: weights must hold integers below 2**63 in magnitude, got 0.5
    """
    found = np.asarray(value)
    if found.dtype.kind not in "iuf":
        raise TypeError(f"{name} must hold integers, got {found.dtype}")
    off = (found != np.rint(found)) | (np.abs(found.astype(np.float64)) >= 2.0**63)
    if off.any():
        raise ValueError(f"{name} must hold integers below 2**63 in magnitude, got {found[off][0]}")
    return found.astype(np.int64)


def positive(name: str, value: Any, unit: str = "") -> Any:
    """`value`, a positive finite real number (a Fraction stays one); `unit` says what it measures."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (Real, np.floating, np.integer)):
        raise TypeError(f"{name} must be a real number, got {type(value).__name__}")
    try:
        finite = 0.0 < float(value) < math.inf
    except OverflowError:  # an integer beyond every double
        finite = False
    if not finite:
        what = f" ({unit})" if unit else ""
        raise ValueError(f"{name} must be positive and finite{what}, got {shown(value)}")
    # NumPy's narrow numbers would wrap around in what is made of them (2 * np.int8(100)), or end
    return value.item() if isinstance(value, (np.floating, np.integer)) else value


def inside(name: str, value: Any) -> float:
    """`value` as a float strictly between 0 and 1: a confidence, a failure level.

    Examples
    --------
    >>> inside("level", 0.99)
    0.99
    """
    if not 0.0 < value < 1.0:
        raise ValueError(f"{name} must lie strictly between 0 and 1, got {value!r}")
    return float(value)


def share_of_zeros(value: Any) -> float:
    """A sparsity as a float in [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"sparsity must lie in [0, 1), the share of weights set to zero, got {value!r}")
    return float(value)


def share_count(share: Any, size: int) -> np.ndarray:
    """The least number of `size` things that is at least the share: ceil(share size).

    A decimal share may lie an ulp above what it says (99.9 / 100, 0.1): it counts as what it says.

    Examples
    --------
    >>> share_count([99.9 / 100, 0.999, 0.9991], 1000).tolist()
    [999, 999, 1000]
    """
    count = np.asarray(share, np.float64) * size
    nearest = np.rint(count)
    return np.where(count - nearest <= 2.0**-50 * nearest, nearest, np.ceil(count)).astype(np.int64)


def choice(name: str, value: Any, options: Iterable[Any]) -> Any:
    """`value`, which must be one of `options`.

    Examples
    --------
    >>> choice("parity", "none", ("even", "odd"))
    Traceback (most recent call last):
    ValueError: parity must be one of even, odd, got 'none'
    """
    options = tuple(options)
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(map(str, options))}, got {value!r}")
    return value


def plain(value: np.ndarray | float) -> np.ndarray | float:
    """A float where the arguments were numbers, an array where one of them was."""
    value = np.asarray(value)
    return float(value) if value.ndim == 0 else value

"""The target of a lottery ticket: a quantized ReLU network without biases, in exact integers."""

from collections.abc import Sequence

import numpy as np

from theory.arguments import integers, whole


def check_network(weights: Sequence[np.ndarray], limit: int, max_value: int) -> list[np.ndarray]:
    """The target as int64 matrices; one clear sentence where it is not a network on the grid."""
    if isinstance(weights, np.ndarray) and weights.ndim == 2:
        raise TypeError("weights must be a list of matrices, one per layer; wrap a single matrix: [matrix]")
    if len(weights) == 0:
        raise ValueError("weights is empty: at least one matrix (fan_out, fan_in) is needed")
    found: list[np.ndarray] = []
    for i, given in enumerate(weights):
        matrix = np.asarray(given)
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ValueError(
                f"weights[{i}] has shape {matrix.shape}; a non-empty matrix (fan_out, fan_in) is needed"
            )
        if matrix.dtype.kind not in "iuf":
            raise TypeError(f"weights[{i}] holds {matrix.dtype}; integers on the grid are needed")
        if matrix.dtype.kind == "f":
            off = ~np.isfinite(matrix) | (matrix != np.rint(matrix))
            if off.any():
                r, c = np.argwhere(off)[0]
                raise ValueError(
                    f"weights[{i}][{r}, {c}] = {matrix[r, c]} is off the grid; "
                    "weights are integers in units of the grid step"
                )
        if found and found[-1].shape[0] != matrix.shape[1]:
            raise ValueError(
                f"weights[{i}] reads {matrix.shape[1]} inputs, "
                f"but weights[{i - 1}] has {found[-1].shape[0]} outputs"
            )
        beyond = (matrix > limit) | (matrix < -limit)  # in 8 bits -128 has no magnitude
        if beyond.any():
            r, c = np.argwhere(beyond)[0]
            raise ValueError(
                f"weights[{i}][{r}, {c}] = {matrix[r, c]} is beyond the grid {{-{limit}..{limit}}} "
                f"of max_value={max_value}"
            )
        found.append(matrix.astype(np.int64))
    return found


def network_outputs(weights: Sequence[np.ndarray], inputs: np.ndarray, reduction: int = 1) -> np.ndarray:
    """Outputs of the target, f(x) = [W_l relu([... W_1 x]_gamma)]_gamma, in exact integers.

    Examples
    --------
    >>> network_outputs([[[3, -1]], [[2]]], [[5, 4], [0, 9]])
    array([[22],
           [ 0]])
    """
    matrices = [integers(f"weights[{i}]", w) for i, w in enumerate(weights)]
    x = integer_inputs(inputs, matrices[0].shape[1])
    for i, w in enumerate(matrices):
        x = reduce_outputs(exact_product(np.maximum(x, 0) if i else x, w), reduction)
    return x


def reduce_outputs(values: np.ndarray, divisor: int) -> np.ndarray:
    """[v]_gamma = sign(v) floor(|v| / divisor): the coarser grid has one point in `divisor` of the finer one.

    Examples
    --------
    >>> reduce_outputs(np.array([-9, -3, 0, 3, 9]), 4)
    array([-2,  0,  0,  0,  2])
    """
    divisor = whole("reduction", divisor, 1, 1 << 62)
    if divisor == 1:
        return values
    down = values // divisor  # towards -infinity: the magnitude of -2^63 is no 64-bit integer
    return down + ((down < 0) & (down * divisor != values))


def exact_product(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x @ w.T in integers: by floating-point matrix product while every partial sum is an exact float64."""
    size = _magnitude(x)
    largest = size * _widest(w)
    if largest < 1 << 53:
        return (x.astype(np.float64) @ w.T.astype(np.float64)).astype(np.int64)
    if largest < 1 << 63:
        return x @ w.T
    if size == 1 << 63:
        exact = x.astype(object) @ w.T.astype(object)
        if all(-(1 << 63) <= value < 1 << 63 for value in exact.ravel()):
            return exact.astype(np.int64)
    raise ValueError(
        "outputs can exceed 64-bit integers: use a reduction, smaller inputs, or verify() without inputs"
    )


def _magnitude(values: np.ndarray) -> int:
    """Largest magnitude, that of -2^63 too."""
    return max(int(values.max(initial=0)), -int(values.min(initial=0)))


def _widest(w: np.ndarray) -> int:
    """Largest sum of magnitudes in a row, also where it is no 64-bit integer."""
    if _magnitude(w) * w.shape[1] < 1 << 63:
        return int(np.abs(w).sum(axis=1).max(initial=0))
    return max(sum(abs(int(value)) for value in row) for row in w)


def integer_inputs(inputs: np.ndarray, fan_in: int) -> np.ndarray:
    """Inputs as int64 (samples, fan_in), or one sentence about what they are instead."""
    x = np.asarray(inputs)
    if x.ndim != 2 or x.shape[1] != fan_in:
        raise ValueError(f"inputs has shape {x.shape}; (samples, {fan_in}) is needed")
    if x.dtype.kind not in "biuf" or (x.dtype.kind == "f" and not (x == np.rint(x)).all()):
        raise ValueError("inputs must be integers (in units of the input grid)")
    if x.dtype.kind in "uf" and (x.max(initial=0) >= 2**63 or x.min(initial=0) < -(2**63)):
        raise ValueError("inputs must be 64-bit integers: a larger one would become another number")
    return x.astype(np.int64)

r"""Path-following compression of whole layers, and the yardsticks it is compared with.

Every sequential method here is one recursion, v = w + H (w - q), q = T(v), with a strictly lower triangular
H:

- "path-following": H = (C D)^{-1} tril(X'X, -1), D = diag(X'X): SPFQ and its unified form; GPFQ with nearest
  rounding and C = 1;
- "optq": H = (U')_strict where X'X = U diag(.) U' with U unit upper triangular (OPTQ/GPTQ, Babai's
  nearest plane);
- "direct": H = 0: round to nearest (RTN), magnitude pruning.

"obs" is the one method of another kind: greedy pruning by the optimal brain surgeon's loss, with refitting.
"""

import copy
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from sims.path_following.feedback import align, column_order, optq_feedback
from sims.path_following.gram import Gram, as_gram
from sims.path_following.pruning import optimal_brain_surgeon, with_sparsity
from sims.path_following.recursion import sweep
from theory.arguments import choice
from theory.operators import OneBit, Operator, PruneFraction
from theory.path_following import as_inputs

_SMALL = 2.0**-900  # squared length of the longest column
METHODS = ("path-following", "optq", "direct", "obs")


@dataclass(frozen=True)
class Compressed:
    """A compressed layer.

    Attributes
    ----------
    weights : (fan_out, fan_in) ndarray
        q, in the columns' original order.
    original : (fan_out, fan_in) ndarray
        w.
    aligned : (fan_out, fan_in) ndarray
        w~, what Phase II compressed (w itself without `target_inputs`).
    exits : (fan_out,) ndarray of int64
        How often v left the operator's limits; the theorems hold for a neuron only if 0.
    first_exit : (fan_out,) ndarray of int64
        Position in the order of compression of the first exit, -1 if there was none.
    order : (fan_in,) ndarray of int
        Columns in the order of compression.
    gram : Gram
    operator : Operator or None
        What was applied; with a `PruneFraction` the operator of the threshold found, None after "obs".
    row_scales : (fan_out,) ndarray
        Unit of the operator for each neuron, 1 unless asked for.
    """

    weights: np.ndarray
    original: np.ndarray = field(repr=False)
    aligned: np.ndarray = field(repr=False)
    exits: np.ndarray = field(repr=False)
    first_exit: np.ndarray = field(repr=False)
    order: np.ndarray = field(repr=False)
    gram: Gram = field(repr=False)
    operator: Operator | None = None
    row_scales: np.ndarray = field(default_factory=lambda: np.ones(1), repr=False)

    @cached_property
    def error(self) -> np.ndarray:
        """(fan_out,) squared output errors |X w - X~ q|^2, from the Gram matrices."""
        own = self.gram.own
        if self.gram.cross is None or self.gram.target is None:
            return _quadratic(own, self.original - self.weights)
        both = np.einsum("ij,ij->i", self.weights @ self.gram.cross, self.original)
        total = _quadratic(self.gram.target, self.original) - 2 * both + _quadratic(own, self.weights)
        return np.maximum(total, 0.0)

    @cached_property
    def output_energy(self) -> np.ndarray:
        """(fan_out,) squared outputs |X w|^2 of the original layer."""
        energy = self.gram.own if self.gram.target is None else self.gram.target
        return _quadratic(energy, self.original)

    @property
    def sparsity(self) -> float:
        """Fraction of weights that are zero."""
        return float(np.mean(self.weights == 0))


def _quadratic(matrix: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Quadratic form r'Mr of every row, never negative."""
    return np.maximum(np.einsum("ij,ij->i", rows @ matrix, rows), 0.0)


def as_weights(weights: Any, fan_in: int) -> np.ndarray:
    """Weights as a finite float64 matrix (fan_out, fan_in); one row if a vector was given."""
    array = np.asarray(weights)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"weights must hold real numbers, got dtype {array.dtype}")
    array = array.astype(np.float64, copy=False)
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim != 2 or array.shape[0] == 0:
        raise ValueError(f"weights must be a (fan_out, fan_in) matrix, got shape {array.shape}")
    if array.shape[1] != fan_in:
        raise ValueError(f"weights have fan_in {array.shape[1]} but the inputs have {fan_in} columns")
    if not np.all(np.isfinite(array)):
        raise ValueError("weights must be finite, got NaN or infinity")
    return array


def _as_row_scales(row_scales: Any, count: int) -> np.ndarray:
    if row_scales is None:
        return np.ones(count)
    units = np.asarray(row_scales, dtype=np.float64)
    if units.shape != (count,) or not np.all(np.isfinite(units) & (units > 0)):
        raise ValueError(f"row_scales must hold one positive finite number per neuron, shape ({count},)")
    return units


def compress(
    weights: Any,
    inputs: Any = None,
    *,
    gram: Any = None,
    operator: Operator | PruneFraction,
    scale: float = 1.0,
    order: Any = "given",
    seed: Any = 0,
    target_inputs: Any = None,
    method: str = "path-following",
    alignment: int | str = 1,
    damping: float = 0.01,
    row_scales: Any = None,
) -> Compressed:
    r"""Compress a layer so that X~ q stays close to X w.

    v_t = w~_t + <X~_t, u_{t-1}> / (C |X~_t|^2),  q_t = T(v_t),  u_t = u_{t-1} + (w~_t - q_t) X~_t.

    Only the Gram matrix of the inputs is needed; all neurons (rows of `weights`) are done at once. A column
    of zeros is compressed without correction.

    Parameters
    ----------
    weights : (fan_out, fan_in) or (fan_in,) array_like
        w, one neuron per row. Any real dtype; computed in float64.
    inputs : (samples, fan_in) array_like, optional
        X~, the inputs of the layer as it will run.
    gram : (fan_in, fan_in) array_like or sims.path_following.gram.Gram, optional
        X~'X~ instead of the inputs.
    operator : Operator or PruneFraction
        T, from theory.operators; a `PruneFraction` asks for a sparsity instead of a threshold.
    scale : float
        C > 1/2 (only "path-following").
    order : {"given", "norm", "random", "pivoted"} or permutation
        See `column_order`.
    seed
        Int, SeedSequence or Generator
        Of the uniforms and the random order.
    target_inputs : (samples, fan_in) array_like, optional
        X, the inputs the layer saw in the original network; then Phase I aligns w~ to X w first.
    method : {"path-following", "optq", "direct", "obs"}
        "obs" needs a `PruneFraction` and cuts the same fraction of every neuron.
    alignment : int or "least-squares"
        Sweeps of Phase I (order r of the paper), or its limit; only with `target_inputs`.
    damping : float
        "optq" and "obs" add this multiple of the mean diagonal to the diagonal of the Gram matrix.
    row_scales : (fan_out,) array_like, optional
        Unit of the operator for each neuron: neuron i is compressed by s_i T(w/s_i), so that
        ``StochasticRounding(1.0, bits=4)`` with these steps gives every neuron a grid of its own.

    Returns
    -------
    Compressed

    Raises
    ------
    ValueError, TypeError
        For C <= 1/2, shapes that do not fit, values that are not finite or not real, one-bit weights outside
        [-A, A], an unknown method, order or operator.

    References
    ----------
    Zhang & Saab 2025 (arXiv 2412.18184), Section 4; Zhang & Saab 2023 (arXiv 2309.10975) for the two phases.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import NearestRounding
    >>> x = np.array([[1.0, 1.0], [1.0, 1.0]])
    >>> layer = compress([[0.4, 0.4]], x, operator=NearestRounding(1.0))
    >>> layer.weights                     # the error of the first column pushes the second up
    array([[0., 1.]])
    >>> layer.error.round(3)
    array([0.08])
    """
    choice("method", method, METHODS)
    if not isinstance(operator, Operator | PruneFraction):
        raise TypeError(f"operator must be one of theory.operators, got {type(operator).__name__}")
    if method == "obs" and (not isinstance(operator, PruneFraction) or operator.stochastic):
        raise ValueError('method "obs" prunes: give operator=PruneFraction(sparsity)')
    if not (isinstance(scale, int | float | np.number) and np.isfinite(scale) and scale > 0.5):
        raise ValueError(f"scale C must be a finite number greater than 1/2, got {scale}")
    grams = as_gram(inputs, gram, target_inputs)
    w = as_weights(weights, len(grams.lower))
    units = _as_row_scales(row_scales, len(w))
    check_one_bit(w if row_scales is None else w / units[:, None], operator)
    rng = np.random.default_rng(seed)
    given = isinstance(order, str) and order == "given"
    # only this case never reads the upper triangle
    own = grams.lower if given and method == "path-following" and grams.cross is None else grams.own
    permutation = column_order(own, order, rng)
    g = own if given else own[np.ix_(permutation, permutation)]
    ordered = w if given else w[:, permutation]
    if grams.cross is not None:
        cross = grams.cross if given else grams.cross[np.ix_(permutation, permutation)]
        ordered = align(ordered, g, cross, alignment)
    aligned_rows = ordered
    if row_scales is not None:
        ordered = ordered / units[:, None]  # the recursion is linear in everything but T
    if method == "obs":
        assert isinstance(operator, PruneFraction)
        q = optimal_brain_surgeon(ordered, g, operator.sparsity, damping)
        exits, first = np.zeros(len(w), np.int64), np.full(len(w), -1, np.int64)
    else:
        matrix, row_scale = _feedback_parts(g, method, scale, damping)

        def run(chosen: Operator, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            if matrix is None:
                return _direct(ordered, chosen, rng)
            return sweep(ordered, matrix, row_scale, chosen, rng)

        if isinstance(operator, PruneFraction):
            # every threshold is judged on the same uniforms
            operator = with_sparsity(operator, ordered, lambda tried: run(tried, copy.deepcopy(rng))[0])
        q, exits, first = run(operator, rng)
    if row_scales is not None:
        q = q * units[:, None]
    if given:
        result, aligned = q, aligned_rows
    else:
        result, aligned = np.empty_like(w), np.empty_like(w)
        result[:, permutation], aligned[:, permutation] = q, aligned_rows
    used = None if isinstance(operator, PruneFraction) else operator
    return Compressed(result, w, aligned, exits, first, permutation, grams, used, units)


def _feedback_parts(
    gram: np.ndarray, method: str, scale: float, damping: float
) -> tuple[np.ndarray | None, np.ndarray]:
    """Matrix and row factors of H = diag(row_scale) tril(matrix, -1); no matrix for "direct"."""
    if method == "path-following":
        largest = float(np.diagonal(gram).max())
        if 0.0 < largest < _SMALL:  # H has no unit: one in which reciprocals are doubles
            gram = np.ldexp(gram, -math.frexp(largest)[1])
        diagonal = scale * np.diagonal(gram)
        seen = diagonal >= np.finfo(np.float64).tiny  # a shorter column is one of zeros beside the others
        inverse = np.divide(1.0, diagonal, out=np.zeros(len(gram)), where=seen)
        return np.ascontiguousarray(gram), inverse
    if method == "optq":
        return optq_feedback(gram, damping), np.ones(len(gram))
    return None, np.zeros(len(gram))


def _direct(
    weights: np.ndarray, operator: Operator, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The operator weight by weight, uniforms in the layout of `_sweep`."""
    uniforms = rng.random(weights.shape[::-1]).T if operator.uses_uniforms else None
    q = operator(weights, uniforms)
    low, high = (float(limit) for limit in operator.limits)
    outside = (weights < low) | (weights > high)
    first = np.where(outside.any(axis=1), outside.argmax(axis=1), -1)
    return q, outside.sum(axis=1), first


def check_one_bit(weights: np.ndarray, operator: Operator | PruneFraction) -> None:
    """Raise if stochastic one bit is asked of weights outside [-A, A], where it is not defined."""
    if isinstance(operator, OneBit):
        outside = int(np.sum(np.abs(weights) > operator.level))
        if outside:
            raise ValueError(
                f"{outside} of {weights.size} weights lie outside the one-bit range "
                f"[-{operator.level:g}, {operator.level:g}]; a level of at least "
                f"{np.abs(weights).max():.6g} would hold them all"
            )


def output_error(compressed: Compressed, inputs: Any) -> np.ndarray:
    """u_N = X (w - q) for every neuron, (fan_out, samples); its columns' maximum is the sup norm.

    Parameters
    ----------
    compressed : Compressed
    inputs : (samples, fan_in) array_like

    Returns
    -------
    (fan_out, samples) ndarray
    """
    x = as_inputs(inputs)
    return (compressed.aligned - compressed.weights) @ x.T

"""Gram matrices of a layer's inputs, accumulated batch by batch."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from theory.path_following import as_inputs


def gram_matrix(inputs: np.ndarray) -> np.ndarray:
    """X'X as a full symmetric matrix; a symmetric rank-k update, half the work of a general product."""
    return inputs.T @ inputs  # numpy recognises A.T @ A and calls dsyrk


@dataclass
class Gram:
    r"""What compression needs to know of the inputs: G = X~'X~ and, when they differ, X~'X and X'X.

    X are the inputs the layer sees in the original network, X~ those it sees once the earlier layers are
    compressed. Only these (fan_in, fan_in) matrices are kept, however many samples stream by.

    Attributes
    ----------
    own : (N, N) ndarray or None
        X~'X~.
    cross, target : (N, N) ndarray or None
        X~'X and X'X; None as long as the two inputs are the same.
    samples : int
        Rows seen.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.arange(12.0).reshape(4, 3)
    >>> gram = Gram()
    >>> gram.update(x[:3])
    >>> gram.update(x[3:])
    >>> bool(np.allclose(gram.own, x.T @ x)), gram.samples
    (True, 4)
    """

    own: np.ndarray | None = None
    cross: np.ndarray | None = None
    target: np.ndarray | None = None
    samples: int = field(default=0)

    def update(self, inputs: Any, target_inputs: Any = None) -> None:
        """Add a batch.

        Parameters
        ----------
        inputs : (samples, N) array_like
            X~ (float16 and integers are converted to float64).
        target_inputs : (samples, N) array_like, optional
            X of the same samples. Either every batch has it or none.

        Raises
        ------
        ValueError
            If shapes disagree with each other or with earlier batches, or a value is not finite.
        """
        x = as_inputs(inputs)
        if self.own is not None and x.shape[1] != len(self.own):
            raise ValueError(f"inputs must have {len(self.own)} columns as before, got {x.shape[1]}")
        if self.samples and (target_inputs is None) != (self.cross is None):
            raise ValueError("target_inputs must be given for every batch or for none")
        if target_inputs is not None:
            y = as_inputs(target_inputs, "target_inputs")
            if y.shape != x.shape:
                raise ValueError(f"target_inputs must have the shape of inputs {x.shape}, got {y.shape}")
            self.cross = _add(self.cross, x.T @ y)
            self.target = _add(self.target, gram_matrix(y))
        self.own = _add(self.own, gram_matrix(x))
        self.samples += len(x)


def _add(total: np.ndarray | None, part: np.ndarray) -> np.ndarray:
    if total is None:
        return part
    total += part
    return total


def as_gram(inputs: Any, gram: Any, target_inputs: Any) -> Gram:
    """Gram from whichever of inputs, gram and target_inputs the caller has.

    Raises
    ------
    ValueError
        If neither or both of inputs and gram are given, or the matrix is not a finite symmetric one with a
        non-negative diagonal.
    """
    if (inputs is None) == (gram is None):
        raise ValueError("give either inputs or gram, not both and not neither")
    if inputs is not None:
        built = Gram()
        built.update(inputs, target_inputs)
        return built
    if target_inputs is not None:
        raise ValueError("target_inputs needs inputs; with gram, pass a Gram that has seen both")
    if isinstance(gram, Gram):
        if gram.own is None:
            raise ValueError("gram has seen no inputs yet: call update first")
        return gram
    matrix = np.asarray(gram)
    if matrix.dtype.kind not in "fiub":
        raise TypeError(f"gram must hold real numbers, got dtype {matrix.dtype}")
    matrix = np.ascontiguousarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) == 0:
        raise ValueError(f"gram must be a square matrix X'X, got shape {matrix.shape}")
    if not np.all(np.isfinite(matrix)):
        raise ValueError("gram must be finite, got NaN or infinity")
    if np.any(np.diagonal(matrix) < 0):
        raise ValueError("gram must be X'X: its diagonal cannot be negative")
    if not np.allclose(matrix, matrix.T, rtol=1e-9, atol=1e-9 * max(1e-300, np.abs(matrix).max())):
        raise ValueError("gram must be symmetric")
    return Gram(own=matrix)

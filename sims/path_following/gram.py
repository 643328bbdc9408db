"""Gram matrices of a layer's inputs, accumulated batch by batch."""

from typing import Any

import numpy as np

from theory.path_following import as_inputs


def add_square(total: np.ndarray | None, inputs: np.ndarray) -> np.ndarray:
    """X'X added to the lower triangle of `total` (in place); the strict upper triangle is left as it is.

    A symmetric rank-k update is half the work of a product, and nothing is copied to mirror it.
    """
    from scipy.linalg.blas import dsyrk

    if total is None:
        total = np.zeros((inputs.shape[1], inputs.shape[1]))
    # LAPACK counts by columns: the transposed view's upper triangle is the lower one here
    return dsyrk(1.0, inputs.T, beta=1.0, c=total.T, lower=0, overwrite_c=1).T


def mirror(matrix: np.ndarray) -> None:
    """Copy the lower triangle to the upper one, in squares that fit the cache."""
    size = len(matrix)
    for start in range(0, size, 64):
        stop = min(start + 64, size)
        matrix[start:stop, stop:] = matrix[stop:, start:stop].T
        square = matrix[start:stop, start:stop]
        square[:] = np.tril(square) + np.tril(square, -1).T


class Gram:
    r"""What compression needs to know of the inputs: G = X~'X~ and, when they differ, X~'X and X'X.

    X are the inputs the layer sees in the original network, X~ those it sees once the earlier layers are
    compressed. Only these (fan_in, fan_in) matrices are kept, however many samples stream by.

    Parameters
    ----------
    matrix : (N, N) ndarray, optional
        X~'X~ to start from; it is left as it is.

    Attributes
    ----------
    own : (N, N) ndarray
        X~'X~.
    lower : (N, N) ndarray
        The same with an upper triangle that need not be filled in: all that path following reads.
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

    def __init__(self, matrix: np.ndarray | None = None) -> None:
        self._lower = matrix
        self._mirrored = True
        self.cross: np.ndarray | None = None
        self._target: np.ndarray | None = None
        self.samples = 0

    @property
    def lower(self) -> np.ndarray:
        """X~'X~, lower triangle."""
        if self._lower is None:
            raise ValueError("gram has seen no inputs yet: call update first")
        return self._lower

    @property
    def own(self) -> np.ndarray:
        """X~'X~."""
        self._mirror()
        return self.lower

    @property
    def target(self) -> np.ndarray | None:
        """X'X."""
        self._mirror()
        return self._target

    def _mirror(self) -> None:
        if not self._mirrored:
            for matrix in (self._lower, self._target):
                if matrix is not None:
                    mirror(matrix)
            self._mirrored = True

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
        x = as_inputs(inputs, finite=False)
        if self._lower is not None and x.shape[1] != len(self._lower):
            raise ValueError(f"inputs must have {len(self._lower)} columns as before, got {x.shape[1]}")
        if self.samples and (target_inputs is None) != (self.cross is None):
            raise ValueError("target_inputs must be given for every batch or for none")
        if target_inputs is not None:
            y = as_inputs(target_inputs, "target_inputs")
            if y.shape != x.shape:
                raise ValueError(f"target_inputs must have the shape of inputs {x.shape}, got {y.shape}")
        first = add_square(None, x) if self._lower is None else None
        # A NaN or infinity reaches the diagonal: N numbers to look at instead of N m, while nothing is lost.
        if not np.all(np.isfinite(x if first is None else np.diagonal(first))):
            as_inputs(x)
            raise ValueError("inputs are too large: their squares overflow float64")
        if target_inputs is not None:
            cross = x.T @ y
            self.cross = cross if self.cross is None else self.cross + cross
            self._target = add_square(self._target, y)
        if self._lower is not None and not self.samples:
            self._lower = np.array(self._lower, np.float64, order="C")  # the caller keeps theirs
        self._lower = first if first is not None else add_square(self._lower, x)
        self._mirrored = False
        self.samples += len(x)


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
        _ = gram.lower  # raises if it has seen nothing
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
    # matrices made as X'X are symmetric to the bit; others may differ in the last digits
    scale = float(np.diagonal(matrix).max())
    if not np.array_equal(matrix, matrix.T) and not np.allclose(
        matrix, matrix.T, rtol=1e-9, atol=1e-9 * scale
    ):
        raise ValueError("gram must be symmetric")
    return Gram(matrix)

r"""Linear CKA between two representations of the same samples, unbiased by default, in one pass over batches.

    CKA(X, Y) = HSIC(XX', YY') / sqrt(HSIC(XX', XX') HSIC(YY', YY'))

The unbiased form puts HSIC_1 [2]_ into all three places. With zero diagonals (K~ = XX' less its diagonal)

    n (n - 3) HSIC_1 = tr K~L~ + 1'K~1 1'L~1 / ((n - 1)(n - 2)) - 2/(n - 2) 1'K~L~1,

and every term is made of moments that batches add up to: X'Y, sums of rows, and sums of rows weighted by
squared norms. The streamed value is therefore that of all samples at once, whatever the batches; an average
over batches of CKA, or of HSIC weighted by a wrong count, is not. The plain estimator (`unbiased=False`) is
what Kornblith et al. [1]_ define; :mod:`theory.representation` says how far it is off.

References
----------
.. [1] Kornblith, Norouzi, Lee & Hinton, ICML 2019, eq. 2.
.. [2] Song, Smola, Gretton, Bedo & Borgwardt, JMLR 13, 2012, eq. 4.
"""

import math
from typing import Any

import numpy as np

_LEAST = {True: 4, False: 2}  # samples
_FAR = 64  # binary exponents by which later rows may exceed the unit: their eighth powers are doubles
_ROUNDING = 1e-12  # share of |x|^4 that a self-product must exceed to be more than rounding


def linear_cka(x: Any, y: Any, unbiased: bool = True) -> float:
    r"""Linear CKA of two representations, 1 for equal ones up to rotation and scale.

    Parameters
    ----------
    x, y
        (samples, width) and (samples, other width), the same samples in the same order; further axes
        (channels, positions) are flattened. Constant features do no harm.
    unbiased
        HSIC_1 in all three places: mean 0 over random matchings of the samples (the value may be negative).
        False: the plain form in [0, 1], too large by about width/(samples + width) on unrelated data
        (`theory.representation.expected_cka`).

    Raises
    ------
    ValueError
        Different numbers of samples, fewer than four (unbiased) or two, NaN or infinity, or a
        representation in which all samples are equally far apart, so that there is nothing to compare.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((100, 6))
    >>> rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    >>> round(linear_cka(x, 3 * x @ rotation + 1), 12)
    1.0
    >>> y = rng.standard_normal((100, 6))
    >>> f"{linear_cka(x, y):.3f} {linear_cka(x, y, unbiased=False):.3f}"
    '-0.011 0.046'
    """
    x, y = _batch("x", x), _batch("y", y)
    _same_count(x, y)
    if len(x) < max(x.shape[1], y.shape[1]):
        return _from_gram(x, y, unbiased)
    stream = LinearCKA(unbiased)
    stream.update(x, y)
    return stream.value()


class LinearCKA:
    """Linear CKA from batches: memory grows with the widths only, and the batches do not change the value.

    Parameters
    ----------
    unbiased
        As in :func:`linear_cka`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.standard_normal((90, 5)), rng.standard_normal((90, 3))
    >>> stream = LinearCKA()
    >>> for rows in (slice(0, 7), slice(7, 8), slice(8, 90)):
    ...     stream.update(x[rows], y[rows])
    >>> abs(stream.value() - linear_cka(x, y)) < 1e-12
    True
    """

    def __init__(self, unbiased: bool = True) -> None:
        self.unbiased, self.samples = bool(unbiased), 0
        self._sides: tuple[_Side, _Side] | None = None
        self._products: list[_Products] = []

    def update(self, x: Any, y: Any) -> None:
        """Add a batch: (samples, width) and (samples, other width).

        Raises
        ------
        ValueError
            Shapes that do not fit each other or the batches before, NaN or infinity.
        """
        x, y = _batch("x", x), _batch("y", y)
        _same_count(x, y)
        if self._sides is None:
            self._sides = _Side(x), _Side(y)
            left, right = self._sides
            self._products = [_Products(*pair) for pair in ((left, right), (left, left), (right, right))]
        rows, shifts = _in_units(self._sides, x, y)
        for product, (one, other) in zip(self._products, ((0, 1), (0, 0), (1, 1)), strict=True):
            product.shrink(shifts[one], shifts[other])
            product.add(rows[one], rows[other])
        for side, values in zip(self._sides, rows, strict=True):
            side.add(values)
        self.samples += len(x)

    def value(self) -> float:
        """CKA of all batches so far.

        Raises
        ------
        ValueError
            Too few samples, or samples that are all equally far apart.
        """
        _enough(self.samples, self.unbiased)
        assert self._sides is not None
        hsic = _unbiased_product if self.unbiased else _plain_product
        cross, *own = (hsic(product, self.samples) for product in self._products)
        for name, side, value in zip("xy", self._sides, own, strict=True):
            _not_degenerate(name, value, side.fourth)
        return _ratio(cross, own[0], own[1], self.unbiased)


class _Side:
    """Sums over the rows of one representation, moved to the mean of its first batch and scaled.

    CKA does not depend on either; without them squares cancel or overflow. The unit is that of the first rows
    that are not all equal, or of later ones that are far larger.
    """

    def __init__(self, first: np.ndarray) -> None:
        self.centre = first.mean(axis=0)
        self.exponent = 0
        self.sum = np.zeros(first.shape[1])
        self.square = 0.0  # sum of |x_i|^2
        self.fourth = 0.0  # sum of |x_i|^2, squared: the scale of rounding errors

    def moved(self, name: str, batch: np.ndarray) -> np.ndarray:
        if batch.shape[1] != len(self.sum):
            raise ValueError(f"{name} has {batch.shape[1]} features, the batches before had {len(self.sum)}")
        return batch - self.centre

    def grow(self, moved: np.ndarray) -> int:
        """Let the unit hold a batch: the exponent by which the sums so far became smaller, at most 0."""
        largest = float(np.abs(moved).max(initial=0.0))
        wanted = math.frexp(largest)[1]
        if largest == 0.0 or (self.square and wanted <= self.exponent + _FAR):
            return 0
        shift = self.exponent - wanted if self.square else 0
        self.exponent = wanted
        self.sum, self.square = np.ldexp(self.sum, shift), math.ldexp(self.square, 2 * shift)
        return shift

    def add(self, rows: np.ndarray) -> None:
        squares = np.einsum("ij,ij->i", rows, rows)
        self.sum += rows.sum(axis=0)
        self.square += float(squares.sum())
        self.fourth = self.square**2


def _in_units(sides: tuple[_Side, _Side], x: np.ndarray, y: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
    """Rows of both, moved and in units that hold them, and by which exponents those of the sums changed."""
    moved = [side.moved(name, values) for side, name, values in zip(sides, "xy", (x, y), strict=True)]
    shifts = [side.grow(values) for side, values in zip(sides, moved, strict=True)]
    return [np.ldexp(v, -side.exponent) for side, v in zip(sides, moved, strict=True)], shifts


class _Products:
    """Sums over the rows of two representations together."""

    def __init__(self, left: _Side, right: _Side) -> None:
        self.left, self.right = left, right
        self.cross = np.zeros((len(left.sum), len(right.sum)))  # X'Y
        self.squares = 0.0  # sum of |x_i|^2 |y_i|^2
        self.left_by_right = np.zeros(len(left.sum))  # sum of |y_i|^2 x_i
        self.right_by_left = np.zeros(len(right.sum))  # sum of |x_i|^2 y_i

    def shrink(self, left: int, right: int) -> None:
        """The same sums of rows times 2^left and 2^right."""
        if left or right:
            self.cross = np.ldexp(self.cross, left + right)
            self.squares = math.ldexp(self.squares, 2 * (left + right))
            self.left_by_right = np.ldexp(self.left_by_right, left + 2 * right)
            self.right_by_left = np.ldexp(self.right_by_left, 2 * left + right)

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        x2, y2 = (np.einsum("ij,ij->i", rows, rows) for rows in (x, y))
        self.cross += x.T @ y
        self.squares += float(x2 @ y2)
        self.left_by_right += y2 @ x
        self.right_by_left += x2 @ y


def _unbiased_product(p: _Products, n: int) -> float:
    """n (n - 3) HSIC_1 from the moments."""
    left, right = p.left, p.right
    trace = float((p.cross**2).sum()) - p.squares
    sums = [float(side.sum @ side.sum) - side.square for side in (left, right)]
    # 1'K~L~1 = sum_i (x_i's_x - |x_i|^2)(y_i's_y - |y_i|^2)
    rows = float(left.sum @ p.cross @ right.sum) - float(p.left_by_right @ left.sum)
    rows += p.squares - float(p.right_by_left @ right.sum)
    return trace + sums[0] * sums[1] / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)


def _plain_product(p: _Products, n: int) -> float:
    """(n - 1)^2 HSIC_0 = |X_c'Y_c|^2 from the moments."""
    centred = p.cross - np.outer(p.left.sum, p.right.sum) / n
    return float((centred**2).sum())


def _from_gram(x: np.ndarray, y: np.ndarray, unbiased: bool) -> float:
    """CKA by n x n matrices: cheaper where the width exceeds the number of samples."""
    _enough(len(x), unbiased)
    rows, _ = _in_units((_Side(x), _Side(y)), x, y)
    centred = [(_u_centred if unbiased else _centred)(r @ r.T) for r in rows]
    own = [float((gram**2).sum()) for gram in centred]
    for name, value, r in zip("xy", own, rows, strict=True):
        _not_degenerate(name, value, float((r**2).sum()) ** 2)
    return _ratio(float((centred[0] * centred[1]).sum()), own[0], own[1], unbiased)


def _centred(gram: np.ndarray) -> np.ndarray:
    rows = gram.mean(axis=0)
    return gram - rows - rows[:, None] + rows.mean()


def _u_centred(gram: np.ndarray) -> np.ndarray:
    """Zero diagonal and zero row sums; products of two such matrices are n (n - 3) HSIC_1."""
    n = len(gram)
    off = gram.copy()
    np.fill_diagonal(off, 0.0)
    rows = off.sum(axis=0)
    off -= (rows + rows[:, None]) / (n - 2) - rows.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(off, 0.0)
    return off


def _ratio(cross: float, own_x: float, own_y: float, unbiased: bool) -> float:
    value = cross / math.sqrt(own_x) / math.sqrt(own_y)
    return min(max(value, -1.0 if unbiased else 0.0), 1.0)  # Cauchy-Schwarz; beyond it is rounding


def _enough(samples: int, unbiased: bool) -> None:
    least = _LEAST[unbiased]
    if samples < least:
        form = "unbiased" if unbiased else "plain"
        raise ValueError(f"the {form} CKA needs at least {least} samples, got {samples}")


def _not_degenerate(name: str, value: float, scale: float) -> None:
    if not value > _ROUNDING * scale:
        raise ValueError(
            f"all samples of {name} are equally far apart (constant features, say): there is no CKA with it"
        )


def _same_count(x: np.ndarray, y: np.ndarray) -> None:
    if len(x) != len(y):
        raise ValueError(f"x and y must hold the same samples, got {len(x)} and {len(y)}")


def _batch(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got an array of {array.dtype}")
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"{name} must have the shape (samples, width), neither of them 0, got {array.shape}")
    array = array.reshape(len(array), -1).astype(np.float64)
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return array

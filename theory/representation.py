r"""What linear CKA shows between representations that have nothing to do with each other.

With centred Gram matrices K, L of n samples (rows),

    CKA(K, L) = <K, L> / (|K| |L|),        r(K) = (tr K)^2 / |K|^2,

<,> and |.| Frobenius, r the effective rank (participation ratio), 1 <= r(K) <= n - 1. Two laws say how far
the plain estimator is from what it estimates:

* **by permutation, exact**: the mean over all n! matchings of the samples is
  sqrt(r(K) r(L)) / (n - 1), for every pair of matrices;
* **Gaussian data**: with population CKA c and effective ranks r_x, r_y of the covariances the ratio of the
  expected products is (n c + sqrt(r_x r_y)) / sqrt((n + r_x)(n + r_y)), at every n >= 2.

The unbiased form (HSIC_1 of Song et al. in all three places) has mean exactly 0 over the matchings. All of
it is derived in :mod:`theory.derivations.representation`; :mod:`sims.representation` computes both
estimators.

References
----------
.. [1] Kornblith, Norouzi, Lee & Hinton, "Similarity of Neural Network Representations Revisited", ICML 2019.
.. [2] Song, Smola, Gretton, Bedo & Borgwardt, "Feature Selection via Dependence Maximization", JMLR 13, 2012,
   eq. 4 (HSIC_1).
.. [3] Murphy, Zylberberg & Fyshe, "Correcting Biased Centered Kernel Alignment Measures in Biological and
   Artificial Neural Networks", 2024: the same bias, measured.
"""

import math

import numpy as np
from numpy.typing import ArrayLike

from theory.arguments import plain


def effective_rank(spectrum: ArrayLike) -> float:
    r"""(sum l)^2 / sum l^2 of eigenvalues l >= 0: how many equal ones would spread as they do.

    Parameters
    ----------
    spectrum
        Eigenvalues of a covariance or of a centred Gram matrix, shape (p,); squared singular values of
        centred data will do.

    Raises
    ------
    ValueError
        A negative, infinite or missing eigenvalue, or none but zeros.

    Examples
    --------
    >>> effective_rank([2.0, 2.0, 2.0, 0.0]), round(effective_rank([3.0, 1.0]), 12)
    (3.0, 1.6)
    """
    values = np.asarray(spectrum, np.float64).ravel()
    if values.size == 0 or not np.all(np.isfinite(values)) or values.min() < 0 or values.max() == 0:
        raise ValueError(f"spectrum must hold finite eigenvalues >= 0, not all of them zero, got {spectrum}")
    values = values / values.max()
    return float(values.sum() ** 2 / (values**2).sum())


def chance_cka(samples: ArrayLike, rank_x: ArrayLike, rank_y: ArrayLike) -> np.ndarray | float:
    r"""Mean of the plain linear CKA over all matchings of the samples, sqrt(r(K) r(L)) / (n - 1).

    Exact for every pair of centred Gram matrices: what the plain estimator shows when sample i of one
    representation is compared with a random sample of the other. It is 1 where both ranks are n - 1, as in
    wide layers on few images.

    Parameters
    ----------
    samples
        n >= 2.
    rank_x, rank_y
        Effective ranks of the two centred Gram matrices, each from 1 to n - 1.

    Returns
    -------
    float, or float64 of the broadcast shape

    Raises
    ------
    ValueError
        Fewer than two samples, a rank outside [1, n - 1].

    Examples
    --------
    >>> chance_cka(33, 8.0, 8.0)
    0.25
    """
    n, (rank_x, rank_y) = _samples(samples), _ranks(rank_x, rank_y)
    for name, rank in (("rank_x", rank_x), ("rank_y", rank_y)):
        if np.any(rank > (n - 1) * (1 + 1e-9)):
            raise ValueError(f"{name} must be at most samples - 1, the rank of centred data, got {rank}")
    return plain(np.sqrt(rank_x * rank_y) / (n - 1))


def expected_cka(
    samples: ArrayLike, rank_x: ArrayLike, rank_y: ArrayLike, cka: ArrayLike = 0.0
) -> np.ndarray | float:
    r"""What the plain linear CKA shows on n Gaussian samples whose true value is `cka`.

    (n c + sqrt(r_x r_y)) / sqrt((n + r_x)(n + r_y)): the ratio of the expected products E<K, L>,
    E|K|^2 and E|L|^2, each exact at every n >= 2. The mean of the ratio lies above it where few samples or
    few features let the products fluctuate: simulated at c = 0, by 2.9 % at 12 samples of rank 8, 1.1 % at 16
    of rank 16, 0.5 % at 20 of rank 30.

    Parameters
    ----------
    samples
        n >= 2.
    rank_x, rank_y
        Effective ranks of the covariances, r = (tr S)^2 / tr S^2; the widths where every feature is
        independent and of equal variance.
    cka
        |S_xy|^2 / (|S_xx| |S_yy|), from 0 (nothing in common) to 1.

    Returns
    -------
    float, or float64 of the broadcast shape

    Examples
    --------
    The plain estimator of independent representations of width 8 falls like 1/n and never quickly:

    >>> expected_cka([32, 256], 8, 8).round(4).tolist()
    [0.2, 0.0303]
    >>> expected_cka(64, 32, 32, cka=1.0)
    1.0
    """
    n, (rank_x, rank_y) = _samples(samples), _ranks(rank_x, rank_y)
    true = np.asarray(cka, np.float64)
    if not np.all((true >= 0) & (true <= 1)):
        raise ValueError(f"cka must lie in [0, 1], got {cka}")
    return plain((n * true + np.sqrt(rank_x * rank_y)) / np.sqrt((n + rank_x) * (n + rank_y)))


def samples_for_bias(bias: float, rank_x: float, rank_y: float) -> int:
    """Least number of samples at which unrelated Gaussian data show a plain CKA of at most `bias`.

    Examples
    --------
    >>> samples_for_bias(0.01, 64, 64)
    6336
    >>> expected_cka([6335, 6336], 64, 64) > 0.01
    array([ True, False])
    """
    if not 0 < bias < 1:
        raise ValueError(f"bias must lie strictly between 0 and 1, got {bias!r}")
    rank_x, rank_y = (float(rank) for rank in _ranks(rank_x, rank_y))
    # (n + x)(n + y) >= x y / bias^2 is n^2 + (x + y) n >= c^2: no difference of large numbers
    half = (rank_x + rank_y) / 2
    c = math.sqrt(rank_x) * math.sqrt(rank_y) * math.sqrt((1 - bias) * (1 + bias)) / bias
    least = c * (c / (half + math.hypot(half, c)))
    if not math.isfinite(least):
        raise ValueError(f"bias={bias} asks for more samples than double precision counts")
    return max(2, math.ceil(least * (1 - 2e-15)))  # a decimal bias counts as what it says


def _samples(samples: ArrayLike) -> np.ndarray:
    n = np.asarray(samples)
    if n.dtype.kind not in "iu" or np.any(n < 2):
        raise ValueError(f"samples must be integers >= 2, got {samples}")
    return n.astype(np.float64)


def _ranks(rank_x: ArrayLike, rank_y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    found = np.asarray(rank_x, np.float64), np.asarray(rank_y, np.float64)
    for name, rank in zip(("rank_x", "rank_y"), found, strict=True):
        if not np.all(np.isfinite(rank) & (rank >= 1 - 1e-9)):
            raise ValueError(f"{name} must be finite and at least 1, got {rank}")
    return found

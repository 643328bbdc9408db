"""Intervals for one unknown mean: exact at a fixed number of trials, and valid at every number at once.

A fixed-sample interval covers the truth with probability at least `level` *if the number of trials was
fixed beforehand*. Looking after every block and stopping when the answer pleases breaks that promise; a
confidence sequence keeps it, because it covers at all times simultaneously. Sequences are written by hand: a
verdict needs the interval and the p-value of one and the same mixture, which no well-kept package returns.

References
----------
.. [1] Clopper & Pearson, Biometrika 26 (1934) 404: the exact binomial interval.
.. [2] Maurer & Pontil, COLT 2009, Theorem 4: the empirical Bernstein bound.
.. [3] Robbins, Ann. Math. Statist. 41 (1970) 1397: mixtures of likelihood ratios.
.. [4] Waudby-Smith & Ramdas, JRSS-B 86 (2024) 1, Theorem 2: the predictable plug-in empirical Bernstein
   confidence sequence.
"""

import math
from dataclasses import dataclass, field

import numpy as np

_TINY = 1e-300


def clopper_pearson(successes: int, trials: int, level: float = 0.99) -> tuple[float, float]:
    r"""Exact interval for a probability after a fixed number of trials.

    .. math:: low = B^{-1}(\alpha/2;\, s,\, n-s+1), \qquad high = B^{-1}(1-\alpha/2;\, s+1,\, n-s)

    with :math:`B^{-1}` the quantile of the beta law and :math:`\alpha = 1 - level` [1].

    Examples
    --------
    >>> [round(x, 4) for x in clopper_pearson(0, 100, 0.95)]
    [0.0, 0.0362]
    """
    from scipy.special import betainccinv, betaincinv

    tail = (1.0 - level) / 2.0
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes else 0.0
    high = float(betainccinv(successes + 1, trials - successes, tail)) if successes < trials else 1.0
    return low, high


def student_half_width(standard_error: float, trials: int, level: float = 0.99) -> float:
    r"""Half the width of Student's interval for the mean of few, nearly normal values.

    .. math:: t^{-1}_{n-1}\bigl((1 + level)/2\bigr)\; \hat\sigma/\sqrt n

    Parameters
    ----------
    standard_error
        :math:`\hat\sigma/\sqrt n`, from the values themselves.
    trials
        n, at least 2.

    Examples
    --------
    >>> round(student_half_width(1.0, 5), 3), round(student_half_width(1.0, 5, 0.95), 3)
    (4.604, 2.776)
    """
    from scipy.special import stdtrit

    return -float(stdtrit(trials - 1, (1.0 - level) / 2.0)) * standard_error


def binomial_p_values(successes: int, trials: int, bound: float) -> tuple[float, float]:
    """Exact p-values of "truth <= bound" and of "truth >= bound"; they invert `clopper_pearson`.

    Examples
    --------
    >>> binomial_p_values(3, 3, 0.5)
    (0.125, 1.0)
    """
    from scipy.special import betainc, betaincc

    at_most = float(betainc(successes, trials - successes + 1, bound)) if successes else 1.0
    at_least = float(betaincc(successes + 1, trials - successes, bound)) if successes < trials else 1.0
    return _outside(bound, at_most, at_least)


def _outside(bound: float, at_most: float, at_least: float) -> tuple[float, float]:
    """A probability is in [0, 1] whatever the data: "truth <= -0.1" is false, "truth <= 1" is true."""
    if bound < 0.0:
        return 0.0, 1.0
    if bound > 1.0:
        return 1.0, 0.0
    return at_most, at_least


def empirical_bernstein(
    mean: float, variance: float, trials: int, width: float, level: float = 0.99
) -> tuple[float, float]:
    r"""Interval for the mean of values in a range of length `width`, after a fixed number of trials.

    .. math:: |\bar X - \mu| \le \sqrt{\frac{2 V x}{n}} + \frac{7 R x}{3(n-1)},
              \qquad x = \ln\frac{4}{1 - level}

    V is the sample variance (divisor n - 1), R the `width` of the range [2]. No normal approximation.

    Examples
    --------
    >>> [round(x, 4) for x in empirical_bernstein(0.5, 0.01, 10_000, 1.0, 0.99)]
    [0.4951, 0.5049]
    """
    if trials < 2:
        return -math.inf, math.inf
    x = math.log(4.0 / (1.0 - level))
    radius = math.sqrt(2.0 * variance * x / trials) + 7.0 * width * x / (3.0 * (trials - 1))
    return mean - radius, mean + radius


def bernstein_p_values(
    mean: float, variance: float, trials: int, width: float, bound: float
) -> tuple[float, float]:
    """p-values of "truth <= bound" and of "truth >= bound"; they invert one side of `empirical_bernstein`."""
    if trials < 2:
        return 1.0, 1.0
    gap = mean - bound
    # gap = a sqrt(x) + b x, solved for sqrt(x); a one-sided failure has probability 2 e^-x.
    a, b = math.sqrt(2.0 * variance / trials), 7.0 * width / (3.0 * (trials - 1))
    if a == b == 0.0:
        return (0.0, 1.0) if gap > 0 else (1.0, 0.0) if gap < 0 else (1.0, 1.0)
    if gap == 0.0:
        return 1.0, 1.0
    # the roots apart: products of small ranges leave double precision
    root = 2.0 * abs(gap) / (a + math.hypot(a, 2.0 * math.sqrt(b) * math.sqrt(abs(gap))))
    p_value = min(1.0, 2.0 * math.exp(-root * root))
    return (p_value, 1.0) if gap > 0 else (1.0, p_value)


def quantile(values: np.ndarray, probability: float, confidence: float = 0.99) -> tuple[float, float, float]:
    """Quantile of sorted values with an exact interval from order statistics.

    The number of trials below the true quantile is binomial, whatever the law; where too few trials lie
    beyond it the interval is open and its end infinite.

    Parameters
    ----------
    values
        (n,) sorted ndarray
    probability, confidence : float in (0, 1)

    Returns
    -------
    value, low, high

    Examples
    --------
    >>> import numpy as np
    >>> quantile(np.arange(1000.0), 0.95)
    (950.0, 930.0, 967.0)
    """
    from scipy.stats import binom

    n = len(values)
    tail = (1 - confidence) / 2
    low, high = binom.ppf(tail, n, probability), binom.isf(tail, n, probability)
    below = float(values[int(low) - 1]) if low >= 1 else -math.inf
    above = float(values[int(high)]) if high < n else math.inf
    return float(values[min(int(probability * n), n - 1)]), below, above


@dataclass
class BernoulliSequence:
    r"""Confidence sequence for a probability: the mixture e-process of Robbins [3].

    .. math:: e_n(p) = \frac{B(a + s,\, a + f)}{B(a, a)\; p^{s} (1-p)^{f}}

    is a nonnegative martingale of mean 1 when p is the truth (s successes, f failures, Beta(a, a)
    mixture, a = 1/2), so by Ville's inequality :math:`\{p : e_n(p) < 1/\alpha\}` covers the truth at all n
    simultaneously with probability at least :math:`1 - \alpha`.

    Examples
    --------
    >>> sequence = BernoulliSequence(level=0.99)
    >>> sequence.update(1000, 500.0, 0.0)
    >>> [round(x, 3) for x in sequence.interval()]
    [0.436, 0.564]
    """

    level: float
    successes: int = 0
    failures: int = 0

    def update(self, count: int, mean_times_count: float, deviations: float) -> None:
        """Add a block: `count` trials, their sum, their summed squared deviations (not needed here)."""
        successes = round(mean_times_count)
        self.successes += successes
        self.failures += count - successes

    def log_e(self, probability: float) -> float:
        """Logarithm of the e-process at the hypothesis `probability`."""
        from scipy.special import betaln

        s, f = self.successes, self.failures
        if (probability <= 0.0 and s) or (probability >= 1.0 and f):
            return math.inf
        likelihood = (s * math.log(probability) if s else 0.0) + (f * math.log1p(-probability) if f else 0.0)
        return float(betaln(0.5 + s, 0.5 + f) - betaln(0.5, 0.5)) - likelihood

    def interval(self) -> tuple[float, float]:
        """The values not rejected so far: log_e is convex in p with its minimum at s/n."""
        from scipy.optimize import brentq

        n = self.successes + self.failures
        if n == 0:
            return 0.0, 1.0
        centre, threshold = self.successes / n, -math.log(1.0 - self.level)

        def excess(p: float) -> float:
            return min(self.log_e(p) - threshold, 1e9)  # brentq wants a finite end

        # to the last digits of an end, which may be far smaller than the estimate: one success in 10^9 trials
        digits = {"xtol": _TINY, "maxiter": 2000}
        low = brentq(excess, 0.0, centre, **digits) if self.successes else 0.0
        high = brentq(excess, centre, 1.0, **digits) if self.failures else 1.0
        return float(low), float(high)

    def p_values(self, bound: float) -> tuple[float, float]:
        """Anytime-valid p-values of "truth <= bound" and "truth >= bound": 1/e, on the side of the data."""
        n = self.successes + self.failures
        p_value = (
            min(1.0, math.exp(-max(0.0, min(self.log_e(min(max(bound, 0.0), 1.0)), 700.0)))) if n else 1.0
        )
        above = self.successes > bound * n
        return _outside(bound, p_value if above else 1.0, 1.0 if above else p_value)


@dataclass
class BoundedSequence:
    r"""Confidence sequence for the mean of values in [low, high]: plug-in empirical Bernstein [4].

    After scaling to [0, 1], with predictable weights :math:`\lambda_i` and running mean
    :math:`\hat\mu_{i-1}`,

    .. math:: \frac{\sum\lambda_i X_i}{\sum\lambda_i} \pm
              \frac{\ln(2/\alpha) + \sum (X_i - \hat\mu_{i-1})^2 (-\ln(1-\lambda_i) - \lambda_i)}
                   {\sum\lambda_i}

    covers at all times simultaneously. Weights and running mean are held constant inside a block: they
    depend on earlier blocks only, so they stay predictable, and three numbers per block suffice.

    Examples
    --------
    >>> sequence = BoundedSequence(level=0.99, low=0.0, high=2.0)
    >>> for _ in range(50):
    ...     sequence.update(100, 100.0, 1.0)
    >>> low, high = sequence.interval()
    >>> low < 1.0 < high, high - low < 0.1
    (True, True)
    """

    level: float
    low: float
    high: float
    trials: int = 0
    _mean: float = 0.5
    _deviations: float = 0.25
    _weights: float = 0.0
    _weighted: float = 0.0
    _penalty: float = 0.0
    _limits: tuple[float, float] = field(default=(0.0, 1.0))

    def update(self, count: int, mean_times_count: float, deviations: float) -> None:
        """Add a block: `count` trials, their sum, their summed squared deviations from the block's mean."""
        if count == 0:
            return
        span = self.high - self.low
        mean = (mean_times_count / count - self.low) / span
        deviations = deviations / span / span
        after = self.trials + count
        confidence = math.log(2.0 / (1.0 - self.level))
        variance = max(self._deviations / (self.trials + 1), _TINY)
        weight = min(math.sqrt(2.0 * confidence / (variance * after * math.log1p(after))), 0.5)
        self._weights += weight * count
        self._weighted += weight * count * mean
        # sum (X_i - m)^2 around the *earlier* running mean m, by the parallel-axis identity
        squares = deviations + count * (mean - self._mean) ** 2
        self._penalty += squares * (-math.log1p(-weight) - weight)
        self._deviations += squares
        self._mean = (self._mean * (self.trials + 1) + mean * count) / (after + 1)
        self.trials = after
        centre, radius = self._weighted / self._weights, (confidence + self._penalty) / self._weights
        # A running intersection is as valid as its members: each covers at all times on the same event.
        self._limits = max(self._limits[0], centre - radius), min(self._limits[1], centre + radius)

    def interval(self) -> tuple[float, float]:
        """The values not rejected so far, in the units of the data."""
        span = self.high - self.low
        return self.low + span * self._limits[0], self.low + span * self._limits[1]

r"""Exact probability of missing a target of quantized random subset sum, for every number of samples at once.

`theory.subset_sum.automaton` follows the set of reachable sums as a finite automaton, for fixed M and t. Its
solution is a closed form in n,

    P(miss with n) = total^-n sum_j sum_i q_{j,i} n!/(n-i)! j^(n-i),

j from 0 to the number of ways to draw a sample, q rational: `MissLaw`. It costs time in M and t, once; then
every n costs microseconds. For M = 3, t = 1, nonzero law, the generating function is

    e^{3z} + 3 (1 + z) e^{2z} - 4 (1 + z) e^z + (1 + z):    P(miss) = 2^-n + 3 (1 + n/2) 3^-n - ...

Measured states of the chain and nodes of the minimal automaton, nonzero law, t = 1: M = 3: 15 and 15, M = 7:
1,208 and 594, M = 10: 28,449 and 5,971, M = 13: 313,524 and 54,020, M = 15: 1,520,341 and 177,470. The growth
is by a factor of 2 to 3 per unit of M, so M = 15 takes more than a minute and much larger grids are out of
reach: past its limits the chain gives a certified interval (M = 15, n = 40: 6.5 s to a relative width of
8e-7).
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from theory.arguments import shown, whole
from theory.integer_sums import Law, check_arguments, largest, sample_counts
from theory.subset_sum.automaton import Beyond, ChainLimitError, ChainLimits, build, letter_order
from theory.subset_sum.bounds import critical_divisors, divides_every_sample, reach_probability
from theory.subset_sum.closed_form import MissLaw, solve

DEFAULT_LIMITS = ChainLimits()
_LARGEST_SAMPLE, _LARGEST_TARGET, _MOST_BITS = 256, 4096, 2**16  # one state then takes up to a second
# Largest target (with delta) per M = 1, 2, ... whose chain and closed form took under 50 ms.
_CHEAP_TARGETS: dict[Law, tuple[int, ...]] = {
    "nonzero": (200, 80, 45, 32, 25, 16, 12),
    "uniform": (200, 80, 45, 32, 25, 16, 12),
    "product": (100, 40, 9),
}
_CHEAP_SAMPLES = 10_000
_RADII = (1.0, 1.5, 2.0, 3.0)  # of coarse chains, in units of the largest sample


@dataclass(frozen=True)
class CertifiedInterval:
    """A probability between two rationals, both proved.

    Examples
    --------
    >>> interval = CertifiedInterval(Fraction(1, 4), Fraction(1, 3))
    >>> round(interval.relative_width, 3), Fraction(3, 10) in interval
    (0.333, True)
    """

    lower: Fraction
    upper: Fraction

    @property
    def relative_width(self) -> float:
        """(upper - lower)/lower; inf where lower is 0 and upper is not."""
        if self.upper == self.lower:
            return 0.0
        return float((self.upper - self.lower) / self.lower) if self.lower else math.inf

    def __contains__(self, value: float | Fraction) -> bool:
        return self.lower <= value <= self.upper


def miss_law(
    max_value: int,
    target: int,
    law: Law = "nonzero",
    delta: int = 0,
    *,
    limits: ChainLimits = DEFAULT_LIMITS,
) -> MissLaw:
    r"""The exact law of missing one target, for every n; kept for later calls.

    .. math:: \sum_n P(\text{miss with } n)\,\text{total}^n \frac{z^n}{n!} = \sum_j q_j(z)\, e^{jz}

    Parameters
    ----------
    max_value, target, law, delta
        M, t, sampling law, tolerance of the target, as in
        `exact_miss_probability`.
    limits
        States, seconds and bytes the chain may take.

    Raises
    ------
    ChainLimitError
        a ValueError; the chain outgrew a limit.

    Examples
    --------
    >>> [(j, [str(q) for q in c]) for j, c in miss_law(3, 1).terms]
    [(3, ['1']), (2, ['3', '3']), (1, ['-4', '-4']), (0, ['1', '1'])]
    """
    _, max_value, target = check_arguments(None, max_value, target, law)
    delta = whole("delta", delta, 0, any_size=True)
    _check_size(largest(max_value, law), abs(target) + delta)
    if abs(target) <= delta:
        return MissLaw(sample_counts(max_value, law)[1], (), 0, 0)
    return _miss_law(max_value, abs(target), law, delta, None, limits)


@lru_cache(maxsize=512)
def _miss_law(
    max_value: int,
    target: int,
    law: Law,
    delta: int,
    radius: int | None,
    limits: ChainLimits,
    beyond: Beyond = "forget",
) -> MissLaw:
    letters = letter_order(max_value, law, target)
    goal = [list(range(target - delta, target + delta + 1))]
    found = build(
        letters,
        goal,
        radius=radius,
        beyond=beyond,
        limits=limits,
    )
    return solve(found, max_value, law)


@lru_cache(maxsize=64)
def _every_law(
    max_value: int,
    limit: int,
    law: Law,
    delta: int,
    limits: ChainLimits,
) -> MissLaw:
    sides = [u for t in range(delta + 1, limit + 1) for u in (t, -t)]
    goals = [list(range(u - delta, u + delta + 1)) for u in sides]
    found = build(
        letter_order(max_value, law),
        goals,
        limits=limits,
    )
    return solve(found, max_value, law)


def exact_is_cheap(n: int, max_value: int, target: int, law: Law = "nonzero", delta: int = 0) -> bool:
    """Whether the exact law costs under about 50 ms the first time: a rule on the arguments, not a clock.

    M up to 7 (3 for "product"), targets with their tolerance up to a size that falls with M, n up to 10,000.

    Examples
    --------
    >>> exact_is_cheap(200, 7, 7), exact_is_cheap(200, 8, 1), exact_is_cheap(40, 3, 9, "product")
    (True, False, True)
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    delta = whole("delta", delta, 0, any_size=True)
    sizes = _CHEAP_TARGETS[law]
    return max_value <= len(sizes) and abs(target) + delta <= sizes[max_value - 1] and n <= _CHEAP_SAMPLES


def exact_miss_probability(
    n: int,
    max_value: int,
    target: int,
    law: Law = "nonzero",
    delta: int = 0,
    *,
    limits: ChainLimits = DEFAULT_LIMITS,
) -> Fraction | CertifiedInterval:
    r"""P(no subset of n random samples sums to the target), exactly where the chain fits its limits.

    .. math:: P(\text{miss}) = \text{total}^{-n} \sum_j \sum_i q_{j,i}\,\frac{n!}{(n-i)!}\,j^{n-i}

    Parameters
    ----------
    n
        Samples, >= 0.
    max_value
        M >= 1; the factors' M for "product".
    target
        Any integer.
    law
        "nonzero", "uniform" or "product".
    delta
        Some subset within delta of the target suffices.
    limits
        What the chain may take; the time goes into M, t and delta, not into n, and is spent once
        (`miss_law`).

    Returns
    -------
    A Fraction; past the limits a `CertifiedInterval` (`certified_interval`). t = 0, or within delta of it,
    is never missed: 0.

    Raises
    ------
    ValueError
        a largest sample above 256, a target above 4096, or a product of the two above 65,536.

    Examples
    --------
    >>> exact_miss_probability(10, 1, 1), exact_miss_probability(2, 2, 1, "uniform")
    (Fraction(1, 1024), Fraction(14, 25))
    >>> f"{float(exact_miss_probability(20, 3, 1)):.3e}"
    '9.631e-07'
    >>> interval = exact_miss_probability(40, 10, 1, limits=ChainLimits(states=8000))
    >>> interval.relative_width < 1e-6
    True
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    delta = whole("delta", delta, 0, any_size=True)
    if abs(target) <= delta:
        return Fraction(0)
    if n == 0 or abs(target) - delta > n * largest(max_value, law):
        return Fraction(1)
    try:
        if not _hopeless(9.0, max_value, law, delta, limits):
            return miss_law(max_value, target, law, delta, limits=limits).probability(n)
    except ChainLimitError:
        pass
    return certified_interval(n, max_value, target, law, delta, limits=limits)


def _hopeless(scale: float, max_value: int, law: Law, delta: int, limits: ChainLimits) -> bool:
    """Whether the growth measured up to M = 15 rules the chain out: no need to wait for its limits.

    scale 2.6^(M - 3) states, scale = 9, are fewer than any target tried took at M = 3 to 13 and 15.
    """
    return law != "product" and delta == 0 and scale * 2.6 ** min(max_value - 3, 300) > limits.states


def certified_interval(
    n: int,
    max_value: int,
    target: int,
    law: Law = "nonzero",
    delta: int = 0,
    *,
    tolerance: float = 1e-6,
    limits: ChainLimits = DEFAULT_LIMITS,
) -> CertifiedInterval:
    r"""Rigorous bounds of P(miss) from two chains that are coarse about sums far from the target.

    .. math:: P(\text{miss of the chain that fills}) \le P(\text{miss}) \le
              P(\text{miss of the chain that forgets})

    Beyond a radius around the target one chain forgets the reachable sums, so that it hits too rarely; the
    other, once one of them may decide, takes all of them on that side (on the lattice the samples so far
    allow) for reachable, so that it hits too often. The radius grows (1, 1.5, 2, 3 largest samples) until
    the interval is narrow enough or a chain outgrows its limits, which hold for each chain.

    Parameters
    ----------
    tolerance
        Relative width to stop at. The others as in `exact_miss_probability`.

    Returns
    -------
    The narrowest interval found; never wider than the rigorous bounds by reach, divisibility and the trivial
    event that one sample equals the target.

    Examples
    --------
    >>> interval = certified_interval(40, 8, 1)
    >>> exact_miss_probability(40, 8, 1) in interval, interval.relative_width < 1e-6
    (True, True)
    """
    n, max_value, target = check_arguments(n, max_value, target, law)
    delta, target = whole("delta", delta, 0, any_size=True), abs(target)
    if target <= delta:
        return CertifiedInterval(Fraction(0), Fraction(0))
    reach = largest(max_value, law)
    _check_size(reach, target + delta)
    counts, total = sample_counts(max_value, law)
    alone = sum(int(counts[reach + u]) for u in range(target - delta, min(target + delta, reach) + 1))
    upper = (1 - Fraction(alone, total)) ** n
    found = CertifiedInterval(min(_union(n, max_value, target, law, delta), upper), upper)
    for radius in () if _hopeless(0.3, max_value, law, delta, limits) else _RADII:
        width = math.ceil(radius * reach) + target + delta
        arguments = (max_value, target, law, delta, width, limits)
        try:
            above = _miss_law(*arguments, "forget").probability(n)
            below = _miss_law(*arguments, "fill").probability(n)
        except ChainLimitError:
            break
        found = CertifiedInterval(max(found.lower, below), min(found.upper, above))
        if found.relative_width <= tolerance:
            break
    return found


def _union(n: int, max_value: int, target: int, law: Law, delta: int) -> Fraction:
    """P(reach or the likeliest divisor of every sample) as a rational, a lower bound of P(miss)."""
    total = reach_probability(n, max_value, target - delta, law)
    if delta == 0:
        for g in critical_divisors(max_value, target, law, count=1):
            total += divides_every_sample(g, max_value, law) ** n
            total -= reach_probability(n, max_value, target, law, g)
    return total


def exact_every_target_miss(
    n: int,
    max_value: int,
    law: Law = "nonzero",
    delta: int = 0,
    limit: int | None = None,
    *,
    limits: ChainLimits = DEFAULT_LIMITS,
) -> Fraction:
    r"""P(some target of {-limit..limit} is missed by one draw of n samples), exactly.

    .. math:: 1 - P\Bigl(\bigcap_{|t| \le L} \{\text{some subset sums to } t\}\Bigr)

    Parameters
    ----------
    limit
        L, by default M ("product": M, in units of the product grid). The others as in
        `exact_miss_probability`.

    Raises
    ------
    ValueError
        The chain outgrew its limits.

    Examples
    --------
    >>> exact_every_target_miss(2, 1), exact_every_target_miss(3, 1)  # 1 - 2 * 2^-n: both signs must occur
    (Fraction(1, 2), Fraction(1, 4))
    """
    if limit is not None:
        limit = whole("limit", limit, 0)
    n, max_value, limit = check_arguments(n, max_value, max_value if limit is None else limit, law)
    delta = whole("delta", delta, 0, any_size=True)
    if limit <= delta or n == 0:
        return Fraction(int(limit > delta))
    _check_size(largest(max_value, law), limit + delta)
    return _every_law(max_value, limit, law, delta, limits).probability(n)


def exact_fresh_targets_miss(
    n: int, max_value: int, targets: list[int], law: Law = "nonzero", delta: int = 0
) -> Fraction:
    r"""P(at least one of several targets is missed), each on n samples of its own, exactly.

    .. math:: 1 - \prod_w \bigl(1 - P_{t_w}(\text{miss})\bigr)

    Raises
    ------
    ValueError
        The chain of some target outgrew its limits.

    Examples
    --------
    >>> exact_fresh_targets_miss(2, 1, [1, -1, 0])  # 1 - (3/4)^2
    Fraction(7, 16)
    """
    n, max_value, _ = check_arguments(n, max_value, None, law)
    hit = Fraction(1)
    for target in targets:
        hit *= 1 - miss_law(max_value, target, law, delta).probability(n)
    return 1 - hit


def _check_size(reach: int, target: int) -> None:
    if reach > _LARGEST_SAMPLE or target > _LARGEST_TARGET or reach * target > _MOST_BITS:
        raise ValueError(
            f"the exact chain takes samples up to {_LARGEST_SAMPLE}, targets up to {_LARGEST_TARGET} and "
            f"products of the two up to {_MOST_BITS}, got {shown(reach)} and {shown(target)}; use "
            'miss_probability with form="saddlepoint", or miss_probability_bounds'
        )

"""Claims on discrepancies above the threshold: the smallest one, their process, the unique optimum."""

import itertools
import math

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, within
from paper_checks.kumar_natale.partition import PAPER, draw, mixed_poisson
from paper_checks.kumar_natale.subset_sum import subset_sums
from sims import partition as simulation
from theory import partition as law


def means_up_to(discrepancy, mu, parity):
    """Mean number of partitions with D <= d given the parity: mu at 0, 2 mu at every other such d."""
    return mu * (1.0 + 2.0 * (discrepancy // 2)) if parity == 0 else 2.0 * mu * ((discrepancy + 1) // 2)


def corrected_mean(n, size, factor=1.0):
    """mu (1 - 3/(20 n)) times `factor`."""
    return factor * float(law.expected_perfect_partitions(n, size)) * (1 - 0.15 / n)


def smallest_discrepancy(run, factor=1.0, ordered=False, n=14, position=7.0, trials=400_000):
    """Above the threshold min D is exponential with mean 1/mu, on the lattice of one parity.

    With the corrections in 1/n; tolerance 1.6/n^2.
    """
    size = law.window_max_value(n, position)
    scale = float(law.discrepancy_scale(n, size))
    limits = [round(m * scale) for m in (0.5, 1.0, 1.5)]

    def sample(rng, count):
        smallest = simulation.smallest_discrepancy_rows(draw(rng, count, n, size))
        return np.stack([smallest > limit for limit in limits], axis=1)

    estimates = run.probabilities(f"n={n}, M={size}", sample, trials, len(limits))
    mu = corrected_mean(n, size, 1 / factor) * (2.0 if ordered else 1.0)
    for limit, estimate in zip(limits, estimates, strict=True):
        target = sum(mixed_poisson((0,), (means_up_to(limit, mu, parity),), 0.2 / n) for parity in (0, 1)) / 2
        yield within(f"P(min D > {limit}), mu d = {limit / scale:.3f}", estimate, target, 1.6 / n**2)
        if factor == 1.0 and not ordered:  # without corrections: the code's law, and the exponential
            stated = float(law.min_discrepancy_survival(limit, n, size))
            gap = stated - sum(math.exp(-means_up_to(limit, 1 / scale, parity)) for parity in (0, 1)) / 2
            yield within(f"the code's survival at {limit} against the lattice sum", gap, 0.0, 1e-14)
            yield within(
                f"the code's survival at {limit} over exp(-{limit}/scale)",
                stated / math.exp(-limit / scale),
                1.0,
                1.5 / scale,
            )


def poisson_process(run, factor=1.0, independent=True, n=14, position=7.0, trials=300_000, most=2):
    """Counts of partitions in two neighbouring windows, jointly; with the corrections; tolerance 1.7/n^2."""
    size = law.window_max_value(n, position)
    limits = [round(m * float(law.discrepancy_scale(n, size))) for m in (1.0, 2.0)]
    cells = list(itertools.product(range(most + 1), repeat=2))

    def sample(rng, count):
        rows = draw(rng, count, n, size)
        first, both = (simulation.count_within_rows(rows, limit) for limit in limits)
        return np.stack([(first == i) & (both - first == j) for i, j in cells], axis=1)

    estimates = run.probabilities(f"n={n}, M={size}", sample, trials, len(cells))
    mu = corrected_mean(n, size, factor)
    for (i, j), estimate in zip(cells, estimates, strict=True):
        target = 0.0
        for parity in (0, 1):
            first, both = (means_up_to(limit, mu, parity) for limit in limits)
            if independent:
                target += mixed_poisson((i, j), (first, both - first), 0.2 / n) / 2
            else:  # the same marginal laws, one point of the second window after each of the first
                target += mixed_poisson((i,), (first,), 0.2 / n) / 2 if i == j else 0.0
        title = f"P({i} up to D = {limits[0]}, {j} from there to {limits[1]})"
        yield within(title, estimate, target, 1.7 / n**2)


def ties_at_the_optimum(mu):
    """P(two or more partitions share the least discrepancy): Poisson points on the lattice of a parity."""
    total = 0.0
    for parity in (0, 1):
        levels = np.arange(int(20 / mu) + 2)  # what lies beyond is reached with probability e^-40
        here = np.where((levels == 0) & (parity == 0), mu, 2.0 * mu)
        before = np.cumsum(here) - here
        total += float(np.exp(-before) @ -(np.expm1(-here) + here * np.exp(-here))) / 2
    return total


def tie_sampler(n, size):
    """`sample(rng, count)`: the share of the values of X_n at which two partitions tie, given the others.

    A partition has D = |s - X_n| with s one of the signed sums of the others. Between neighbouring sums
    every X_n has one nearest sum, but for their midpoint; a sum that occurs twice is never alone.
    """

    def sample(rng, count):
        others = draw(rng, count, n - 1, size).astype(np.int16)  # n M < 2^15
        total = others.sum(axis=1, dtype=np.int16)[:, None]
        sums = np.abs(total - 2 * subset_sums(others[:, 1:]))  # left of the least one lies its negative
        sums.sort(axis=1, kind="stable")  # of 16 bits: by radix, six times as fast as by comparisons
        half = np.empty((count, sums.shape[1] + 1), np.int16)  # half the way to the neighbours
        half[:, 0], half[:, -1] = sums[:, 0], size
        half[:, 1:-1] = (sums[:, 1:] - sums[:, :-1]) // 2
        left, right = half[:, :-1], half[:, 1:]
        alone = np.minimum(sums + right, size + 1) - np.maximum(sums - left, 0) - 1
        alone *= (left > 0) & (right > 0)
        return 1.0 - np.maximum(alone, 0).sum(axis=1) / size

    return sample


def unique_optimum(
    run, factor=1.0, unique=False, cells=((12, -1.0, 60_000, 0.0035), (9, 4.0, 300_000, 0.0014))
):
    """P(the least discrepancy is reached twice) against Poisson points on the lattice."""
    for n, position, trials, tolerance in cells:
        size = law.window_max_value(n, position)
        mu = float(law.expected_perfect_partitions(n, size))
        estimate = run.mean(f"n={n}, M={size}", tie_sampler(n, size), trials, (0.0, 1.0), block=1024)
        target = 0.0 if unique else ties_at_the_optimum(factor * mu)
        yield within(f"n = {n}, M = {size}, mu = {mu:.4f}: P(two optima)", estimate, target, tolerance)
    small = ties_at_the_optimum(1e-3)
    yield within("P(two optima)/mu as mu falls", small / 1e-3, 1.0, 2e-3)


CLAIMS = (
    Claim(
        id="kn.min_discrepancy",
        title="Above the threshold the smallest discrepancy is exponential",
        paper=PAPER,
        place="Borgs, Chayes & Pittel; Mertens",
        statement=r"P(\min D > x/\mu) \to e^{-x}, \qquad 1/\mu = M\sqrt{2\pi n c}/2^n",
        hypotheses=r"$n = 14$, $\lambda = 7$, $x = 0.5, 1, 1.5$, on the lattice of one parity, with the"
        r" corrections $1 - 3/(20n)$ of the mean and $1/(5n)$ of its variance; tolerance $1.6/n^2$.",
        mark="derived",
        constant=Constant(r"mean $1/\mu$"),
        check=smallest_discrepancy,
        twins=(
            Twin("ordered partitions counted: mean 1/(2 mu)", {"ordered": True}),
            Twin("a mean 4 % larger", {"factor": 1.04}),
            Twin("a mean 4 % smaller", {"factor": 0.96}),
        ),
        figure="partition_discrepancy",
    ),
    Claim(
        id="kn.discrepancy_process",
        title="Sorted discrepancies form a Poisson process",
        paper=PAPER,
        place="Borgs, Chayes & Pittel; Mertens",
        statement=r"\#\{D \le 1/\mu\},\ \#\{1/\mu < D \le 2/\mu\} \to \text{independent }"
        r" \mathrm{Poisson}(1)",
        hypotheses=r"$n = 14$, $\lambda = 7$; the joint law of the counts of unordered partitions in two"
        r" windows, cells up to (2, 2), with the corrections in $1/n$; tolerance $1.7/n^2$.",
        mark="derived",
        constant=Constant(r"intensity $\mu$"),
        check=poisson_process,
        twins=(
            Twin("the same laws of each window, but not independent", {"independent": False}),
            Twin("6 % more partitions", {"factor": 1.06}),
            Twin("7 % fewer partitions", {"factor": 0.93}),
        ),
        figure="partition_discrepancy",
    ),
    Claim(
        id="kn.unique_optimum",
        title="Far above the threshold the optimal partition is unique",
        paper=PAPER,
        place="Borgs, Chayes & Pittel, Theorem 2.8",
        statement=r"P(\text{two partitions share } \min D) = \tfrac12\sum_{\text{parity}}\sum_d"
        r" e^{-\Lambda_{<d}}\bigl(1 - e^{-\lambda_d} - \lambda_d e^{-\lambda_d}\bigr) \to \mu\ (\mu \to 0)",
        hypotheses=r"Poisson points on the lattice of a parity, $\lambda_0 = \mu$ and $\lambda_d = 2\mu$;"
        r" $n = 12$, $\lambda = -1$ and $n = 9$, $\lambda = 4$: every signing and every $X_n$ beside drawn"
        r" $X_1..X_{n-1}$; tolerance 0.0035 and 0.0014.",
        mark="derived",
        constant=Constant(r"$\mu$"),
        check=unique_optimum,
        twins=(
            Twin("always unique, in the window too", {"unique": True}),
            Twin("3 % more", {"factor": 1.03}),
            Twin("3 % less", {"factor": 0.97}),
        ),
        figure="partition_discrepancy",
    ),
)

"""Claims on number partitioning: the results of Borgs, Chayes & Pittel that Kumar & Natale build on."""

import itertools
import math

import numpy as np

from paper_checks.claim import Claim, Twin, at_least, at_most, identity, within
from sims import partition as simulation
from theory import partition as law

PAPER = "kumar-natale"
GOLDEN = (2, 10, 3, 8, 5, 7, 9, 5, 3, 2)
SIZES = ((12, 20_000), (16, 30_000), (20, 50_000), (24, 60_000))


def draw(rng, count, n, max_value):
    """Random instances (count, n) on {1..M}."""
    return rng.integers(1, max_value + 1, size=(count, n))


def threshold_law(run, parity_matters=True, sizes=SIZES):
    """P(perfect) at the threshold; tolerance 0.5/n, stated from the 1/n corrections of mu."""
    for n, trials in sizes:
        size = law.window_max_value(n, 0.0)
        estimate = run.probability(f"n={n}", simulation.sampler(n, size), trials)
        target = float(law.perfect_partition_probability(n, size))
        if not parity_matters:
            target = 1.0 - math.exp(-float(law.expected_perfect_partitions(n, size)))
        yield within(f"n = {n}, M = {size}", estimate, target, 0.5 / n)


def collapse(run, centre=0.5, positions=(-2.0, 1.5), sizes=((12, 30_000), (22, 60_000))):
    """Equal window positions give equal probabilities; tolerance 0.5/n around the limit curve."""
    for position in positions:
        for n, trials in sizes:
            size = max(1, round(2.0 ** (n - centre * math.log2(n) + position)))
            name = f"n = {n}, lambda = {position:g}"
            estimate = run.probability(f"{name}, M={size}", simulation.sampler(n, size), trials)
            yield within(name, estimate, float(law.window_probability(position)), 0.5 / n)


def poisson_counts(run, odd_factor=2.0, n=16, position=-1.0, trials=100_000, most=4):
    """Joint law of parity and number of perfect partitions, cell by cell; tolerance 0.2/n."""
    size = law.window_max_value(n, position)
    cells = [(parity, k) for parity in (0, 1) for k in range(most + 1)]

    def sample(rng, count):
        rows = draw(rng, count, n, size)
        counts, odd = simulation.count_rows(rows), rows.sum(axis=1) % 2
        return np.stack([(odd == parity) & (counts == k) for parity, k in cells], axis=1).astype(float)

    estimates = run.means(f"n={n}, M={size}", sample, trials, [(0.0, 1.0)] * len(cells))
    mean = float(law.expected_perfect_partitions(n, size))
    for (parity, k), estimate in zip(cells, estimates, strict=True):
        m = mean * (odd_factor if parity else 1.0)
        target = 0.5 * math.exp(-m) * m**k / math.factorial(k)
        yield within(f"{'odd' if parity else 'even'} total, {k} partitions", estimate, target, 0.2 / n)


def corrections(run, mean_coefficient=0.15, variance_coefficient=0.2, sizes=(16, 32, 64)):
    """Exact moments at finite n against mu (1 - 3/(20n)) and mu + mu^2/(5n): remainders of second order."""
    import sympy as sp

    from theory.derivations import partition as derivation

    derived = derivation.mean_correction() == -3 / sp.Integer(20)
    derived &= derivation.mean_relative_variance() == 1 / sp.Integer(5)
    yield identity("sympy: coefficients -3/20 and 1/5", bool(derived))
    for n in sizes:
        size = law.window_max_value(n, 0.0)
        mu = float(law.expected_perfect_partitions(n, size))
        mean = law.expected_perfect_partitions_exact(n, size)
        name = f"n = {n}: n (1 - E Z/mu)"
        yield within(name, n * (1.0 - mean / mu), mean_coefficient, 0.1 / n)
        if n > 16:  # the dispersion is visible once multiplicities of tiny sums have died out
            spread = n * (law.perfect_partition_variance_exact(n, size) - mean) / mu**2
            yield within(f"n = {n}: n (Var Z - E Z)/mu^2", spread, variance_coefficient, 1.0 / n)


def smallest_discrepancy(run, factor=1.0, n=14, position=7.0, trials=60_000):
    """Above the threshold min D is exponential with mean 1/mu; tolerance 0.5/n."""
    size = law.window_max_value(n, position)
    scale = float(law.discrepancy_scale(n, size))
    multiples = (0.25, 1.0, 2.0)

    def sample(rng, count):
        smallest = simulation.smallest_discrepancy_rows(draw(rng, count, n, size))
        return np.stack([smallest > m * scale for m in multiples], axis=1).astype(float)

    estimates = run.means(f"n={n}, M={size}", sample, trials, [(0.0, 1.0)] * len(multiples))
    for m, estimate in zip(multiples, estimates, strict=True):
        yield within(f"P(min D > {m:g}/mu)", estimate, math.exp(-factor * m), 0.5 / n)


def poisson_process(run, intensity=1.0, n=14, position=7.0, reach=2.0, trials=60_000, most=5):
    """Partitions with discrepancy at most reach/mu: a Poisson number of mean `reach`; tolerance 0.5/n."""
    size = law.window_max_value(n, position)
    limit = round(reach * float(law.discrepancy_scale(n, size)))

    def sample(rng, count):
        found = simulation.count_within_rows(draw(rng, count, n, size), limit)
        return np.stack([found == k for k in range(most)], axis=1).astype(float)

    estimates = run.means(f"n={n}, M={size}", sample, trials, [(0.0, 1.0)] * most)
    mean = intensity * reach
    for k, estimate in enumerate(estimates):
        target = math.exp(-mean) * mean**k / math.factorial(k)
        yield within(f"P({k} partitions up to {reach:g}/mu)", estimate, target, 0.5 / n)


def golden_case(run, unordered=23):
    """Exact count of one published instance."""
    count = simulation.count_perfect_partitions(GOLDEN)
    yield identity(f"unordered perfect partitions: {count}", count == unordered, evidence="exhaustive")


def _signings(n, max_value):
    """E Z, E Z^2, P(Z > 0) and the share of even totals over every draw, Z signings of sum 0."""
    signs = np.array(list(itertools.product((-1, 1), repeat=n)), np.int16)
    draws = np.indices((max_value,) * n, dtype=np.int16).reshape(n, -1) + np.int16(1)
    zeros = np.zeros(draws.shape[1], int)
    for sign in signs:
        zeros += sign @ draws == 0
    return zeros.mean(), (zeros**2).mean(), (zeros > 0).mean(), (draws.sum(axis=0) % 2 == 0).mean()


def lemma_1(run, factor=1.0, parity_share=True):
    """Exact moments around an exact probability; then the lemma's formulas against exact moments."""
    for n, max_value in ((4, 32), (5, 12), (6, 8)):
        mean, square, found, share = run.once(f"{n}", lambda c=(n, max_value): _signings(*c))
        name = f"n = {n}, M = {max_value}: every draw, every signing"
        yield at_most(f"{name}, P / (E Z/2)", found / (factor * mean / 2), 1.0, evidence="exhaustive")
        yield at_least(f"{name}, P E Z^2/(E Z)^2", found * square / mean**2, factor, evidence="exhaustive")
        moments = law.expected_perfect_partitions_exact(n, max_value)
        second = law.perfect_partition_variance_exact(n, max_value) + moments**2
        error = abs(2 * share * moments / mean - 1) + abs(4 * share * second / square - 1)
        yield at_most(f"{name}: relative error of the exact moments", error, 1e-12, evidence="exhaustive")
    for n in (16, 64):
        for position in (-4.0, 0.0, 3.0):
            size = law.window_max_value(n, position)
            lower, upper = law.lemma1_bounds(n, size)
            mean = law.expected_perfect_partitions_exact(n, size)
            square = law.perfect_partition_variance_exact(n, size) + mean**2
            even = 0.5  # the share of even totals, up to M^-n
            name = f"n = {n}, lambda = {position:g}"
            if mean < 1:  # not cut at 1
                ratio = factor * upper / (2 * even * mean)
                yield within(f"{name}: rho_n/2 over the exact E Z", ratio, 1, 0.5 / n)
            if not parity_share:  # E Z^2 = (E Z)^2 + 2 E Z, as if a signing said nothing of another's parity
                all_totals = 2 * lower / (1 - 2 * lower)  # E Z, from lower = E Z/(2 E Z + 2)
                lower = all_totals / (all_totals + 2.0)
            ratio = factor * lower * square / (even * mean**2)
            yield within(f"{name}: lower bound over the exact (E Z)^2/E Z^2", ratio, 1, 0.5 / n)


CLAIMS = (
    Claim(
        id="kn.threshold",
        title="Threshold law of perfect partitions",
        paper=PAPER,
        place="Section 2; Borgs, Chayes & Pittel",
        statement=r"P(\text{perfect}) \to 1 - \tfrac12\left(e^{-\mu} + e^{-2\mu}\right),\quad"
        r" \mu = \frac{2^n}{M\sqrt{2\pi n c}}",
        hypotheses=r"$X_i$ uniform on $\{1..M\}$, $M = 2^{n - \log_2(n)/2}$; tolerance $0.5/n$.",
        mark="derived",
        check=threshold_law,
        twins=(Twin("one Poisson law of mean mu for even and odd totals alike", {"parity_matters": False}),),
        figure="partition_threshold",
    ),
    Claim(
        id="kn.collapse",
        title="One curve for all n in the scaling window",
        paper=PAPER,
        place="Borgs, Chayes & Pittel, finite-size scaling",
        statement=r"M = 2^{n - \frac12\log_2 n + \lambda} \Rightarrow P(\text{perfect}) \to 1 -"
        r" \tfrac12(e^{-\mu} + e^{-2\mu}),\; \mu = \sqrt{3/(2\pi)}\, 2^{-\lambda}",
        hypotheses=r"$\lambda = -2$ and $1.5$, $n = 12$ and $22$; tolerance $0.5/n$.",
        mark="derived",
        check=collapse,
        twins=(Twin(r"window centred at $n - \log_2 n$ bits", {"centre": 1.0}),),
        figure="partition_threshold",
    ),
    Claim(
        id="kn.counts",
        title="The number of perfect partitions is Poisson given the parity",
        paper=PAPER,
        place="Borgs, Chayes & Pittel (even totals); odd totals derived",
        statement=r"Z \mid \text{even} \to \mathrm{Poisson}(\mu), \qquad Z \mid \text{odd} \to"
        r" \mathrm{Poisson}(2\mu)",
        hypotheses=r"$n = 16$, $\lambda = -1$; every cell (parity, count up to 4); tolerance $0.2/n$.",
        mark="derived",
        check=poisson_counts,
        twins=(Twin("mean mu on odd totals too", {"odd_factor": 1.0}),),
        figure="partition_counts",
    ),
    Claim(
        id="kn.corrections",
        title="First corrections of mean and variance in 1/n",
        paper=PAPER,
        place="beyond Borgs, Chayes & Pittel",
        statement=r"E Z = \mu\left(1 - \frac{3}{20n}\right) + O(n^{-2}),\quad"
        r" \mathrm{Var} Z = \mu + \frac{\mu^2}{5n} + \dots",
        hypotheses=r"even total, $\lambda = 0$; exact integer moments at $n = 16, 32, 64$.",
        mark="derived",
        check=corrections,
        twins=(
            Twin(
                r"fluctuation of $\sum X_i^2$ alone: $+3/(10n)$, no fourth cumulant",
                {"mean_coefficient": -0.3},
            ),
        ),
    ),
    Claim(
        id="kn.min_discrepancy",
        title="Above the threshold the smallest discrepancy is exponential",
        paper=PAPER,
        place="Borgs, Chayes & Pittel; Mertens",
        statement=r"P(\min D > x/\mu) \to e^{-x}, \qquad 1/\mu = M\sqrt{2\pi n c}/2^n",
        hypotheses=r"$n = 14$, $\lambda = 7$; tolerance $0.5/n$.",
        mark="derived",
        check=smallest_discrepancy,
        twins=(Twin("ordered partitions counted: mean 1/(2 mu)", {"factor": 2.0}),),
        figure="partition_discrepancy",
    ),
    Claim(
        id="kn.discrepancy_process",
        title="Sorted discrepancies form a Poisson process",
        paper=PAPER,
        place="Borgs, Chayes & Pittel; Mertens",
        statement=r"\#\{\text{partitions}: D \le x/\mu\} \to \mathrm{Poisson}(x)",
        hypotheses=r"$n = 14$, $\lambda = 7$, $x = 2$, counts 0 to 4; tolerance $0.5/n$. Simple points: the"
        r" optimum is unique in the limit.",
        mark="derived",
        check=poisson_process,
        twins=(Twin("twice the intensity, both signs counted", {"intensity": 2.0}),),
        figure="partition_discrepancy",
    ),
    Claim(
        id="kn.golden",
        title="An instance with 23 perfect partitions",
        paper=PAPER,
        place="golden case",
        statement=r"\{2,10,3,8,5,7,9,5,3,2\} \text{ has 23 unordered perfect partitions}",
        hypotheses="Equal values are different items.",
        mark="derived",
        check=golden_case,
        twins=(Twin("ordered partitions counted instead (46)", {"unordered": 46}),),
    ),
    Claim(
        id="kn.lemma1",
        title="Moment bounds on the existence of a partition",
        paper=PAPER,
        place="Lemma 1",
        statement=r"\frac{(E Z)^2}{E Z^2} \le P(Z_{n,0} > 0) \le \tfrac12 E Z,\quad E Z = \rho_n/2\,"
        r"(1 + O(1/n)),\; \rho_n = 2^{n+1}\gamma_n,\;"
        r" \frac{(E Z)^2}{E Z^2} = \frac{E Z}{2 E Z + 2}(1 + O(1/n))",
        hypotheses=r"Exact finite-$n$ moments, no slack: all draws, $(n, M) = (4, 32), (5, 12), (6, 8)$; the"
        r" printed bound $E Z$ is twice too large, because $s$ and $-s$ both count. The lemma's formulas"
        r" against exact moments at $n = 16, 64$, $\lambda = -4, 0, 3$, to $1/(2n)$.",
        mark="paper",
        check=lemma_1,
        twins=(
            Twin("moments 3 % smaller", {"factor": 0.97}),
            Twin("moments 3 % larger", {"factor": 1.03}),
            Twin(
                "second moment without the parity factor: lower bound tends to 1",
                {"parity_share": False},
            ),
        ),
    ),
)

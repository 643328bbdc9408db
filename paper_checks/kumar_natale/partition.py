"""Claims on number partitioning: the results of Borgs, Chayes & Pittel that Kumar & Natale build on."""

import itertools
import math
from functools import partial

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, at_least, at_most, identity, within
from sims import partition as simulation
from theory import partition as law

PAPER = "kumar-natale"
GOLDEN = (2, 10, 3, 8, 5, 7, 9, 5, 3, 2)
SIZES = ((12, 400_000), (16, 800_000))


def draw(rng, count, n, max_value):
    """Random instances (count, n) on {1..M}."""
    return rng.integers(1, max_value + 1, size=(count, n))


def mixed_poisson(counts, means, spread):
    """P(independent Poisson counts, given L, with means L m_i), L a gamma of mean 1 and variance `spread`."""
    shape, total = 1.0 / spread, sum(counts)
    value = math.exp(math.lgamma(shape + total) - math.lgamma(shape)) * spread**total
    value *= (1.0 + spread * sum(means)) ** -(shape + total)
    return value * math.prod(m**k / math.factorial(k) for k, m in zip(counts, means, strict=True))


def near_limit(n, mu, odd=2.0):
    """P(perfect) with the corrections in 1/n: mean mu (1 - 3/(20 n)), relative variance 1/(5 n); to 1/n^2."""
    mean, spread = mu * (1 - 0.15 / n), 0.2 / n
    return 1.0 - (mixed_poisson((0,), (mean,), spread) + mixed_poisson((0,), (odd * mean,), spread)) / 2


def threshold_law(run, factor=1.0, parity_matters=True, sizes=SIZES):
    """P(perfect) at the threshold against the limit and what 1/n takes from it; tolerance 1.2/n^2."""
    for n, trials in sizes:
        size = law.window_max_value(n, 0.0)
        estimate = run.probability(f"n={n}", simulation.sampler(n, size), trials)
        mean = factor * float(law.expected_perfect_partitions(n, size))
        target = near_limit(n, mean, 2.0 if parity_matters else 1.0)
        yield within(f"n = {n}, M = {size}", estimate, target, 1.2 / n**2)
        if factor == 1.0 and parity_matters:
            limit = 1.0 - (math.exp(-mean) + math.exp(-2 * mean)) / 2
            stated = float(law.perfect_partition_probability(n, size))
            yield within(f"n = {n}: the code's law over the formula", stated / limit, 1.0, 1e-12)
            yield within(f"n = {n}: the limit less 0.088/n", limit - 0.088 / n, target, 0.3 / n**2)
    # n times the difference tends to 0.088
    mean, n = math.sqrt(3 / (2 * math.pi)), 10**5
    limit = 1.0 - (math.exp(-mean) + math.exp(-2 * mean)) / 2
    yield within("n (limit - corrected law) as n grows", n * (limit - near_limit(n, mean)), 0.088, 5e-4)


# lambda, n, trials, tolerance
WINDOW = (
    (-2.0, 12, 80_000, 0.014),
    (-2.0, 20, 80_000, 0.006),
    (0.5, 12, 250_000, 0.009),
    (0.5, 20, 400_000, 0.006),
)


def collapse(run, factor=1.0, centre=0.5, most=400_000):
    """Equal window positions give equal probabilities, up to the corrections in 1/n."""
    for position, n, trials, tolerance in WINDOW:
        size = max(1, round(2.0 ** (n - centre * math.log2(n) + position)))
        name = f"n = {n}, lambda = {position:g}"
        estimate = run.probability(f"{name}, M={size}", simulation.sampler(n, size), min(trials, most))
        mean = factor * math.sqrt(3 / (2 * math.pi)) * 2.0**-position
        yield within(name, estimate, near_limit(n, mean), tolerance)
        if factor == 1.0:
            limit = 1.0 - (math.exp(-mean) + math.exp(-2 * mean)) / 2
            stated = float(law.window_probability(position))
            yield within(f"{name}: the code's curve over the formula", stated / limit, 1.0, 1e-12)


def poisson_counts(run, factor=1.0, odd_factor=2.0, n=16, position=-1.0, trials=400_000, most=4):
    """Parity and number of perfect partitions: cell by cell to 2/n^2, means to 2.5 %."""
    size = law.window_max_value(n, position)
    cells = [(parity, k) for parity in (0, 1) for k in range(most + 1)]
    name, cap = f"n={n}, M={size}", 16

    def counted(rng, count):
        rows = draw(rng, count, n, size)
        return np.stack([rows.sum(axis=1) % 2, simulation.count_rows(rows)], axis=1)

    counted = run.remembered("parity and count", counted)  # for cells and means alike

    def sample(rng, count):
        odd, counts = counted(rng, count).T
        return np.stack([(odd == parity) & (counts == k) for parity, k in cells], axis=1)

    def of_parity(rng, count):
        odd, counts = counted(rng, count).T
        return np.stack([np.where(odd == parity, np.minimum(counts, cap), 0.0) for parity in (0, 1)], axis=1)

    estimates = run.probabilities(name, sample, trials, len(cells))
    mean = factor * float(law.expected_perfect_partitions(n, size)) * (1 - 0.15 / n)
    for (parity, k), estimate in zip(cells, estimates, strict=True):
        target = 0.5 * mixed_poisson((k,), (mean * (odd_factor if parity else 1.0),), 0.2 / n)
        yield within(f"{'odd' if parity else 'even'} total, {k} partitions", estimate, target, 2.0 / n**2)
    means = run.means(name, of_parity, trials, [(0.0, cap)] * 2)
    for parity, estimate in enumerate(means):
        target = 0.5 * mean * (odd_factor if parity else 1.0)
        title = f"{'odd' if parity else 'even'} total: mean number"
        yield within(title, estimate, target, 0.025 * target)


def corrections(run, factor=1.0, mean_coefficient=0.15, variance_coefficient=0.2, sizes=(16, 32, 64)):
    """Exact moments at finite n against mu (1 - 3/(20n)) and mu + mu^2/(5n): remainders of second order."""
    import sympy as sp

    from theory.derivations import partition as derivation

    derived = run.once(
        "derived",
        lambda: (
            derivation.mean_correction() == -3 / sp.Integer(20)
            and derivation.mean_relative_variance() == 1 / sp.Integer(5)
        ),
    )
    yield identity("sympy: coefficients -3/20 and 1/5", bool(derived))
    for n in sizes:
        size = law.window_max_value(n, 0.0)
        mu = float(law.expected_perfect_partitions(n, size))
        mean = law.expected_perfect_partitions_exact(n, size)
        name = f"n = {n}: n (1 - E Z/mu)"
        yield within(name, n * (1.0 - mean / mu), factor * mean_coefficient, 0.1 / n)
        if n > 16:  # the dispersion is visible once multiplicities of tiny sums have died out
            variance = run.once(f"variance {n}", partial(law.perfect_partition_variance_exact, n, size))
            spread = n * (variance - mean) / mu**2
            target = factor * variance_coefficient
            yield within(f"n = {n}: n (Var Z - E Z)/mu^2", spread, target, 1.0 / n)


def golden_case(run, factor=1.0, unordered=23):
    """Exact count of one published instance."""
    count = simulation.count_perfect_partitions(GOLDEN)
    yield within("unordered perfect partitions", count, factor * unordered, 0.0, cases=2 ** (len(GOLDEN) - 1))


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
        cases = (2 * max_value) ** n
        yield at_most(f"{name}, P / (E Z/2)", found / (factor * mean / 2), 1.0, cases=cases)
        yield at_least(f"{name}, P E Z^2/(E Z)^2", found * square / mean**2, factor, cases=cases)
        moments = law.expected_perfect_partitions_exact(n, max_value)
        second = law.perfect_partition_variance_exact(n, max_value) + moments**2
        error = abs(2 * share * moments / mean - 1) + abs(4 * share * second / square - 1)
        yield at_most(f"{name}: relative error of the exact moments", error, 1e-12, cases=cases)
    for n in (16, 64):
        for position in (-4.0, 0.0, 3.0):
            size = law.window_max_value(n, position)
            lower, upper = law.lemma1_bounds(n, size)
            mean = law.expected_perfect_partitions_exact(n, size)
            variance = run.once(f"{n}, {size}", partial(law.perfect_partition_variance_exact, n, size))
            square = variance + mean**2
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
        hypotheses=r"$X_i$ uniform on $\{1..M\}$, $M = 2^{n - \log_2(n)/2}$, $n = 12, 16$; what $1/n$ takes"
        r" from the limit, $0.088/n$, by the corrections of mean and variance; tolerance $1.2/n^2$.",
        mark="derived",
        constant=Constant(r"mean $\mu$"),
        check=threshold_law,
        twins=(
            Twin("one Poisson law of mean mu for even and odd totals alike", {"parity_matters": False}),
            Twin("4 % more", {"factor": 1.04}),
            Twin("4 % less", {"factor": 0.96}),
        ),
        figure="partition_threshold",
    ),
    Claim(
        id="kn.collapse",
        title="One curve for all n in the scaling window",
        paper=PAPER,
        place="Borgs, Chayes & Pittel, finite-size scaling",
        statement=r"M = 2^{n - \frac12\log_2 n + \lambda} \Rightarrow P(\text{perfect}) \to 1 -"
        r" \tfrac12(e^{-\mu} + e^{-2\mu}),\; \mu = \sqrt{3/(2\pi)}\, 2^{-\lambda}",
        hypotheses=r"$\lambda = -2$ and $0.5$, $n = 12$ and $20$, with the corrections in $1/n$; tolerance"
        r" 0.014 and 0.006 at $-2$, 0.009 and 0.006 at $0.5$.",
        mark="derived",
        constant=Constant(r"$\mu$ at every position"),
        check=collapse,
        twins=(
            Twin(
                r"window centred at $n - \log_2 n$ bits",
                {"centre": 1.0, "most": 20_000},
            ),
            Twin("5 % more at every position", {"factor": 1.05}),
            Twin("5 % less", {"factor": 0.95}),
        ),
        figure="partition_threshold",
    ),
    Claim(
        id="kn.counts",
        title="The number of perfect partitions is Poisson given the parity",
        paper=PAPER,
        place="Borgs, Chayes & Pittel (even totals); odd totals derived",
        statement=r"Z \mid \text{even} \to \mathrm{Poisson}(\mu), \qquad Z \mid \text{odd} \to"
        r" \mathrm{Poisson}(2\mu)",
        hypotheses=r"$n = 16$, $\lambda = -1$; every cell (parity, count up to 4) against the mixed Poisson"
        r" law of mean $\mu(1 - 3/(20n))$ and relative variance $1/(5n)$ to $2/n^2$; the means to 2.5 %.",
        mark="derived",
        constant=Constant(r"mean $\mu$"),
        check=poisson_counts,
        twins=(
            Twin("mean mu on odd totals too", {"odd_factor": 1.0}),
            Twin("5 % more", {"factor": 1.05}),
            Twin("5 % less", {"factor": 0.95}),
        ),
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
        constant=Constant("3/20 and 1/5"),
        check=corrections,
        twins=(
            Twin(
                r"fluctuation of $\sum X_i^2$ alone: $+3/(10n)$, no fourth cumulant",
                {"mean_coefficient": -0.3},
            ),
            Twin("coefficients 3 % larger", {"factor": 1.03}),
        ),
    ),
    Claim(
        id="kn.golden",
        title="An instance with 23 perfect partitions",
        paper=PAPER,
        place="golden case",
        statement=r"\{2,10,3,8,5,7,9,5,3,2\} \text{ has 23 unordered perfect partitions}",
        hypotheses="Equal values are different items.",
        mark="derived",
        constant=Constant("the count 23"),
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
        constant=Constant("both moment bounds"),
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

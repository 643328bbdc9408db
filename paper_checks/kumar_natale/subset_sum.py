"""Claims on quantized random subset sum: lemmas of Kumar & Natale and the laws behind them."""

import itertools
import math
from functools import partial

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, at_least, at_most, identity, within
from sims import subset_sum as simulation
from sims.subset_sum import algorithms
from theory import partition
from theory import subset_sum as theory
from theory.subset_sum import cox as laws
from theory.subset_sum.moments import WEIGHTS

PAPER = "kumar-natale"


def measured(run, n, max_value, target, trials, law="nonzero", delta=0):
    """P(miss) by exact decisions, shared by a claim and its twins."""
    name = f"{law}, M = {max_value}, n = {n}, t = {target}, delta = {delta}"
    return run.probability(name, simulation.sampler(n, max_value, target, law, delta), trials)


def values_of(max_value, law):
    """Every equally likely outcome of one sample."""
    grid = [v for v in range(-max_value, max_value + 1) if v or law == "uniform"]
    return [a * b for a in grid for b in grid] if law == "product" else grid


def subset_sums(rows):
    """Sums of all subsets of every row, (count, 2^n), in the type of `rows`."""
    sums = np.zeros((len(rows), 1), rows.dtype)
    for column in rows.T:
        sums = np.hstack([sums, sums + column[:, None]])
    return sums


def solution_counts(n, max_value, law, targets):
    """Number of solutions of every equally likely draw, one column per target."""
    masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    sums = np.array(list(itertools.product(values_of(max_value, law), repeat=n))) @ masks.T
    return np.stack([(sums == t).sum(axis=1) for t in targets], axis=1)


def lemma_2(run, factor=1.0, doubled=2, n=4, max_value=3):
    """Every instance on {-3..3}^4 and every target: subsets against signings."""
    masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    x = np.array(list(itertools.product(range(-max_value, max_value + 1), repeat=n)))
    sums, signed = x @ masks.T, np.abs(x @ (2 * masks - 1).T)
    total = x.sum(axis=1)
    agree = True
    for target in range(-n * max_value, n * max_value + 1):
        solvable = (sums == target).any(axis=1)
        partition = (signed == np.abs(total - factor * doubled * target)[:, None]).any(axis=1)
        agree &= bool((solvable == partition).all())
    targets = 2 * n * max_value + 1
    name = f"{len(x)} instances, {targets} targets"
    yield identity(name, agree, evidence="exhaustive", cases=len(x) * targets)


def moment_error(law, max_value, n):
    """Largest relative error of both moments, over all targets, against every draw and every subset."""
    targets = range(-max_value, 2 * max_value + 1)
    counts = solution_counts(n, max_value, law, targets)
    return max(
        abs(theory.expected_solutions(n, max_value, t, law) / column.mean() - 1.0)
        + abs(theory.second_moment(n, max_value, t, law) / (column**2).mean() - 1.0)
        for t, column in zip(targets, counts.astype(float).T, strict=True)
        if column.any()
    )


def moments(
    run, factor=1.0, exponent=1.0 / 6.0, cases=(("nonzero", 2, 5), ("uniform", 2, 4), ("product", 2, 3))
):
    """Exact moments by enumeration; the limit of their ratio at large n and M."""
    for law, max_value, n in cases:
        error = run.once(law, partial(moment_error, law, max_value, n))
        draws = len(values_of(max_value, law)) ** n
        yield at_most(f"{law}, M = {max_value}, n = {n}: relative error", error, 1e-11, cases=draws)
    n, max_value = 30, 500
    for target in (0, 3000):
        first = run.once(f"first, {target}", partial(theory.expected_solutions, n, max_value, target))
        second = run.once(f"second, {target}", partial(theory.second_moment, n, max_value, target))
        ratio = second / first**2 - 1.0 / first
        d = float(laws.scaled_target(n, max_value, target))
        limit = factor * 2.0 / math.sqrt(3.0) * math.exp(exponent * d * d)
        yield within(f"E Z^2/(E Z)^2 - 1/E Z at n = {n}, d = {d:.2f}", ratio, limit, 0.5 / n)


def lemma_3(run, factor=1.0, power=1.0, n=16, max_value=8191, target=1, trials=400_000):
    """Given Lambda: bins of |Lambda - 2t| in standard deviations, hits against both bounds and the law."""
    width = math.sqrt(n * float(partition.second_moment(max_value))) * max_value
    rho = 2.0 * float(partition.expected_perfect_partitions(n, max_value))
    for z in (0, 2 * width // 1, 3 * width // 1):
        e = math.exp(-((z / width) ** 2) / 2)
        stated = theory.lemma3_bounds(n, max_value, 0, int(z))
        # Lambda = z and t = 0; the formula once more (at z = 0 the code's E Z counts s and -s once)
        mean = rho * e if z else rho / 2
        gap = abs(stated[0] - mean / (mean + 1)) + abs(stated[1] - min(1.0, 2 * mean))
        yield at_most(f"the code's bounds at z = {z / width:.0f} deviations", gap, 1e-12)
    edges = (0.0, 0.5, 1.0, 1.5, 2.5)

    def draws(rng, count):
        rows = simulation.draw(rng, count, n, max_value)
        hit = algorithms.search_rows(rows, np.full(count, target)) >= 0
        return hit, np.abs(rows.sum(axis=1) - 2 * target) / width

    drawn = run.remembered("draws", draws)

    def sample(rng, count):
        hit, z = drawn(rng, count)
        mean = factor * rho * np.exp(-power * z**2 / 2)
        law = -np.expm1(-mean)
        gaps = [hit - reference for reference in (mean / (mean + 1), np.minimum(2 * mean, 1.0), law)]
        bins = [(z >= low) & (z < high) for low, high in itertools.pairwise(edges)]
        columns = [inside * gap for inside in bins for gap in gaps]
        return np.stack([*columns, (z < edges[-1]) * gaps[-1]], axis=1)

    found = run.means("slack", sample, trials, [(-1.0, 1.0)] * (3 * len(edges) - 2))
    for i, (low, high) in enumerate(itertools.pairwise(edges)):
        share = math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))
        slack = share / n  # the O(1/n) terms
        allowed = slack / 2 if high < 2 else slack
        name = f"|Lambda - 2t| of {low:g} to {high:g} deviations"
        yield at_least(f"{name}: P(hit, bin) - lower bound", found[3 * i], -slack / 4)
        yield at_most(f"{name}: P(hit, bin) - upper bound", found[3 * i + 1], slack / 4)
        yield within(f"{name}: P(hit, bin) - P(bin) E(1 - exp(-rho e))", found[3 * i + 2], 0.0, allowed)
    yield within("all bins together", found[-1], 0.0, 0.1 / n)


def lemma_4(run, first=2.0, power=1.0 / 7.0, second=1.0, cells=((3, 1), (3, 4), (5, 5))):
    """Where the bound says something: exact misses, and a rigorous bound of any M, far below it."""
    largest = max(n for n in range(2, 400) if theory.lemma4_failure(n, 2**10, 1) >= 1.0)
    yield identity(f"vacuous up to n = {largest}", largest == 128, evidence="evaluated")

    true = first == 2.0 and power == 1.0 / 7.0 and second == 1.0

    def bound(n, max_value, target):
        # the terms of the code, or the false version's in their place
        if true:
            return theory.lemma4_failure(n, max_value, target)
        return _lemma_4(n, max_value, target, first, power, second)

    for max_value, target in cells:
        law = theory.miss_law(max_value, target)
        for n in (200, 400):
            value, exact = bound(n, max_value, target), law.probability(n)
            again = _lemma_4(n, max_value, target)
            name = f"M = {max_value}, t = {target}, n = {n}"
            least = math.log2(exact)
            detail = f"exact P(miss) 2^{least:.1f}, bound {value:.4g}"
            yield at_most(f"{name}: log2 of the exact P(miss)", least, math.log2(value), detail=detail)
            stated = theory.lemma4_failure(n, max_value, target)
            yield within(f"{name}: the code's bound over the formula", stated / again, 1.0, 1e-9)
    if first and power < 1:  # a smaller bound proves nothing against the false versions
        for n in (200, 400):
            proved = theory.block_miss(n, 127, 1)
            title = f"M = 127, n = {n}: moment bound in blocks"
            yield at_most(title, proved, bound(n, 127, 1), evidence="bound")
    # Beyond capacity most draws miss: a nonempty subset hits t with probability at most 1/(2 M). The
    # second-moment term alone can say so, Hoeffding's is 0.938 there.
    n, max_value = 200, 2**204
    hit = (2**n - 1) / (2 * max_value)
    title = f"M = 2^204, n = {n}: bound on P(miss) against 1 - E Z"
    yield at_least(title, bound(n, max_value, 1), 1.0 - hit, evidence="bound")


def _lemma_4(n, max_value, target, first=2.0, power=1.0 / 7.0, second=1.0):
    """The formula once more: Hoeffding's term and the second-moment term at z = a + 2 |t|."""
    spread = n * max_value**2 * float(partition.second_moment(max_value))
    z = max_value * math.sqrt(n * math.log(n) / 3.5) + 2 * abs(target)
    log_mean = (n + 1) * math.log(2) - math.log(2 * math.pi * spread) / 2 - z * z / (2 * spread)
    return first * n**-power + second / (1 + math.exp(log_mean))


def zero_thinning(run, factor=1.0, grid=1, n=5, max_value=2):
    """Enumeration of both laws for every target."""
    zero = factor / (2 * max_value + grid)
    for target in (1, 2, 3):
        nonzero = [float(theory.miss_law(max_value, target).probability(m)) for m in range(n + 1)]
        counts = run.once(f"uniform {target}", partial(solution_counts, n, max_value, "uniform", [target]))
        uniform = 1.0 - float((counts > 0).mean())
        mixed = sum(
            math.comb(n, k) * zero**k * (1.0 - zero) ** (n - k) * nonzero[n - k] for k in range(n + 1)
        )
        yield within(f"n = {n}, M = {max_value}, t = {target}", uniform, mixed, 1e-12, cases=len(counts))


def reach_law(run, factor=1.0, slack=1, cases=((2, 12), (3, 12), (4, 8))):
    """Reach is certain to miss; with divisibility it is all there is in the end."""
    for max_value, n in cases:
        exact = {t: float(theory.miss_law(max_value, t).probability(n)) for t in range(1, max_value + 2)}
        for t, miss in exact.items():
            reach = factor * sum(
                math.comb(n, k) * math.comb(t - slack, k) * max_value**-k * 2.0**-n for k in range(n + 1)
            )
            name = f"M = {max_value}, n = {n}, t = {t}"
            yield at_least(name, miss, reach * (1.0 - 1e-11))
    for n, allowance in ((20, 1e-2), (40, 1e-5)):
        ratio = float(theory.miss_law(3, 1).probability(n)) / (factor * theory.miss_lower_bound(n, 3, 1))
        yield within(f"union with divisibility, M = 3, n = {n}: exact / bound", ratio, 1.0, allowance)


def exponent(run, factor=1.0, laws_differ=True, n=40):
    """Exact slopes between n and 2n; the factor n^D, D = t - 1 or less, allows (D + 0.1)/n bits."""
    for law, max_value, target in itertools.product(theory.LAWS, (2, 3), (1, 2, 3)):
        exact = {m: float(theory.miss_law(max_value, target, law).probability(m)) for m in (n, 2 * n)}
        limit = factor * (theory.failure_exponent(max_value, target, law) if laws_differ else 1.0)
        slope = -math.log2(exact[2 * n] / exact[n]) / n
        # products of M = 3: 2 and 3 divide equally many, whence a factor n at every target
        degree = 1 if (law, max_value) == ("product", 3) else target - 1
        name = f"{law}, M = {max_value}, t = {target}"
        yield at_least(name, slope, limit - (degree + 0.1) / n)
        yield at_most(name, slope, limit + 1.0 / n)
        yield at_least(f"{name}: P >= q^n", exact[n], 2.0 ** (-limit * n) * (1 - 1e-11))


def enumerated_block_miss(n, max_value, target):
    """The bound's formula from every draw: blocks of 1 to n samples, every weight of the code."""
    best = 1.0
    for length in range(1, n + 1):
        masks = (np.arange(2**length)[:, None] >> np.arange(length)) & 1
        sums = np.array(list(itertools.product(values_of(max_value, "nonzero"), repeat=length))) @ masks.T
        for theta in WEIGHTS:
            weighted = (sums == target) @ theta ** masks.sum(axis=1)
            if weighted.any():
                hit = weighted.mean() ** 2 / (weighted**2).mean()
                best = min(best, (1 - hit) ** (n // length))
    return best


def exponential_failure(run, factor=1.0, power=1, cells=((10, 1), (14, 127), (18, 127)), trials=100_000):
    """P(miss) below the moment bound in blocks, which falls exponentially in n; its moments enumerated."""
    for n, max_value, target in ((5, 2, 1), (5, 3, 2), (6, 2, 3)):
        literal = run.once(f"{n}, {target}", partial(enumerated_block_miss, n, max_value, target))
        stated = factor * theory.block_miss(n, max_value, target) ** power
        name = f"M = {max_value}, n = {n}, t = {target}: the bound over the enumerated one"
        yield within(name, stated / literal, 1.0, 1e-10, cases=(2 * max_value) ** n)
    for n, target in cells:
        bound = factor * theory.block_miss(n, 127, target) ** power
        yield at_most(f"M = 127, n = {n}, t = {target}", measured(run, n, 127, target, trials), bound)
    passed = 1.0 - factor * theory.block_miss(20, 127, 1)
    yield at_least("proved P(hit) at n = 20, past sqrt(3)/2", passed, math.sqrt(0.75), evidence="bound")
    decay = [theory.block_miss(n, 127, 1) for n in (50, 100, 200)]
    yield at_most(
        "bound at n = 200 / (bound at n = 100)^2", decay[2] / decay[1] ** 2, 1.0 + 1e-9, evidence="bound"
    )


def trivial_event(run, factor=1.0, chances=1, trials=50_000):
    """One sample equals the target: exact for one sample, and how little it explains of more."""
    for law in theory.LAWS:
        misses = solution_counts(1, 3, law, (1, 2))
        for t, column in zip((1, 2), misses.T, strict=True):
            bound = factor * theory.trivial_miss(1, 3, t, law) ** chances + 1e-15
            missed = float((column == 0).mean())
            yield at_most(f"{law}, n = 1, t = {t}", missed, bound, cases=len(column))
            code = theory.trivial_miss(1, 3, t, law)
            yield within(f"{law}, n = 1, t = {t}: the code's bound", code / missed, 1.0, 1e-12)
    for n, share in ((8, 1.0), (14, 0.2), (18, 0.01)):
        bound = factor * share * theory.trivial_miss(n, 127, 1) ** chances
        title = f"M = 127, n = {n}, t = 1: P(miss) against {share:g} of the bound"
        yield at_most(title, measured(run, n, 127, 1, trials), bound)


def claim(name, check, title, place, statement, hypotheses, mark, *twins, constant="", figure=None):
    """A claim of this subject; `twins` are (title, changes), `constant` as in `Claim` or (name, bound)."""
    return Claim(
        id=f"kn.{name}",
        title=title,
        paper=PAPER,
        place=place,
        statement=statement,
        hypotheses=hypotheses,
        mark=mark,
        check=check,
        twins=tuple(Twin(*twin) for twin in twins),
        figure=figure,
        constant=Constant(*constant) if isinstance(constant, tuple) else constant,
    )


CLAIMS = (
    claim(
        "lemma2",
        lemma_2,
        "Subset sum is number partitioning with a random target",
        "Lemma 2",
        r"\exists S: \sum_S X_i = t \iff \exists s: \left|\sum s_i X_i\right| = |\Lambda - 2t|",
        r"$\Lambda = \sum X_i$; all instances on $\{-3..3\}^4$, all targets.",
        "paper",
        (r"target Lambda - t instead of Lambda - 2t", {"doubled": 1}),
        constant=("the 2 in Lambda - 2t",),
    ),
    claim(
        "moments",
        moments,
        "Exact moments of the number of solutions, and the limit of their ratio",
        "behind Lemma 3",
        r"\frac{E Z_t^2}{(E Z_t)^2} - \frac1{E Z_t} \to \frac{2}{\sqrt3}\, e^{d^2/6}",
        r"Three sampling laws by enumeration; the ratio at $n = 30$, $M = 500$, tolerance $0.5/n$.",
        "derived",
        ("exponent d^2/4", {"exponent": 0.25}),
        constant=(r"limit $2/\sqrt3\,e^{d^2/6}$",),
        figure="subset_sum_bounds",
    ),
    claim(
        "lemma3",
        lemma_3,
        "Moment bounds given the sum of the samples",
        "Lemma 3",
        r"\frac{\rho_n e}{\rho_n e + 1} \le P(Y_{n,t} > 0 \mid \Lambda) \le 2\rho_n e,\quad"
        r" e = e^{-(\Lambda - 2t)^2/(2nM^2c)},\quad P \to 1 - e^{-\rho_n e}",
        r"$M = 8191$, $n = 16$, $t = 1$, in four bins of $|\Lambda - 2t|$ up to 2.5 standard deviations;"
        r" $O(1/n)$ terms: $1/(4n)$, for the limit $1/(2n)$, in the last bin $1/n$, over all $1/(10n)$. The"
        r" upper bound is twice the limit where $\rho_n e$ is small.",
        "paper",
        ("e = 1: the sum plays no role", {"power": 0.0}),
        ("twice the exponent", {"power": 2.0}),
        ("an exponent 10 % larger", {"power": 1.1}),
        ("a mean 6 % larger", {"factor": 1.06}),
        ("a mean 6 % smaller", {"factor": 0.94}),
        constant=(r"mean $\rho_n e$",),
    ),
    claim(
        "lemma4",
        lemma_4,
        "Success below capacity: the published rate and the exact one",
        "Lemma 4",
        r"P(\text{miss}) \le 2 n^{-1/7} + \frac{1}{1 + \rho_n e_a}, \text{ at least 1 for } n \le 128",
        r"$n = 200, 400$: exact misses at $M = 3, 5$, all below $2^{-180}$; a rigorous bound at $M = 127$,"
        r" and $P \ge 1 - E Z$ at $M = 2^{204}$. Not sharp; but neither term may go, nor may Hoeffding's fall"
        r" like $2^{-n}$.",
        "paper",
        ("without Hoeffding's term", {"first": 0.0}),
        ("Hoeffding's term n^(-28) in place of n^(-1/7)", {"power": 28.0}),
        ("without the second-moment term", {"second": 0.0}),
        constant="not sharp: exact misses below 2^-180 of it",
        figure="subset_sum_bounds",
    ),
    claim(
        "zero_thinning",
        zero_thinning,
        "Zeros thin the samples, exactly",
        "uniform law",
        r"P_{\text{uniform}}(n) = \sum_k \mathrm{Bin}\left(k; n, \tfrac{1}{2M+1}\right)"
        r" P_{\text{nonzero}}(n-k)",
        r"$M = 2$, $n = 5$, $t = 1, 2, 3$: every draw.",
        "derived",
        ("zero probability 1/(2M)", {"grid": 0}),
        constant=("probability of a zero",),
    ),
    claim(
        "reach",
        reach_law,
        "Reach law: too few positive samples",
        "lower bound of the miss probability",
        r"P(\text{miss}) \ge 2^{-n}\sum_k \binom nk \binom{t-1}{k} M^{-k}",
        r"$1 \le t \le M + 1$, nonzero law; exact probabilities for $M = 2, 3, 4$. Joined with divisibility"
        r" the ratio tends to 1.",
        "derived",
        ("t instead of t - 1 positive units below the target", {"slack": 0}),
        constant=("the bound", "lower"),
        figure="subset_sum_bounds",
    ),
    claim(
        "exponent",
        exponent,
        "Exponent theorem: bits of failure per sample",
        "theorem, proved in theory/subset_sum/exponent.py",
        r"-\frac1n\log_2 P(\text{miss}) \to -\log_2\max\left\{P(X \le 0),\,"
        r" \max_{g \nmid t} P(g \mid X)\right\}",
        r"$M = 2, 3$, three laws, $t = 1, 2, 3$: exact probabilities up to $n = 80$.",
        "derived",
        ("one bit per sample whatever the sampling law", {"laws_differ": False}),
        constant=("exponent",),
        figure="subset_sum_exponent",
    ),
    claim(
        "exponential",
        exponential_failure,
        "Failure decays exponentially, rigorously",
        "question of the public reviews",
        r"P(\text{miss}) \le \left(1 - \frac{(E Z_{n_0,\theta})^2}{E Z_{n_0,\theta}^2}\right)^{\lfloor"
        r" n/n_0\rfloor},\; Z_\theta = \sum_{S: \sum_S X = t} \theta^{|S|}",
        r"$M = 127$, best $n_0$ and weight; with $\theta < 1$ the bound passes $\sqrt3/2$.",
        "derived",
        ("twice the exponent", {"power": 2}),
        constant=("the bound of a block",),
        figure="subset_sum_bounds",
    ),
    claim(
        "trivial",
        trivial_event,
        "The trivial event explains next to nothing",
        "question of the public reviews",
        r"P(\text{miss}) \le \left(1 - P(X = t)\right)^n",
        r"Sharp at $n = 1$ for every law; $M = 127$, $n = 8, 14$ beside it.",
        "derived",
        ("two chances per sample", {"chances": 2}),
        constant=("the bound", "upper"),
        figure="subset_sum_bounds",
    ),
)

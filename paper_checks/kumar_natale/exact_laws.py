"""Claims on small grids, where miss probabilities are exact: the chain, its limit, laws against it."""

import functools
import itertools
import math
from fractions import Fraction

import numpy as np

from paper_checks.claim import at_least, at_most, identity, within
from paper_checks.kumar_natale.lottery import one_weight
from paper_checks.kumar_natale.partition import near_limit
from paper_checks.kumar_natale.subset_sum import claim, solution_counts
from sims import partition as partitions
from sims.lottery import embed
from theory import partition
from theory import subset_sum as theory
from theory.subset_sum.automaton import build, letter_order
from theory.subset_sum.closed_form import solve
from theory.subset_sum.error_table import LOG_ERRORS, SAMPLES
from theory.subset_sum.prefactor import failure_prefactor

DRAWS: tuple[tuple[theory.Law, int, int], ...] = (
    ("nonzero", 1, 8),
    ("nonzero", 2, 5),
    ("nonzero", 3, 5),
    ("uniform", 2, 5),
    ("product", 2, 3),
)


def _coarse(n, max_value, target, law):
    """The chain that forgets every sum farther from the target than the target from 0."""
    letters = letter_order(max_value, law, target)
    return solve(
        build(letters, [[target]], radius=target, beyond="forget", limits=theory.ChainLimits()),
        max_value,
        law,
    ).probability(n)


def exact_chain(run, factor=1.0, complete=True, draws=DRAWS):
    """Every draw of n samples and every subset of it, against the automaton, in whole numbers."""
    share = Fraction(factor)
    for law, max_value, n in draws:
        reach = max_value**2 if law == "product" else max_value
        targets = list(range(1, 2 * reach + 2))
        counts = run.once(f"{law}, {max_value}", lambda c=(n, max_value, law, targets): solution_counts(*c))
        found = theory.exact_miss_probability if complete else _coarse
        agree = [
            found(n, max_value, t, law) == Fraction(int((counts[:, i] == 0).sum()), len(counts)) / share
            for i, t in enumerate(targets)
        ]
        name = f"{law}, M = {max_value}, n = {n}: {len(counts)} draws, {len(targets)} targets"
        yield identity(name, all(agree), evidence="exhaustive", cases=counts.size)
    n, max_value = 6, 2
    targets = list(range(-max_value, max_value + 1))
    counts = run.once("every", lambda: solution_counts(n, max_value, "nonzero", targets))
    missed = Fraction(int((counts == 0).any(axis=1).sum()), len(counts))
    every = theory.exact_every_target_miss(n, max_value)
    name = f"every target, M = {max_value}, n = {n}"
    yield identity(name, every == missed / share, evidence="exhaustive", cases=counts.size)
    first, second = (counts[:, targets.index(t)] == 0 for t in (1, 2))
    pairs = first[:, None] | second  # the draws of one target beside those of the other
    missed = Fraction(int(np.count_nonzero(pairs)), pairs.size)
    fresh = theory.exact_fresh_targets_miss(n, max_value, [1, 2])
    name = f"targets 1 and 2 on samples of their own, M = {max_value}, n = {n}"
    yield identity(name, fresh == missed / share, evidence="exhaustive", cases=pairs.size)
    by_law = theory.fresh_targets_miss([float(first.mean()), float(second.mean())])
    yield within(f"{name}: in floating point", by_law, float(missed / share), 1e-12)


GRIDS: tuple[tuple[theory.Law, int], ...] = (
    *(("nonzero", m) for m in range(1, 8)),
    ("uniform", 3),
    ("product", 2),
    ("product", 3),
)


def prefactor(run, factor=1.0, n=400, grids=GRIDS):
    """Exact rationals against p(n) q^n; the leading coefficient from differences of exact values."""
    for law, max_value in grids:
        for target in (1, 2, 3):
            exact = theory.miss_law(max_value, target, law).probability(n)
            ratio = exact / failure_prefactor(max_value, target, law).probability(n)
            name = f"{law}, M = {max_value}, t = {target}: P / (p q^n)"
            yield within(name, ratio * Fraction(factor), 1.0, 1e-9)
    for max_value, target in ((1, 4), (2, 3), (3, 2), (3, 4), (5, 3)):
        law_ = theory.miss_law(max_value, target)
        scaled = [law_.probability(n + k) * 2 ** (n + k) for k in range(target)]
        signs = [(-1) ** (target - 1 - k) * math.comb(target - 1, k) for k in range(target)]
        difference = sum(sign * v for sign, v in zip(signs, scaled, strict=True))
        name = f"M = {max_value}, t = {target}: M^(t-1) times the last difference of 2^n P"
        value = difference * max_value ** (target - 1) * Fraction(factor)
        yield within(name, value, 1.0, 1e-9)


def second_rate(run, factor=1.0, base=1.0, power=1.0, first=200, second=400):
    """P/(p q^n) - 1 between two n, the power of n in it allowed for; and that power between three."""
    for max_value, degree in ((3, 1), (5, 1), (7, 1)):
        law_, limit = theory.miss_law(max_value, 1), failure_prefactor(max_value, 1)
        excess = [law_.probability(n) / limit.probability(n) - 1 for n in (first, second)]
        # excess ~ c n^D r^n: the power costs D log(second/first)
        slope = math.log(excess[1] / excess[0]) - degree * math.log(second / first)
        rate = math.exp(slope / (second - first))
        name = f"M = {max_value}, t = 1: rate of the correction / (1 - 1/M)"
        yield within(name, rate / (factor * (base - 1.0 / max_value)), 1.0, 0.005)
        # a second difference over doublings of n sheds the rate
        third = law_.probability(2 * second) / limit.probability(2 * second) - 1
        bend = 2 * math.log(excess[1] / excess[0]) - math.log(third / excess[1])
        found = bend / math.log(second / first)
        yield within(f"M = {max_value}, t = 1: power of n in the correction", found, power, 0.1)


@functools.cache
def _cells(form, cells):
    """(cell, |log error| of the form, largest one tabulated nearby) of every (law, M, t, n)."""
    found = []
    for law, max_value, target, n in cells:
        exact = float(theory.miss_law(max_value, target, law).probability(n))
        error = abs(math.log(theory.miss_probability(n, max_value, target, law, form=form) / exact))
        row = LOG_ERRORS[law, form, max_value, 2 * target <= max_value]
        nearest = min(abs(m - n) for m in SAMPLES)
        near = max(e for m, e in zip(SAMPLES, row, strict=True) if abs(m - n) <= nearest + 2)
        found.append((f"{law}, M = {max_value}, t = {target}, n = {n}", error, near))
    return found


def _worst(form, cells):
    """Where the error, less 0.02, is largest beside the table's, and how many times it is that large."""
    cell, error, near = max(_cells(form, cells), key=lambda c: (c[1] - 0.02) / max(c[2], 1e-9))
    return f"largest |log({form}/exact)| - 0.02 over the table's, at {cell}", (error - 0.02) / near


def law_errors(run, factor=1.0, samples=tuple(range(3, 40, 2))):
    """The table was made at even n and a few targets; here odd n and every target, 1,064 cells."""
    laws = ("nonzero", "uniform")
    grid = ((m, t) for m in range(1, 8) for t in range(1, m + 1))
    cells = tuple((law, m, t, n) for (m, t), law, n in itertools.product(grid, laws, samples))
    name, ratio = _worst("cox", cells)
    yield at_most(name, ratio, factor, cases=len(cells))


SADDLEPOINT = ((1, 1, 35), (2, 2, 35), (3, 1, 13), (3, 3, 21), (5, 5, 35), (7, 1, 21), (7, 7, 13), (7, 7, 35))


def saddlepoint_errors(run, factor=1.0, cells=SADDLEPOINT):
    """Eight cells at odd n: each takes the law some tens of milliseconds."""
    name, ratio = _worst("saddlepoint", tuple(("nonzero", *cell) for cell in cells))
    yield at_most(name, ratio, 1.02 * factor)


def corrected_law(run, factor=1.0, corrected=True, cells=((8, 64, 500_000), (10, 256, 1_200_000))):
    """In the window; tolerance 0.6/n^2, stated in advance."""
    for n, max_value, trials in cells:
        estimate = run.probability(f"n={n}", partitions.sampler(n, max_value), trials)
        mean = factor * float(partition.expected_perfect_partitions(n, max_value))
        law = near_limit(n, mean) if corrected else 1 - (math.exp(-mean) + math.exp(-2 * mean)) / 2
        yield within(f"n = {n}, M = {max_value}", estimate, law, 0.6 / n**2)
        if corrected and factor == 1.0:
            stated = float(partition.perfect_partition_probability(n, max_value, form="corrected"))
            yield within(f"n = {n}: the code's law over the formula", stated / law, 1.0, 1e-9)


def exact_partition(run, factor=1.0, shift=0, cells=((5, 5), (6, 4), (4, 8))):
    """Every draw and every signing, against the chain of discrepancies."""
    for n, max_value in cells:
        signs = np.array([(1, *s) for s in itertools.product((-1, 1), repeat=n - 1)])
        draws = np.array(list(itertools.product(range(1, max_value + 1), repeat=n)))
        least = np.abs(draws @ signs.T).min(axis=1)
        law = partition.min_discrepancy_distribution(n, max_value)
        literal = {d: Fraction(int((least == d + shift).sum()), len(draws)) for d in range(max_value + 1)}
        agree = all(Fraction(factor) * law.get(d, 0) == p for d, p in literal.items())
        name = f"n = {n}, M = {max_value}: {len(draws)} draws"
        yield identity(name, agree, evidence="exhaustive", cases=len(draws))


def failures_together(max_value, n, target, size):
    """`sample(rng, count)`: how many of `size` equal weights of one input fail, each group embedded anew."""

    def sample(rng, count):
        groups = -(-count // 64)
        ticket = embed(
            [np.full((size * groups, 64), target)], max_value, n, int(rng.integers(2**62)), threads=1
        )
        failed = np.zeros((size * groups, 64), np.int64)
        for failure in ticket.failures:
            failed[failure.row, failure.column] = 1
        found = failed.reshape(groups, size, 64).sum(axis=1).ravel()[:count]
        return found[:, None] == np.arange(3)

    return sample


def exact_tickets(
    run, factor=1.0, alike=False, cells=((1, 1, 3), (3, 3, 6), (7, 7, 8)), trials=130_000, size=8
):
    """0, 1, 2 failures among weights of one input, each with candidates of its own; tolerance 0.0115."""
    for max_value, target, n in cells:
        name = f"M = {max_value}, weight {target}, {n} candidates"
        sample = failures_together(max_value, n, target, size)
        miss = theory.miss_probability(n, max_value, target) * factor
        for k, estimate in enumerate(run.probabilities(name, sample, trials, 3)):
            law = math.comb(size, k) * miss**k * (1 - miss) ** (size - k)
            if alike:  # all of them fail or none
                law = (1 - miss, 0.0, 0.0)[k]
            yield within(f"{name}: P({k} of {size} fail)", estimate, law, 0.0115)


def exact_sizes(run, factor=1.0, form="best", miss=0.01, trials=400_000):
    """Failures of real tickets at the least number of candidates by the law, and at one less."""
    for max_value, target in ((1, 1), (3, 3), (7, 1)):
        if form == "best":
            n = theory.samples_needed(max_value, target, miss)
        else:
            misses = (theory.miss_probability(n, max_value, target, form=form) for n in itertools.count(1))
            n = next(n for n, p in enumerate(misses, start=1) if p <= miss)
        n = round(factor * n)
        for size, bounded in ((n, at_most), (n - 1, at_least)):
            name = f"M = {max_value}, weight {target}: {size} candidates"
            yield bounded(name, run.probability(name, one_weight(max_value, size, target), trials), miss)


CLAIMS = (
    claim(
        "exact_chain",
        exact_chain,
        "The miss probability of a small grid, exactly",
        "random subset sum on 1 to 4 bits",
        r"P(\text{miss}) = T^{-n} \sum_j \sum_i q_{ji}\, \frac{n!}{(n-i)!}\, j^{\,n-i}, \qquad"
        r" q_{ji} \in \mathbb{Q}",
        r"$T$ = ways to draw a sample; three laws, $t = 1..2R+1$ with $R$ the largest sample; $q$ from the"
        r" minimal automaton of the reachable sums.",
        "derived",
        ("sums farther from the target than the target from 0 are forgotten", {"complete": False}),
        constant=("the probability",),
        figure="subset_sum_exponent",
    ),
    claim(
        "prefactor",
        prefactor,
        "The exponent theorem with its prefactor",
        "exponential failure, answered exactly",
        r"P(\text{miss}) = p(n)\, q^n\, (1 + o(1)), \qquad \text{nonzero law: }"
        r" p(n) \sim \frac{n^{t-1}}{(t-1)!\, M^{t-1}},\; q = \tfrac12",
        r"$M \le 7$ (nonzero), uniform $M = 3$, products $M = 2, 3$; $t = 1, 2, 3$; $n = 400$, exact"
        r" rationals.",
        "derived",
        ("a prefactor 1 % larger", {"factor": 0.99}),
        constant=("the prefactor",),
        figure="subset_sum_exponent",
    ),
    claim(
        "second_rate",
        second_rate,
        "How soon the limit is reached",
        "exponential failure, answered exactly",
        r"\frac{P(\text{miss})}{p(n)\, 2^{-n}} - 1 = \Theta\!\left(n^{D} \left(1 - \tfrac1M\right)^n\right)",
        r"Nonzero law, $t = 1$, odd $M = 3, 5, 7$, between $n = 200$ and $400$; $D = 1$.",
        "derived",
        ("a rate 2 % faster", {"base": 0.985}),
        ("no power of n", {"power": 0.0}),
        constant=("the rate 1 - 1/M",),
    ),
    claim(
        "law_errors",
        law_errors,
        "The stated errors of the Cox law hold between their cells",
        "range of the laws",
        r"\left|\ln \frac{P_{\text{Cox}}}{P}\right| \le e(M, n) + 0.02",
        r"$e$: largest error measured at even $n$ nearby; here odd $n \le 39$, every $1 \le t \le M \le 7$,"
        r" nonzero and uniform laws, against exact values.",
        "heuristic",
        ("95 % of the errors in the table", {"factor": 0.95}),
        ("the errors of n = 40 at n = 60", {"samples": (60,)}),
        constant=("errors in the table", "upper"),
        figure="subset_sum_errors",
    ),
    claim(
        "saddlepoint_errors",
        saddlepoint_errors,
        "The stated errors of the saddlepoint law hold between their cells",
        "range of the laws",
        r"\left|\ln \frac{P_{\text{saddlepoint}}}{P}\right| \le 1.02\, e(M, n) + 0.02",
        r"$e$: largest error measured at even $n$ nearby; eight cells at odd $n \le 35$, $M \le 7$, nonzero"
        r" law.",
        "heuristic",
        ("98 % of the errors in the table", {"factor": 0.96}),
        ("the errors of n = 40 at n = 60", {"cells": ((1, 1, 60), (3, 3, 60))}),
        constant=("errors in the table", "upper"),
        figure="subset_sum_errors",
    ),
    claim(
        "corrected_law",
        corrected_law,
        "The corrections in 1/n of the partition law",
        "Borgs, Chayes & Pittel: finite n",
        r"P(\text{perfect}) = 1 - \tfrac12\left(E\,e^{-\mu' L} + E\,e^{-2\mu' L}\right) + O(n^{-2}), \qquad"
        r" \mu' = \mu\left(1 - \tfrac{3}{20 n}\right),\; E L = 1,\; \mathrm{Var} L = \tfrac{1}{5n}",
        r"$n = 8, 10$ in the window; tolerance $0.6/n^2$.",
        "derived",
        ("the limit law, 1.8 % higher at n = 10", {"corrected": False}),
        constant=(r"mean $\mu'$",),
        figure="partition_threshold",
    ),
    claim(
        "exact_partition",
        exact_partition,
        "The smallest discrepancy of a small grid, exactly",
        "number partitioning",
        r"P(\min D = d) \text{ by the chain of sets of discrepancies}",
        r"$(n, M) = (5, 5), (6, 4), (4, 8)$: every draw, every signing.",
        "derived",
        ("discrepancies one larger", {"shift": 1}),
        constant=("every probability",),
    ),
    claim(
        "exact_tickets",
        exact_tickets,
        "Failures of ternary, 3-bit and 4-bit tickets are independent, with exact probabilities",
        "Theorem 1 on the grids people ship",
        r"\#\{\text{of 8 weights of one input without a subset}\} \sim"
        r" \mathrm{Bin}\bigl(8, P_{M,n}(\text{miss } w)\bigr)",
        r"$M = 1, 3, 7$ with $3, 6, 8$ candidates; weights of embedded matrices, which share their input's"
        r" hidden weights; tolerance 0.0115.",
        "derived",
        ("weights of one input fail together", {"alike": True}),
        ("the exact probability times 1.06", {"factor": 1.06}),
        ("the exact probability times 0.94", {"factor": 0.94}),
        constant=("miss probability",),
        figure="lottery_success",
    ),
    claim(
        "exact_sizes",
        exact_sizes,
        "The least number of candidates, not one more",
        "Theorem 1 on the grids people ship",
        r"n^* = \min\{n : P_{M,n}(\text{miss } w) \le 0.01\}",
        r"Ternary, 3-bit and 4-bit grids: at $n^*$ candidates at most 1 % of the weights fail, at $n^* - 1$"
        r" more do.",
        "derived",
        ("sizes by the saddlepoint law", {"form": "saddlepoint"}),
        constant=("the number of candidates",),
        figure="lottery_overparameterization",
    ),
)

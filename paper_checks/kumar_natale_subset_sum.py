"""Claims on quantized random subset sum: lemmas of Kumar & Natale and the laws behind them."""

import itertools
import math

import numpy as np

from paper_checks.claim import Claim, Twin, at_least, at_most, identity, within
from sims import subset_sum as simulation
from sims.subset_sum_rare import exact_miss_probability
from theory import subset_sum as theory
from theory import subset_sum_laws as laws

PAPER = "kumar-natale"
WINDOW = ((1023, 12, 1), (8191, 14, 8191), (8191, 16, 1), (8191, 16, 8191))


def measured(run, n, max_value, target, trials, law="nonzero", delta=0):
    """P(miss) by exact decisions, shared by a claim and its twins."""
    name = f"{law}, M = {max_value}, n = {n}, t = {target}, delta = {delta}"
    return run.probability(name, simulation.sampler(n, max_value, target, law, delta), trials)


def values_of(max_value, law):
    """Every equally likely outcome of one sample."""
    grid = [v for v in range(-max_value, max_value + 1) if v or law == "uniform"]
    return [a * b for a in grid for b in grid] if law == "product" else grid


def solution_counts(n, max_value, law, targets):
    """Number of solutions of every equally likely draw, one column per target."""
    masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    sums = np.array(list(itertools.product(values_of(max_value, law), repeat=n))) @ masks.T
    return np.stack([(sums == t).sum(axis=1) for t in targets], axis=1)


def lemma_2(run, doubled=2, n=4, max_value=3):
    """Every instance on {-3..3}^4 and every target: subsets against signings."""
    masks = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    x = np.array(list(itertools.product(range(-max_value, max_value + 1), repeat=n)))
    sums, signed = x @ masks.T, np.abs(x @ (2 * masks - 1).T)
    total = x.sum(axis=1)
    agree = True
    for target in range(-n * max_value, n * max_value + 1):
        solvable = (sums == target).any(axis=1)
        partition = (signed == np.abs(total - doubled * target)[:, None]).any(axis=1)
        agree &= bool((solvable == partition).all())
    yield identity(f"{len(x)} instances, {2 * n * max_value + 1} targets", agree, evidence="exhaustive")


def moments(run, exponent=1.0 / 6.0, cases=(("nonzero", 2, 5), ("uniform", 2, 4), ("product", 2, 3))):
    """Exact moments by enumeration; the limit of their ratio at large n and M."""
    for law, max_value, n in cases:
        targets = range(-max_value, 2 * max_value + 1)
        counts = solution_counts(n, max_value, law, targets)
        error = max(
            abs(theory.expected_solutions(n, max_value, t, law) / column.mean() - 1.0)
            + abs(theory.second_moment(n, max_value, t, law) / (column**2).mean() - 1.0)
            for t, column in zip(targets, counts.astype(float).T, strict=True)
            if column.any()
        )
        yield at_most(f"{law}, M = {max_value}, n = {n}: relative error", error, 1e-11)
    n, max_value = 30, 500
    for target in (0, 3000):
        first = theory.expected_solutions(n, max_value, target)
        ratio = theory.second_moment(n, max_value, target) / first**2 - 1.0 / first
        d = float(laws.scaled_target(n, max_value, target))
        limit = 2.0 / math.sqrt(3.0) * math.exp(exponent * d * d)
        yield within(
            f"E Z^2/(E Z)^2 - 1/E Z at n = {n}, d = {d:.2f}", ratio, limit, 0.5 / n, evidence="certified"
        )


def lemma_3(run, markov_as_lower=False, n=16, max_value=32767, target=1, trials=30_000):
    """The lemma's bounds given Lambda, averaged over Lambda; O(1/n) terms allowed for by 1/n."""

    def sample(rng, count):
        rows = simulation.draw(rng, count, n, max_value)
        hit = simulation.engine.search_rows(rows, np.full(count, target)) >= 0
        bounds = [theory.lemma3_bounds(n, max_value, target, int(total)) for total in rows.sum(axis=1)]
        lower, upper = np.array(bounds).T
        if markov_as_lower:
            lower = upper
        return np.stack([hit - lower, upper - hit], axis=1)

    below, above = run.means(f"slack {markov_as_lower}", sample, trials, [(-1.0, 1.0), (-1.0, 1.0)])
    yield at_least("P(hit) - lower bound", below, -1.0 / n)
    yield at_least("upper bound - P(hit)", above, -1.0 / n)


def lemma_4(run, sharp=False, cells=((10, 127), (14, 127), (18, 127)), trials=100_000):
    """The bound as stated, its vacuous range, and the measured rate beside the paper's n^(-1/7)."""
    largest = max(n for n in range(2, 400) if theory.lemma4_failure(n, 2**10, 1) >= 1.0)
    yield identity(f"vacuous up to n = {largest}", largest == 128, evidence="certified")
    for n, max_value in cells:
        estimate = measured(run, n, max_value, 1, trials)
        if sharp:  # "the failure really decays like the inverse polynomial"
            yield at_least(f"n = {n}: P(miss) >= n^(-1/7)/4", estimate, n ** (-1.0 / 7.0) / 4.0)
        else:
            yield at_most(f"n = {n}: Lemma 4", estimate, theory.lemma4_failure(n, max_value, 1))
            exponential = theory.block_miss(n, max_value, 1)
            yield at_most(f"n = {n}: moments in blocks", estimate, exponential)


def cox_law(run, factor=1.0, cells=WINDOW, trials=250_000):
    """Cox law in its range; tolerance 4 % of the law, stated in advance."""
    for max_value, n, target in cells:
        estimate = measured(run, n, max_value, target, trials)
        mu = factor * laws.cox_mean(n, max_value)
        value = float(laws.cox_miss(mu, laws.scaled_target(n, max_value, target)))
        yield within(f"M = {max_value}, n = {n}, t = {target}", estimate, value, 0.04 * value)


def cox_outside(run, factor=1.8, n=21, max_value=127, trials=1_000_000):
    """Beyond its range the Cox law errs by factors, here on the unsafe side."""
    estimate = measured(run, n, max_value, max_value, trials)
    cox = theory.miss_probability(n, max_value, max_value, form="cox")
    yield at_least(f"M = {max_value}, n = {n}, t = M", estimate, factor * cox)


def saddlepoint(run, conditional=True, cells=((21, 127), (17, 1), (19, 60)), trials=500_000):
    """Conditional Poisson law with the saddlepoint mean; within 70 % of the truth in the tail."""
    for n, target in cells:
        estimate = measured(run, n, 127, target, trials)
        if conditional:
            value = theory.miss_probability(n, 127, target, form="saddlepoint")
        else:
            value = math.exp(-theory.expected_solutions(n, 127, target))
        yield within(f"M = 127, n = {n}, t = {target}", estimate, value, 0.7 * value)


def zero_thinning(run, grid=1, n=5, max_value=2):
    """Enumeration of both laws for every target."""
    zero = 1.0 / (2 * max_value + grid)
    for target in (1, 2, 3):
        nonzero = exact_miss_probability(n, max_value, target)
        uniform = 1.0 - float((solution_counts(n, max_value, "uniform", [target]) > 0).mean())
        mixed = sum(
            math.comb(n, k) * zero**k * (1.0 - zero) ** (n - k) * nonzero[n - k] for k in range(n + 1)
        )
        yield within(f"n = {n}, M = {max_value}, t = {target}", uniform, mixed, 1e-12, evidence="exhaustive")


def reach_law(run, slack=1, cases=((2, 12), (3, 12), (4, 8))):
    """Reach is certain to miss; with divisibility it is all there is in the end."""
    for max_value, n in cases:
        exact = {t: exact_miss_probability(n, max_value, t)[n] for t in range(1, max_value + 2)}
        for t, miss in exact.items():
            reach = sum(
                math.comb(n, k) * math.comb(t - slack, k) * max_value**-k * 2.0**-n for k in range(n + 1)
            )
            name = f"M = {max_value}, n = {n}, t = {t}"
            yield at_least(name, miss, reach * (1.0 - 1e-11), evidence="exhaustive")
    for n, allowance in ((20, 1e-2), (40, 1e-5)):
        ratio = exact_miss_probability(n, 3, 1)[n] / theory.miss_lower_bound(n, 3, 1)
        yield within(f"union with divisibility, M = 3, n = {n}: exact / bound", ratio, 1.0, allowance)


def exponent(run, laws_differ=True, n=40):
    """Exact slopes between n and 2n; the polynomial factor n^(t-1) allows (t - 1 + 0.1)/n bits."""
    for law in theory.LAWS:
        for target in (1, 2, 3):
            exact = exact_miss_probability(2 * n, 2, target, law)
            limit = theory.failure_exponent(2, target, law) if laws_differ else 1.0
            slope = -math.log2(exact[2 * n] / exact[n]) / n
            name = f"{law}, M = 2, t = {target}"
            yield at_least(name, slope, limit - (target - 1 + 0.1) / n, evidence="exhaustive")
            yield at_most(name, slope, limit + 1.0 / n, evidence="exhaustive")
            yield at_least(
                f"{name}: P >= q^n", exact[n], 2.0 ** (-limit * n) * (1 - 1e-11), evidence="exhaustive"
            )


def exponential_failure(run, power=1, cells=((10, 1), (14, 127), (18, 127)), trials=100_000):
    """P(miss) below the moment bound in blocks, which falls exponentially in n."""
    for n, target in cells:
        bound = theory.block_miss(n, 127, target) ** power
        yield at_most(f"M = 127, n = {n}, t = {target}", measured(run, n, 127, target, trials), bound)
    decay = [theory.block_miss(n, 127, 1) for n in (50, 100, 200)]
    yield at_most(
        "bound at n = 200 / (bound at n = 100)^2", decay[2] / decay[1] ** 2, 1.0 + 1e-9, evidence="bound"
    )


def trivial_event(run, factor=1.0, trials=50_000):
    """One sample equals the target: exact for one sample, and how little it explains of more."""
    for law in theory.LAWS:
        misses = solution_counts(1, 3, law, (1, 2))
        for t, column in zip((1, 2), misses.T, strict=True):
            bound = theory.trivial_miss(1, 3, t, law) ** factor
            yield at_most(f"{law}, n = 1, t = {t}", float((column == 0).mean()), bound + 1e-15)
    for n in (8, 14):
        bound = theory.trivial_miss(n, 127, 1) ** factor
        yield at_most(f"M = 127, n = {n}, t = 1", measured(run, n, 127, 1, trials), bound)


def every_target(run, shared=True, cells=((14, 127), (16, 1023)), trials=60_000):
    """All targets of {-M..M} on one draw, at the Cox law; tolerance 10 % of the law."""
    for n, size in cells:
        sample = simulation.every_target_sampler(n, size)
        estimate = run.probability(f"M={size},n={n}", sample, trials)
        value = theory.every_target_miss(n, size)
        if not shared:  # targets on samples of their own
            targets = np.arange(1, size + 1)
            single = laws.cox_miss_probability(n, size, targets)
            value = theory.fresh_targets_miss(np.concatenate([np.atleast_1d(single)] * 2))
        yield within(f"M = {size}, n = {n}", estimate, value, 0.1 * value)


def sizing(run, slope=1.0, miss=0.1, trials=60_000):
    """n at a stated miss probability: slope 1 in log2 M in the window, log2(1/p)/exponent far from it."""
    sizes = (2**8, 2**12, 2**16, 2**20)
    needed = [theory.samples_needed(size, 1, miss) for size in sizes]
    fitted = np.polyfit(np.log2(sizes), needed, 1)[0]
    # n solves 2^n/sqrt(n) = const M: d n/d log2 M = 1/(1 - log2(e)/(2n)), within 0.1 of 1 for n >= 8
    yield within("dn/dlog2 M at P(miss) = 0.1", float(fitted), slope, 0.11, evidence="certified")
    for size, n in zip(sizes[:2], needed[:2], strict=True):
        yield at_most(f"P(miss) at n = {n}, M = {size}", measured(run, n, size, 1, trials), 1.1 * miss)
        yield at_least(
            f"P(miss) at n = {n - 1}, M = {size}", measured(run, n - 1, size, 1, trials), 0.9 * miss
        )
    exact = exact_miss_probability(90, 3, 1)
    first, last = (int(np.argmax(exact <= p)) for p in (1e-6, 1e-24))
    gained = (last - first) * theory.failure_exponent(3, 1) / math.log2(1e18)
    yield within("tiny p, M = 3: dn * exponent / dlog2(1/p)", gained, slope, 0.03, evidence="exhaustive")


def continuous_limit(run, width=2.0, n=12, epsilon=0.002, tau=0.5, trials=150_000):
    """Quantized samples at Delta/M = epsilon against the continuous law; tolerance 8 % of the law."""
    mu = width * epsilon * 2.0 ** (n + 1) / math.sqrt(2.0 * math.pi * n / 3.0)
    value = float(laws.cox_miss(mu, 2.0 * tau / math.sqrt(n / 3.0)))
    if width == 2.0:
        value = theory.continuous_miss(n, epsilon, tau)
    for size in (2_000, 20_000, 200_000):
        estimate = measured(run, n, size, round(tau * size), trials, delta=round(epsilon * size))
        tolerance = (0.08 + 1.0 / (2.0 * epsilon * size)) * value  # 2 Delta + 1 against 2 Delta
        yield within(f"M = {size}, Delta = {round(epsilon * size)}", estimate, value, tolerance)


def claim(name, check, title, place, statement, hypotheses, mark, *twins, figure=None):
    """A claim of this subject; `twins` are (title, changes)."""
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
        figure="subset_sum_bounds",
    ),
    claim(
        "lemma3",
        lemma_3,
        "Moment bounds given the sum of the samples",
        "Lemma 3",
        r"\frac{\rho_n e}{\rho_n e + 1} \le P(Y_{n,t} > 0 \mid \Lambda) \le 2\rho_n e,\quad"
        r" e = e^{-(\Lambda - 2t)^2/(2nM^2c)}",
        r"$M = 32767$, $n = 16$, $t = 1$, averaged over $\Lambda$; $O(1/n)$ terms allowed for by $1/n$.",
        "paper",
        ("the upper bound taken as lower bound", {"markov_as_lower": True}),
    ),
    claim(
        "lemma4",
        lemma_4,
        "Success below capacity: the published rate and the measured one",
        "Lemma 4",
        r"P(\text{miss}) \le 2 n^{-1/7} + \frac{1}{1 + \rho_n e_a}, \text{ at least 1 for } n \le 128",
        r"$\kappa < 1$, $t = O(M)$; $M = 127$, $t = 1$.",
        "paper",
        ("failures really decay like n^(-1/7)", {"sharp": True}),
        figure="subset_sum_bounds",
    ),
    claim(
        "cox",
        cox_law,
        "Cox law of missing one target",
        "Section 3 (limit law behind Lemmas 3 and 4)",
        r"P(\text{miss } t) \approx E_G\, e^{-\mu e^{-(G-d)^2/2}},\quad"
        r" \mu = \frac{2^{n+1}}{\sqrt{2\pi n s_2}},\; d = \frac{2t}{\sqrt{n s_2}}",
        r"$X_i$ uniform on $\{\pm1..\pm M\}$, $M \geq 1000$, $n - \lceil\log_2 M\rceil \leq 3$;"
        r" tolerance 4 %.",
        "heuristic",
        ("the lattice step of the signings forgotten: half of mu", {"factor": 0.5}),
        figure="subset_sum_miss",
    ),
    claim(
        "cox-range",
        cox_outside,
        "Beyond its range the Cox law is wrong by factors",
        "range of the Cox law",
        r"P(\text{miss}) \ge 1.8\, P_{\text{Cox}} \quad (M = 127,\, n = 21,\, t = 127)",
        r"$n - \log_2 M = 14$.",
        "derived",
        ("wrong by a factor of 4", {"factor": 4.0}),
        figure="subset_sum_miss",
    ),
    claim(
        "saddlepoint",
        saddlepoint,
        "Conditional Poisson law with the saddlepoint mean, in the tail",
        "tail of the miss probability",
        r"P(\text{miss}) \approx E\, e^{-\lambda(X)},\quad"
        r" \lambda = \frac{e^{K(h) - ht}}{\sqrt{2\pi K''(h)}},\; K'(h) = t",
        r"$M = 127$, $n = 17..21$; tolerance 70 %. For $M < 15$ the law errs up to a factor of 3.",
        "heuristic",
        ("one Poisson variable with the unconditional mean E Z", {"conditional": False}),
        figure="subset_sum_bounds",
    ),
    claim(
        "zero-thinning",
        zero_thinning,
        "Zeros thin the samples, exactly",
        "uniform law",
        r"P_{\text{uniform}}(n) = \sum_k \mathrm{Bin}\left(k; n, \tfrac{1}{2M+1}\right)"
        r" P_{\text{nonzero}}(n-k)",
        r"$M = 2$, $n = 5$, $t = 1, 2, 3$: every draw.",
        "derived",
        ("zero probability 1/(2M)", {"grid": 0}),
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
        figure="subset_sum_bounds",
    ),
    claim(
        "exponent",
        exponent,
        "Exponent theorem: bits of failure per sample",
        "theorem, proved in theory/subset_sum_exponent.py",
        r"-\frac1n\log_2 P(\text{miss}) \to -\log_2\max\left\{P(X \le 0),\,"
        r" \max_{g \nmid t} P(g \mid X)\right\}",
        r"$M = 2$, three laws, $t = 1, 2, 3$: exact probabilities up to $n = 80$.",
        "derived",
        ("one bit per sample whatever the sampling law", {"laws_differ": False}),
        figure="subset_sum_exponent",
    ),
    claim(
        "exponential",
        exponential_failure,
        "Failure decays exponentially, rigorously",
        "question of the public reviews",
        r"P(\text{miss}) \le \left(1 - \frac{(E Z_{n_0})^2}{E Z_{n_0}^2}\right)^{\lfloor n/n_0\rfloor}",
        r"$M = 127$, best $n_0$.",
        "derived",
        ("twice the exponent", {"power": 2}),
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
        ("two chances per sample", {"factor": 2.0}),
        figure="subset_sum_bounds",
    ),
    claim(
        "every-target",
        every_target,
        "Every target on one draw",
        "all targets at once",
        r"P(\text{some } |t| \le M \text{ missed}) \approx"
        r" 1 - E_G \prod_t \left(1 - e^{-\lambda_t(G)}\right)",
        r"$M = 127$, $n = 14$ and $M = 1023$, $n = 16$; tolerance 10 %.",
        "heuristic",
        ("targets on samples of their own", {"shared": False}),
        figure="subset_sum_precision",
    ),
    claim(
        "sizing",
        sizing,
        "Samples needed against precision",
        "Lemma 4 and Theorem 1: n of order log2(1/delta)",
        r"\frac{dn}{d\log_2 M} = 1 \text{ at fixed } P(\text{miss}), \qquad"
        r" \frac{dn}{d\log_2(1/p)} \to \frac{1}{\text{exponent}}",
        r"$P(\text{miss}) = 0.1$ for $M = 2^8..2^{20}$; $p = 10^{-6}..10^{-24}$ at $M = 3$.",
        "derived",
        ("two samples per bit of precision", {"slope": 2.0}),
        figure="subset_sum_precision",
    ),
    claim(
        "continuous",
        continuous_limit,
        "One law, two limits",
        "Lueker (1998); da Cunha et al.",
        r"M \to \infty,\, \Delta/M = \varepsilon: \mu \to \frac{2\varepsilon\, 2^{n+1}}{\sqrt{2\pi n/3}}",
        r"$n = 12$, $\varepsilon = 0.002$, $t = M/2$; tolerance 8 % and $1/(2\Delta)$.",
        "derived",
        ("a window of half the width", {"width": 1.0}),
        figure="subset_sum_limits",
    ),
)

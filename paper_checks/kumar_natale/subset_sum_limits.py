"""Claims on limits of random subset sum: divisibility, reach, tails of the Cox law, windows, products."""

import itertools
import math
from fractions import Fraction
from functools import partial

import numpy as np

from paper_checks.claim import at_least, at_most, identity, within
from paper_checks.kumar_natale.subset_sum import claim, measured, subset_sums, values_of
from theory import subset_sum as theory
from theory.lottery import products
from theory.subset_sum import cox as laws
from theory.subset_sum.bounds import divides_every_sample, reach_probability


def divisibility(run, factor=1.0, of_target=False, n=60):
    """All samples divisible by g, which does not divide t: certain misses, and in the end the only ones."""
    other_laws: tuple[theory.Law, ...] = ("nonzero", "uniform")
    for other, max_value, divisor in itertools.product(other_laws, (2, 3, 7), (2, 3)):
        values = np.array(values_of(max_value, other))
        share = Fraction(int((values % divisor == 0).sum()), len(values))
        true = share == divides_every_sample(divisor, max_value, other)
        title = f"{other}, M = {max_value}, g = {divisor}: every outcome of a sample"
        yield identity(title, true, evidence="exhaustive", cases=len(values))
    law: theory.Law = "product"
    for max_value, target, divisor in ((2, 1, 2), (2, 3, 2), (3, 2, 3)):
        values = np.array(values_of(max_value, law))
        share = Fraction(int((values % divisor == 0).sum()), len(values))
        stated = divides_every_sample(divisor, max_value, law)
        name = f"{law}, M = {max_value}, g = {divisor}"
        yield identity(
            f"{name}: every outcome of a sample", share == stated, evidence="exhaustive", cases=len(values)
        )
        if of_target:  # as if a divisor of the target made it unreachable too
            target = divisor
        exact = theory.miss_law(max_value, target, law).probability(n)
        ratio = float(exact / share**n)
        yield at_least(f"{name}, t = {target}, n = {n}: exact P(miss) over P(g | X)^n", ratio, factor)
        if divisor == 2 and not of_target:  # one odd sample more, and every sum is in reach
            yield at_most(f"{name}, t = {target}: the same, in the limit", ratio, 1.0 + 1e-3)


def laguerre_polynomial(n, x):
    """L_n(x) by its recurrence, in rationals."""
    before, now = Fraction(1), 1 - x
    for k in range(1, n):
        before, now = now, ((2 * k + 1 - x) * now - k * before) / (k + 1)
    return now


def laguerre(run, factor=1.0, degree=0, n=12):
    """2^n P(reach) at t = tau M, in rationals, against L_n(-tau): M times the difference settles."""
    for tau in (Fraction(1, 4), Fraction(1, 2), Fraction(1)):  # the sum is the reach law up to t = M + 1
        limit = laguerre_polynomial(n + degree, -tau)
        gaps = []
        for max_value in (10**4, 10**6):
            target = int(tau * max_value)
            terms = (Fraction(math.comb(n, k) * math.comb(target - 1, k), max_value**k) for k in range(n + 1))
            reach = sum(terms)
            code = 2.0**n * float(reach_probability(n, max_value, target))
            title = f"tau = {tau}, M = {max_value}: 2^n P(reach) of the code over the sum"
            yield within(title, code / float(reach), 1.0, 1e-9)
            gaps.append(float(reach / limit) - 1)
            title = f"tau = {tau}, M = {max_value}: over L_n(-tau)"
            yield within(title, float(reach / limit), factor, 60.0 / max_value)
        if not degree:
            yield within(f"tau = {tau}: 100 times closer at 100 M", gaps[0] / gaps[1], 100.0, 5.0)


def cox_integral(mu, d):
    """E exp(-mu exp(-(G - d)^2/2)) by the trapezoidal rule on [-14, 14], 2^16 steps."""
    g = np.linspace(-14.0, 14.0, 2**16 + 1)
    weight = np.exp(-g * g / 2) / math.sqrt(2 * math.pi) * (g[1] - g[0])
    return float(weight @ np.exp(-mu * np.exp(-((g - d) ** 2) / 2)))


def cox_tails(run, factor=1.0, euler=True, cosh=True):
    """The tail of the law for large mu, and its growth with small d; errors fall like 1/ln^2 mu."""
    for mu in (1e3, 1e6, 1e9):
        depth = math.log(mu) + (np.euler_gamma if euler else 0.0)
        exact = run.once(f"{mu}", partial(cox_integral, mu, 0.0))
        tail = factor / (mu * math.sqrt(math.pi * depth))
        name = f"mu = {mu:g}"
        yield within(f"{name}: integral over the tail", exact / tail, 1.0, 0.65 / math.log(mu) ** 2)
        yield within(
            f"{name}: the code's law over the integral", float(laws.cox_miss(mu, 0.0)) / exact, 1.0, 1e-6
        )
        d = 0.1
        grown = run.once(f"{mu}, {d}", partial(cox_integral, mu, d)) / exact
        stated = math.exp(-d * d / 2) * (math.cosh(d * math.sqrt(2 * depth)) if cosh else 1.0)
        yield within(
            f"{name}, d = {d:g}: growth over e^(-d^2/2) cosh", grown / stated, factor, 0.05 / math.log(mu)
        )


# n, M, t, Delta, trials, tolerance relative to the law
WINDOWS = (
    (12, 4095, 1000, 1, 100_000, 0.03),
    (12, 4095, 1000, 3, 80_000, 0.06),
    (12, 4095, 1000, 10, 80_000, 0.14),
    (12, 4095, 4000, 1, 100_000, 0.03),
    (14, 16383, 16000, 3, 80_000, 0.05),
    (14, 32767, 5000, 3, 100_000, 0.03),
)


def delta_window(run, factor=1.0, width=2):
    """Windows of Delta around the target: the Cox law with 2 Delta + 1 times the mean."""
    for n, max_value, target, delta, trials, tolerance in WINDOWS:
        estimate = measured(run, n, max_value, target, trials, delta=delta)
        mu = factor * (width * delta + 1) * laws.cox_mean(n, max_value)
        value = float(laws.cox_miss(mu, laws.scaled_target(n, max_value, target)))
        name = f"M = {max_value}, n = {n}, t = {target}, Delta = {delta}"
        yield within(name, estimate, value, tolerance * value)
        window = range(target - delta, target + delta + 1)
        means = [
            run.once(f"mean {n} {t}", partial(theory.expected_solutions, n, max_value, t)) for t in window
        ]
        ratio = sum(means) / ((width * delta + 1) * means[delta])
        yield within(f"{name}: mean number over (2 Delta + 1) E Z", ratio, factor, 1e-4)


def some_target_missed(n, max_value, reach):
    """`sample(rng, count)`: the share of the signings of n sizes for which some t in {-M..M} is missed.

    A sign that turns shifts all sums alike: with the sums T of the sizes, a signing misses what the window of
    M around one of T holds outside of T +- reach. So one sort serves 2^n signings.
    """

    def sample(rng, count):
        sums = subset_sums(rng.integers(1, max_value + 1, (count, n)).astype(np.float32))
        sums.sort(axis=1)
        ends = np.ones((count, 2**n + 1), bool)  # where a run of sums ends that covers all between them
        ends[:, 1:-1] = sums[:, 1:] - sums[:, :-1] > 2 * reach + 1
        row, end = np.nonzero(ends)
        same, row = row[1:] == row[:-1], row[1:]
        row, first, last = row[same], end[:-1][same], end[1:][same] - 1
        # one increasing list of all rows, to count the windows that lie within a run
        line = (sums + 4.0 * n * max_value * np.arange(count)[:, None]).ravel()
        low = line[row * 2**n + first] + (max_value - reach)
        high = line[row * 2**n + last] - (max_value - reach)
        wide = low <= high
        covered = np.searchsorted(line, high[wide], "right") - np.searchsorted(line, low[wide])
        return 1.0 - np.bincount(row[wide], covered, count) / 2**n

    return sample


def every_continuous(run, factor=1.0, n=8):
    """P(some |t| <= M is farther than Delta from every sum) at (2 Delta + 1)/M = 0.1: one value."""
    for max_value, reach, trials, tolerance in ((8010, 400, 150_000, 0.006), (410, 20, 20_000, 0.025)):
        sample = some_target_missed(n, max_value, reach)
        estimate = run.mean(f"M = {max_value}", sample, trials, (0.0, 1.0))
        yield within(f"M = {max_value}, Delta = {reach}", estimate, factor * 0.5506, tolerance)


def product_price_limit(run, factor=1.0, same=False):
    """Candidates per uniform one as misses become rare: a ratio of exact exponents."""
    for max_value, target in ((2, 1), (2, 3)):
        logs: dict[theory.Law, float] = {}
        laws_and_sizes: tuple[tuple[theory.Law, int], ...] = (
            ("product", max_value),
            ("nonzero", max_value**2),
        )
        for law, size in laws_and_sizes:
            exact = theory.miss_law(size, target, law)
            # differences between two n shed the prefactor, but for n^(t - 1) of the uniform law
            power = target - 1 if law == "nonzero" else 0
            slope = math.log(exact.probability(400)) - math.log(exact.probability(200))
            logs[law] = (slope - power * math.log(2)) / 200
        price = logs["nonzero"] / logs["product"]
        stated = factor * (1.0 if same else math.log(2) / math.log(4 / 3))
        name = f"products of M = {max_value}, w = {target}"
        yield within(f"{name}: candidates per uniform candidate", price, stated, 2e-3)
        code = products.candidate_price(max_value, target)
        yield within(f"{name}: the code's price", code, math.log(2) / math.log(4 / 3), 1e-12)
    yield within("ln 2/ln(4/3)", math.log(2) / math.log(4 / 3), 2.409, 5e-4)


CLAIMS = (
    claim(
        "divisibility",
        divisibility,
        "Divisors of every sample: certain misses, and in the end the only ones",
        "lower bound of the miss probability",
        r"P(\text{miss } t) \ge P(g \mid X)^n, \; g \nmid t; \qquad \text{ratio} \to 1 \text{ where }"
        r" g = 2,\; P(2 \mid X) > P(X \le 0)",
        r"Products, $(M, t, g) = (2, 1, 2), (2, 3, 2), (3, 2, 3)$; $n = 60$, exact rationals. At"
        r" $g = 3$ the ratio grows: one sample that is no multiple reaches one residue more, not both.",
        "derived",
        ("a divisor of the target serves as well", {"of_target": True}),
        ("0.5 % more", {"factor": 1.005}),
        constant=("the bound", "lower"),
        figure="subset_sum_exponent",
    ),
    claim(
        "laguerre",
        laguerre,
        "The reach law tends to a Laguerre polynomial",
        "lower bound of the miss probability, fine grids",
        r"M \to \infty,\ t = \tau M:\quad \sum_k \binom nk \binom{t-1}{k} M^{-k} \to L_n(-\tau)",
        r"$n = 12$, $\tau = 1/4, 1/2, 1$; $M = 10^4, 10^6$ in rationals; tolerance $60/M$.",
        "derived",
        ("degree n - 1", {"degree": -1}),
        ("0.1 % more", {"factor": 1.001}),
        constant=(r"$L_n(-\tau)$",),
    ),
    claim(
        "cox_tail",
        cox_tails,
        "Tail of the Cox law, and how it grows with the target",
        "Section 3, far from the window",
        r"P \sim \frac{1}{\mu\sqrt{\pi(\ln\mu + \gamma_E)}},\qquad \frac{P(d)}{P(0)} \approx e^{-d^2/2}"
        r"\cosh\bigl(d\sqrt{2(\ln\mu + \gamma_E)}\bigr)",
        r"$\mu = 10^3, 10^6, 10^9$ against the integral; tolerance $0.65/\ln^2\mu$; growth at $d = 0.1$ to"
        r" $1/(20\ln\mu)$.",
        "derived",
        (r"without $\gamma_E$", {"euler": False}),
        ("without cosh", {"cosh": False}),
        ("1 % more", {"factor": 1.01}),
        constant=("tail and growth",),
        figure="subset_sum_miss",
    ),
    claim(
        "delta_window",
        delta_window,
        "A window around the target multiplies the mean",
        "approximate targets",
        r"P(\text{no sum within } \Delta \text{ of } t) \approx E_G\, e^{-(2\Delta + 1)\mu e^{-(G-d)^2/2}}",
        r"$M = 4095$, $n = 12$, $t = 1000$: $\Delta = 1, 3, 10$ to 3, 6, 14 %; $t = 4000$,"
        r" $\Delta = 1$ to 3 %; $n = 14$, $\Delta = 3$: $M = 16383$, $t = 16000$ and $M = 32767$, $t = 5000$"
        r" to 5 and 3 %.",
        "heuristic",
        ("Delta + 1", {"width": 1}),
        ("8 % wider", {"factor": 1.08}),
        constant=("2 Delta + 1",),
        figure="subset_sum_limits",
    ),
    claim(
        "every_continuous",
        every_continuous,
        "Lueker's limit for every target at once",
        "Lueker (1998); da Cunha et al.",
        r"2\Delta + 1 = 2\varepsilon M:\quad P(\exists\, |t| \le M \text{ farther than } \Delta"
        r" \text{ from every sum}) \to p(n, \varepsilon)",
        r"$n = 8$, $\varepsilon = 0.05$: $p = 0.5506(2)$, of 4 million draws at $M = 2^{26}$;"
        r" all signings of drawn sizes, to 0.006 at $M = 8010$, to 0.025 at $410$.",
        "derived",
        ("3 % more", {"factor": 1.03}),
        ("3 % less", {"factor": 0.97}),
        constant=("the limit",),
        figure="subset_sum_limits",
    ),
    claim(
        "product_price_limit",
        product_price_limit,
        "The price of products in the limit: 2.409 candidates for one",
        "Lemma 5, step 2",
        r"\frac{n_{ab}}{n_X} \to \frac{\ln 2}{\ln(4/3)} = 2.409 \qquad (M \text{ even},\ w \text{ odd})",
        r"$M = 2$, $w = 1, 3$: exact misses at $n = 200, 400$ against uniform candidates on the same grid.",
        "derived",
        ("products cost nothing in the limit", {"same": True}),
        ("0.5 % more", {"factor": 1.005}),
        constant=("the price",),
        figure="lottery_products",
    ),
)

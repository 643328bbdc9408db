"""Subset sums: rows by exhaustive enumeration, and mpmath's integrals of the laws."""

import functools
import itertools
import math
from fractions import Fraction

from draws import draws, mean, values, weighted
from rows import Table, mp


def subset_sum() -> list[Table]:
    exact, moments = Table("theory.subset_sum.exact"), Table("theory.subset_sum.moments")
    bounds, laws = Table("theory.subset_sum.bounds"), Table("theory.subset_sum.cox")
    miss = Table("theory.subset_sum.miss")
    for n, m, t, law in (
        (4, 3, 2, "nonzero"),
        (3, 2, 1, "uniform"),
        (3, 2, 3, "product"),
        (5, 2, -1, "nonzero"),
    ):
        missed = mean(n, m, law, "miss", t)
        exact.add("exact_miss_probability", [n, m, t, law], missed)
        miss.add("miss_probability", [n, m, t, law], float(missed))
        miss.add("miss_probability", [n, m, t, law, "exact"], float(missed))
        exact.add("exact_miss_probability", [n, m, 3, law, 1], mean(n, m, law, "miss", 3, 1))
        exact.add("exact_every_target_miss", [n, m, law], mean(n, m, law, "every", m))
        exact.add("exact_every_target_miss", [n, m, law, 1, 3], mean(n, m, law, "every", 3, 1))
        two = 1 - (1 - missed) * (1 - mean(n, m, law, "miss", 1))
        exact.add("exact_fresh_targets_miss", [n, m, [t, 1], law], two)
        moments.add("expected_solutions", [n, m, t, law], float(mean(n, m, law, "solutions", t)))
        moments.add("second_moment", [n, m, t, law], float(mean(n, m, law, "square", t)))
        up_to = [[float(mean(k, m, law, what, t)) for k in range(n + 1)] for what in ("solutions", "square")]
        moments.add("moments_up_to", [n, m, t, law], up_to)
        for divisor in (1, 2):
            bounds.add("reach_probability", [n, m, t, law, divisor], mean(n, m, law, "reach", t, divisor))
        kinds = values(m, law)
        total = sum(w for _, w in kinds)
        alone = Fraction(sum(w for v, w in kinds if v == t), total)
        bounds.add("trivial_miss", [n, m, t, law], float((1 - alone) ** n))
        for divisor in (2, 3):
            share = Fraction(sum(w for v, w in kinds if v % divisor == 0), total)
            bounds.add("divides_every_sample", [divisor, m, law], share)
    moments.add("expected_solutions", [3, 2, 50], 0)  # out of reach
    weights = [Fraction(w, 10) for w in (10, 8, 6, 5, 4, 3, 2, 1)]
    n, m, t = 4, 2, 1
    grid = [[weighted(k, m, "nonzero", t, w) for k in range(n + 1)] for w in weights]
    moments.add(
        "weighted_moments_up_to", [n, m, t], [[[float(v[i]) for v in row] for row in grid] for i in (0, 1)]
    )
    best = min(
        (1 - v[0] ** 2 / v[1]) ** (n // k) for row in grid for k, v in enumerate(row) if v[1] and k
    )  # whole blocks only
    bounds.add("block_miss", [n, m, t], float(best))
    upper = min(best, Fraction(3, 4) ** n)
    lower = max(mean(n, m, "nonzero", "certain", t), 1 - mean(n, m, "nonzero", "solutions", t))
    bounds.add("miss_lower_bound", [n, m, t], float(lower))
    bounds.add("miss_probability_bounds", [n, m, t], [float(lower), float(upper)])
    bounds.add("hit_probability_bounds", [n, m, t], [float(1 - upper), float(1 - lower)])
    bounds.add("critical_divisors", [30, 12], [5, 7, 8, 9, 11])
    # several divisors at once: all even, all multiples of 3, of 5, or of 2 and 3
    for n, m, t, law in (
        (4, 6, 1, "nonzero"),
        (5, 3, 1, "uniform"),
        (3, 3, 1, "product"),
        (5, 4, 2, "nonzero"),
    ):
        lower = max(mean(n, m, law, "certain", t), 1 - mean(n, m, law, "solutions", t))
        bounds.add("miss_lower_bound", [n, m, t, law], float(lower))
    for k, m, t in ((4, 2, 1), (3, 7, 2)):
        bounds.add("second_moment_bounds", [k, m, t], cheap_second_moment(k, m, t, weights), 1e-12)
    ways = sum(a * b == 6 for a, b in itertools.product([-3, -2, -1, 1, 2, 3], repeat=2))
    bounds.add("trivial_miss", [2, 3, 6, "product"], float((1 - Fraction(ways, 36)) ** 2))
    for mu, missed in ((0.0, 1), (float("inf"), 0)):
        laws.add("cox_miss", [mu, 0.3], missed)
    for mu, d in ((2.5, 0.0), (40.0, 1.3), (1e5, 0.4)):
        laws.add("cox_miss", [mu, d], cox(mu, d))
    for n, m, law in ((16, 1000, "nonzero"), (12, 50, "uniform"), (9, 9, "product")):
        kinds = values(m, law)
        second = sum(v * v * w for v, w in kinds) / mp.mpf(sum(w for _, w in kinds))
        mu = mp.mpf(2) ** (n + 1) / mp.sqrt(2 * mp.pi * n * second)
        laws.add("cox_mean", [n, m, law], mu)
        laws.add("cox_mean", [n, m, law, 2], 5 * mu)
        d = 2 * 7 / mp.sqrt(n * second)
        laws.add("scaled_target", [n, m, 7, law], d)
        laws.add("cox_miss_probability", [n, m, 7, law], cox(mu, d))
        laws.add("cox_miss_probability", [n, m, 7, law, 2], cox(5 * mu, d))
    miss.add("miss_probability", [14, 1000, 300, "nonzero", "cox"], cox_at(14, 1000, 300))
    miss.add("miss_probability", [12, 2000, 5], cox_at(12, 2000, 5), 1e-8)  # near the window: the Cox law
    for mu, d in ((300.0, 0.0), (1e6, 0.5)):
        level = mp.log(mu) + mp.euler
        shape = (
            mp.exp(-((d - mp.sqrt(2 * level)) ** 2) / 2) + mp.exp(-((d + mp.sqrt(2 * level)) ** 2) / 2)
        ) / 2
        laws.add("cox_tail", [mu, d], shape * mp.exp(level) / (mu * mp.sqrt(mp.pi * level)))
    # E Z^2/(E Z)^2: the mean of the conditional mean's square over the square of its mean
    for d in (0.0, 1.1):
        once = mp.quad(lambda g, d=d: mp.npdf(g) * mp.exp(-((g - d) ** 2) / 2), [-mp.inf, 0, d + 1, mp.inf])
        twice = mp.quad(lambda g, d=d: mp.npdf(g) * mp.exp(-((g - d) ** 2)), [-mp.inf, 0, d + 1, mp.inf])
        laws.add("moment_ratio_limit", [d], twice / once**2)
    for n, m, delta in ((9, 20, 0), (9, 20, 2)):
        second = sum(mp.mpf(v * v) for v in range(-m, m + 1)) / (2 * m)
        mu = (2 * delta + 1) * mp.mpf(2) ** (n + 1) / mp.sqrt(2 * mp.pi * n * second)

        def all_hit(
            g: mp.mpf, n: int = n, m: int = m, delta: int = delta, mu: mp.mpf = mu, s: mp.mpf = second
        ) -> mp.mpf:
            product = mp.npdf(g)
            for t in range(delta + 1, m + 1):
                for u in (t, -t):
                    product *= 1 - mp.exp(-mu * mp.exp(-((g - 2 * u / mp.sqrt(n * s)) ** 2) / 2))
            return product

        with mp.workdps(20):
            missed = 1 - mp.quad(all_hit, [-9, -4, -1, 0, 1, 4, 9])
        laws.add("every_target_miss", [n, m, "nonzero", delta], missed)
        if delta == 0:
            laws.add("every_target_miss", [n, m], missed)
    laws.add("fresh_targets_miss", [{"array": [0.1, 0.25, 0.0]}], 1 - mp.mpf("0.9") * 3 / 4)
    laws.add("fresh_targets_miss", [0.001, 50], 1 - mp.mpf(0.999) ** 50, 1e-12)
    nonzero = [float(mean(k, 2, "nonzero", "miss", 1)) for k in range(4)]
    laws.add("thinned_by_zeros", [nonzero, 2], float(mean(3, 2, "uniform", "miss", 1)))
    mu = 2 * mp.mpf("0.01") * 2**11 / mp.sqrt(2 * mp.pi * 10 * mp.mpf(1) / 3)  # variance 1/3 of U(-1, 1)
    laws.add("continuous_miss", [10, 0.01, 0.5], cox(mu, 1 / mp.sqrt(mp.mpf(10) / 3)))
    return [exact, moments, bounds, laws, miss, *more_subset_sum()]


def cheap_second_moment(n: int, m: int, t: int, weights: list) -> list:
    """Pairs of subsets with a, b, c items in one, the other and both, each factor at its greatest in turn."""

    @functools.cache
    def chance(k: int, s: int) -> Fraction:
        found, total = draws(k, m, "nonzero")
        return Fraction(sum(ways for x, ways in found if sum(x) == s), total)

    def peak(k: int) -> Fraction:
        return chance(k - k % 2, 0) if k != 1 else Fraction(1, 2 * m)

    first, second = [], []
    for w in weights:
        first.append(
            [float(sum(math.comb(k, j) * w**j * chance(j, t) for j in range(k + 1))) for k in range(n + 1)]
        )
        row = []
        for k in range(n + 1):
            total = Fraction(0)
            for a, b, c in itertools.product(range(k + 1), repeat=3):
                if a + b + c > k:
                    continue
                sides = [peak(c) * chance(a + b, 0), peak(a) * chance(b + c, t), peak(b) * chance(a + c, t)]
                sides += [chance(a, t) * chance(b, t)] if c == 0 else []
                ways = math.factorial(k) // math.prod(map(math.factorial, (a, b, c, k - a - b - c)))
                total += ways * w ** (a + b + 2 * c) * min(sides)
            row.append(float(total))
        second.append(row)
    return [first, second]


def cox(mu: float, d: float) -> mp.mpf:
    """E exp(-mu exp(-(G - d)^2/2)) over a Gaussian G."""
    mu, d = mp.mpf(mu), mp.mpf(d)
    turn = mp.sqrt(2 * mp.log(max(mu, 2)))
    ends = sorted({mp.mpf(-12), d - turn, d - turn / 2, d, d + turn / 2, d + turn, mp.mpf(12), -turn, turn})
    with mp.workdps(25):
        return mp.quad(lambda g: mp.npdf(g) * mp.exp(-mu * mp.exp(-((g - d) ** 2) / 2)), ends)


def cox_at(n: int, m: int, t: int) -> mp.mpf:
    second = sum(mp.mpf(v * v) for v in range(-m, m + 1)) / (2 * m)
    return cox(mp.mpf(2) ** (n + 1) / mp.sqrt(2 * mp.pi * n * second), 2 * t / mp.sqrt(n * second))


def more_subset_sum() -> list[Table]:
    rates, lemmas = Table("theory.subset_sum.exponent"), Table("theory.subset_sum.lemmas")
    for m, t, law in (
        (4, 3, "nonzero"),
        (4, 3, "uniform"),
        (4, 3, "product"),
        (3, 2, "product"),
        (5, 6, "product"),
    ):
        kinds = values(m, law)
        total = sum(w for _, w in kinds)
        low = Fraction(sum(w for v, w in kinds if v <= 0), total)
        shares = [
            Fraction(sum(w for v, w in kinds if v % g == 0), total) for g in range(2, m * m + 2) if t % g
        ]
        rates.add("nonpositive_probability", [m, law], low)
        rates.add("failure_rate", [m, t, law], max(low, *shares))
        q = max(low, *shares)
        rates.add("failure_exponent", [m, t, law], -mp.log(mp.mpf(q.numerator) / q.denominator, 2))
    for n, m, t, total in ((20, 500, 40, 100), (30, 10**4, 9, -2500), (8, 3000, 9, -500)):
        # given the parity of Lambda: unordered signings at +-z twice as dense on their lattice of step 2
        square = sum(mp.mpf(k * k) for k in range(1, m + 1)) / m
        z = abs(total - 2 * t)
        ez = (
            2
            * 2
            * mp.mpf(2) ** n
            / mp.sqrt(2 * mp.pi * n * square)
            * mp.exp(-(mp.mpf(z) ** 2) / (2 * n * square))
        )
        lemmas.add("lemma3_bounds", [n, m, t, total], [ez / 2 / (1 + ez / 2), min(ez, 1)])
        level = m * mp.sqrt(n * mp.log(n) / mp.mpf("3.5"))
        bell = mp.exp(-((level + 2 * t) ** 2) / (2 * n * square))
        rho = 2 * mp.mpf(2) ** n / mp.sqrt(2 * mp.pi * n * square)
        lemmas.add("lemma4_failure", [n, m, t], 2 * mp.exp(-mp.log(n) / 7) + 1 / (1 + rho * bell))
    lemmas.add(
        "lemma4_vacuous_up_to", [], max(n for n in range(2, 300) if 2 * mp.mpf(n) ** (-mp.mpf(1) / 7) >= 1)
    )
    prefactor, closed = Table("theory.subset_sum.prefactor"), Table("theory.subset_sum.closed_form")
    for coefficients in ([1, Fraction(1, 3)], [2], [1, Fraction(11, 18), Fraction(1, 18)]):
        spec = {"Prefactor": [{"fraction": "1/2"}, [{"fraction": str(Fraction(c))} for c in coefficients]]}
        prefactor.add("Prefactor.degree", [spec], len(coefficients) - 1)
        value = sum(Fraction(c) * 5**k for k, c in enumerate(coefficients)) / 2**5
        prefactor.add("Prefactor.probability", [spec, 5], value)
    for m, t in ((1, 1), (3, 2), (3, 3)):
        # P(no positive sum as large as t) 2^n is a polynomial of degree t - 1, and no divisor is as likely
        scaled = [2**n * mean(n, m, "nonzero", "reach", t, 1) for n in range(t + 1)]
        polynomial = [Fraction(0)] * t
        for i, value in enumerate(scaled[:t]):  # Lagrange
            basis = [Fraction(1)]
            for j in range(t):
                if j != i:
                    basis = [a - j * b for a, b in zip([0, *basis], [*basis, 0], strict=True)]
                    basis = [c / (i - j) for c in basis]
            polynomial = [a + value * b for a, b in zip(polynomial, basis, strict=True)]
        prefactor.add("failure_prefactor", [m, t], {"rate": Fraction(1, 2), "coefficients": polynomial})
    # all even, or with odd M = 2 letters a hit: one term of each; for products the even ones alone
    prefactor.add("failure_prefactor", [2, 1], {"rate": Fraction(1, 2), "coefficients": [Fraction(2)]})
    prefactor.add(
        "failure_prefactor", [2, 1, "product"], {"rate": Fraction(3, 4), "coefficients": [Fraction(1)]}
    )
    # e^{3z} + 3 (1 + z) e^{2z} - 4 (1 + z) e^z + 1 + z, M = 3, t = 1: held to every draw of up to six samples
    terms = [(3, [1]), (2, [3, 3]), (1, [-4, -4]), (0, [1, 1])]
    for n in range(7):
        value = sum(
            q * math.perm(n, i) * Fraction(j) ** (n - i) for j, c in terms for i, q in enumerate(c) if i <= n
        )
        assert value / 6**n == mean(n, 3, "nonzero", "miss", 1)
    answer = {"total": 6, "terms": [[j, [Fraction(q) for q in c]] for j, c in terms]}
    chain = Table("theory.subset_sum.exact")
    chain.add("miss_law", [3, 1], answer)
    spec = {"MissLaw": [6, [[j, [{"fraction": str(q)} for q in c]] for j, c in terms], 0, 0]}
    for n in (0, 2, 5):
        closed.add("MissLaw.probability", [spec, n], mean(n, 3, "nonzero", "miss", 1))
    closed.add("MissLaw.polynomial", [spec, 2], [Fraction(3), Fraction(3, 2)])
    missed = float(mean(6, 3, "nonzero", "miss", 2))
    chain.add("certified_interval", [6, 3, 2], {"lower": missed, "upper": missed}, 1e-6)
    closed.add("falling_to_powers", [[0, 1, 0, 2]], [0, 1 + 4, -6, 2])  # n + 2 n (n - 1)(n - 2)
    interval = Table("theory.subset_sum.exact")
    spec = {"CertifiedInterval": [{"fraction": "1/5"}, {"fraction": "1/4"}]}
    interval.add("CertifiedInterval.relative_width", [spec], 0.25)
    needed = Table("theory.subset_sum.miss")
    for m, t, p in ((1, 1, 0.01), (2, 1, 0.1), (2, 2, 0.15)):
        first = next(n for n in range(1, 12) if mean(n, m, "nonzero", "miss", t) <= p)
        needed.add("samples_needed", [m, t, p], first)
    saddle = Table("theory.subset_sum.saddlepoint")
    sample, target = [3, -7, 11, 19, -23, 31, 36], 20
    h = mp.findroot(lambda h: sum(x / (1 + mp.exp(-h * x)) for x in sample) - target, 0.0)
    curve = sum(x * x * mp.exp(h * x) / (1 + mp.exp(h * x)) ** 2 for x in sample)
    rate = mp.exp(sum(mp.log(1 + mp.exp(h * x)) for x in sample) - h * target) / mp.sqrt(2 * mp.pi * curve)
    # stationary in h, Newton stops at 1e-4 of a standard deviation: 1e-8 of lambda
    saddle.add("poisson_mean", [{"integers": sample}, target], rate, 2e-8)
    saddle.add("poisson_mean", [{"integers": [*sample, 0]}, target], 2 * rate, 2e-8)
    square, drift = sum(x * x for x in sample), 2 * target - sum(sample)
    bell = mp.mpf(2) ** 8 / mp.sqrt(2 * mp.pi * square) * mp.exp(-(mp.mpf(drift) ** 2) / (2 * square))
    saddle.add("poisson_mean", [{"integers": sample}, target, "gaussian"], bell)
    two = {"integers": [sample, [-x for x in sample]]}  # one instance a row
    away = mp.exp(-(mp.mpf(2 * target + sum(sample)) ** 2 - mp.mpf(drift) ** 2) / (2 * square))
    saddle.add("poisson_mean", [two, target, "gaussian"], [bell, bell * away])
    saddle.add("poisson_mean", [{"integers": sample}, target, "gaussian", 3], 7 * bell)
    return [rates, lemmas, prefactor, closed, chain, interval, needed, saddle]


def tables() -> list[Table]:
    return subset_sum()

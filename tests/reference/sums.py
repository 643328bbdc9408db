"""Sums of random integers, partitions, tickets: rows by exhaustive enumeration and mpmath."""

import collections
import functools
import itertools
import math
from fractions import Fraction

from draws import draws, mean, values
from rows import Table, mp


def integers() -> list[Table]:
    table = Table("theory.integer_sums")
    for m, law in ((3, "nonzero"), (3, "uniform"), (3, "product")):
        kinds = values(m, law)
        total = sum(w for _, w in kinds)
        reach = max(v for v, _ in kinds)
        second = sum(Fraction(v * v * w, total) for v, w in kinds)
        table.add("variance", [m, law], float(second))
        table.add("exact_variance", [m, law], second)
        table.add("largest", [m, law], reach)
        counted = dict(kinds)
        counts = [counted.get(v, 0) for v in range(-reach, reach + 1)]
        table.add("sample_counts", [m, law], [counts, total])
        for k, s in ((0, 0), (2, 1), (3, -2)):
            found, every = draws(k, m, law)
            chance = Fraction(sum(w for x, w in found if sum(x) == s), every)
            table.add("sum_probability", [k, m, s, law], chance, exact=True)
            table.add("sum_probability", [k, m, s, law], float(chance))
    for j, m, s in ((3, 2, 1), (4, 1, 0), (2, 3, 6), (2, 3, 7)):
        hits = sum(sum(x) == s for x in itertools.product(range(-m, m + 1), repeat=j))
        table.add("lattice_count", [j, m, s], hits)
    kinds = values(2, "product")
    hits = Fraction(0)
    for a, b in itertools.product([(0, 16), *kinds], repeat=2):  # an item is left out, or drawn
        hits += Fraction(a[1] * b[1] * (a[0] + b[0] == 2), 16**2)
    table.add("product_coefficient", [2, 2, 2, 1], hits)
    return [table]


@functools.cache
def partitions(n: int, max_value: int) -> tuple:
    """(total, smallest discrepancy, perfect partitions, signings by |sum|) of every draw from {1..M}."""
    rows = []
    for x in itertools.product(range(1, max_value + 1), repeat=n):
        sums = [abs(x[0] + sum(a * s for a, s in zip(x[1:], signs, strict=True)))
                for signs in itertools.product((-1, 1), repeat=n - 1)]  # fmt: skip
        rows.append((sum(x), min(sums), sum(s <= 1 for s in sums), tuple(sums)))
    return tuple(rows)


def partition() -> list[Table]:
    table = Table("theory.partition.exact")
    laws = Table("theory.partition.laws")
    for n, m in ((1, 4), (3, 3), (5, 4), (4, 1)):
        rows = partitions(n, m)
        least = collections.Counter(r[1] for r in rows)
        table.add(
            "min_discrepancy_distribution", [n, m], {d: Fraction(c, len(rows)) for d, c in least.items()}
        )
        table.add("perfect_probability", [n, m], Fraction(sum(r[1] <= 1 for r in rows), len(rows)))
        for parity, odd in (("even", 0), ("odd", 1)):
            counts = [r[2] for r in rows if r[0] % 2 == odd]
            if not counts:
                continue
            law = {z: Fraction(c, len(counts)) for z, c in collections.Counter(counts).items()}
            first = Fraction(sum(counts), len(counts))
            spread = Fraction(sum(c * c for c in counts), len(counts)) - first**2
            table.add("perfect_partition_distribution", [n, m, parity], {0: Fraction(0), **law})
            table.add("perfect_partition_moments", [n, m, parity], [first, spread])
            if not odd:
                laws.add("expected_perfect_partitions_exact", [n, m], float(first))
                laws.add("perfect_partition_variance_exact", [n, m], float(spread))
    for n in (3, 20):
        laws.add("critical_bits", [n], n - mp.log(n, 2) / 2)
    laws.add("window_parameter", [20, 2**17], 17 - 20 + mp.log(20, 2) / 2)
    for position in (0.5, 0.375):  # rounded up, rounded down
        laws.add("window_max_value", [20, position], int(mp.nint(2 ** (20 - mp.log(20, 2) / 2 + position))))
    for m in (1, 5, 1000):
        laws.add("second_moment", [m], float(sum(Fraction(k * k, m**3) for k in range(1, m + 1))))
    for n, m in ((16, 2**13), (24, 1000), (12, 2**14)):
        square = sum(Fraction(k * k, m) for k in range(1, m + 1))
        # 2^(n-1) unordered signings; the sum has lattice step 2, its density at 0 is Gaussian
        mu = mp.mpf(2) ** (n - 1) * 2 / mp.sqrt(2 * mp.pi * n * mp.mpf(square.numerator) / square.denominator)
        for parity, factor in (("even", 1), ("odd", 2)):
            laws.add("expected_perfect_partitions", [n, m, parity], factor * mu)
            corrected = factor * mu * (1 - mp.mpf("0.15") / n)
            laws.add("expected_perfect_partitions", [n, m, parity, "corrected"], corrected)
            laws.add("log_expected_perfect_partitions", [n, m, parity], mp.log(factor * mu))
            for k in (0, 2):
                laws.add("perfect_partition_count_pmf", [k, n, m, parity], poisson(factor * mu, k))
                laws.add(
                    "perfect_partition_count_pmf", [k, n, m, parity, "corrected"], mixed(corrected, n, k)
                )
        miss = (poisson(mu, 0) + poisson(2 * mu, 0)) / 2
        laws.add("perfect_partition_probability", [n, m], 1 - miss)
        first = mu * (1 - mp.mpf("0.15") / n)
        miss = (mixed(first, n, 0) + mixed(2 * first, n, 0)) / 2
        laws.add("perfect_partition_probability", [n, m, "corrected"], 1 - miss)
        laws.add("discrepancy_scale", [n, m], 1 / mu)
        for d in (0, 1, 2, 5):
            # even totals: mu at 0, 2 mu at 2, 4, ...; odd totals: 2 mu at 1, 3, ...
            even = sum((mu if v == 0 else 2 * mu) for v in range(0, d + 1, 2))
            odd = sum(2 * mu for _ in range(1, d + 1, 2))
            laws.add("min_discrepancy_survival", [d, n, m], (mp.exp(-even) + mp.exp(-odd)) / 2)
        for z in (0, 3 * m):
            bell = mp.exp(-(mp.mpf(z) ** 2) * square.denominator / (2 * n * square.numerator))
            expected = mu * bell * (1 if z == 0 else 2)
            if z == 0:
                laws.add("lemma1_bounds", [n, m], [expected / (2 * expected + 2), min(expected, 1)])
            laws.add("lemma1_bounds", [n, m, z], [expected / (2 * expected + 2), min(expected, 1)])
    laws.add("lemma1_bounds", [3000, 1000], [0.5, 1])  # E Z beyond every double
    for position in (-1.5, 0.0, 4.0):
        mu = mp.sqrt(3 / (2 * mp.pi)) * 2 ** mp.mpf(-position)
        laws.add("window_probability", [position], 1 - (mp.exp(-mu) + mp.exp(-2 * mu)) / 2)
    return [table, laws]


def poisson(mu: mp.mpf, k: int) -> mp.mpf:
    return mp.exp(-mu) * mu**k / mp.factorial(k)


def mixed(mu: mp.mpf, n: int, k: int) -> mp.mpf:
    """Poisson counts whose mean is gamma distributed around mu with relative variance 1/(5 n), integrated."""
    shape = 5 * n

    def density(x: mp.mpf) -> mp.mpf:
        return mp.exp(shape * mp.log(shape) - mp.loggamma(shape) + (shape - 1) * mp.log(x) - shape * x)

    peak = mp.mpf(shape + k - 1) / (shape + mu)
    cuts = [0, *(peak * mp.mpf(c) / 20 for c in (2, 6, 10, 14, 17, 20, 23, 26, 30, 36, 44, 60, 120, 400))]
    return mp.quad(lambda x: density(x) * poisson(mu * x, k), cuts)


@functools.cache
def both_sides(single: tuple, double: int) -> tuple[Fraction, Fraction]:
    """Mean and mean square of the units until every input has both its sides, over all signs of every unit.

    `single`: inputs at the head of the queue, each with the sign it waits for; `double` more wait for both.
    A unit goes to the first of the queue whose wanted sign its entry has; who had a choice keeps the other.
    """
    if not single and not double:
        return Fraction(0), Fraction(0)
    outcomes: collections.Counter = collections.Counter()
    for signs in itertools.product((-1, 1), repeat=len(single) + (double > 0)):
        after = single, double
        for place, sign in enumerate(signs):
            if place == len(single):
                after = (*single, -sign), double - 1
            elif sign == single[place]:
                after = single[:place] + single[place + 1 :], double
            else:
                continue
            break
        outcomes[after] += Fraction(1, 2 ** len(signs))
    stay = outcomes.pop((single, double), Fraction(0))
    rest = [(p, *both_sides(*after)) for after, p in outcomes.items()]
    # T = 1 + T' with probability p, 1 + T with probability `stay`
    first = (1 + sum(p * m for p, m, _ in rest)) / (1 - stay)
    square = (1 + 2 * (sum(p * m for p, m, _ in rest) + stay * first) + sum(p * s for p, _, s in rest)) / (
        1 - stay
    )
    return first, square


def lottery() -> list[Table]:
    counting, products = Table("theory.lottery.counting"), Table("theory.lottery.products")
    success = Table("theory.lottery.success")
    counting.add("counting_bound", [6, 5, 7], 30 * mp.log(7, 2))
    counting.add("counting_bound", [6, 5, 7, 0.25], 30 * mp.log(7, 2) - 2)
    for d, n in ((1, 4), (3, 2), (8, 5)):
        # n rounds; with k slots open a unit fits none of them with probability 2^-k
        first = sum(1 / (1 - mp.mpf(2) ** -k) for k in range(1, d + 1))
        spread = sum(mp.mpf(2) ** -k / (1 - mp.mpf(2) ** -k) ** 2 for k in range(1, d + 1))
        counting.add("drawn_units", [d, n], [n * first, mp.sqrt(n * spread)])
    for d in (1, 2, 3):
        first, square = both_sides((), d)
        counting.add("drawn_units", [d, 2, True], [float(2 * first), mp.sqrt(float(2 * (square - first**2)))])
    sizes, n, m = [5, 4, 3], 6, 7
    waiting = {d: sum(1 / (1 - mp.mpf(2) ** -k) for k in range(1, d + 1)) for d in (4, 5)}
    drawn = n * waiting[5] * (5 + 4) + n * waiting[4] * (4 + 3)
    kept = n * 5 * (1 + 4) + n * 4 * (1 + 3)
    least = (20 + 12) * mp.log(15, 2)
    for key, value in (("overparameterization", drawn / 32), ("ratio", kept / least)):
        counting.add(
            f"ParameterCounts.{key}",
            [{"ParameterCounts": [32, float(drawn), float(kept), float(least)]}],
            value,
        )
    answer = {"target": 32, "drawn": drawn, "candidates": kept, "bound": least}
    counting.add("parameter_counts", [sizes, n, m], answer)
    counting.add("parameter_counts", [[1, 1], n, m], {"target": 1, "drawn": 2 * n * 2, "candidates": 2 * n})
    # three copies of the hidden units: the first pair ends in 12 units, the second layer is used directly
    answer = {"drawn": n * waiting[5] * (5 + 12) + 36, "candidates": n * 5 * (1 + 12) + 36}
    counting.add("parameter_counts", [sizes, n, m, "depth_plus_one"], answer, copies=3)
    answer = {"drawn": 2 * n * 5 * 9 + 2 * n * 4 * 7, "candidates": 2 * n * 5 * 5 + n * 4 * 4}
    counting.add("parameter_counts", [sizes, n, m, "two_layer", True, "block"], answer)
    # matched to both sides of every input of the first layer, to one side of every input of the second
    both = n * mp.mpf(both_sides((), 5)[0].numerator) / both_sides((), 5)[0].denominator
    answer = {"drawn": both * 9 + n * waiting[4] * 7, "candidates": 2 * n * 5 * 5 + n * 4 * 4}
    counting.add("parameter_counts", [sizes, n, m, "two_layer", True], answer)
    answer = {"drawn": both * (5 + 12) + 36, "candidates": 2 * n * 5 * (1 + 12) + 36}
    counting.add("parameter_counts", [sizes, n, m, "depth_plus_one", True], answer, copies=3)
    products.add(
        "missing_products", [5], sorted(set(range(1, 26)) - {a * b for a in range(1, 6) for b in range(1, 6)})
    )
    products.add("candidate_price", [4, 3], 1 / mp.log(mp.mpf(4) / 3, 2))
    wins = total = 0
    for a in itertools.product((1, 2, 3), repeat=2):  # M = 3, n = 2, two odd outputs
        for b in itertools.product((1, 2, 3), repeat=4):
            wins += all(any(a[i] * b[2 * o + i] % 2 for i in (0, 1)) for o in (0, 1))
            total += 1
    products.add("shared_divisor_bound", [[{"integers": [[1], [3]]}], 2, 3], wins / total)
    products.add("reduced_shares", [2, 1], [0.25, 0.25, 0, 0.25, 0.25])  # drawn without a zero
    for rounding, zero in (("truncate", True), ("truncate", False), ("nearest", False)):
        fine = [v for v in range(-9, 10) if v or zero]
        reduced = [math.trunc(v / 3) if rounding == "truncate" else round(v / 3) for v in fine]
        shares = [reduced.count(v) / len(fine) for v in range(-3, 4)]
        products.add("reduced_shares", [3, 3, rounding, zero], shares)
    table = [[float(mean(k, 2, "nonzero", "miss", v)) if v else 0.0 for v in range(3)] for k in range(5)]
    success.add("miss_probabilities", [4, 2], table[4])
    success.add("miss_probability_table", [4, 2], table)
    w = [[[2, -1], [0, 1]], [[1, -2]]]
    spec = [{"integers": layer} for layer in w]
    p = table[4]
    alone = math.prod(1 - p[abs(v)] for layer in w for row in layer for v in row)
    first = math.prod(1 - p[abs(v)] for row in w[0] for v in row)
    success.add("success_probability", [spec, {"array": p}], alone)
    success.add("success_probability", [spec, {"array": p}, True], alone * first)
    some = 1 - mp.mpf(1) * math.prod(1 - mp.mpf(2) ** -60 for _ in range(6))  # three weights, both sides
    tiny = {"array": [0.0, 2.0**-60]}
    success.add("failure_probability", [[{"integers": [[1, 0], [-1, 1]]}], tiny, True], some)
    lost = [sum(p[abs(v)] for row in layer for v in row) for layer in w]
    success.add("expected_failures", [spec, {"array": p}], sum(lost))
    success.add("expected_failures", [spec, {"array": p}, True], 2 * lost[0] + lost[1])
    success.add("predicted_failures", [spec, 2, 4], sum(lost))
    squares = sum(p[abs(v)] ** 2 for layer in w for row in layer for v in row)
    success.add("predicted_failures", [spec, 2, 4, False, 1], squares)
    few = next(n for n in range(1, 9) if 5 * 2.0**-n <= 0.1)
    success.add("samples_needed", [[{"integers": [[1, 0, -1], [1, 1, -1]]}], 1, 0.1], few)
    # block form: of 2n = 4 units of an input, N positive, shared by its outputs
    block = signed = 1.0
    for index, layer in enumerate(w):
        for column in zip(*layer, strict=True):
            terms = [math.comb(4, k) / 16 * math.prod(1 - table[k][abs(v)] for v in column) for k in range(5)]
            block *= sum(terms)
            both = [t * (math.prod(1 - table[4 - k][abs(v)] for v in column) if index == 0 else 1)
                    for k, t in enumerate(terms)]  # fmt: skip
            signed *= sum(both)
    success.add("block_success_probability", [spec, {"array": table}, 2], block)
    success.add("block_success_probability", [spec, {"array": table}, 2, True], signed)
    # depth l + 1: three copies of each hidden unit, each good when its row is found
    copies = 1.0
    for unit, row in enumerate(w[0]):
        good = math.prod(1 - table[3][abs(v)] for v in row)
        copies *= sum(
            math.comb(3, k) * good**k * (1 - good) ** (3 - k) * (1 - table[k][abs(w[1][0][unit])])
            for k in range(4)
        )
    success.add("copies_success_probability", [spec, {"array": table}, 3, 3], copies)
    copies = 1.0
    for unit, row in enumerate(w[0]):  # with both sides of the first pair
        good = math.prod((1 - table[3][abs(v)]) ** 2 for v in row)
        copies *= sum(
            math.comb(3, k) * good**k * (1 - good) ** (3 - k) * (1 - table[k][abs(w[1][0][unit])])
            for k in range(4)
        )
    success.add("copies_success_probability", [spec, {"array": table}, 3, 3, True], copies)
    # a layer more: each of two copies is good when its row is found among the good copies before it
    deep = [[[1, -1], [2, 1]], [[1, 2], [-1, 1]], [[1, -2]]]
    good = [math.prod(1 - table[3][abs(v)] for v in row) for row in deep[0]]

    def found(chance: float, v: int) -> float:
        return sum(
            math.comb(2, k) * chance**k * (1 - chance) ** (2 - k) * (1 - table[k][abs(v)]) for k in range(3)
        )

    good = [math.prod(found(good[j], v) for j, v in enumerate(row)) for row in deep[1]]
    last = math.prod(found(good[j], v) for j, v in enumerate(deep[2][0]))
    layers = [{"integers": layer} for layer in deep]
    success.add("copies_success_probability", [layers, {"array": table[:4]}, 3, 2], last)
    return [counting, products, success]


def tables() -> list[Table]:
    return [*integers(), *partition(), *lottery()]

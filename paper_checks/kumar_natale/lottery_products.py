"""Claims on what products of two weights, and entries of a reduced precision, cost in candidates."""

import collections
import decimal
import itertools
import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_least, at_most, identity, within
from sims.lottery.trials import weight_failures
from theory.lottery import products as lottery_products
from theory.subset_sum import miss_law
from theory.subset_sum.bounds import divides_every_sample

PAPER = "kumar-natale"


def product_gap(
    run: Run, factor: float = 1.0, every_value: bool = False, share: float = 0.75
) -> Iterator[Measurement]:
    """Exhaustive: grid values of delta^2 that are no product, and the share of even products."""
    for bits in (3, 4, 6, 8):
        top = 2 ** (bits - 1) - 1
        missing = lottery_products.missing_products(top)
        primes = [v for v in range(top + 1, top**2 + 1) if all(v % d for d in range(2, math.isqrt(v) + 1))]
        detail = f"{missing.size} of {top**2} values are no product"
        true = missing.size == 0 if every_value else missing.size > 0 and np.isin(primes, missing).all()
        title = "every value is a product" if every_value else "every prime above M is missing"
        yield identity(f"M = {top}: {title}", bool(true), detail, evidence="exhaustive", cases=top**2)
    for top in (2, 4, 8, 64, 128):
        even = float(divides_every_sample(2, top, "product"))
        yield within(f"M = {top}: share of even products", even, factor * share, 1e-15)


def product_price(run: Run, factor: float = 1.0, free: bool = False) -> Iterator[Measurement]:
    """Odd targets are missed at least as often as all products are even; uniform candidates far less."""
    limit = lottery_products.candidate_price(2, 1)
    yield within("candidates per uniform one in the limit", limit, 2.41, 5e-3)
    law, n = miss_law(2, 1, "product"), 60
    ratio = float(law.probability(n)) / float(divides_every_sample(2, 2, "product")) ** n
    yield at_least(f"M = 2, n = {n}, w = 1: exact P(miss) over the parity bound", ratio, factor)
    for top, n, target in ((4, 12, 1), (8, 12, 3)):
        name = f"M = {top}, n = {n}, w = {target}"
        found = run.probability(name, weight_failures(top, n, target, law="product"), 100_000)
        bound = factor * float(divides_every_sample(2, top, "product")) ** n
        yield at_least(f"{name}: against the parity bound", found, bound)
        uniform = weight_failures(top**2, n, target)
        plain = run.probability(f"{name}, uniform", uniform, 100_000)
        if free:
            yield at_most(f"{name}: no worse than uniform candidates", found, plain.high)
        else:
            price = math.log(plain.high) / math.log(found.low)
            detail = f"asymptotic price {lottery_products.candidate_price(top, target):.3f}"
            title = f"{name}: candidates needed per uniform candidate"
            yield at_least(title, price, 1.2, evidence="simulated", detail=detail)


def reduction_law(
    run: Run, factor: float = 1.0, uniform: bool = False, even_form: bool = False
) -> Iterator[Measurement]:
    """The formulas against every fine value, rounded by decimal arithmetic; drawn entries against theirs."""
    for ratio, top in itertools.product(range(2, 12), (2, 5)):
        fine = range(-top * ratio, top * ratio + 1)
        half = Fraction(ratio, 2) if even_form else ratio // 2
        middle = Fraction(ratio - 1 if even_form else 2 * -(-ratio // 2) - 1, ratio)
        for rounding, inner, end in (
            ("truncate", Fraction(2 * ratio - 1, ratio), Fraction(1, ratio)),
            ("nearest", middle, (half + 1) / Fraction(ratio)),
        ):
            # truncation: towards 0; nearest: half a step away from 0
            mode = decimal.ROUND_DOWN if rounding == "truncate" else decimal.ROUND_HALF_UP
            counts = collections.Counter(
                int((decimal.Decimal(v) / ratio).quantize(decimal.Decimal(1), mode)) for v in fine
            )
            of_fine = (Fraction(counts[0], counts[1]), Fraction(counts[top], counts[1]))
            wanted = (
                (Fraction(1), Fraction(1)) if uniform else (Fraction(factor) * inner, Fraction(factor) * end)
            )
            name = f"r = {ratio}, M = {top}, {rounding}: shares of 0 and M over an inner one"
            detail = f"{of_fine[0]}, {of_fine[1]}"
            yield identity(name, of_fine == wanted, detail, evidence="exhaustive", cases=len(fine))
            shares = lottery_products.reduced_shares(top, ratio, rounding, zero=True) * len(fine)
            same = [round(x) for x in shares] == [counts[v] for v in range(-top, top + 1)]
            name = f"r = {ratio}, M = {top}, {rounding}: the code's law"
            yield identity(name, same, evidence="exhaustive", cases=len(fine))
    for rounding in ("truncate", "nearest"):
        drawn = lottery_products.reduced_shares(5, 8, rounding)

        def sample(rng, count, rounding=rounding):
            from sims.lottery.masks import Draw

            draw = Draw(int(rng.integers(1 << 62)), 0, 5, 8, rounding == "nearest")
            return draw.matrix(1, count)[0] == 5

        target = 1 / 11 if uniform else float(drawn[-1])
        found = run.probability(rounding, sample, 400_000)
        yield within(f"{rounding}: entries at the end", found, target, 0.05 * target + 0.001)


CLAIMS = (
    Claim(
        id="kn.product_gap",
        title="No rejection makes products uniform on the grid of squared steps",
        paper=PAPER,
        place="Lemma 5, step 2 (a gap)",
        statement=r"P(ab = q) = 0 \text{ for every prime } q > M;\qquad"
        r" P(2 \mid ab) = 3/4 \text{ for even } M",
        hypotheses=r"$a, b$ uniform on $\{\pm1..\pm M\}$; exhaustive.",
        mark="derived",
        constant=Constant("share of even products"),
        check=product_gap,
        twins=(
            Twin("every grid value is a product", {"every_value": True}),
            Twin("half of the products are even", {"share": 0.5}),
        ),
        figure="lottery_products",
    ),
    Claim(
        id="kn.product_price",
        title="What products cost in candidates",
        paper=PAPER,
        place="Lemma 5, step 2",
        statement=r"P(\text{miss odd } w) \ge P(2 \mid ab)^n",
        hypotheses="Compared with candidates uniform on the same grid; 2.41 per uniform one in the limit.",
        mark="derived",
        constant=Constant("the bound", "lower"),
        check=product_price,
        twins=(Twin("products lose nothing", {"free": True}),),
        figure="lottery_products",
    ),
    Claim(
        id="kn.reduction",
        title="Reducing a finer uniform weight does not give a uniform one",
        paper=PAPER,
        place="Theorem 1 (precision reduced before pruning)",
        statement=r"\text{truncation: } \tfrac{P(0)}{P(1)} = \tfrac{2r-1}{r},\;"
        r" \tfrac{P(M)}{P(1)} = \tfrac1r;\quad"
        r" \text{rounding: } \tfrac{P(0)}{P(1)} = \tfrac{2\lceil r/2\rceil - 1}{r},\;"
        r" \tfrac{P(M)}{P(1)} = \tfrac{\lfloor r/2\rfloor + 1}{r}",
        hypotheses="$r$ fine steps per coarse one, halves away from 0; every $r = 2..11$, $M = 2, 5$, every"
        " fine value; drawn entries at $r = 8$, $M = 5$.",
        mark="derived",
        constant=Constant("both shares"),
        check=reduction_law,
        twins=(
            Twin("uniform after reduction", {"uniform": True}),
            Twin("(r/2 + 1)/r and (r - 1)/r at odd r too", {"even_form": True}),
        ),
    ),
)

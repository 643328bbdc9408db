"""Claims on the size of strong lottery tickets: growth, counting bound, redraws, the price of products."""

import itertools
import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from paper_checks.claim import Claim, Measurement, Run, Twin, at_least, at_most, identity, within
from sims.lottery import embed
from sims.lottery.misses import miss_table
from sims.lottery.trials import drawn_sizes, network_failures, random_network, weight_failures
from theory import lottery
from theory.lottery import products as lottery_products
from theory.subset_sum.bounds import divides_every_sample

PAPER = "kumar-natale"
WIDTHS = (4, 5, 6, 7, 8, 9, 10)


def candidates_for(bits: int, miss: float, seed: int, trials: int = 3000) -> float:
    """Number of candidates, interpolated, at which a weight uniform on the grid is missed with `miss`."""
    top = 2 ** (bits - 1) - 1
    table = miss_table(bits + 14, top, trials, seed, least=max(2, bits - 1))
    mean = table.p[:, 1:].mean(axis=1) * 2 * top / (2 * top + 1)
    n = np.flatnonzero(mean > miss)[-1]
    return float(n + math.log(mean[n] / miss) / math.log(mean[n] / mean[n + 1]))


def growth(
    run: Run, slope: float = 1.0, powers: tuple[float, float] = (1.0, 2.0), miss: float = 0.1
) -> Iterator[Measurement]:
    """One candidate per bit; parameters drawn by `embed` grow like its first and second power."""
    counts = [run.once(f"{b} bits", partial(candidates_for, b, miss, run.seed)) for b in WIDTHS]
    fitted = np.polyfit(WIDTHS, counts, 1)
    detail = ", ".join(f"{b} bits: {c:.2f}" for b, c in zip(WIDTHS, counts, strict=True))
    yield within("candidates per bit", fitted[0], slope, 0.15, evidence="simulated", detail=detail)
    bend = float(np.abs(np.polyval(fitted, WIDTHS) - counts).max())
    yield at_most("largest distance from a line, in candidates", bend, 0.3, evidence="simulated")
    sizes = (24,) * 5
    for construction, power in zip(("two_layer", "depth_plus_one"), powers, strict=True):

        def drawn(c: float, b: int, construction: str = construction) -> int:
            top = 2 ** (b - 1) - 1
            weights = random_network(sizes, top, 0)
            return embed(weights, top, math.ceil(c), run.seed, construction).drawn_parameters

        parameters = [drawn(c, b) for c, b in zip(counts, WIDTHS, strict=True)]
        found = np.polyfit(np.log(np.ceil(counts)), np.log(parameters), 1)[0]
        title = f"{construction}: power of the number of candidates"
        # depth_plus_one: the last matrix has no copies of its outputs and grows like the first power
        yield within(title, float(found), power, 0.15, evidence="simulated")


def counting(run: Run, exponent: float = 1.0) -> Iterator[Measurement]:
    """2^n prunings reach at most 2^n values: enumeration; then the construction's distance from the bound."""
    for top, n in ((1, 5), (2, 4), (3, 3)):
        values = [v for v in range(-top, top + 1) if v]
        masks = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1
        most = max(
            np.unique(masks @ np.array(xs)).size for xs in itertools.combinations_with_replacement(values, n)
        )
        yield at_most(f"M = {top}, n = {n}: values one candidate set reaches", most, 2 ** (exponent * n))
    for bits in (2, 4, 6, 8):
        n = run.once(f"{bits} bits", partial(candidates_for, bits, 0.01, run.seed))
        name = f"{bits} bits, 1 % of the weights missed: candidates over the bound"
        ratio = math.ceil(n) * (1 + 1 / 64) / (lottery.counting_bound(64, 64, 2**bits - 1) / 64**2)
        yield at_least(name, ratio, 1.0, evidence="simulated")
        yield at_most(name, ratio, 5.0, evidence="simulated")


def matched_units(run: Run, block: bool = False) -> Iterator[Measurement]:
    """Units drawn until every input has its candidates; tolerance 0.5 % and 1.5 units."""
    for fan_in, n, signed in ((1, 8, False), (6, 8, True), (64, 8, False)):
        weights = [np.zeros((1, fan_in), int)]

        def sample(rng, count, weights=weights, n=n, signed=signed):
            seeds = rng.integers(1 << 62, size=count)
            tickets = (embed(weights, 1, n, int(s), signed_inputs=signed, threads=1) for s in seeds)
            return np.array([ticket.layers[0].drawn for ticket in tickets], float)

        mean, _ = lottery.drawn_units(fan_in, n, signed)
        target = 2 * n * fan_in if block else mean
        name = f"{fan_in} inputs, {n} candidates, {'both sides' if signed else 'one side'}"
        least = n * fan_in * (2 if signed else 1)
        trials = 8000 if fan_in == 1 else 3000  # one input has the widest spread beside its tolerance
        found = run.mean(name, sample, trials, (least, least + 60.0), block=500)
        yield within(name, found, target, 1.5 + 0.005 * mean)


def redraws(run: Run, free: bool = False) -> Iterator[Measurement]:
    """Ternary: r redraws leave 2^(-n(r+1)) per weight; their units are all in the reported count."""
    fan_out, fan_in, n, retries = 6, 10, 3, 2
    weights = [np.ones((fan_out, fan_in), int)]
    left = 1 - (1 - 2.0 ** (-n * (retries + 1))) ** (fan_out * fan_in)
    sample = network_failures(weights, 1, n, retries=retries)
    yield within("network fails", run.probability("fails", sample, 4000, block=500), left, 0.04)
    units = lottery.drawn_units(fan_in, n)[0]
    for k in range(1, retries + 1):  # inputs that try again: Binomial(fan_in, share)
        share = 1 - (1 - 2.0 ** (-n * k)) ** fan_out
        for inputs in range(1, fan_in + 1):
            chance = math.comb(fan_in, inputs) * share**inputs * (1 - share) ** (fan_in - inputs)
            units += 0 if free else chance * lottery.drawn_units(inputs, n)[0]
    expected = units * (fan_in + fan_out) / (fan_in * fan_out)
    sample = drawn_sizes(weights, 1, n, retries=retries)
    found = run.mean("drawn", sample, 4000, (0.0, 3 * expected), block=500)
    yield within("drawn parameters per weight", found, expected, 0.08 * expected)


def product_gap(run: Run, every_value: bool = False, share: float = 0.75) -> Iterator[Measurement]:
    """Exhaustive: grid values of delta^2 that are no product, and the share of even products."""
    for bits in (3, 4, 6, 8):
        top = 2 ** (bits - 1) - 1
        missing = lottery_products.missing_products(top)
        primes = [v for v in range(top + 1, top**2 + 1) if all(v % d for d in range(2, math.isqrt(v) + 1))]
        detail = f"{missing.size} of {top**2} values are no product"
        true = missing.size == 0 if every_value else missing.size > 0 and np.isin(primes, missing).all()
        title = "every value is a product" if every_value else "every prime above M is missing"
        yield identity(f"M = {top}: {title}", bool(true), detail, evidence="exhaustive")
    for top in (2, 4, 8, 64, 128):
        even = float(divides_every_sample(2, top, "product"))
        yield within(f"M = {top}: share of even products", even, share, 1e-15)


def product_price(run: Run, free: bool = False) -> Iterator[Measurement]:
    """Odd targets are missed at least as often as all products are even; uniform candidates far less."""
    for top, n, target in ((4, 12, 1), (8, 12, 3)):
        name = f"M = {top}, n = {n}, w = {target}"
        found = run.probability(name, weight_failures(top, n, target, law="product"), 100_000)
        bound = float(divides_every_sample(2, top, "product")) ** n
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


def reduction_law(run: Run, uniform: bool = False) -> Iterator[Measurement]:
    """Exact shares with zero in the fine grid, as the paper has it; drawn entries against theirs."""
    for rounding, middle, end in (("truncate", 15 / 8, 1 / 8), ("nearest", 7 / 8, 5 / 8)):
        shares = lottery_products.reduced_shares(5, 8, rounding, zero=True)
        for name, value, target in (
            ("zero", shares[5] / shares[4], 1.0 if uniform else middle),
            ("end", shares[0] / shares[4], 1.0 if uniform else end),
        ):
            yield within(f"{rounding}: share of the {name} over an inner value", value, target, 1e-12)
        drawn = lottery_products.reduced_shares(5, 8, rounding)

        def sample(rng, count, rounding=rounding):
            from sims.lottery.masks import Draw

            draw = Draw(int(rng.integers(1 << 62)), 0, 5, 8, rounding == "nearest")
            return draw.matrix(1, count)[0] == 5

        target = 1 / 11 if uniform else float(drawn[-1])
        yield within(
            f"{rounding}: entries at the end", run.probability(rounding, sample, 400_000), target, 0.006
        )


CLAIMS = (
    Claim(
        id="kn.growth",
        title="Parameters grow like log(1/delta) and log^2(1/delta)",
        paper=PAPER,
        place="Theorems 1 and 2",
        statement=r"n = \log_2(1/\delta) + O(1);\qquad"
        r" \text{drawn} = \Theta(d^2 n) \text{ in } 2l \text{ layers},\; \Theta(d^2 n^2) \text{ in } l + 1",
        hypotheses="Weights uniform on the grid, 4-10 bits, one in ten missed; at far smaller failure levels"
        " the tail of the miss probability, not the precision, sets $n$.",
        mark="paper",
        check=growth,
        twins=(
            Twin("powers exchanged", {"powers": (2.0, 1.0)}),
            Twin("half a candidate per bit", {"slope": 0.5}),
        ),
        figure="lottery_overparameterization",
    ),
    Claim(
        id="kn.counting",
        title="Counting bound on the parameters, and how near the construction comes",
        paper=PAPER,
        place="Theorem 3",
        statement=r"\alpha \ge d_{out} d_{in} \log_2 V + \log_2 p",
        hypotheses="Candidate sets enumerated; ratio at 1 % missed weights for a 64 x 64 layer, 2-8 bits.",
        mark="paper",
        check=counting,
        twins=(Twin("half of the bits suffice", {"exponent": 0.5}),),
        figure="lottery_overparameterization",
    ),
    Claim(
        id="kn.matched_units",
        title="Matching hidden units to inputs wastes 1.6067 units a round, not half of them",
        paper=PAPER,
        place="Lemma 7 (a smaller constant)",
        statement=r"E H = n \sum_{k=1}^{d} \frac{1}{1-2^{-k}} = n(d + 1.6067)",
        hypotheses="Each unit keeps an input that still needs one and whose weight has the wanted sign.",
        mark="derived",
        check=matched_units,
        twins=(Twin("two units per candidate, as in the block form", {"block": True}),),
        figure="lottery_parameters",
    ),
    Claim(
        id="kn.redraws",
        title="Redraws are counted, and help exactly as much as fresh candidates",
        paper=PAPER,
        place="Theorem 1 (redraws on request)",
        statement=r"P(\text{fail}) = 1-(1-2^{-n(r+1)})^N,\quad E H = \sum_{k=0}^{r} E\,H_{S_k}",
        hypotheses=r"Ternary; $S_k$ inputs with a failed weight after $k$ rounds.",
        mark="derived",
        check=redraws,
        twins=(Twin("redraws cost nothing", {"free": True}),),
    ),
    Claim(
        id="kn.product_gap",
        title="No rejection makes products uniform on the grid of delta^2",
        paper=PAPER,
        place="Lemma 5, step 2 (a gap)",
        statement=r"P(ab = q) = 0 \text{ for every prime } q > M;\qquad"
        r" P(2 \mid ab) = 3/4 \text{ for even } M",
        hypotheses=r"$a, b$ uniform on $\{\pm1..\pm M\}$; exhaustive.",
        mark="derived",
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
        check=product_price,
        twins=(Twin("products lose nothing", {"free": True}),),
        figure="lottery_products",
    ),
    Claim(
        id="kn.reduction",
        title="Reducing a finer uniform weight does not give a uniform one",
        paper=PAPER,
        place="Theorem 1 (precision reduced before pruning)",
        statement=r"\text{truncation: } P(0)/P(1) = (2r-1)/r,\; P(M)/P(1) = 1/r;\quad"
        r" \text{rounding: } P(M)/P(1) = (r/2+1)/r",
        hypotheses="$r = 8$ fine steps per coarse one, $M = 5$.",
        mark="derived",
        check=reduction_law,
        twins=(Twin("uniform after reduction", {"uniform": True}),),
    ),
)

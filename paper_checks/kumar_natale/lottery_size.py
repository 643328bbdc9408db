"""Claims on the size of strong lottery tickets: growth, counting bound, matched units, redraws."""

import functools
import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from functools import partial

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_least, at_most, within
from paper_checks.kumar_natale.lottery import one_weight
from sims.lottery import embed
from sims.lottery.misses import miss_table
from sims.lottery.trials import drawn_sizes, network_failures, random_network
from theory import lottery
from theory.lottery.counting import ERDOS_BORWEIN
from theory.subset_sum.cox import cox_miss

PAPER = "kumar-natale"
GROWTH = (5, 7, 9, 11)


def candidates_for(bits: int, miss: float, seed: int, trials: int = 3000) -> float:
    """Number of candidates, interpolated, at which a weight uniform on the grid is missed with `miss`."""
    top = 2 ** (bits - 1) - 1
    table = miss_table(bits + 14, top, trials, seed, least=max(2, bits - 1))
    mean = table.p[:, 1:].mean(axis=1) * 2 * top / (2 * top + 1)
    n = np.flatnonzero(mean > miss)[-1]
    return float(n + math.log(mean[n] / miss) / math.log(mean[n] / mean[n + 1]))


def measured_candidates(run: Run, bits: int, miss: float) -> float:
    """Candidates, interpolated, at which the weight 1 is missed with probability `miss`."""
    top = 2 ** (bits - 1) - 1
    table = miss_table(bits + 8, top, run.trials(100_000), run.seed, least=max(2, bits - 1), limit=1)
    mean = table.p[:, 1]
    n = np.flatnonzero(mean > miss)[-1]
    return float(n + math.log(mean[n] / miss) / math.log(mean[n] / mean[n + 1]))


def real_candidates(top: float, miss: float) -> float:
    """The real n at which the Cox law of a target near 0 is `miss`: mu = 2^(n+1)/(M sqrt(2 pi n/3))."""
    from scipy.optimize import brentq

    mu = brentq(lambda m: float(cox_miss(m, 0.0)) - miss, 1e-3, 1e6)
    return float(
        brentq(
            lambda n: n + 1 - math.log2(top) - math.log2(2 * math.pi * n / 3) / 2 - math.log2(mu), 2.0, 200.0
        )
    )


def drawn_entries(sizes: tuple[int, ...], counts: list[int], seed: int, construction: str) -> list[int]:
    """Entries of the drawn matrices of a network with `sizes`, at the widths of GROWTH."""
    drawn = []
    for bits, count in zip(GROWTH, counts, strict=True):
        top = 2 ** (bits - 1) - 1
        ticket = embed(random_network(sizes, top, 0), top, count, seed, construction)
        drawn.append(sum(matrix.size for matrix in ticket.matrices()))
    return drawn


def growth(
    run: Run,
    factor: float = 1.0,
    half: float = 0.5,
    powers: tuple[float, float] = (1.0, 2.0),
    width: float = 2.0,
    miss: float = 0.1,
) -> Iterator[Measurement]:
    """log2 M + (1/2) log2 n candidates and a constant; entries of the matrices grow like powers of them."""
    found = [run.once(f"{b} bits", partial(measured_candidates, run, b, miss)) for b in GROWTH]
    # the limit law at 8 bits, and its exponent of n: the constant of all widths
    law = real_candidates(127, miss)
    constant = law - factor * math.log2(127) - half * math.log2(law)
    for bits, count in zip(GROWTH, found, strict=True):
        excess = count - factor * math.log2(2 ** (bits - 1) - 1) - half * math.log2(count)
        name = f"{bits} bits, {count:.2f} candidates: n - log2 M - {half:g} log2 n"
        yield within(name, excess, constant, 0.06, evidence="simulated")
    sizes, counts = (24,) * 5, [math.ceil(count) for count in found]
    for construction, power in zip(("two_layer", "depth_plus_one"), powers, strict=True):
        drawn = run.once(construction, partial(drawn_entries, sizes, counts, run.seed, construction))
        slope = np.polyfit(np.log(counts), np.log(drawn), 1)[0]
        title = f"{construction}: power of n in the entries of the drawn matrices"
        # depth_plus_one: the last matrix has no copies of its outputs and grows like the first power
        yield within(title, float(slope), power, 0.12, evidence="simulated")
        smaller = partial(drawn_entries, (12,) * 5, counts, run.seed, construction)
        # two_layer: d inputs take d + 1.6 units, which shows at these widths
        more = ERDOS_BORWEIN if construction == "two_layer" else 0.0
        squares = 24 * (24 + more) / (12 * (12 + more))
        for bits, few, many in zip(GROWTH, run.once(f"{construction}, 12", smaller), drawn, strict=True):
            title = f"{construction}, {bits} bits: power of d from 12 to 24"
            grown = 2 * math.log(many / few) / math.log(squares)
            yield within(title, grown, width, 0.12, evidence="simulated")


def represented(inputs: np.ndarray, outputs: np.ndarray, rays: np.ndarray) -> np.ndarray:
    """Which linear maps the prunings of relu networks B relu(A x), x >= 0, are: rows of entries of W.

    `inputs` (networks, units, d_in) is A, `outputs` (networks, d_out, units) is B, one network at a time; a
    map that is linear between neighbouring `rays`, all kinks of the network, is known by its values there.
    """
    a_masks = np.array(list(itertools.product((0, 1), repeat=inputs.size))).reshape(-1, *inputs.shape)
    b_masks = np.array(list(itertools.product((0, 1), repeat=outputs.size))).reshape(-1, *outputs.shape)
    hidden = np.maximum(np.einsum("khj,rj->khr", a_masks * inputs, rays), 0)
    values = np.einsum("loh,khr->klor", b_masks * outputs, hidden)
    values = values.reshape(-1, *values.shape[2:])
    first = values[:, :, : inputs.shape[1]]  # the unit vectors lead the rays
    linear = (values == np.einsum("koj,rj->kor", first, rays)).all(axis=(1, 2))
    return np.unique(first[linear].reshape(linear.sum(), -1), axis=0)


def counting(run: Run, factor: float = 1.0) -> Iterator[Measurement]:
    """Tiny two-layer networks, every entry and every pruning; then the construction's distance."""
    # Entries +-1: the law of every matrix over {-1, 0, 1}, and p the least of their probabilities.
    for units, fan_in, fan_out in ((2, 1, 1), (2, 1, 2), (2, 2, 1), (3, 1, 1)):
        rays = np.array([*np.eye(fan_in, dtype=int), *([[1, 1]] if fan_in == 2 else [])])

        def least(units=units, fan_in=fan_in, fan_out=fan_out, rays=rays):
            hits = dict.fromkeys(itertools.product((-1, 0, 1), repeat=fan_in * fan_out), 0)
            networks = list(itertools.product((-1, 1), repeat=units * (fan_in + fan_out)))
            for entries in np.array(networks):
                a = entries[: units * fan_in].reshape(units, fan_in)
                b = entries[units * fan_in :].reshape(fan_out, units)
                for w in represented(a, b, rays):
                    if (key := tuple(int(v) for v in w)) in hits:
                        hits[key] += 1
            return min(hits.values()) / len(networks), len(networks)

        p, networks = run.once(f"{units}, {fan_in}, {fan_out}", least)
        parameters = units * (fan_in + fan_out)
        bound = factor * lottery.counting_bound(fan_in, fan_out, 3, p) if p else 0.0
        name = f"{units} units, {fan_out} x {fan_in} ternary matrices, p = {p:.4f}: parameters"
        yield at_least(name, parameters, bound, cases=networks)
    # Nearly attained: the hidden weights are shared by many outputs. Weights 1, 2, 4..: values 0..2^h - 1.
    for units, fan_out in ((3, 3), (2, 5), (1, 21)):

        def reached(units=units, fan_out=fan_out):
            """Different pruned networks: a code per output, the sum of the weights it gets, side by side."""
            hidden = np.arange(1 << units)  # masks of A; B's masks are the bits of the code itself
            row = functools.reduce(lambda code, _: (code << units) | hidden, range(fan_out), 0 * hidden)
            masks = np.arange(1 << (units * fan_out))
            seen = np.zeros(masks.size, bool)
            for kept in row:
                seen[masks & kept] = True
            return int(seen.sum())

        count = run.once(f"shared {units}, {fan_out}", reached)
        parameters = units * (1 + fan_out)
        name = f"{units} shared units, {fan_out} outputs, {2**units} values"
        yield within(f"{name}: matrices of 2^{parameters} prunings", count, 2.0 ** (units * fan_out), 0)
        bound = factor * lottery.counting_bound(1, fan_out, 2**units)
        yield at_least(f"{name}: parameters", parameters, bound, cases=2**parameters)
    for bits in (2, 4, 6, 8):
        n = run.once(f"{bits} bits", partial(candidates_for, bits, 0.01, run.seed))
        name = f"{bits} bits, 1 % of the weights missed: candidates over the bound"
        ratio = math.ceil(n) * (1 + 1 / 64) / (lottery.counting_bound(64, 64, 2**bits - 1) / 64**2)
        yield at_least(name, ratio, 1.0, evidence="simulated")
        yield at_most(name, ratio, 5.0, evidence="simulated")


def literal_units(fan_in: int) -> tuple[Fraction, Fraction]:
    """Mean and variance of a round's units, by its states: who waits, and every sign vector of a unit."""
    states = 1 << fan_in
    mean, square = [Fraction(0)] * states, [Fraction(0)] * states
    for waiting in range(1, states):
        fits = (waiting & usable for usable in range(states))
        after = [waiting ^ (one & -one) for one in fits if one]
        # T = 1 + T', and T' is T again where the unit fits nobody
        mean[waiting] = (states + sum(mean[one] for one in after)) / Fraction(len(after))
        rest = sum(mean[one] for one in after) + (states - len(after)) * mean[waiting]
        square[waiting] = (states + 2 * rest + sum(square[one] for one in after)) / len(after)
    return mean[-1], square[-1] - mean[-1] ** 2


def matched_units(
    run: Run, factor: float = 1.0, form: str = "exact", spread: float = 1.0
) -> Iterator[Measurement]:
    """A round by its states, in rationals; then drawn networks, to 2.5 %."""
    for fan_in in range(1, 8):
        exact, variance = run.once(f"round {fan_in}", partial(literal_units, fan_in))
        mean, deviation = lottery.drawn_units(fan_in, 1)
        mean *= factor
        if form != "exact":
            mean = {"block": 2.0 * fan_in, "limit": fan_in + ERDOS_BORWEIN}[form]
        yield within(f"{fan_in} inputs: stated units over the exact mean", mean / float(exact), 1.0, 1e-12)
        ratio = spread * deviation**2 / float(variance)
        yield within(f"{fan_in} inputs: stated variance over the exact one", ratio, 1.0, 1e-12)
    waste = factor * lottery.drawn_units(60, 1)[0] - 60
    yield within("units beyond the inputs in the limit", waste, 1.6067, 5e-5)
    for fan_in, n, signed in ((1, 8, False), (6, 8, True), (64, 8, False)):
        sizes = drawn_sizes([np.zeros((1, fan_in), int)], 1, n, signed_inputs=signed)

        def sample(rng, count, sizes=sizes, fan_in=fan_in):  # a unit has fan_in + 1 weights
            return np.rint(sizes(rng, count) * fan_in / (fan_in + 1))

        mean, deviation = lottery.drawn_units(fan_in, n, signed)
        name = f"{fan_in} inputs, {n} candidates, {'both sides' if signed else 'one side'}"
        least = n * fan_in * (2 if signed else 1)
        trials = {1: 12_000, 6: 3_000}.get(fan_in, 1_000)  # one input has the widest spread beside its mean
        found = run.mean(name, sample, trials, (least, least + 12 * deviation + 16), block=500)
        target = factor * mean
        yield within(name, found, target, 0.025 * target + (1.0 if fan_in == 1 else 0.0))


def redraws(
    run: Run, factor: float = 1.0, free: bool = False, failures: float = 1.0
) -> Iterator[Measurement]:
    """Ternary: r redraws leave 2^(-n(r+1)) per weight; their units are all in the reported count."""
    for n, retries, tolerance in ((1, 1, 0.05), (1, 2, 0.07), (2, 1, 0.1)):
        left = failures * 2.0 ** (-n * (retries + 1))
        name = f"{n} candidates, {retries} redraws: P(weight fails)"
        found = run.probability(name, one_weight(1, n, 1, retries=retries), 100_000)
        yield within(name, found, left, tolerance * left)
    fan_out, fan_in, n, retries = 6, 10, 3, 2
    weights = [np.ones((fan_out, fan_in), int)]
    left = 1 - (1 - 2.0 ** (-n * (retries + 1))) ** (fan_out * fan_in)
    sample = network_failures(weights, 1, n, retries=retries)
    yield within("network fails", run.probability("fails", sample, 3500, block=500), left, 0.04)
    units = lottery.drawn_units(fan_in, n)[0]
    for k in range(1, retries + 1):  # inputs that try again: Binomial(fan_in, share)
        share = 1 - (1 - 2.0 ** (-n * k)) ** fan_out
        for inputs in range(1, fan_in + 1):
            chance = math.comb(fan_in, inputs) * share**inputs * (1 - share) ** (fan_in - inputs)
            units += 0 if free else chance * lottery.drawn_units(inputs, n)[0]
    expected = factor * units * (fan_in + fan_out) / (fan_in * fan_out)
    sizes = drawn_sizes(weights, 1, n, retries=retries)
    least, most = n * fan_in * (fan_in + fan_out) / (fan_in * fan_out), 30.0

    def capped(rng: np.random.Generator, count: int) -> np.ndarray:
        return np.minimum(sizes(rng, count), most)  # lowers the mean by less than 0.1 %

    found = run.mean("drawn", capped, 7500, (least, most), block=500)
    yield within("drawn parameters per weight", found, expected, 0.026 * expected)


CLAIMS = (
    Claim(
        id="kn.growth",
        title="Candidates grow like log(1/delta) + (1/2) log log(1/delta); parameters like their powers",
        paper=PAPER,
        place="Theorems 1 and 2",
        statement=r"n = \log_2(1/\delta) + \tfrac12\log_2\log_2(1/\delta) + O(1);\qquad"
        r" \text{drawn} = \Theta(d^2 n) \text{ in } 2l \text{ layers},\; \Theta(d^2 n^2) \text{ in } l + 1",
        hypotheses="A weight of fixed size missed once in ten: $2^n/\\sqrt n \\propto M$. 5-11 bits measured,"
        " to 0.06 candidates; at far smaller failure levels the tail of the miss probability, not the"
        " precision, sets $n$.",
        mark="paper",
        constant=Constant("candidates per bit of precision"),
        check=growth,
        twins=(
            Twin("powers exchanged", {"powers": (2.0, 1.0)}),
            Twin("no half logarithm: log2(1/delta) + O(1)", {"half": 0.0}),
            Twin("a whole logarithm", {"half": 1.0}),
            Twin("d^2.2 entries", {"width": 2.2}),
        ),
        figure="lottery_overparameterization",
    ),
    Claim(
        id="kn.counting",
        title="Counting bound on the parameters, and how near the construction comes",
        paper=PAPER,
        place="Theorem 3",
        statement=r"\alpha \ge d_{out} d_{in} \log_2 V + \log_2 p",
        hypotheses="Every entry and every pruning of networks of 2-3 hidden units, $p$ the least probability"
        " of a ternary matrix; attained to $1 + 1/d_{out}$ where outputs share hidden weights. The"
        " construction: within 5 times the bound, 64 x 64 weights of 2-8 bits, 1 % missed.",
        mark="paper",
        constant=Constant("the bound", "lower"),
        check=counting,
        twins=(Twin("5 % more parameters are necessary", {"factor": 1.05}),),
        figure="lottery_overparameterization",
    ),
    Claim(
        id="kn.matched_units",
        title="Matching hidden units to inputs wastes fewer than 1.6067 units a round, not half of them",
        paper=PAPER,
        place="Lemma 7 (a smaller constant)",
        statement=r"E H = n \sum_{k=1}^{d} \frac{1}{1-2^{-k}}"
        r" = n\Bigl(d + \sum_{k=1}^{d} \frac{1}{2^k - 1}\Bigr) \to n(d + 1.6067),\quad"
        r" \mathrm{Var}\,H = n \sum_{k=1}^{d} \frac{2^{-k}}{(1-2^{-k})^2}",
        hypotheses="Each unit keeps an input that still needs one and whose weight has the wanted sign. At"
        " $d = 1$ the sum is 1, not 1.6067: 16 units for $n = 8$, not 20.85.",
        mark="derived",
        constant=Constant("mean units"),
        check=matched_units,
        twins=(
            Twin("two units per candidate, as in the block form", {"form": "block"}),
            Twin("n(d + 1.6067) at every d", {"form": "limit"}),
            Twin("1 % more", {"factor": 1.01}),
            Twin("1 % more variance", {"spread": 1.01}),
        ),
        figure="lottery_parameters",
    ),
    Claim(
        id="kn.redraws",
        title="Redraws are counted, and help exactly as much as fresh candidates",
        paper=PAPER,
        place="Theorem 1 (redraws on request)",
        statement=r"P(\text{fail}) = 1-(1-2^{-n(r+1)})^N,\quad E H = \sum_{k=0}^{r} E\,H_{S_k}",
        hypotheses=r"Ternary; $S_k$ inputs with a failed weight after $k$ rounds; tolerance 2.6 %."
        r" Weights one by one to 5, 7 and 10 %, with $(n, r) = (1, 1), (1, 2), (2, 1)$; networks to 0.04.",
        mark="derived",
        constant=Constant("drawn parameters"),
        check=redraws,
        twins=(
            Twin("redraws cost nothing", {"free": True}),
            Twin("12 % more weights fail", {"failures": 1.12}),
            Twin("12 % fewer weights fail", {"failures": 0.88}),
            Twin("5 % more units", {"factor": 1.05}),
            Twin("5 % fewer units", {"factor": 0.95}),
        ),
    ),
)

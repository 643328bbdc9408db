"""Claims on strong lottery tickets: exactness of both constructions, and the probability of success."""

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import partial

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_least, at_most, identity, within
from sims.lottery import LAWS, Ticket, embed, network_outputs, reduce_outputs
from sims.lottery.misses import rare_misses
from sims.lottery.trials import (
    layer_failures,
    network_failures,
    network_weight_failures,
    random_network,
)
from sims.montecarlo import Sample
from theory import lottery
from theory.integer_sums import Law
from theory.lottery import products as lottery_products
from theory.subset_sum import miss_law
from theory.subset_sum.cox import cox_miss_probability

PAPER = "kumar-natale"
SIZES = (5, 6, 4, 3)


def pruned_outputs(ticket: Ticket, inputs: np.ndarray, reduction: int, inside: bool = False) -> np.ndarray:
    """The pruned network as nothing but matrices; with `inside` the operator acts on hidden outputs too."""
    x = inputs.T.astype(np.int64)
    matrices = [a * m for a, m in zip(ticket.matrices(), ticket.masks, strict=True)]
    for i, matrix in enumerate(matrices):
        x = matrix.astype(np.int64) @ (np.maximum(x, 0) if i else x)
        if i % 2 or inside:
            x = reduce_outputs(x, reduction)
    return x.T


def adversarial_inputs(fan_in: int, size: int, signed: bool) -> np.ndarray:
    """Zeros, extremes, unit vectors, alternating entries; both signs where they are allowed."""
    alternating = size * (np.arange(fan_in) % 2)
    rows = [np.zeros(fan_in), np.full(fan_in, size), alternating, *(size * np.eye(fan_in))]
    if signed:
        rows += [-row for row in rows] + [size - 2 * alternating]
    return np.array(rows, dtype=np.int64)


def exact_pairs(run: Run, inside: bool = False, both_sides: bool = True) -> Iterator[Measurement]:
    """P = W and N = W in integers covers all inputs; then outputs, through the pruned matrices alone."""
    for law, max_value in itertools.product(LAWS, (1, 3, 7)):
        weights = random_network(SIZES, max_value**2 if law == "product" else max_value, 1)
        ticket = embed(weights, max_value, 20, run.seed, law=law, signed_inputs=both_sides, retries=50)
        fine = ticket.failures == [] and all(
            (p == w).all() and (i > 0 or not both_sides or (n == w).all())
            for i, ((p, n), w) in enumerate(zip(ticket.effective(), weights, strict=True))
        )
        name = f"{law}, M = {max_value}"
        entries = sum(w.size for w in weights)
        yield identity(
            f"{name}: effective matrices are the target's", fine, evidence="exhaustive", cases=entries
        )
        inputs = adversarial_inputs(SIZES[0], 1000, signed=True)
        for reduction in (1, 4):
            same = np.array_equal(
                pruned_outputs(ticket, inputs, reduction, inside), network_outputs(weights, inputs, reduction)
            )
            title = f"{name}: outputs on adversarial inputs, one grid point in {reduction} kept"
            yield identity(title, same, evidence="evaluated", cases=len(inputs))


def exact_copies(run: Run, every_copy: bool = False) -> Iterator[Measurement]:
    """Copies with a failed weight are pruned whole; the others, and the network, are exact."""
    for max_value, copies in ((1, 16), (3, 24), (7, 40)):
        weights = random_network(SIZES, max_value, 2)
        ticket = embed(weights, max_value, 10, run.seed, "depth_plus_one", signed_inputs=True, copies=copies)
        inputs = adversarial_inputs(SIZES[0], 100, signed=True)
        fine = ticket.failures == [] and ticket.verify(inputs, 3)
        name = f"M = {max_value}, {copies} copies"
        entries = sum(w.size for w in weights)  # integers, equal for every input; outputs beside them
        yield identity(f"{name}: the ticket is the target", fine, evidence="exhaustive", cases=entries)
        pruned = same = 0
        for layer, w, (rows, _) in zip(ticket.layers, weights, ticket.effective(), strict=True):
            equal = (rows == np.repeat(w, layer.copies, axis=0)).all(axis=1)
            pruned += int((~equal & (rows == 0).all(axis=1)).sum())
            same += int(equal.sum())
        total = sum(layer.rows for layer in ticket.layers)
        wanted = same if every_copy else same + pruned
        yield identity(
            f"{name}: every copy is its unit{'' if every_copy else ' or is pruned whole'}",
            wanted == total,
            f"{same} of {total} copies represent their unit",
            evidence="exhaustive",
            cases=total,
        )


def enumerated_miss(values: Sequence[int], n: int, target: int) -> float:
    """Share of the equally likely candidate sets without a subset of sum `target`."""
    masks = (np.arange(1 << n)[:, None] >> np.arange(n)) & 1
    sets = np.array(list(itertools.product(values, repeat=n)))
    return float(1 - (sets @ masks.T == target).any(axis=1).mean())


def one_weight(max_value: int, n: int, target: int, law: Law = "nonzero", retries: int = 0) -> Sample:
    """`sample(rng, count)`: failures of weights of one value in one matrix, each on its own candidates."""

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        rows = -(-count // 64)
        # with the law "product" the outputs of an input share factors: one row of many inputs there
        shape = (rows, 64) if law == "nonzero" else (1, count)
        seed = int(rng.integers(2**62))
        ticket = embed([np.full(shape, target)], max_value, n, seed, law=law, retries=retries, threads=1)
        failed = np.zeros(shape, bool)
        for failure in ticket.failures:
            failed[failure.row, failure.column] = True
        return failed.ravel()[:count]

    return sample


def weight_law(run: Run, factor: float = 1.0, candidates: int = 0) -> Iterator[Measurement]:
    """Single weights of counter-based tickets against the enumeration of all sets and the chain; to 2.5 %."""
    laws: tuple[Law, ...] = ("nonzero", "product")
    for law, max_value, n, target in (
        (laws[0], 1, 1, 1),
        (laws[0], 3, 3, 3),
        (laws[0], 3, 3, -2),
        (laws[1], 2, 4, 4),
        (laws[1], 2, 3, 3),
    ):
        factors = range(1, max_value + 1)
        sizes = [a * b for a in factors for b in factors] if law == "product" else list(factors)
        exact = enumerated_miss([s * v for s in (-1, 1) for v in sizes], n + candidates, target)
        name = f"{law}, M = {max_value}, n = {n}, w = {target}"
        chain = miss_law(max_value, abs(target), law).probability(n)
        yield within(f"{name}: the chain over the enumeration", float(chain) / exact, 1.0, 1e-12)
        sample = one_weight(max_value, n, target, law)
        expected = factor * exact
        yield within(name, run.probability(name, sample, 180_000), expected, 0.025 * expected)


def shared_units(run: Run, factor: float = 1.0, independent: bool = False) -> Iterator[Measurement]:
    """Block form: outputs share the number of usable units of an input. Ternary, p_N = 2^-N."""
    for n, outputs in ((5, 10), (7, 40)):
        table = np.array([[0.0, 2.0**-k] for k in range(2 * n + 1)])
        column = np.ones((outputs, 1), int)
        success = lottery.block_success_probability([column], table, n)
        if independent:
            success = lottery.block_success_probability([column[:1]], table, n) ** outputs
        name = f"{outputs} outputs, {n} usable units expected"
        sample = layer_failures(column, 1, n, allotment="block")
        yield within(name, run.probability(name, sample, 80_000), 1 - factor * success, 0.016)


def shared_products(run: Run, factor: float = 1.0, independent: bool = False) -> Iterator[Measurement]:
    """Product law: odd targets of one input need odd factors a, which all outputs share."""
    for n, outputs in ((4, 2), (3, 3), (2, 5)):  # parities of every factor, equally likely at M = 4
        parities = np.array(list(itertools.product((0, 1), repeat=n * (1 + outputs)))).reshape(
            -1, 1 + outputs, n
        )
        odd = (parities[:, :1] & parities[:, 1:]).any(axis=2).all(axis=1).mean()
        stated = lottery_products.shared_divisor_bound([np.ones((outputs, 1), int)], n, 4)
        title = f"{n} candidates, {outputs} outputs: the code's bound over every parity"
        yield within(title, stated / odd, 1.0, 1e-12, cases=len(parities))
    for max_value, n, outputs in ((4, 12, 16), (8, 14, 12)):
        column = np.ones((outputs, 1), int)
        bound = lottery_products.shared_divisor_bound([column], n, max_value, independent=independent)
        name = f"M = {max_value}, n = {n}, {outputs} odd weights"
        sample = layer_failures(column, max_value, n, law="product")
        yield at_least(name, run.probability(name, sample, 60_000), 1 - factor * bound)
        if independent:  # as a law, not only as a bound: it overstates the failures
            yield within(f"{name}: law", run.probability(name, sample, 60_000), 1 - bound, 0.03)


def network_success(
    run: Run, factor: float = 1.0, per_unit: bool = False, all_copies: bool = False
) -> Iterator[Measurement]:
    """Whole ternary networks: the exact product over weights, and the exact law of depth l + 1."""
    weights = random_network((4, 5, 4), 1, 3)
    table = np.array([[0.0, 2.0**-k] for k in range(11)])
    units = [np.ones((w.shape[0], 1), int) for w in weights]
    law = lottery.success_probability(units if per_unit else weights, table[7])
    sample = network_failures(weights, 1, 7)
    found = run.probability("two", sample, 5000, block=512)
    yield within("two_layer, n = 7", found, 1 - factor * law, 0.045)
    law = lottery.copies_success_probability(weights, table, 4, 10)
    if all_copies:
        law = lottery.success_probability([weights[0]] * 10, table[4])
    sample = network_failures(weights, 1, 4, construction="depth_plus_one", copies=10)
    title = "depth_plus_one, n = 4, 10 copies"
    found = run.probability("copies", sample, 8000, block=512)
    yield within(title, found, 1 - factor * law, 0.019)


def union_bound(run: Run, factor: float = 1.0) -> Iterator[Measurement]:
    """P(success) >= 1 - N_t p, with the exact p."""
    for weights, n in ((np.ones((4, 3), int), 5), (np.array([[1, -1], [1, 1]]), 4)):
        failures = factor * lottery.expected_failures([weights], np.array([0.0, 2.0**-n]))
        name = f"{weights.size} ternary weights, n = {n}"
        yield within(f"{name}: the code's bound", failures, factor * weights.size * 2.0**-n, 1e-15)
        yield at_most(name, run.probability(name, layer_failures(weights, 1, n), 100_000), failures)
    weights, n = np.ones((2, 2), int), 12
    exact = 1 - lottery.success_probability([weights], np.array([0.0, 2.0**-n]))
    failures = factor * lottery.expected_failures([weights], np.array([0.0, 2.0**-n]))
    yield at_most(f"4 ternary weights, n = {n}: exact P(fail) over the bound", exact / failures, 1.0)


def ternary_and_binary(run: Run, fewer: int = 0, factor: float = 1.0) -> Iterator[Measurement]:
    """ceil(log2(N/eps)) candidates suffice for N weights of size 1, with zeros (ternary) or without."""
    chain = miss_law(1, 1)
    halves = all(chain.probability(n) == Fraction(1, 2**n) for n in range(60))
    title = "a weight of size 1 is missed with probability 2^-n, n < 60"
    yield identity(title, halves, evidence="exhaustive", cases=60)
    worst, where = 0.0, ""
    for failure in (0.5, 0.1, 0.02, 1e-3, 1e-6):
        for size in range(1, 2001):
            n = math.ceil(math.log2(size / failure)) - fewer
            ratio = -math.expm1(size * math.log1p(-(2.0**-n))) / failure if n > 0 else 1 / failure
            if ratio > worst:
                worst, where = ratio, f"N = {size}, eps = {failure:g}, n = {n}"
    name = "largest P(fail)/eps, N up to 2,000, five levels"
    yield at_most(name, worst, factor * (1 + 1e-12), detail=where)
    rng = np.random.default_rng(5)
    binary = rng.choice([-1, 1], (3, 4))
    for name, weights in (("binary", binary), ("ternary", binary * (rng.random(binary.shape) < 2 / 3))):
        count = int(np.count_nonzero(weights))
        n = math.ceil(math.log2(count))  # one failure in N: where 2 % of P(fail) is soon seen
        exact = 1 - lottery.success_probability([weights], np.array([0.0, 2.0**-n]))
        yield within(f"{name}: the code's law", exact, 1 - (1 - 2.0**-n) ** count, 1e-12)
        title = f"{name}, {count} nonzero weights, n = {n}"
        expected = factor * exact
        found = run.probability(title, layer_failures(weights, 1, n), 100_000)
        yield within(title, found, expected, 0.025 * expected)


def real_scale(run: Run, factor: float = 1.0, cox: bool = False) -> Iterator[Measurement]:
    """Whole 784-500-10 networks of random 8-bit weights: 11 candidates each, to 2.5 %, and 21, to 30 %."""
    sizes, top = (784, 500, 10), 127
    count = sum(a * b for a, b in itertools.pairwise(sizes))
    for n, networks, tolerance in ((11, 5, 0.025), (21, 10, 0.3)):
        misses = run.once(f"misses {n}", partial(rare_misses, n, top, 100_000, run.seed))
        if cox:
            misses = [0.0] + [float(cox_miss_probability(n, top, v)) for v in range(1, top + 1)]
        share = factor * 2 * float(np.sum(misses)) / (2 * top + 1)
        sample = network_weight_failures(sizes, top, n)
        found = run.probability(f"784-500-10, {n}", sample, networks * count, block=count)
        detail = f"{share * count:.1f} failed weights expected per network, {found.value * count:.1f} found"
        name = f"{n} candidates: share of failed weights"
        yield within(name, found, share, tolerance * share, detail=detail)


CLAIMS = (
    Claim(
        id="kn.exact_two_layer",
        title="Pruning represents the target exactly: two layers per layer",
        paper=PAPER,
        place="Theorem 1",
        statement=r"B\max(A,0) = W,\; B\min(A,0) = W \;\Rightarrow\;"
        r" [B\,\mathrm{relu}(A x)]_\gamma = [W x]_\gamma \text{ for every } x",
        hypotheses="Masks found for every weight; a hidden unit keeps one input; $[.]_\\gamma$ after pairs"
        " only. The integer identity covers all inputs; outputs are computed through the pruned matrices.",
        mark="paper",
        constant="an identity of integer matrices",
        check=exact_pairs,
        twins=(
            Twin("the operator acts on the hidden outputs of a pair as well", {"inside": True}),
            Twin("no units for the negative side, negative inputs", {"both_sides": False}),
        ),
        figure="lottery_ticket",
    ),
    Claim(
        id="kn.exact_copies",
        title="Pruning represents the target exactly: depth l + 1",
        paper=PAPER,
        place="Theorem 2",
        statement=r"\text{every copy of a unit is the unit, or is pruned whole and read by nobody}",
        hypotheses="Later layers take subsets of their entries from the good copies of an input.",
        mark="paper",
        constant="an identity of integer matrices",
        check=exact_copies,
        twins=(Twin("every drawn copy represents its unit", {"every_copy": True}),),
    ),
    Claim(
        id="kn.weight_success",
        title="A weight fails exactly as often as its candidate sets have no subset",
        paper=PAPER,
        place="Lemma 5",
        statement=r"P(\text{weight fails}) = P\bigl(\nexists S: \textstyle\sum_S a_h b_h = w\bigr)",
        hypotheses="$n$ usable candidates; exact value by enumeration of all candidate sets and by the chain;"
        " both laws, both signs; tolerance 2.5 %.",
        mark="derived",
        constant=Constant("probability of failure"),
        check=weight_law,
        twins=(
            Twin("one candidate more", {"candidates": 1}),
            Twin("5 % more failures", {"factor": 1.05}),
            Twin("5 % fewer failures", {"factor": 0.95}),
        ),
        figure="lottery_success",
    ),
    Claim(
        id="kn.shared_units",
        title="Outputs that share hidden units succeed together",
        paper=PAPER,
        place="Lemma 7 (beyond its union bound)",
        statement=r"P = \prod_j \sum_N \binom{2n}{N} 4^{-n} \prod_i (1 - p_{N,|w_{ij}|})",
        hypotheses="Block form, $2n$ units per input, ternary weights ($p_N = 2^{-N}$).",
        mark="derived",
        constant=Constant("probability of success"),
        check=shared_units,
        twins=(
            Twin("outputs independent", {"independent": True}),
            Twin("6 % more successes", {"factor": 1.06}),
            Twin("6 % fewer", {"factor": 0.94}),
        ),
    ),
    Claim(
        id="kn.shared_products",
        title="Products share divisors across outputs",
        paper=PAPER,
        place="Lemma 7 (beyond its union bound)",
        statement=r"P \le \prod_j \sum_k \binom nk \alpha^k (1-\alpha)^{n-k}"
        r" \bigl(1-(1-\alpha)^k\bigr)^{m_j}",
        hypotheses=r"Product law; $\alpha$ the share of odd factors, $m_j$ the odd weights of input $j$.",
        mark="derived",
        constant=Constant("bound on the probability of success", "upper"),
        check=shared_products,
        twins=(
            Twin("each output draws its own $A$", {"independent": True}),
            Twin("6 % fewer successes", {"factor": 0.94}),
        ),
    ),
    Claim(
        id="kn.network_success",
        title="Success of whole networks, both constructions",
        paper=PAPER,
        place="Theorems 1 and 2",
        statement=r"P = \prod_w (1 - p_{|w|});\qquad"
        r" P = \prod_j E_{G_j}\prod_i (1 - p_{G_j,|w_{ij}|}),\; G_j \sim \mathrm{Bin}(\rho, q_j)",
        hypotheses="Ternary network with one hidden layer, law nonzero; both laws are exact there.",
        mark="derived",
        constant=Constant("probability of success"),
        check=network_success,
        twins=(
            Twin("a unit, not a weight, fails with probability p", {"per_unit": True}),
            Twin("every copy must be good", {"all_copies": True}),
            Twin("5 % more successes", {"factor": 1.05}),
            Twin("5 % fewer", {"factor": 0.95}),
        ),
    ),
    Claim(
        id="kn.union_bound",
        title="The network fails with probability at most N_t times that of a weight",
        paper=PAPER,
        place="Theorem 1, proof",
        statement=r"P(\text{success}) \ge 1 - N_t\, p",
        hypotheses="Exact $p = 2^{-n}$ of ternary weights; the bound is close while $N_t p$ is small.",
        mark="paper",
        constant=Constant(r"$N_t\,p$", "upper"),
        check=union_bound,
        twins=(Twin("0.5 % less than it", {"factor": 0.995}),),
    ),
    Claim(
        id="kn.ternary",
        title="Ternary and binary networks: log2(N/eps) candidates",
        paper=PAPER,
        place="Theorem 1, smallest precisions",
        statement=r"n = \lceil \log_2 (N/\epsilon) \rceil \;\Rightarrow\;"
        r" P(\text{fail}) = 1-(1-2^{-n})^N \le \epsilon",
        hypotheses="$M = 1$; $N$ nonzero weights; binary targets have no zero. By the exact law for"
        " $N \\le 2000$ and five levels from 0.5 to $10^{-6}$; embedded networks where failures are common,"
        " to 2.5 %.",
        mark="derived",
        constant=Constant("probability of failure"),
        check=ternary_and_binary,
        twins=(
            Twin("one candidate fewer", {"fewer": 1}),
            Twin("a failure 5 % below eps", {"factor": 0.95}),
        ),
    ),
    Claim(
        id="kn.real_scale",
        title="397,000 eight-bit weights, 11 and 21 candidates each",
        paper=PAPER,
        place="Theorem 1 at the scale of Pensia et al. 2020",
        statement=r"E(\text{failed share}) = \frac{2}{2M+1} \sum_{v=1}^{M} p_v",
        hypotheses="784-500-10, weights uniform on $\\{-127..127\\}$; $p_v$ measured on independent sets of"
        " candidates (reach law exact, the rest stratified); to 2.5 % with 11 candidates, to 30 % with 21,"
        " where about 91 of 397,000 fail.",
        mark="derived",
        constant=Constant("share of failed weights"),
        check=real_scale,
        twins=(
            Twin("the Cox law, far outside its range", {"cox": True}),
            Twin("5 % more failures", {"factor": 1.05}),
            Twin("5 % fewer failures", {"factor": 0.95}),
        ),
        figure="lottery_success",
    ),
)

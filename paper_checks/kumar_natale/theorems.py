"""Claims on the theorems of Kumar & Natale as wholes: units that suffice, several hidden layers, counting."""

import itertools
import math
from collections.abc import Iterator
from functools import partial

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_least, at_most, identity, within
from paper_checks.kumar_natale.lottery import adversarial_inputs, pruned_outputs
from sims.lottery import embed, network_outputs
from sims.lottery.trials import network_failures, random_network
from theory import lottery
from theory.subset_sum import failure_exponent, miss_law

PAPER = "kumar-natale"


def theorem_1(run: Run, factor: float = 1.0, candidates: int = 30) -> Iterator[Measurement]:
    """Targets on the grid of delta^2, products of entries on the grid of delta, C d log2(1/delta) units."""
    sizes, top = (3, 4, 2), 2
    rng = np.random.default_rng(40)
    weights = [rng.integers(-(top**2), top**2 + 1, (b, a)) for a, b in itertools.pairwise(sizes)]
    count = sum(w.size for w in weights)
    chances = [float(miss_law(top, t, "product").probability(candidates)) for t in range(1, top**2 + 1)]
    title = f"{candidates} candidates: N_t p of the worst weight"
    yield at_most(title, count * max(chances), 0.005)
    ticket = embed(weights, top, candidates, run.seed, law="product", signed_inputs=True)
    inputs = adversarial_inputs(sizes[0], 100, signed=True)
    if not ticket.failures:
        same = np.array_equal(pruned_outputs(ticket, inputs, 1), network_outputs(weights, inputs, 1))
        yield identity(
            "outputs of the pruned matrices alone, adversarial inputs",
            same,
            evidence="evaluated",
            cases=len(inputs),
        )
    yield identity("every weight has its subset", ticket.failures == [], evidence="exhaustive", cases=count)
    # C of d log2 V: n candidates for P(fail) <= 0.01, inputs not negative, V = 2^b - 1 values
    for bits, stated in ((2, 10.414), (3, 7.840), (4, 6.478)):
        size = 2 ** (bits - 1) - 1
        layer = [np.full((16, 16), size)]
        n = run.once(f"{bits}", partial(lottery.samples_needed, layer, size, 0.01))
        units = lottery.drawn_units(16, n)[0]
        name = f"{bits} bits, 16 x 16 weights of the largest size, {n} candidates: units over d log2(V)"
        yield within(name, units / (16 * math.log2(2**bits - 1)), factor * stated, 2e-3)


def deep_copies(run: Run, factor: float = 1.0, all_copies: bool = False) -> Iterator[Measurement]:
    """Depth l + 1 with two and three hidden layers of the target: outputs, and the law of success."""
    table = np.array([[0.0, 2.0**-k] for k in range(11)])
    for sizes, trials, tolerance in (((3, 4, 3, 2), 4500, 0.023), ((3, 3, 3, 3, 2), 1500, 0.045)):
        weights = random_network(sizes, 1, 4)
        ticket = embed(weights, 1, 12, run.seed, "depth_plus_one", signed_inputs=True, copies=20)
        inputs = adversarial_inputs(sizes[0], 50, signed=True)
        name = f"{len(weights)} layers"
        fine = ticket.failures == [] and bool(
            (ticket.outputs(inputs) == network_outputs(weights, inputs, 1)).all()
        )
        yield identity(f"{name}: outputs are the target's", fine, evidence="evaluated", cases=len(inputs))
        law = lottery.copies_success_probability(weights, table, 5, 7)
        if all_copies:
            law = lottery.success_probability([weights[0]] * 7, table[5])
        sample = network_failures(weights, 1, 5, construction="depth_plus_one", copies=7)
        found = run.probability(name, sample, trials, block=500)
        yield within(f"{name}, 5 candidates, 7 copies: P(fail)", found, 1 - factor * law, tolerance)


def counting_probability(run: Run, factor: float = 1.0, without: bool = False) -> Iterator[Measurement]:
    """Attained by a book of random pages: k bits are drawn, the rest is pruned; p = 2^-k each, exactly."""
    for entries, drawn in ((6, 1), (8, 3), (10, 10)):
        # a matrix is `entries` bits; a network draws the first `drawn` of them and keeps or prunes the rest
        targets = list(itertools.product((0, 1), repeat=entries))
        hits = dict.fromkeys(targets, 0)
        for head in itertools.product((0, 1), repeat=drawn):
            for tail in itertools.product((0, 1), repeat=entries - drawn):
                hits[head + tail] += 1
        chances = {count / 2**drawn for count in hits.values()}
        name = f"{entries} binary entries, {drawn} of them drawn"
        title = f"{name}: every matrix with p = 2^-{drawn}"
        yield identity(title, chances == {2.0**-drawn}, evidence="exhaustive", cases=len(targets))
        bound = lottery.counting_bound(1, entries, 2, 1.0 if without else 2.0**-drawn)
        yield at_least(f"{name}: parameters to prune", entries - drawn, factor * bound, cases=len(targets))
    # and in words of the theorem: d_out d_in log2 V + log2 p
    for probability in (1.0, 0.5, 1e-3):
        stated = factor * (12 * math.log2(15) + math.log2(probability))
        found = lottery.counting_bound(3, 4, 15, 1.0 if without else probability)
        yield within(f"4 x 3 weights of 4 bits, p = {probability:g}", found / stated, 1.0, 1e-12)


def block_lengths(run: Run, factor: float = 1.0, zeros: bool = True) -> Iterator[Measurement]:
    """With A and B in {-M..M}, zeros too, a candidate is worth less: exponents by exact rates."""
    for top in (1, 2, 3):
        bits = failure_exponent(top, 1, "uniform")
        stated = factor * (math.log2((2 * top + 1) / (top + 1)) if zeros else 1.0)
        exact = miss_law(top, 1, "uniform")
        slope = (math.log2(exact.probability(200)) - math.log2(exact.probability(400))) / 200
        yield within(f"M = {top}: bits of failure per uniform candidate", slope, stated, 1e-3)
        yield within(f"M = {top}: the code's exponent", bits, math.log2((2 * top + 1) / (top + 1)), 1e-12)


CLAIMS = (
    Claim(
        id="kn.theorem1",
        title="Theorem 1 from end to end: the target, its units, its outputs",
        paper=PAPER,
        place="Theorem 1",
        statement=r"\delta^2 \le \delta_t,\; C\,d\log_2(1/\delta) \text{ units} \Rightarrow"
        r" P(\text{every weight has its subset}) \ge 1 - N_t\,p",
        hypotheses="Entries of $A$ and $B$ uniform on {-2..2} without 0, targets on the grid of their"
        " products, 30 candidates a weight and side; integer outputs on adversarial inputs. $C = 10.414,"
        " 7.840, 6.478$ for 16 x 16 weights of 2, 3, 4 bits at $P \\ge 0.99$: exact misses, matched units,"
        " inputs that are not negative, $V$ values for $1/\\delta$.",
        mark="paper",
        constant=Constant("C"),
        check=theorem_1,
        twins=(
            Twin("half as many candidates suffice", {"candidates": 15}),
            Twin("1 % more units", {"factor": 1.01}),
        ),
        figure="lottery_parameters",
    ),
    Claim(
        id="kn.theorem2_deep",
        title="Theorem 2 with several hidden layers: outputs and probability of success",
        paper=PAPER,
        place="Theorem 2",
        statement=r"P = \prod_l \prod_j E_{G}\prod_i \bigl(1 - p_{G, |w^{(l)}_{ij}|}\bigr)",
        hypotheses="Ternary targets with two and three hidden layers, 5 candidates, 7 copies, of which 4 and"
        " 5 % fail; tolerance 0.023 and 0.045. Outputs in integers on adversarial inputs, 12 candidates, 20"
        " copies.",
        mark="derived",
        constant=Constant("probability of success"),
        check=deep_copies,
        twins=(
            Twin("every copy must be good", {"all_copies": True}),
            Twin("5 % fewer successes", {"factor": 0.95}),
        ),
    ),
    Claim(
        id="kn.counting_probability",
        title="The counting bound with a probability below 1, attained",
        paper=PAPER,
        place="Theorem 3",
        statement=r"\alpha \ge d_{out} d_{in}\log_2 V + \log_2 p",
        hypotheses="Equality: $k$ of the bits of a matrix are drawn, the others pruned, $p = 2^{-k}$ for"
        " every matrix; all matrices of 6, 8, 10 binary entries.",
        mark="paper",
        constant=Constant("the bound"),
        check=counting_probability,
        twins=(
            Twin("without log2 p", {"without": True}),
            Twin("0.1 % more", {"factor": 1.001}),
        ),
    ),
    Claim(
        id="kn.uniform_exponent",
        title="Zeros among the candidates cost bits: log2((2M + 1)/(M + 1)) for one",
        paper=PAPER,
        place="Lemma 5, candidates uniform on the whole grid",
        statement=r"-\tfrac1n\log_2 P(\text{miss } 1) \to \log_2\frac{2M + 1}{M + 1}",
        hypotheses="Uniform on $\\{-M..M\\}$, $M = 1, 2, 3$; exact misses at $n = 200, 400$.",
        mark="derived",
        constant=Constant("the exponent"),
        check=block_lengths,
        twins=(
            Twin("one bit, as without zeros", {"zeros": False}),
            Twin("1 % more", {"factor": 1.01}),
        ),
        figure="subset_sum_exponent",
    ),
)

"""Claims on number partitioning: the results of Borgs, Chayes & Pittel that Kumar & Natale build on."""

import math

from paper_checks.claim import Claim, Twin, identity, within
from sims import partition as simulation
from theory import partition as law

PAPER = "kumar-natale"
GOLDEN = (2, 10, 3, 8, 5, 7, 9, 5, 3, 2)


SIZES = ((12, 20_000), (16, 30_000), (20, 50_000), (24, 60_000))


def threshold_law(run, parity_matters=True, sizes=SIZES):
    """P(perfect) at the threshold; tolerance 0.5/n, stated from the 1/n corrections of mu."""
    for n, trials in sizes:
        size = law.window_max_value(n, 0.0)
        estimate = run.probability(f"n={n}", simulation.sampler(n, size), trials)
        target = float(law.perfect_partition_probability(n, size))
        if not parity_matters:
            target = 1.0 - math.exp(-float(law.expected_perfect_partitions(n, size)))
        yield within(f"n = {n}, M = {size}", estimate, target, 0.5 / n)


def golden_case(run, unordered=23):
    """Exact count of one published instance."""
    count = simulation.count_perfect_partitions(GOLDEN)
    yield identity(f"unordered perfect partitions: {count}", count == unordered, evidence="exhaustive")


CLAIMS = (
    Claim(
        id="kn.threshold",
        title="Threshold law of perfect partitions",
        paper=PAPER,
        place="Section 2; Borgs, Chayes & Pittel Th. 2.1",
        statement=r"P(\text{perfect}) \to 1 - \tfrac12\left(e^{-\mu} + e^{-2\mu}\right),\quad"
        r" \mu = \frac{2^n}{M\sqrt{2\pi n c}}",
        hypotheses=r"$X_i$ uniform on $\{1..M\}$, $M = 2^{n - \log_2(n)/2}$; tolerance $0.5/n$.",
        mark="derived",
        check=threshold_law,
        twins=(Twin("one Poisson law of mean mu for even and odd totals alike", {"parity_matters": False}),),
        figure="partition_threshold",
    ),
    Claim(
        id="kn.golden",
        title="An instance with 23 perfect partitions",
        paper=PAPER,
        place="golden case",
        statement=r"\{2,10,3,8,5,7,9,5,3,2\} \text{ has 23 unordered perfect partitions}",
        hypotheses="Equal values are different items.",
        mark="derived",
        check=golden_case,
        twins=(Twin("ordered partitions counted instead (46)", {"unordered": 46}),),
    ),
)

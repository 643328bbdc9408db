"""Claims on quantized random subset sum."""

import itertools

import numpy as np

from paper_checks.claim import Claim, Twin, identity, within
from sims import subset_sum as simulation
from theory import subset_sum_laws

PAPER = "kumar-natale"


WINDOW = ((1023, 12, 1), (8191, 14, 8191), (8191, 16, 1), (8191, 16, 8191))


def cox_law(run, factor=1.0, cells=WINDOW, trials=250_000):
    """Cox law in its range; tolerance 4 % of the law, stated in advance."""
    for max_value, n, target in cells:
        name = f"M = {max_value}, n = {n}, t = {target}"
        estimate = run.probability(name, simulation.sampler(n, max_value, target), trials)
        mu = factor * subset_sum_laws.cox_mean(n, max_value)
        value = float(subset_sum_laws.cox_miss(mu, subset_sum_laws.scaled_target(n, max_value, target)))
        yield within(name, estimate, value, 0.04 * value)


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


CLAIMS = (
    Claim(
        id="kn.cox",
        title="Cox law of missing one target",
        paper=PAPER,
        place="Section 3 (limit law behind Lemmas 3 and 4)",
        statement=r"P(\text{miss } t) \approx E_G\, e^{-\mu e^{-(G-d)^2/2}},\quad"
        r" \mu = \frac{2^{n+1}}{\sqrt{2\pi n s_2}},\; d = \frac{2t}{\sqrt{n s_2}}",
        hypotheses=r"$X_i$ uniform on $\{\pm1..\pm M\}$, $M \geq 1000$, $n - \log_2 M \leq 3$;"
        r" relative tolerance 4 %.",
        mark="heuristic",
        check=cox_law,
        twins=(Twin("the lattice step of the signings forgotten: half of mu", {"factor": 0.5}),),
        figure="subset_sum_miss",
    ),
    Claim(
        id="kn.lemma2",
        title="Subset sum is number partitioning with a random target",
        paper=PAPER,
        place="Lemma 2",
        statement=r"\exists S: \sum_S X_i = t \iff \exists s: \left|\sum s_i X_i\right| = |\Lambda - 2t|",
        hypotheses=r"$\Lambda = \sum X_i$; all instances on $\{-3..3\}^4$, all targets.",
        mark="paper",
        check=lemma_2,
        twins=(Twin(r"target $\Lambda - t$ instead of $\Lambda - 2t$", {"doubled": 1}),),
    ),
)

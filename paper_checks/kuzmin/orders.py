"""Claims on pruning and rounding: when errors of outputs add, and when the order of the two matters."""

import itertools

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, identity, within
from sims.layer_bounds.problems import problem
from sims.weights.encoding import encode
from theory.codebooks import integer_levels
from theory.distributions import Gaussian, StudentT
from theory.formats import Format, family

PAPER = "kuzmin"
MASKS = (Format("2:4", "", 16, keep=2, group=4), Format("prune 50 %", "", 16, sparsity=0.5))
ROUNDINGS = (
    family("twos-complement", 4),
    family("symmetric", 4, 64),
    family("float", 4, 32, "power-of-two"),
    family("float", 8),
)


def output_errors_add(run, correlation=0.0, factor=1.0):
    """Output error of pruning then rounding over the sum of both output errors, on one Gram matrix."""
    if correlation:
        inputs, _ = problem("autoregressive", 128, run.seed, correlation=correlation)
        gram = inputs.T @ inputs
    else:
        gram = np.diag(np.random.default_rng(run.seed).chisquare(3, size=128))

    def energy(error: np.ndarray) -> float:
        return float(np.sum(error @ gram * error))

    for law in (Gaussian(), StudentT(3, 30)):
        w = law.ppf(np.random.default_rng(run.seed + 1).random((32, 128)))
        for mask, form in itertools.product(MASKS, ROUNDINGS):
            kept = encode(w, mask)
            rounded = encode(kept, form)
            ratio = energy(w - rounded) / (energy(w - kept) + energy(kept - rounded))
            name = f"kurtosis {law.kurtosis:.1f}: {mask.name}, then {form.name}"
            yield within(name, ratio, factor, 1e-12, evidence="evaluated")


def orders(run, grid="symmetric"):
    """Every vector of 4 from 8 magnitudes with every sign, 2 kept, on a grid of 3 bits and step 1."""
    levels = integer_levels(3, grid)

    def rounded(x: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(x), levels[0], levels[-1])

    sizes = (0.3, 0.7, 1.2, 1.9, 2.6, 3.6, 4.1, 5.3)
    same = True
    for chosen in itertools.combinations(sizes, 4):
        for signs in itertools.product((-1.0, 1.0), repeat=4):
            w = np.array(chosen) * signs
            first = np.sort(np.argsort(np.abs(w))[2:])
            codes = rounded(w)  # codes of equal size are told apart by the weights they came from
            second = np.sort(np.lexsort((np.abs(w), np.abs(codes)))[2:])
            same &= bool((first == second).all())
    yield identity(f"{grid}: the same weights are kept, 1,120 vectors", same, evidence="exhaustive")


CLAIMS = (
    Claim(
        id="ku.output_errors_add",
        title="In the outputs, too, errors of pruning and of rounding add where inputs are uncorrelated",
        paper=PAPER,
        place="Section 4.2, both methods together",
        statement=r"\lVert X(W - Q(PW))\rVert^2 = \lVert X(W - PW)\rVert^2 + \lVert X(PW - Q(PW))\rVert^2"
        r" \text{ where } X^\top X \text{ is diagonal}",
        hypotheses="2:4 and 50 % unstructured; integers, groups, MXFP4, FP8; Gaussian and Student-t weights; "
        "128 inputs of unequal power.",
        mark="derived",
        check=output_errors_add,
        twins=(Twin("neighbouring inputs correlated by 0.8", {"correlation": 0.8}),),
        figure="formats_blocks",
        constant=Constant("the sum of both errors"),
    ),
    Claim(
        id="ku.pruning_rounding_order",
        title="On a symmetric grid of fixed step pruning and rounding may be done in either order",
        paper=PAPER,
        place="Section 2, beyond the paper",
        statement=r"P(Q(W)) = Q(P(W)) \text{ on } s\{-M..M\}",
        hypotheses="Ties between codes are decided by the weights. Two's complement, which saturates "
        "at different magnitudes on either side, keeps others.",
        mark="derived",
        check=orders,
        twins=(Twin("two's complement", {"grid": "twos-complement"}),),
        figure="formats_blocks",
        constant="a proposition: the same weights are kept",
    ),
)

"""Measured success of lottery tickets: miss probabilities of every weight at once, and whole networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sims import montecarlo
from sims.lottery.embedding import embed
from sims.lottery.masks import MAX_SAMPLES
from sims.lottery.network import check_choice, check_range
from sims.montecarlo import Sample
from sims.subset_sum import draw
from theory.lottery import (
    block_success_probability,
    copies_success_probability,
    expected_failures,
    parameter_counts,
    success_probability,
)
from theory.subset_sum import Law
from theory.subset_sum.bounds import reach_probability

_ROWS = 4096  # candidate sets per stream


@dataclass(frozen=True)
class MissTable:
    """Measured miss probabilities p[n, |t|] for n = 0..samples candidates and targets up to `limit`.

    Attributes
    ----------
    p : (samples + 1, limit + 1) float64; nan below `least` candidates, p[:, 0] = 0, p[0, 1:] = 1.
    trials : candidate sets drawn. Every set tells about all targets, both signs and all prefixes at once, so
        that entries of one table are dependent; each is an unbiased mean over `trials` independent sets.
    """

    p: np.ndarray
    trials: int

    def standard_error(self, n: int, value: int) -> float:
        """At most this much, were the two signs of a set always to agree."""
        p = self.p[n, abs(value)]
        return float(np.sqrt(p * (1 - p) / self.trials))


def miss_table(
    samples: int,
    max_value: int,
    trials: int,
    seed: int,
    law: Law = "nonzero",
    limit: int | None = None,
    least: int = 1,
) -> MissTable:
    """Measure the miss probability of every target at once, for every number of candidates up to `samples`.

    Parameters
    ----------
    samples, max_value, law : candidates, M, sampling law ("nonzero" or "product").
    limit : largest target; M (M^2 for "product") unless given.
    least : numbers of candidates below this are not recorded (nan).

    Examples
    --------
    >>> table = miss_table(4, 1, 20_000, seed=0)
    >>> [round(float(p), 1) for p in table.p[:, 1]]  # ternary: 2^-n
    [1.0, 0.5, 0.2, 0.1, 0.1]
    """
    from sims.kernels import lottery as kernels

    for name, value, low in (("samples", samples, 1), ("max_value", max_value, 1), ("trials", trials, 1)):
        check_range(name, value, low, 1 << 40)
    check_choice("law", law, ("nonzero", "product"))
    top = limit if limit is not None else max_value**2 if law == "product" else max_value
    counts = np.zeros((samples + 1, top + 1), np.int64)
    for block, start in enumerate(range(0, trials, _ROWS)):
        rng = montecarlo.stream(seed, ("lottery.misses", samples, max_value, law), block)
        kernels.count_misses(
            draw(rng, min(_ROWS, trials - start), samples, max_value, law), top, least, True, counts
        )
    p = counts / (2 * trials)
    p[1:least] = np.nan
    p[0] = 1.0
    p[:, 0] = 0.0
    return MissTable(p, trials)


def rare_misses(samples: int, max_value: int, trials: int, seed: int) -> np.ndarray:
    r"""Miss probabilities p[v], v = 0..M, of `samples` candidates in the tail (law "nonzero").

    .. math:: p_v = P\Bigl(\sum_{X_i > 0} X_i < v\Bigr) + \sum_{k=0}^{n} \binom nk 2^{-n}\,
              P\Bigl(\text{miss } v,\; \sum_{X_i > 0} X_i \ge v \Bigm| k \text{ candidates are positive}\Bigr)

    The first term, which dominates the tail, is known exactly (the reach law); the second is
    measured with a fixed number of trials for every k: half of them shared equally, half by probability.
    Unbiased.

    Examples
    --------
    >>> bool(abs(rare_misses(20, 1, 2000, seed=0)[1] * 2**20 - 1) < 1e-12)  # ternary: only k = 0 misses
    True
    """
    from scipy.stats import binom

    from sims.kernels import lottery as kernels

    shares = binom.pmf(np.arange(samples + 1), samples, 0.5)
    p = np.array([0.0] + [float(reach_probability(samples, max_value, v)) for v in range(1, max_value + 1)])
    for k, share in enumerate(shares):
        rows = max(16, round(trials * (0.5 * share + 0.5 / (samples + 1))))
        rng = montecarlo.stream(seed, ("lottery.rare", samples, max_value), k)
        x = rng.integers(1, max_value + 1, (rows, samples))
        x[:, k:] *= -1
        counts = np.zeros((samples + 1, max_value + 1), np.int64)
        kernels.count_misses(x, max_value, samples, False, counts)
        p += share * counts[samples] / rows
    return p


def smallest_samples(
    weights: Sequence[np.ndarray], max_value: int, failure: float, seed: int = 0, trials: int = 40_000
) -> tuple[int, float]:
    """Fewest candidates whose expected number of failed weights is at most `failure`, and that number.

    Measured by `rare_misses`, law "nonzero". The miss probability falls by at most about one half per
    candidate, so the search skips ahead by the missing bits and never far beyond the answer.

    Raises
    ------
    ValueError : more than the 62 candidates that a mask can hold would be needed.

    Examples
    --------
    >>> n, expected = smallest_samples([np.ones((2, 2), int)], 1, 0.03)  # 4 weights: 4 / 2^n
    >>> n, round(expected, 6)
    (8, 0.015625)
    """
    if not 0.0 < failure < 1.0:
        raise ValueError(f"failure={failure} must lie strictly between 0 and 1")
    n = 1
    while n <= MAX_SAMPLES:
        expected = expected_failures(weights, rare_misses(n, max_value, trials, seed))
        if expected <= failure:
            return n, expected
        n += max(1, int(np.log2(expected / failure)))
    raise ValueError(
        f"failure={failure} needs more than {MAX_SAMPLES} samples per weight; allow more failures"
    )


def layer_failures(weights: np.ndarray, max_value: int, samples: int, **options) -> Sample:
    """`sample(rng, count)`: whether the ticket of a one-layer network fails; trials stand side by side.

    `count` copies of the matrix (fan_out, fan_in) read inputs of their own in one wide ticket: inputs share
    no units, so that the trials are independent.
    """
    matrix = np.asarray(weights)

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        seed = int(rng.integers(1 << 62))
        ticket = embed([np.tile(matrix, count)], max_value, samples, seed, workers=1, **options)
        failed = np.zeros(count, bool)
        failed[[failure.column // matrix.shape[1] for failure in ticket.failures]] = True
        return failed

    return sample


def weight_failures(max_value: int, samples: int, target: int, **options) -> Sample:
    """`sample(rng, count)`: whether a single weight of value `target` fails."""
    return layer_failures(np.array([[target]]), max_value, samples, **options)


def network_weight_failures(sizes: Sequence[int], max_value: int, samples: int, **options) -> Sample:
    """`sample(rng, count)`: which weights of whole networks fail, a fresh target for every ticket."""

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        failed: list[np.ndarray] = []
        while sum(f.size for f in failed) < count:
            seed = int(rng.integers(1 << 62))
            weights = random_network(sizes, max_value, seed)
            ticket = embed(weights, max_value, samples, seed, **options)
            lost = [np.zeros(w.shape, bool) for w in weights]
            for failure in ticket.failures:
                lost[failure.layer][failure.row, failure.column] = True
            failed += [one.ravel() for one in lost]
        return np.concatenate(failed)[:count]

    return sample


def network_failures(weights: Sequence[np.ndarray], max_value: int, samples: int, **options) -> Sample:
    """`sample(rng, count)`: whether the ticket of a network fails, one fresh random network per trial."""

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        seeds = rng.integers(1 << 62, size=count)
        return np.array(
            [bool(embed(weights, max_value, samples, int(s), workers=1, **options).failures) for s in seeds]
        )

    return sample


def drawn_sizes(weights: Sequence[np.ndarray], max_value: int, samples: int, **options) -> Sample:
    """`sample(rng, count)`: drawn parameters per parameter of the target, redraws included."""

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        seeds = rng.integers(1 << 62, size=count)
        return np.array(
            [
                embed(weights, max_value, samples, int(s), workers=1, **options).overparameterization
                for s in seeds
            ]
        )

    return sample


def random_network(sizes: Sequence[int], max_value: int, seed: int) -> list[np.ndarray]:
    """Integer matrices with entries uniform on {-M..M}, shapes (sizes[i + 1], sizes[i]).

    Examples
    --------
    >>> [w.shape for w in random_network([4, 3, 2], 7, seed=0)]
    [(3, 4), (2, 3)]
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes={list(sizes)} must name at least two layers of at least one unit")
    rng = montecarlo.stream(seed, ("lottery.target", *sizes, max_value))
    return [rng.integers(-max_value, max_value + 1, (b, a)) for a, b in pairwise(sizes)]


def simulate_rows(
    sizes: Sequence[int] = (16, 8, 4),
    bits: int = 4,
    samples: int = 12,
    trials: int = 2000,
    seed: int = 0,
    construction: str = "two_layer",
    allotment: str = "matched",
) -> list[dict]:
    """Rows for `snapcut simulate lottery`: quantity, estimate with interval, theory and bounds beside it.

    A target with weights uniform on the `bits`-bit grid is drawn once; `trials` random networks are pruned to
    it. Law "nonzero". The theory column takes the miss probability of each weight from 100,000 fresh sets of
    candidates and combines them by the laws of `theory.lottery`; single weights are tried 50 times as often.

    Examples
    --------
    >>> [row["quantity"] for row in simulate_rows(trials=20)][:2]
    ['network fails', 'weight 1 fails']
    """
    check_range("bits", bits, 2, 10)
    check_range("trials", trials, 1, 10**9)
    max_value = 2 ** (bits - 1) - 1
    weights = random_network(sizes, max_value, seed)
    options: dict[str, Any] = {"construction": construction, "allotment": allotment}
    most = samples if allotment == "matched" else 2 * samples
    table = miss_table(most, max_value, 100_000, seed)
    if construction == "depth_plus_one":
        law = copies_success_probability(weights, table.p, samples, samples)
    elif allotment == "block":
        law = block_success_probability(weights, table.p, samples)
    else:
        law = success_probability(weights, table.p[samples])
    fails = montecarlo.probability(
        network_failures(weights, max_value, samples, **options),
        trials,
        seed=seed,
        key=("lottery.network",),
        block=256,
    )
    counts = parameter_counts(list(sizes), samples, max_value, construction, allotment=allotment)
    ticket = embed(weights, max_value, samples, seed, **options)
    rows: list[dict] = [
        {"quantity": "network fails", "estimate": fails.value, "low": fails.low, "high": fails.high,
         "theory": 1 - law},
        {"quantity": "drawn parameters", "estimate": ticket.drawn_parameters, "theory": counts.drawn},
        {"quantity": "kept parameters", "estimate": ticket.kept_parameters},
        {"quantity": "drawn per target weight", "estimate": ticket.overparameterization,
         "theory": counts.overparameterization},
        {"quantity": "candidates / counting bound", "estimate": counts.ratio},
    ]  # fmt: skip
    for value in sorted({1, max_value}, reverse=True):
        one = montecarlo.probability(
            weight_failures(max_value, samples, value), 50 * trials, seed=seed, key=("lottery.weight", value)
        )
        theory = float(table.p[samples, value])
        name = f"weight {value} fails"
        rows.insert(1, {"quantity": name, "estimate": one.value, "low": one.low, "high": one.high,
                        "theory": theory})  # fmt: skip
    return [{"low": None, "high": None, "theory": None} | row for row in rows]

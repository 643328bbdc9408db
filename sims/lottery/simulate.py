"""One random target and many random networks: how often no ticket exists, and what it costs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sims import montecarlo
from sims.lottery.embedding import embed
from sims.lottery.misses import rare_misses
from sims.lottery.trials import network_failures, random_network, weight_failures
from sims.support.row import Measured, Row
from theory.arguments import whole
from theory.lottery import (
    block_success_probability,
    copies_success_probability,
    miss_probability_table,
    parameter_counts,
    success_probability,
)
from theory.subset_sum import exact_is_cheap

MISS_TRIALS = 100_000  # sets of candidates behind the law beyond 4 bits
NETWORK_KEY = ("lottery.network",)  # streams of whole networks ...
NETWORK_BLOCK = 256  # ... and trials per stream: fewer than usual, because each is a whole network


def simulate(
    sizes: Sequence[int] = (16, 8, 4),
    bits: int = 4,
    samples: int = 12,
    trials: int = 2000,
    seed: int = 0,
    construction: str = "two_layer",
    allotment: str = "matched",
    *,
    width: float | None = None,
    confidence: float = 0.99,
) -> list[Row]:
    """Rows for `snapcut simulate lottery`: failures measured, theory beside them; and what a ticket costs.

    A target with weights uniform on the `bits`-bit grid is drawn once; `trials` random networks (at most,
    with `width`) are pruned to it. Law "nonzero". The theory column takes the miss probability of each
    weight, exact up to 4 bits and beyond from `MISS_TRIALS` fresh sets of candidates, and combines them by
    the laws of `theory.lottery`; single weights are tried 50 times as often as networks.

    Examples
    --------
    >>> [row.quantity for row in simulate(trials=20)][:2]
    ['network fails', 'weight 1 fails']
    """
    bits, trials = whole("bits", bits, 2, 10), whole("trials", trials, 1, 10**9)
    max_value = 2 ** (bits - 1) - 1
    weights = random_network(sizes, max_value, seed)
    options: dict[str, Any] = {"construction": construction, "allotment": allotment}
    networks = network_failures(weights, max_value, samples, **options)
    fails = montecarlo.probability(
        networks, trials, seed=seed, key=NETWORK_KEY, block=NETWORK_BLOCK, width=width, level=confidence
    )
    return rows(sizes, bits, samples, seed, fails, confidence=confidence, **options)


def rows(
    sizes: Sequence[int],
    bits: int,
    samples: int,
    seed: int,
    fails: Measured,
    *,
    construction: str = "two_layer",
    allotment: str = "matched",
    confidence: float = 0.99,
) -> list[Row]:
    """The rows of :func:`simulate` once it is measured how often the network `fails`."""
    max_value = 2 ** (bits - 1) - 1
    weights = random_network(sizes, max_value, seed)
    most = samples if allotment == "matched" else 2 * samples
    alone = construction == "two_layer" and allotment == "matched"  # else fewer candidates happen, too
    table = misses(most, max_value, seed, least=samples if alone else 1)
    if construction == "depth_plus_one":
        law = copies_success_probability(weights, table, samples, samples)
    elif allotment == "block":
        law = block_success_probability(weights, table, samples)
    else:
        law = success_probability(weights, table[samples])
    found = [Row.of("network fails", fails, f"{fails.trials} networks", 1 - law)]
    for value in sorted({1, max_value}):
        one = montecarlo.probability(
            weight_failures(max_value, samples, value),
            50 * fails.trials,
            seed=seed,
            key=("lottery.weight", value),
            level=confidence,
        )
        source = f"{one.trials} sets of candidates"
        found.append(Row.of(f"weight {value} fails", one, source, table[samples, value]))
    options: dict[str, Any] = {"construction": construction, "allotment": allotment}
    counts = parameter_counts(list(sizes), samples, max_value, construction, allotment=allotment)
    ticket = embed(weights, max_value, samples, seed, **options)
    return [
        *found,
        Row("drawn parameters", ticket.drawn_parameters, theory=counts.drawn),
        Row("kept parameters", ticket.kept_parameters),
        Row("drawn per target weight", ticket.overparameterization, theory=counts.overparameterization),
        Row("candidates / counting bound", counts.ratio),
    ]


def misses(samples: int, max_value: int, seed: int, least: int = 1) -> np.ndarray:
    """p[n, v]: miss probabilities of single weights for n = least..samples candidates; nan below."""
    if exact_is_cheap(samples, max_value, max_value):
        return miss_probability_table(samples, max_value)
    table = np.full((samples + 1, max_value + 1), np.nan)
    table[0], table[:, 0] = 1.0, 0.0
    for n in range(least, samples + 1):
        # an unbiased estimate of a probability near 1 may exceed it
        table[n] = np.minimum(rare_misses(n, max_value, MISS_TRIALS, seed), 1.0)
    return table

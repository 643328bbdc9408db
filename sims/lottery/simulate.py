"""One random target and many random networks: how often no ticket exists, and what it costs."""

from collections.abc import Sequence
from typing import Any

from sims import montecarlo
from sims.lottery.embedding import embed
from sims.lottery.misses import best_miss_table
from sims.lottery.trials import network_failures, random_network, weight_failures
from sims.support.row import Row
from theory.arguments import whole
from theory.lottery import (
    block_success_probability,
    copies_success_probability,
    parameter_counts,
    success_probability,
)

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
) -> list[Row]:
    """Rows for `snapcut simulate lottery`: failures measured, theory beside them; and what a ticket costs.

    A target with weights uniform on the `bits`-bit grid is drawn once; `trials` random networks are pruned to
    it. Law "nonzero". The theory column takes the miss probability of each weight, exact up to 4 bits and
    beyond from 100,000 fresh sets of candidates, and combines them by the laws of `theory.lottery`; single
    weights are tried 50 times as often.

    Examples
    --------
    >>> [row.quantity for row in simulate(trials=20)][:2]
    ['network fails', 'weight 1 fails']
    """
    bits, trials = whole("bits", bits, 2, 10), whole("trials", trials, 1, 10**9)
    max_value = 2 ** (bits - 1) - 1
    weights = random_network(sizes, max_value, seed)
    options: dict[str, Any] = {"construction": construction, "allotment": allotment}
    most = samples if allotment == "matched" else 2 * samples
    table = best_miss_table(most, max_value, 100_000, seed)
    if construction == "depth_plus_one":
        law = copies_success_probability(weights, table, samples, samples)
    elif allotment == "block":
        law = block_success_probability(weights, table, samples)
    else:
        law = success_probability(weights, table[samples])
    networks = network_failures(weights, max_value, samples, **options)
    fails = montecarlo.probability(networks, trials, seed=seed, key=NETWORK_KEY, block=NETWORK_BLOCK)
    rows = [Row.of("network fails", fails, theory=1 - law)]
    for value in sorted({1, max_value}):
        one = montecarlo.probability(
            weight_failures(max_value, samples, value), 50 * trials, seed=seed, key=("lottery.weight", value)
        )
        rows.append(Row.of(f"weight {value} fails", one, theory=table[samples, value]))
    counts = parameter_counts(list(sizes), samples, max_value, construction, allotment=allotment)
    ticket = embed(weights, max_value, samples, seed, **options)
    return [
        *rows,
        Row("drawn parameters", ticket.drawn_parameters, theory=counts.drawn),
        Row("kept parameters", ticket.kept_parameters),
        Row("drawn per target weight", ticket.overparameterization, theory=counts.overparameterization),
        Row("candidates / counting bound", counts.ratio),
    ]

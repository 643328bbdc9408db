"""One random target and many random networks: how often no ticket exists, and what it costs."""

from collections.abc import Sequence
from typing import Any

from sims import montecarlo
from sims.lottery.embedding import embed
from sims.lottery.misses import miss_table
from sims.lottery.trials import network_failures, random_network, weight_failures
from theory.arguments import whole
from theory.lottery import (
    block_success_probability,
    copies_success_probability,
    parameter_counts,
    success_probability,
)


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
    whole("bits", bits, 2, 10)
    whole("trials", trials, 1, 10**9)
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

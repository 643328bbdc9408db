"""Samplers of success: single weights, layers and whole random networks, each embedded exactly."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sims import montecarlo
from sims.lottery import masks
from sims.lottery.embedding import embed
from sims.lottery.ticket import Ticket
from sims.montecarlo import Sample
from theory.arguments import whole

_WEIGHTS = 1 << 20  # in one call of the kernel, which no Ctrl-C ends: about half a second


def layer_failures(weights: np.ndarray, max_value: int, samples: int, **options) -> Sample:
    """`sample(rng, count)`: whether the ticket of a one-layer network fails; trials stand side by side.

    `count` copies of the matrix (fan_out, fan_in) read inputs of their own in one wide ticket: inputs share
    no units, so that the trials are independent.
    """
    matrix = np.asarray(weights)

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        seed = int(rng.integers(1 << 62))
        ticket = embed([np.tile(matrix, count)], max_value, samples, seed, threads=1, **options)
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
    first = embed(weights, max_value, samples, 0, threads=1, **options)
    return lambda rng, count: _tickets(first, rng.integers(1 << 62, size=count))[0]


def drawn_sizes(weights: Sequence[np.ndarray], max_value: int, samples: int, **options) -> Sample:
    """`sample(rng, count)`: drawn parameters per parameter of the target, redraws included."""
    first = embed(weights, max_value, samples, 0, threads=1, **options)
    per_unit = [layer.rows + (layer.fan_in if layer.first else 0) for layer in first.layers]
    size = sum(w.size for w in first.weights)
    return lambda rng, count: _tickets(first, rng.integers(1 << 62, size=count))[1] @ per_unit / size


def _tickets(like: Ticket, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether tickets made as `like`, of other seeds, fail, (seeds,), and their drawn units, (seeds, layers).

    Compiled from end to end: a small network costs a tenth of what `embed` takes, most of it around kernels.
    """
    from sims.kernels import lottery_trials as kernels

    layers = like.layers
    wanted = [
        np.repeat(w, layer.copies, 0) * layer.scale for w, layer in zip(like.weights, layers, strict=True)
    ]
    first, second = (
        np.array([(d.layer, d.limit, d.ratio) if d else (0, 0, 0) for d in draws])
        for draws in ([layer.first for layer in layers], [layer.second for layer in layers])
    )
    plan = kernels.Plan(
        np.concatenate([w.ravel() for w in wanted]),
        np.array([(layer.rows, layer.fan_in, layer.copies) for layer in layers]),
        first,
        second,
        like.rounding == "nearest",
        like.signed_inputs,
        like.allotment == "block",
        like.samples,
        like.retries,
    )
    widest = max(block.units.shape[1] for layer in layers for block in layer.blocks)
    scratch = masks.scratch(like.max_value ** (2 if like.law == "product" else 1), widest)
    fails, drawn = np.zeros(len(seeds), bool), np.zeros((len(seeds), len(layers)), np.int64)
    step = max(1, _WEIGHTS // plan.wanted.size)
    for some in (slice(start, start + step) for start in range(0, len(seeds), step)):
        kernels.embed_many(seeds[some].astype(np.uint64), plan, scratch, fails[some], drawn[some])
    return fails, drawn


def random_network(sizes: Sequence[int], max_value: int, seed: int) -> list[np.ndarray]:
    """Integer matrices with entries uniform on {-M..M}, shapes (sizes[i + 1], sizes[i]).

    Examples
    --------
    >>> [w.shape for w in random_network([4, 3, 2], 7, seed=0)]
    [(3, 4), (2, 3)]
    """
    sizes, max_value = [whole("sizes", size) for size in sizes], whole("max_value", max_value, 1)
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes={list(sizes)} must name at least two layers of at least one unit")
    rng = montecarlo.stream(seed, ("lottery.target", *sizes, max_value))
    return [rng.integers(-max_value, max_value + 1, (b, a)) for a, b in pairwise(sizes)]

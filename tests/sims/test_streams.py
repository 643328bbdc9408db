"""Streams of random numbers: two runs that differ in any argument that names them share none."""

import json

import numpy as np
import pytest

from sims import montecarlo
from sims.fine_tuning import training
from sims.fine_tuning.networks import Network
from sims.layer_bounds import problems as layers
from sims.lottery import misses, trials
from sims.networks import transformer
from sims.path_following import problems as neurons
from sims.subset_sum import rare

NETWORK = Network("dense", 5, None, (4,), 3)


def rare_run(n=3, max_value=2, target=1, law="nonzero", delta=0, seed=1):
    rare.estimate_rare(n, max_value, target, seed, law, delta, particles=4, replicates=3, threads=1)


def orders(seed=1, phase="tuning", epoch=0):
    training.orders(40, training.Recipe(batch=8), 3, seed, phase, epoch)


def table(samples=2, max_value=2, law="nonzero", seed=1):
    misses.miss_table(samples, max_value, 5, seed, law)


# module whose `stream` is watched, run, one change at a time, streams of a run
RUNS = {
    "rare subset sums": (
        rare,
        rare_run,
        ({}, {"n": 4}, {"max_value": 3}, {"target": 2}, {"law": "uniform"}, {"delta": 1}, {"seed": 2}),
        3,
    ),
    "missed targets": (
        montecarlo,
        table,
        ({}, {"samples": 3}, {"max_value": 3}, {"law": "product"}, {"seed": 2}),
        1,
    ),
    "rare misses": (
        montecarlo,
        lambda samples=2, max_value=2, seed=1: misses.rare_misses(samples, max_value, 1, seed),
        ({}, {"max_value": 3}, {"seed": 2}),
        3,
    ),
    "random targets": (
        montecarlo,
        lambda sizes=(4, 3), max_value=2, seed=1: trials.random_network(sizes, max_value, seed),
        ({}, {"sizes": (3, 4)}, {"sizes": (4, 3, 2)}, {"sizes": (4, 2)}, {"max_value": 3}, {"seed": 2}),
        1,
    ),
    "first weights": (
        training,
        lambda seed=1: training.first_weights(NETWORK, 3, seed),
        ({}, {"seed": 2}),
        3,
    ),
    "orders of images": (training, orders, ({}, {"seed": 2}, {"phase": "pruning"}, {"epoch": 1}), 3),
    "layers": (
        layers,
        lambda kind="relu", columns=4, seed=1, r=0.9: layers.problem(kind, columns, seed, correlation=r),
        ({}, {"kind": "independent"}, {"columns": 5}, {"seed": 2}, {"r": 0.8}),
        1,
    ),
    "neurons": (
        neurons,
        lambda columns=5, samples=8, seed=1, rank=None: neurons.problem(columns, samples, seed, rank=rank),
        ({}, {"columns": 8}, {"samples": 5}, {"columns": 8, "samples": 5}, {"seed": 2}, {"rank": 2}),
        1,
    ),
    "tokens": (
        transformer,
        lambda sequences=2, length=5, seed=1: transformer.token_ids(sequences, length, seed),
        ({}, {"sequences": 5}, {"length": 2}, {"sequences": 5, "length": 2}, {"seed": 2}),
        1,
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_runs_that_differ_share_no_stream(monkeypatch, name):
    module, run, changes, each = RUNS[name]
    asked, original = [], montecarlo.stream

    def watched(seed, key=(), block=0):
        asked.append(json.dumps([int(seed), [str(part) for part in key], int(block)]))
        return original(seed, key, block)

    monkeypatch.setattr(module, "stream", watched)
    for change in changes:
        run(**change)
    assert len(asked) == each * len(changes) and len(set(asked)) == len(asked)
    again = asked.copy()
    asked.clear()
    for change in changes:
        run(**change)
    assert asked == again  # and a run that is repeated draws what it drew


def test_a_stream_is_named_by_its_seed_every_part_of_its_key_and_its_block():
    """Also by where a part ends: one part that is written a, b or a", "b is not the two parts a and b."""
    keys = [(), ("a",), ("ab",), ("a", "b"), ("b", "a"), ("a", 1), ("a", 11), ("a", 1, 1)]
    keys += [('a", "b',), ("a, b",), ("a b",), ("a/b",)]
    firsts = [
        montecarlo.stream(seed, key, block).integers(2**62)
        for seed in (0, 1, 2**63)
        for key in keys
        for block in (0, 1, 2)
    ]
    assert len(set(firsts)) == len(firsts) == 108
    assert isinstance(montecarlo.stream(0).bit_generator, np.random.PCG64DXSM)

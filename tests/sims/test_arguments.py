"""An argument out of its range is one sentence that names it, whatever the function computes later."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from sims import montecarlo, partition, subset_sum, sweep
from sims.fine_tuning import methods
from sims.fine_tuning.cells import Setting
from sims.fine_tuning.networks import Network
from sims.fine_tuning.study import Study, study
from sims.fine_tuning.training import Recipe
from sims.layer_bounds import problems, pruning, quantization, report
from sims.layer_bounds import simulate as layers
from sims.lottery import embedding, misses, network, real, trials
from sims.lottery import simulate as tickets
from sims.montecarlo.quantiles import growing_medians
from sims.networks.patches import patches
from sims.path_following import compression, quantizers
from sims.path_following import problems as layer_problems
from sims.path_following import simulate as path
from sims.subset_sum import plan, rare
from sims.weights import allocation, ggml, layout, sources
from sims.weights import simulate as judged
from theory.operators import StochasticRounding

NO_COUNT = (0, -1, 1.5, True)
NEGATIVE = (-1, 0.5)
NO_SHARE = (0.0, 1.0, -0.1, float("nan"))
NOT_POSITIVE = (0.0, -1.0, float("inf"), float("nan"))
OTHER = ("another",)


def never(*_):
    raise AssertionError("nothing is drawn before the arguments are checked")


def medians(sample, trials, *, seed, key, block, level=0.99, width=None):
    return list(growing_medians(sample, trials, seed=seed, key=key, block=block, level=level, width=width))


def saved(seed_index):
    Study(Setting(seeds=2), 0, [], None).save_networks("absent", seed_index)


TICKET = {"weights": [[[1, -3]]], "max_value": 3, "samples": 9, "seed": 0}
DEEP = {**TICKET, "construction": "depth_plus_one"}
DRAWN = {"trials": 10, "seed": 0, "key": (), "block": 10}
RARE = {"n": 5, "max_value": 3, "target": 1, "seed": 0}
GRID = {"weights": [[0.5, 1.0]], "gram": np.eye(2), "bits": 4}
CUT = {"weights": [[0.5, 1.0]], "gram": np.eye(2)}
DENSE = {"kind": "dense", "features": 4, "shape": None, "hidden": (2,), "classes": 2}
STORED = {"found": {}, "sizes": {}, "energies": {}}

CALLS = [
    (embedding.embed, TICKET, {"reduced_from": (*NO_COUNT, 32_769), "retries": (-1, 1001, 0.5)}),
    (embedding.embed, DEEP, {"copies": (*NO_COUNT, 63)}),
    (misses.miss_table, {"samples": 4, "max_value": 3, "trials": 10, "seed": 0}, {"law": OTHER}),
    *(
        (function, {"samples": 4, "max_value": 3, "trials": 10, "seed": 0}, {name: NO_COUNT})
        for function in (misses.miss_table, misses.rare_misses)
        for name in ("samples", "max_value", "trials")
    ),
    (misses.miss_table, {"samples": 4, "max_value": 3, "trials": 1, "seed": 0}, {"samples": (2**40 + 1,)}),
    (
        misses.miss_table,
        {"samples": 4, "max_value": 3, "trials": 10, "seed": 0},
        {"limit": NEGATIVE, "least": NEGATIVE},
    ),
    (misses.smallest_samples, {"weights": [[[1]]], "max_value": 100}, {"failure": NO_SHARE}),
    (network.reduce_outputs, {"values": np.arange(3)}, {"divisor as reduction": (*NO_COUNT, 2**62 + 1)}),
    (real.checkpoint_rows, {"path": "absent.npz"}, {"retries": NEGATIVE}),
    (tickets.simulate, {}, {"bits": (1, 11, 4.0), "trials": (*NO_COUNT, 10**9 + 1)}),
    (trials.random_network, {"sizes": (2, 2), "max_value": 3, "seed": 0}, {"max_value": NO_COUNT}),
    (
        montecarlo.probability,
        {"sample": never, "trials": 10, "seed": 0},
        {"level": NO_SHARE, "trials": (*NO_COUNT, 2**53 + 1), "block": NO_COUNT, "seed": NEGATIVE},
    ),
    (montecarlo.probabilities, {"sample": never, "trials": 10, "seed": 0}, {"events": NO_COUNT}),
    (
        medians,
        {"sample": never, **DRAWN},
        {
            "trials": (*NO_COUNT, 2**53 + 1),
            "block": NO_COUNT,
            "level": NO_SHARE,
            "width": NOT_POSITIVE,
        },
    ),
    (
        patches,
        {"images": np.zeros((1, 1, 4, 4)), "kernel": 2},
        {"kernel": NO_COUNT, "stride": NO_COUNT, "padding": NEGATIVE},
    ),
    (
        partition.estimate,
        {"n": 4, "max_value": 3, "trials": 10, "seed": 0},
        {"n": NO_COUNT, "max_value": NO_COUNT},
    ),
    (partition.count_within_rows, {"rows": np.ones((1, 2), int)}, {"limit": (*NEGATIVE, 2**63)}),
    *(
        (function, {**RARE, "trials": 10}, {"delta": NEGATIVE})
        for function in (subset_sum.estimate, rare.estimate_poisson)
    ),
    (
        rare.estimate_rare,
        RARE,
        {"delta": NEGATIVE, "level": NO_SHARE, "replicates": (1, 2.5), "particles": (1, 2.5)},
    ),
    (rare.estimate_rare, RARE, {"n": NEGATIVE, "max_value": NO_COUNT, "law": OTHER}),
    (rare.estimate_poisson, {**RARE, "trials": 10}, {"n": NEGATIVE, "max_value": NO_COUNT, "law": OTHER}),
    (subset_sum.sampler, {"n": 4, "max_value": 3, "target": 1}, {"delta": NEGATIVE}),
    (subset_sum.find_subset, {"values": [1, 2], "target": 1}, {"target": (0.5,), "delta": NEGATIVE}),
    (subset_sum.count_subsets, {"values": [1, 2], "target": 1}, {"target": (0.5,)}),
    (subset_sum.explain, {"values": [1, 2], "target": 1}, {"target": (0.5,), "delta": NEGATIVE}),
    (subset_sum.coverage, {"values": [1, 2]}, {"limit": NEGATIVE}),
    (plan.plan, {"items": 3, "reach": 9, "log2_spread": 2.0}, {"question": OTHER}),
    (Recipe, {"epochs": 2}, {"epochs": NO_COUNT, "batch": NO_COUNT, "rate": NOT_POSITIVE}),
    (Network, DENSE, {"kind as network": OTHER, "hidden": ((0,), (2, 1.5), (-1,))}),
    (Network.on, {"data": None}, {"kind as network": OTHER}),
    (Setting, {}, {"seeds": NO_COUNT}),
    (study, {"setting": Setting()}, {"methods as method": (OTHER,), "bits": ((16,), (0,), (4, 0.5))}),
    (saved, {}, {"seed_index": (-1, 2, 0.5)}),
    (methods.sparsity_of, {"bits": 4}, {"method": OTHER}),
    (
        methods.fine_tuned,
        {"network": None, "data": None, "start": None, "bits": 4, "recipe": None},
        {"method": OTHER},
    ),
    (
        methods.post_training,
        {"network": None, "data": None, "start": None, "bits": 4},
        {"method": OTHER},
    ),
    (
        problems.problem,
        {"kind": "independent", "columns": 4},
        {"kind": OTHER, "columns": NO_COUNT, "samples": NO_COUNT},
    ),
    (
        quantization.quantization_range,
        GRID,
        {"bits": (1, 17, 4.0), "rule": OTHER, "per": OTHER, "processes": NO_COUNT},
    ),
    (quantization.quantization_range, GRID, {"node_limit": NO_COUNT, "time_limit": NOT_POSITIVE}),
    (quantization.quantization_range, GRID, {"step": OTHER}),
    (pruning.pruning_range, CUT, {"keep": NEGATIVE, "pattern as pattern's m": ((0, 0), (1, 1.5))}),
    (pruning.pruning_range, CUT, {"pattern as pattern's n": ((3, 2), (-1, 2), (0.5, 2))}),
    (report.layer_report, CUT, {"step": OTHER}),
    (report.layer_report, CUT, {"rows": ([0.5], [-1], [1], []), "columns": ([0.5], [2])}),
    (
        layers.simulate,
        {"kind": "independent", "correlation": 0.5, "bits": 4, "trials": 10, "seed": 0},
        {"inputs": (*NO_COUNT, 25)},
    ),
    (compression.compress, {**CUT, "operator": StochasticRounding(0.5)}, {"method": OTHER}),
    (
        compression.compress,
        {"weights": [1.0], "inputs": [[1.0]], "target_inputs": [[2.0]], "operator": StochasticRounding(0.5)},
        {"alignment": (-1, 1.5, None, True, float("nan"), "most")},
    ),
    (layer_problems.problem, {"columns": 3, "samples": 3}, {"columns": NO_COUNT, "samples": NO_COUNT}),
    (quantizers.quantizer, {"weights": [1.0], "bits": 4, "stochastic": False}, {"rule": OTHER}),
    (path.named_operator, {"step": 1.0, "threshold": 1.0}, {"name as operator": OTHER}),
    (path.simulate, {"operator": StochasticRounding(0.5)}, {"level": NO_SHARE}),
    (allocation.allocate_stored, STORED, {"bits_per_weight": NOT_POSITIVE}),
    (ggml.encode_blocks, {"blocks": np.zeros((1, 32), np.float32)}, {"name": OTHER}),
    (layout.lines, {"table": None}, {"sort": OTHER}),
    (judged.named_law, {}, {"weights": OTHER}),
    (sources.at_hand, {}, {"name as network": OTHER}),
    (sweep.run, {"sweep": None, "folder": Path("absent")}, {"backend": OTHER}),
]


@pytest.mark.parametrize(
    ("function", "good", "name", "value"),
    [
        pytest.param(function, good, name, value, id=f"{function.__name__}-{name}-{value}")
        for function, good, bad in CALLS
        for name, values in bad.items()
        for value in values
    ],
)
def test_a_bad_argument_is_one_sentence_that_names_it(function, good, name, value):
    if function is study:  # it looks for the extra first
        pytest.importorskip("jax", reason="fine-tuning needs the extra [train]")
    argument, _, called = name.partition(" as ")
    inspect.signature(function).bind_partial(**good, **({} if argument in good else {argument: value}))
    with pytest.raises((TypeError, ValueError)) as caught:
        function(**{**good, argument: value})
    sentence = str(caught.value)
    assert sentence.startswith(f"{called or argument} must ") and "\n" not in sentence

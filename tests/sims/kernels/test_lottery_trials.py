"""Networks that are drawn and pruned in one kernel, against tickets one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sims.lottery.embedding import embed
from sims.lottery.trials import drawn_sizes, network_failures, random_network


@settings(max_examples=40)
@given(data=st.data())
def test_networks_compiled_from_end_to_end_are_those_of_embed(data):
    """Failures and drawn parameters, ticket by ticket, whatever the construction and its options."""
    draw = data.draw
    construction = draw(st.sampled_from(["two_layer", "depth_plus_one"]))
    options = {
        "construction": construction,
        "law": draw(st.sampled_from(["nonzero", "product"])),
        "signed_inputs": draw(st.booleans()),
        "allotment": draw(st.sampled_from(["matched", "block"])),
        "reduced_from": draw(st.integers(1, 3)),
        "rounding": draw(st.sampled_from(["truncate", "nearest"])),
    }
    if construction == "two_layer":
        options["retries"] = draw(st.integers(0, 3))
    elif draw(st.booleans()):
        options["copies"] = draw(st.integers(1, 8))
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    max_value, samples, seed = draw(st.integers(1, 4)), draw(st.integers(1, 8)), draw(st.integers(0, 99))
    weights = random_network(sizes, max_value, seed)
    seeds = np.random.default_rng(seed).integers(1 << 62, size=8)
    tickets = [embed(weights, max_value, samples, int(one), threads=1, **options) for one in seeds]
    for sampler, wanted in (
        (network_failures, [bool(ticket.failures) for ticket in tickets]),
        (drawn_sizes, [ticket.overparameterization for ticket in tickets]),
    ):
        sample = sampler(weights, max_value, samples, **options)
        assert sample(np.random.default_rng(seed), 8).tolist() == wanted


def test_networks_are_the_same_however_many_a_call_takes(monkeypatch):
    weights = random_network([3, 4, 2], 3, seed=1)
    sample = network_failures(weights, 3, 4, retries=1)
    whole = sample(np.random.default_rng(3), 50)
    for size in (1, 20, 60, 70):  # of 20 weights: one network a call, one, three, three and a rest
        monkeypatch.setattr("sims.lottery.trials._WEIGHTS", size)
        assert (sample(np.random.default_rng(3), 50) == whole).all()
    assert 0 < whole.sum() < 50


def test_many_wide_networks_are_those_of_embed():
    """More than 32 candidates, larger values, candidates that the table of all sums decides."""
    weights = random_network([2, 3, 2], 127, seed=4)
    seeds = np.random.default_rng(2).integers(1 << 62, size=40)
    for samples, options in ((8, {}), (12, {"retries": 1}), (20, {"allotment": "block"}), (40, {})):
        found = network_failures(weights, 127, samples, **options)(np.random.default_rng(2), 40)
        wanted = [bool(embed(weights, 127, samples, int(one), **options).failures) for one in seeds]
        assert found.tolist() == wanted
    assert sum(wanted) == 0

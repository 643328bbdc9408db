"""What is asked of a simulation reaches it: every argument, by what it changes in the rows."""

import pytest

from sims.simulations import SIMULATIONS, find, snr, subset_sum

SMALL = {
    "partition": {"n": 6, "max_value": 20, "trials": 200},
    "subset-sum": {"n": 6, "max_value": 15, "trials": 200},
    "lottery": {"sizes": (2, 2), "bits": 3, "samples": 5, "trials": 60},
    "path-following": {"columns": 6, "samples": 4, "trials": 200},
    "snr": {"size": 256, "trials": 64},
    "layer-bounds": {"inputs": 3, "trials": 64},
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_more_confidence_is_a_wider_interval_of_the_same_estimate_in_every_row(name):
    asked = {**SMALL[name], **({"every_target": True} if name == "subset-sum" else {})}
    few, more = (SIMULATIONS[name](**asked, confidence=level) for level in (0.8, 0.999))
    pairs = [pair for pair in zip(few, more, strict=True) if pair[0].low is not None]
    assert pairs[0][0] is few[0] and few[0].low < few[0].measured < few[0].high
    for low, high in pairs:
        assert low.measured == high.measured and low.trials == high.trials
        if low.low < low.high:  # no mask is left to choose in some of the layers
            assert high.low < low.low <= low.measured <= low.high < high.high, low.quantity


@pytest.mark.parametrize("name", SIMULATIONS)
def test_an_interval_that_is_narrow_enough_ends_the_run(name):
    first, *_ = SIMULATIONS[name](**{**SMALL[name], "trials": 100_000}, width=8.0)
    assert first.trials < 100_000
    seeds = [SIMULATIONS[name](**SMALL[name], seed=seed)[0].measured for seed in (0, 1)]
    assert seeds[0] != seeds[1]


def test_what_else_is_asked_of_subset_sums():
    every = "P(some |t| <= M missed), measured"
    for asked in (False, True):
        rows = {row.quantity: row for row in subset_sum(**SMALL["subset-sum"], every_target=asked)}
        assert (every in rows) == asked
    (rare, *_) = subset_sum(n=6, max_value=15, trials=50, rare=True)
    assert rare.source.startswith("splitting")
    with pytest.raises(ValueError, match="width stops plain sampling"):
        subset_sum(**SMALL["subset-sum"], rare=True, width=0.1)


@pytest.mark.parametrize(
    ("asked", "pruned", "kurtosis"),
    [({}, "75", 6), ({"mask": True}, "81.25", 6), ({"rotate": True}, "75", 3)],
)
def test_what_else_is_asked_of_tensors(asked, pruned, kurtosis):
    """Four of 16 bits, a bit less where the mask is counted; a rotation makes weights Gaussian."""
    rows = {row.quantity: row for row in snr("laplace", **SMALL["snr"], **asked)}
    assert f"SNR of pruning {pruned} % (dB)" in rows
    assert rows["kurtosis"].theory == pytest.approx(kurtosis)


def test_addresses_that_lead_nowhere_are_one_sentence():
    assert find("sims.simulations:lottery") is SIMULATIONS["lottery"]
    for address in ("sims.simulations:nothing", "sims.nowhere:simulate"):
        with pytest.raises(ValueError, match=f"simulation '{address}' cannot be found: "):
            find(address)
    with pytest.raises(ValueError, match="simulation must be one of partition, subset-sum"):
        find("nothing")

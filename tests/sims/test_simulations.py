"""What is asked of a simulation reaches it: every argument, by what it changes in the rows."""

import inspect
import math
import re

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


@pytest.mark.parametrize(
    ("name", "others"),
    [
        *((name, {}) for name in SIMULATIONS),
        *(("subset-sum", {one: True}) for one in ("rare", "every_target")),
    ],
)
def test_more_confidence_is_a_wider_interval_of_the_same_estimate_in_every_row(name, others):
    asked = {**SMALL[name], **others}
    few, more = (SIMULATIONS[name](**asked, confidence=level) for level in (0.8, 0.999))
    pairs = [pair for pair in zip(few, more, strict=True) if pair[0].low is not None]
    assert pairs[0][0] is few[0] and few[0].low < few[0].measured < few[0].high
    for low, high in pairs:
        assert low.measured == high.measured and low.trials == high.trials
        if low.low < low.high:  # no mask is left to choose in some of the layers
            assert high.low < low.low <= low.measured <= low.high < high.high, low.quantity


@pytest.mark.parametrize("name", SIMULATIONS)
def test_an_interval_that_is_narrow_enough_ends_the_run(name):
    first, *others = SIMULATIONS[name](**{**SMALL[name], "trials": 100_000}, width=8.0)
    assert first.trials < 100_000
    for row in (first, *others):  # what is written beside a number is what was made, not what was asked for
        made = re.search(r"(\d+) (trials|networks|tensors)", row.source or "")
        assert made is None or int(made[1]) == row.trials
    seeds = [SIMULATIONS[name](**SMALL[name], seed=seed)[0].measured for seed in (0, 1)]
    assert seeds[0] != seeds[1]


@pytest.mark.parametrize("confidence", [0.0, 1.0, 1.5, math.nan])
@pytest.mark.parametrize(
    ("name", "others"), [*((one, {}) for one in SIMULATIONS), ("subset-sum", {"rare": True})]
)
def test_a_confidence_that_is_none_is_one_sentence(name, others, confidence):
    with pytest.raises(ValueError, match="level must lie strictly between 0 and 1, got"):
        SIMULATIONS[name](**{**SMALL[name], **others}, confidence=confidence)


ANOTHER = {
    "partition": {"n": 7, "max_value": 21},
    "subset-sum": {
        "n": 7, "max_value": 16, "target": 2, "law": "uniform", "delta": 1,
        "rare": True, "every_target": True,
    },
    "lottery": {"sizes": (2, 3), "bits": 4, "samples": 6, "construction": "depth_plus_one"},
    "path-following": {
        "operator": "one-bit", "step": 0.4, "threshold": 0.4, "bits": 6, "columns": 7, "samples": 5,
        "scale": 1.5, "rank": 2, "level": 0.1,
    },
    "snr": {
        "weights": "laplace", "df": 3.0, "bound": 20.0, "bits": 3, "codes": "symmetric", "group": 64,
        "scale": "e4m3", "rotate": True, "mask": True, "size": 512,
    },
    "layer-bounds": {"kind": "relu", "inputs": 4, "correlation": 0.5, "bits": 3},
}  # fmt: skip
MATTERS = {  # only where this is asked, too
    ("path-following", "threshold"): {"operator": "pruning"},
    ("snr", "df"): {"weights": "student-t"},
    ("snr", "bound"): {"weights": "student-t"},
    ("snr", "scale"): {"group": 64, "codes": "symmetric"},
    ("lottery", "construction"): {"sizes": (2, 2, 2)},
}


@pytest.mark.parametrize("name", SIMULATIONS)
def test_every_argument_changes_the_rows(name):
    common = {"trials", "seed", "width", "confidence"}  # of all, in tests of their own
    assert set(ANOTHER[name]) == set(inspect.signature(SIMULATIONS[name]).parameters) - common
    for argument, value in ANOTHER[name].items():
        asked = {**SMALL[name], "trials": 16, **MATTERS.get((name, argument), {})}
        assert SIMULATIONS[name](**asked) != SIMULATIONS[name](**{**asked, argument: value}), argument


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
    for address in ("sims.simulations:nothing", "sims.nowhere:simulate", ":f", "..a:f", "math:pi"):
        with pytest.raises(ValueError, match=re.escape(f"simulation '{address}' cannot be found: ")):
            find(address)
    with pytest.raises(ValueError, match="simulation must be one of partition, subset-sum"):
        find("nothing")

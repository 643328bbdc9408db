"""The network's numbers come from summed errors; beside them stand the single tensors."""

import json
import math

import numpy as np
import pytest

from sims import weights
from sims.weights.network import Signal, Spread, error_shares, pooled


def sparse(rng, shape, kept):
    return rng.normal(size=shape) * (rng.random(shape) < kept)


@pytest.fixture(scope="module")
def mixed():
    """Three dense tensors and one of which 90 % are zeros: pruning loses nothing of the last."""
    rng = np.random.default_rng(7)
    arrays = {f"dense{i}": rng.normal(size=(16, 24)) for i in range(3)}
    return arrays | {"sparse": sparse(rng, (16, 24), 0.1) * 3}


def literal(reference, arrays, bits):
    signal = sum(reference.energy(w) for w in arrays.values())
    rounding = [reference.rounding_error(w, bits) for w in arrays.values()]
    pruning = [reference.pruning_error(w, 1 - bits / 16) for w in arrays.values()]
    return reference.decibels(signal, sum(rounding)), reference.decibels(signal, sum(pruning)), rounding


@pytest.mark.parametrize("bits", [2, 4])
def test_the_network_is_its_summed_errors(mixed, reference, bits):
    table = weights.analyse(mixed, [bits])
    quantized, pruned, errors = literal(reference, mixed, bits)
    network = table.as_dict()["network"]
    assert network["quantization_snr"][str(bits)] == pytest.approx(quantized, abs=1e-4)
    assert network["pruning_snr"][str(bits)] == pytest.approx(pruned, abs=1e-9)
    assert network["verdict"] == ("snap" if quantized > pruned else "cut")
    assert network["verdict_bits"] == bits and network["share_of_bytes"] == 1
    shares = [tensor["share_of_quantization_error"][str(bits)] for tensor in table.as_dict()["tensors"]]
    np.testing.assert_allclose(shares, [float(one / sum(errors)) for one in errors], atol=1e-5)
    assert sum(shares) == pytest.approx(1)


def test_one_lossless_tensor_does_not_decide_for_the_others(mixed):
    """The mean of decibels says cut, by 150 dB that stand for no error at all."""
    table = weights.analyse(mixed, [2])
    total = table.totals()[0]
    assert total.pruning_spread.mean > total.quantization_spread.mean + 20
    assert total.winner == "snap" and table.recommendation().startswith("Snap: at 2 bits")


def test_a_causal_mask_of_zeros_and_ones_lifts_nothing():
    rng = np.random.default_rng(3)
    arrays = {f"w{i}": rng.normal(size=(32, 32)) * 0.02 for i in range(4)}
    arrays["mask"] = np.tril(np.ones((32, 32))) * 1e-3
    total = weights.analyse(arrays, [4]).totals()[0]
    without = weights.analyse({name: w for name, w in arrays.items() if name != "mask"}, [4]).totals()[0]
    assert total.quantization == pytest.approx(without.quantization, abs=0.02)
    assert total.quantization_spread.equal_mean > without.quantization_spread.equal_mean + 20


def test_worst_median_and_share_of_the_error(mixed, reference):
    total = weights.analyse(mixed, [4]).totals()[0]
    ratios = {
        name: reference.decibels(reference.energy(w), reference.rounding_error(w, 4))
        for name, w in mixed.items()
    }
    spread = total.quantization_spread
    assert spread.worst_tensor == min(ratios, key=ratios.get)
    assert spread.worst == pytest.approx(min(ratios.values()), abs=1e-4)
    assert spread.median == pytest.approx(float(np.median(list(ratios.values()))), abs=1e-4)
    small = Spread.of(["a", "b"], [1, 3], [Signal(3.0), Signal(1.0)], [10.0, 20.0])
    assert (small.mean, small.equal_mean, small.median) == (17.5, 15.0, 15.0)
    assert (small.worst, small.worst_tensor, small.largest_tensor) == (10.0, "a", "a")
    assert small.largest_share == pytest.approx(30 / 31)
    assert total.pruning_spread.worst < 7 and total.pruning_spread.largest_tensor.startswith("dense")
    sentence = weights.analyse(mixed, [4]).distribution()
    assert sentence.startswith(
        f"Of its tensors the worst keeps {spread.worst:.1f} dB ({spread.worst_tensor})"
    )


def test_units_beyond_double_precision_are_summed_too():
    rng = np.random.default_rng(0)
    small, large = rng.normal(size=(20, 20)), rng.laplace(size=(20, 20))
    near = weights.analyse({"a": small, "b": large}, [4]).totals()[0]
    far = weights.analyse({"a": small * 2.0**900, "b": large * 2.0**900}, [4]).totals()[0]
    assert far.quantization == pytest.approx(near.quantization, abs=1e-9)
    alone = weights.analyse({"b": large}, [4]).totals()[0]
    apart = weights.analyse({"a": small * 2.0**-900, "b": large * 2.0**900}, [4]).totals()[0]
    assert apart.quantization == pytest.approx(alone.quantization, abs=1e-12)
    assert apart.pruning == pytest.approx(alone.pruning, abs=1e-12)


@pytest.mark.parametrize("exponent", [-600, 600])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_zeros_have_no_unit(exponent, place):
    signals, ratios = [Signal(1.0, exponent), Signal(3.0, exponent)], [20.0, 20.0]
    signals.insert(place, Signal(0.0))
    ratios.insert(place, 10.0)
    shares, ratio = error_shares(signals, ratios)
    assert shares.pop(place) == 0.0 and shares == [0.25, 0.75] and ratio == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("value", "count", "energy"), [(3.0, 1, 9), (3.0, 5, 45), (0.25, 2, 0.125), (7.0, 3, 147)]
)
def test_the_energy_of_weights_of_one_magnitude(value, count, energy):
    found = Signal.of(value, count)
    assert found.mantissa * 4.0**found.exponent == energy and 0.25 * count <= found.mantissa < count


def test_nothing_lost_and_nothing_there():
    assert error_shares([Signal(1.0), Signal(2.0)], [math.inf, math.inf]) == ([0.0, 0.0], math.inf)
    assert math.isnan(pooled([], [])) and pooled([Signal.of(0.0)], [math.inf]) == math.inf
    network = weights.analyse({}).as_dict()["network"]
    assert network["verdict"] is None and network["share_of_bytes"] is None
    json.dumps(network, allow_nan=False)


def test_numbers_for_programs_are_those_of_the_single_tensors(mixed):
    """Three tensors are better rounded, a smaller one is better cut: no two counts are alike."""
    arrays = mixed | {"sparse": mixed["sparse"].ravel()[:320].reshape(16, 20)}
    table = weights.analyse(arrays, [4])
    wins = [row.name for row in table.rows if row.quantization[4] > row.pruning[4]]
    (found,) = table.as_dict()["totals"]
    total = sum(row.size for row in table.rows)
    assert wins == ["dense0", "dense1", "dense2"]
    assert (found["quantization_wins"], found["pruning_wins"], found["tensors"]) == (3, 1, 4)
    assert found["snapped_weights"] == pytest.approx(3 * 384 / total)
    assert found["cut_weights"] == pytest.approx(320 / total)
    assert found["quantization"]["worst"] == min(row.quantization[4] for row in table.rows)
    assert found["pruning"]["worst"] == min(row.pruning[4] for row in table.rows)


def test_shares_for_programs_are_those_of_each_method_at_each_width():
    """Errors are 3, 1 times a power of ten: all eight shares are different."""
    ratios = {
        "quantization": [{2: 10.0, 8: 30.0}, {2: 0.0, 8: 40.0}],
        "pruning": [{2: 20.0, 8: 0.0}, {2: 0.0, 8: 20.0}],
    }
    expected = {
        "quantization": {"2": (0.3 / 1.3, 1 / 1.3), "8": (0.003 / 0.0031, 0.0001 / 0.0031)},
        "pruning": {"2": (0.03 / 1.03, 1 / 1.03), "8": (3 / 3.01, 0.01 / 3.01)},
    }
    rows = [
        weights.TensorRow(
            f"w{i}",
            (3, 3),
            9,
            3.0,
            2.0,
            ratios["quantization"][i],
            ratios["pruning"][i],
            {2: 0.0, 8: 0.0},
            signal,
        )
        for i, signal in enumerate((Signal(3.0), Signal(1.0)))
    ]
    found = weights.Table((2, 8), rows).as_dict()["tensors"]
    for method, by_width in expected.items():
        for i, one in enumerate(found):
            shares = {bits: pytest.approx(both[i], rel=1e-12) for bits, both in by_width.items()}
            assert one[f"share_of_{method}_error"] == shares


def test_of_two_widths_as_near_to_four_bits_the_smaller_decides():
    table = weights.analyse({"w": np.random.default_rng(0).normal(size=(20, 20))}, [3, 5, 8])
    assert table.middle().bits == table.network()["verdict_bits"] == 3


def test_the_share_of_bytes_is_said():
    rng = np.random.default_rng(0)
    part = weights.analyse({"w": rng.normal(size=(64, 64)), "i": np.zeros(3 * 4096)}, [4])
    assert part.share_of_bytes == 0.25
    assert part.basis().startswith("Note: the verdict rests on only 25 % of the file's bytes")
    most = weights.analyse({"w": rng.normal(size=(9, 64, 64)), "i": np.zeros(4096)}, [4])
    assert most.basis().startswith("The verdict rests on 90 %")
    assert (
        weights.analyse({"w": rng.normal(size=(64, 64))}, [4])
        .basis()
        .startswith("The verdict rests on 100 %")
    )


def test_of_tensors_that_lose_the_same_the_first_is_named():
    found = Spread.of(["a", "b", "c"], [1, 1, 1], [Signal(0.5)] * 3, [20.0] * 3)
    assert (found.worst_tensor, found.largest_tensor) == ("a", "a")
    assert found.largest_share == pytest.approx(1 / 3)

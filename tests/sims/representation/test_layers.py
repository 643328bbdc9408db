import math

import numpy as np
import pytest

from sims.representation import SignalToNoise, layer_snr


def test_the_pooled_figure_is_no_mean_of_decibels():
    w = [np.array([[3.0, 4.0]]), np.array([[1.0, 2.0], [2.0, 4.0]])]
    other = [np.array([[3.0, 3.0]]), np.array([[1.0, 2.0], [2.0, 3.0]])]
    found = layer_snr(w, other)
    assert found == pytest.approx(
        {"layer1": 10 * math.log10(25), "layer2": 10 * math.log10(25), "network": 10 * math.log10(50 / 2)}
    )
    lossless = layer_snr([*w, np.eye(2)], [*other, np.eye(2)])
    assert lossless["layer3"] == math.inf
    assert lossless["network"] == pytest.approx(10 * math.log10(52 / 2))


def test_batches_add_up_and_names_are_kept():
    rng = np.random.default_rng(0)
    x = {"relu 1": rng.standard_normal((60, 5)), "out": rng.standard_normal((60, 2)) * 40}
    y = {name: array + 0.1 * rng.standard_normal(array.shape) for name, array in x.items()}
    stream = SignalToNoise()
    for rows in (slice(0, 1), slice(1, 31), slice(31, 60)):
        stream.update({n: a[rows] for n, a in x.items()}, {n: a[rows] for n, a in y.items()})
    assert list(stream.values()) == ["relu 1", "out", "network"]
    assert stream.values() == pytest.approx(layer_snr(x, y), rel=1e-10)


def test_nothing_overflows_and_nothing_is_lost():
    w = np.array([[3.0, 4.0]])
    for scale in (1e-200, 1e200):
        assert layer_snr([scale * w], [scale * w * 0.9])["layer1"] == pytest.approx(20.0)
    assert layer_snr([np.zeros((2, 2))], [np.ones((2, 2))])["layer1"] == -math.inf


def test_a_layer_of_zeros_beside_others_and_values_of_half_precision():
    """Zeros that stay zeros lose nothing; 90,000 squares of ones are beyond what float16 holds."""
    ones = np.ones((300, 300), np.float16)
    found = layer_snr([np.zeros((2, 2)), ones], [np.zeros((2, 2)), ones * np.float16(0.9375)])
    assert found == pytest.approx(
        {"layer1": math.inf, "layer2": 20 * math.log10(16), "network": found["layer2"]}
    )


def test_batches_have_the_same_layers():
    stream = SignalToNoise()
    stream.update({"a": np.eye(2)}, {"a": np.eye(2)})
    with pytest.raises(ValueError, match="the batches before had the layers a"):
        stream.update({"b": np.eye(2)}, {"b": np.eye(2)})


@pytest.mark.parametrize(
    ("first", "second", "error", "message"),
    [
        ([np.eye(2)], [np.eye(3)], ValueError, r"layer 'layer1' has shape \(2, 2\) in one and \(3, 3\)"),
        ({"a": np.eye(2)}, {"b": np.eye(2)}, ValueError, "the layers must be the same, got a and b"),
        ([np.array([[1.0, np.nan]])], [np.eye(2)[:1]], ValueError, "layer 'layer1' must be finite"),
        (["words"], [np.eye(2)], TypeError, "layer 'layer1' must hold real numbers"),
        ("words", [np.eye(2)], TypeError, "must be a mapping or a sequence of arrays, got str"),
        (3.0, [np.eye(2)], TypeError, "must be a mapping or a sequence of arrays, got float"),
        ([], [], ValueError, "there is no layer to compare"),
        ({"network": np.eye(2)}, {"network": np.eye(2)}, ValueError, "cannot be a layer's"),
    ],
)
def test_bad_input_is_one_sentence(first, second, error, message):
    with pytest.raises(error, match=message):
        layer_snr(first, second)

"""The roofline against counted bytes and operations, and break-even points against a scan of both times."""

import math

import numpy as np
import pytest

from theory import hardware, storage
from theory.hardware import Layer, Machine, layer_time

MACHINE = Machine(bandwidth=1e12, rate=1e14)


def test_bytes_and_operations_are_counted():
    m, n, batch = 6, 8, 3
    weights, x = np.zeros((m, n), np.int8), np.zeros((batch, n), np.float16)
    out = np.zeros((batch, m), np.float16)
    layer = Layer(m, n, batch, stored_bits=8, value_bits=4, activation_bits=16)
    assert layer.bytes_moved == weights.nbytes + x.nbytes + out.nbytes
    assert layer.weights == weights.size
    adds = ands = 0
    for _ in range(m * n * batch):
        adds += 1
        ands += sum(1 for _ in range(4) for _ in range(16))
    assert layer.multiply_adds == adds and layer.bit_operations == ands


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_the_two_roofs_meet_at_the_crossover(exponent):
    machine = Machine(2e11, 3e13, exponent)
    for bits, values in ((16, None), (8, 8), (4, None), (4, 16)):  # the last: widened before they multiply
        batch = hardware.crossover_batch(machine, bits, values)
        small, large = (
            Layer(8192, 8192, math.floor(batch * f), bits, values or bits, activation_bits=1e-9)
            for f in (0.9, 1.1)
        )
        memory = 8192 * 8192 * bits / 8 / 2e11
        assert layer_time(small, machine) == pytest.approx(memory, rel=1e-6)
        assert layer_time(large, machine) > 1.05 * memory
    assert machine.rate_of(8) == 3e13 * 2**exponent


@pytest.mark.parametrize("batch", [1, 60, 199, 300, 5000])
@pytest.mark.parametrize("overhead", [1.0, 3.0])
@pytest.mark.parametrize(("scheme", "options"), [("bitmask", {}), ("entropy", {}), ("csr", {"columns": 64})])
def test_break_even_by_a_scan(batch, overhead, scheme, options):
    found = hardware.break_even_sparsity(scheme, MACHINE, batch, overhead=overhead, **options)
    dense = max(4 / 8 / 1e12, batch / MACHINE.rate_of(4))
    c = np.linspace(0, 0.9999, 4001)
    bits = np.array([storage.bits_per_weight(scheme, s, 16, **options) for s in c])
    time = np.maximum(bits / 8 / 1e12, overhead * (1 - c) * batch / MACHINE.rate_of(16))
    slower = np.flatnonzero(time > dense * (1 + 1e-12))
    first = c[slower[-1] + 1] if slower.size else 0.0
    assert found == pytest.approx(first, abs=4e-4)


@pytest.mark.parametrize("batch", [1, 100])
def test_a_mask_alone_may_take_longer_than_dense_weights(batch):
    """One dense bit per weight: the mask takes as long, its values come on top, arithmetic or not."""
    kept = np.geomspace(1e-12, 1, 200)
    dense = max(1 / 8 / 1e12, batch / MACHINE.rate_of(1))
    assert np.all(np.maximum((1 + kept * 16) / 8 / 1e12, kept * batch / MACHINE.rate_of(16)) > dense)
    assert math.isnan(hardware.break_even_sparsity("bitmask", MACHINE, batch, dense_bits=1.0))


def test_without_skipping_arithmetic_never_pays():
    assert math.isnan(hardware.break_even_sparsity("bitmask", MACHINE, 10_000, skip=False))
    assert hardware.break_even_sparsity("bitmask", MACHINE, 1, skip=False) == 0.8125
    slow = Machine(1e12, 1e14, exponent=0.0)  # nothing is gained by narrow numbers: only by fewer
    assert hardware.break_even_sparsity("bitmask", slow, 10_000, skip=False) < 0.1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Machine(0, 1), ValueError, "bandwidth must be positive"),
        (lambda: Machine(1, 1, 3), ValueError, "exponent must lie from 0 to 2, got 3"),
        (lambda: Layer(0, 4), ValueError, "fan_out must be an integer >= 1, got 0"),
        (lambda: Layer(4, 4, stored_bits=-1), ValueError, "stored_bits must be positive"),
        (
            lambda: Layer(4, 4, overhead=0.5),
            ValueError,
            "overhead must be a finite number",
        ),
        (
            lambda: hardware.break_even_sparsity("bitmask", MACHINE, overhead=0.999),
            ValueError,
            "overhead must be a finite number",
        ),
        (lambda: Layer(4, 4, sparsity=1.0), ValueError, "sparsity must lie in"),
        (
            lambda: hardware.break_even_sparsity("bitmask", MACHINE, 0),
            ValueError,
            "batch must be an integer >= 1",
        ),
        (lambda: hardware.break_even_sparsity("2:4", MACHINE), ValueError, 'scheme must be "bitmask"'),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_the_ends_of_overhead_and_exponent():
    machine = Machine(1e12, 1e14)
    for overhead in (0.999, math.inf, math.nan):
        with pytest.raises(ValueError, match="overhead must be a finite number of at least 1"):
            Layer(2, 2, overhead=overhead)
        with pytest.raises(ValueError, match="overhead must be a finite number of at least 1"):
            hardware.break_even_sparsity("bitmask", machine, overhead=overhead)
    for exponent in (-0.001, 2.001):
        with pytest.raises(ValueError, match="exponent must lie from 0 to 2"):
            Machine(1.0, 1.0, exponent)
    assert [Machine(1.0, 8.0, exponent).rate_of(4) for exponent in (0, 1, 2)] == [8.0, 32.0, 128.0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("half", [np.float16, np.float32])
def test_narrow_numbers_are_computed_with_at_full_width(half):
    assert Machine(half(512.0), half(2.0**15), half(2.0)).rate_of(half(0.5)) == 2.0**25
    layer = Layer(4096, 4096, 8, half(4), half(8), half(0.5), half(1.5), half(16))
    assert layer == Layer(4096, 4096, 8, 4.0, 8.0, 0.5, 1.5, 16.0)
    assert layer.multiply_adds == 2**26 and layer.bit_operations == 2**33
    assert layer.bytes_moved == 2**23 + 2**17
    assert layer_time(layer, Machine(1.0, half(1.0))) == 1.5 * 2**26 / 2
    assert hardware.crossover_batch(MACHINE, half(8), half(4)) == 400.0
    for batch in (1, 10_000):
        found = hardware.break_even_sparsity("bitmask", MACHINE, batch, half(4), half(16), overhead=half(2))
        assert found == hardware.break_even_sparsity("bitmask", MACHINE, batch, 4.0, 16.0, overhead=2.0)


def test_the_largest_batches_are_bound_by_arithmetic_alone():
    for batch in (10**4, 10**16, 2**62):
        # four bits run at four times the rate
        assert hardware.break_even_sparsity("bitmask", MACHINE, batch) == 0.75
    for name in ("dense_bits", "bits"):
        for value in (0, -1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"^{name} must be positive and finite"):
                hardware.break_even_sparsity("bitmask", MACHINE, **{name: value})

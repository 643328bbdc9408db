"""Claims on the model of hardware: bytes, bit operations, and from which sparsity pruning is faster."""

import itertools

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, within
from theory.hardware import Layer, Machine, break_even_sparsity, layer_time

PAPER = "kuzmin"
MACHINE = Machine(bandwidth=2e12, rate=4e14)


def _ands(a: int, b: int, bits: int) -> tuple[int, int]:
    """Product of two unsigned numbers by long multiplication, and the ANDs it takes."""
    total = count = 0
    for i, j in itertools.product(range(bits), repeat=2):
        total += ((a >> i & 1) & (b >> j & 1)) << (i + j)
        count += 1
    return total, count


def bit_operations(run, power=2, factor=1.0):
    """ANDs of long multiplication, counted over a layer, beside b^power; and the gain of INT4 over INT8."""
    counted = {}
    rng = np.random.default_rng(run.seed)
    for bits in (8, 4, 2):
        w, x = rng.integers(0, 2**bits, (3, 5)), rng.integers(0, 2**bits, 5)
        counted[bits] = 0
        for row in w:
            for a, b in zip(row.tolist(), x.tolist(), strict=True):
                product, count = _ands(a, b, bits)
                assert product == a * b
                counted[bits] += count
        model = Layer(3, 5, value_bits=bits, activation_bits=bits)
        target = factor * model.multiply_adds * bits**power
        yield within(f"{bits} bits, counted", counted[bits], target, 1e-9)
    yield within("INT8 over INT4", counted[8] / counted[4], factor * 2**power, 1e-9)


def one_token(run, batch=1, factor=1.0):
    """Time of 16-bit weights over that of packed ones, beside the ratio of their bytes; seconds counted."""
    rows, columns = 4096, 4096
    dense = layer_time(Layer(rows, columns, batch), MACHINE)
    counted = 2 * (rows * columns + batch * (rows + columns)) / 2e12  # two bytes a number
    yield within("16 bits: seconds over bytes / bandwidth", dense / counted, 1.0, 1e-12)
    many = layer_time(Layer(rows, columns, 10_000, stored_bits=8, value_bits=8), MACHINE)
    counted = rows * columns * 10_000 / (2 * 4e14)  # at twice the rate of 16 bits
    yield within("INT8, 10,000 inputs: seconds over arithmetic / rate", many / counted, 1.0, 1e-12)
    for name, bits, value in (("INT8", 8, 8), ("INT4 g128", 4.125, 16), ("2:4, 16 bits", 9.0, 16)):
        packed = layer_time(Layer(rows, columns, batch, stored_bits=bits, value_bits=value), MACHINE)
        yield within(name, dense / packed, factor * 16 / bits, 0.01 * 16 / bits)


def pruning_pays(run, mask=1.0, factor=1.0):
    """Break-even sparsity of 16-bit weights behind a bitmask with dense INT4, by both times scanned."""
    c = np.linspace(0, 0.99999, 100_000)
    for batch, expected in ((1, 0.8125), (100_000, 0.75)):
        times = np.maximum((mask + 16 * (1 - c)) / 8 / 2e12, (1 - c) * batch / 4e14)
        dense = max(4 / 8 / 2e12, batch / (4 * 4e14))
        scanned = float(c[np.flatnonzero(times <= dense)[0]])
        model = break_even_sparsity("bitmask", MACHINE, batch)
        yield within(f"{batch:,} inputs, scanned", scanned, factor * expected, 1e-4)
        yield within(f"{batch:,} inputs, in closed form", model, scanned, 1e-4)


CLAIMS = (
    Claim(
        id="ku.bit_operations",
        title="From INT8 to INT4 is a factor of 4 in bit operations",
        paper=PAPER,
        place="hardware section",
        statement=r"\frac{b_w b_a}{b_w' b_a'} = \frac{8 \cdot 8}{4 \cdot 4} = 4",
        hypotheses="One AND for every pair of bits of a weight and an activation, counted.",
        mark="paper",
        check=bit_operations,
        twins=(Twin("linear in the width", {"power": 1}), Twin("0.1 % more", {"factor": 1.001})),
        figure="hardware_roofline",
        constant=Constant("the bit operations"),
    ),
    Claim(
        id="ku.memory_bound",
        title="One token at a time, a layer is faster by what it is smaller",
        paper=PAPER,
        place="hardware section; roofline model",
        statement=r"t_{16}/t_b = 16/b",
        hypotheses="4,096 x 4,096 weights, one input, 2 TB/s, $4 \\cdot 10^{14}$ multiply-adds per second; "
        "activations counted: within 1 %. In seconds: bytes over bandwidth; at 10,000 inputs arithmetic "
        "over rate.",
        mark="derived",
        check=one_token,
        twins=(Twin("1,000 tokens at a time", {"batch": 1000}), Twin("2 % more", {"factor": 1.02})),
        figure="hardware_roofline",
        constant=Constant("the ratio of bits"),
    ),
    Claim(
        id="ku.pruning_pays",
        title="Masked 16-bit weights keep up with dense INT4 from 81 % zeros on, in large batches from 75 %",
        paper=PAPER,
        place="hardware section",
        statement=r"c \ge 1 - \tfrac{4 - 1}{16} = 0.8125 \text{ (memory)},\quad c \ge 1 - \tfrac{4}{16}"
        r" = 0.75 \text{ (arithmetic)}",
        hypotheses="One mask bit per weight, zeros skipped without overhead, arithmetic as fast as narrow: "
        "INT4 at 4 times the rate of 16 bits.",
        mark="derived",
        check=pruning_pays,
        twins=(Twin("the mask not counted", {"mask": 0.0}), Twin("0.1 % more zeros", {"factor": 1.001})),
        figure="hardware_roofline",
        constant=Constant("the sparsity"),
    ),
)

r"""What hardware makes of compressed weights: bytes moved, operations, and where each of them sets the time.

A layer of m x n weights meets B inputs. With b bits per stored weight (scales, masks and indices counted,
:mod:`theory.storage`) and a bits per activation

    bytes moved        m n b / 8 + B (m + n) a / 8
    multiply-adds      m n B, or the kept share (1 - c) of them where zeros are skipped
    bit operations     multiply-adds times b_w b_a: one AND for every pair of bits

and the roofline model [1] takes the larger of bytes / bandwidth and multiply-adds / rate: one token is
bound by memory, a large batch by arithmetic; they meet at B* = rate b / (8 bandwidth) inputs.

**Consequences.** Bound by memory, time is proportional to stored bits: INT4 is 4 times as fast as 16 bits,
and pruning pays from the sparsity on at which it is *smaller* (:func:`theory.storage.break_even_sparsity`).
Bound by arithmetic, a kept weight costs `overhead` >= 1 times a dense one (decoding, irregular access), so
that pruning beats dense arithmetic of r times the rate from 1 - 1 / (r overhead) on, whatever it stores;
and without skipping it never does. A pruned file that is stored densely is neither smaller nor faster.

References
----------
.. [1] Williams, Waterman & Patterson, "Roofline: an insightful visual performance model", CACM 52:65, 2009.
.. [2] Kuzmin et al., NeurIPS 2023, hardware section: bit operations, masks, zero skipping.
"""

import math
from dataclasses import dataclass
from typing import Any

from theory import storage
from theory.arguments import positive, share_of_zeros, whole


@dataclass(frozen=True)
class Machine:
    """What the roofline needs to know.

    Attributes
    ----------
    bandwidth
        Bytes per second between memory and processor.
    rate
        Multiply-adds per second of 16-bit numbers.
    exponent
        Arithmetic of b bits runs (16 / b)^exponent times as fast: 1 for units whose width is shared out
        (8-bit at twice the rate), 2 for bit operations, 0 where weights are widened before they multiply.
    """

    bandwidth: float
    rate: float
    exponent: float = 1.0

    def __post_init__(self) -> None:
        for name, unit in (("bandwidth", "bytes per second"), ("rate", "multiply-adds per second")):
            object.__setattr__(self, name, positive(name, getattr(self, name), unit))
        if not 0 <= self.exponent <= 2:
            raise ValueError(f"exponent must lie from 0 to 2, got {self.exponent!r}")
        object.__setattr__(self, "exponent", float(self.exponent))

    def rate_of(self, bits: float) -> float:
        """Multiply-adds per second of `bits`-bit weights; wider ones than 16 bits are slower.

        Examples
        --------
        >>> Machine(1e9, 1e10).rate_of(8)
        20000000000.0
        """
        return self.rate * (16 / positive("bits", bits)) ** self.exponent


@dataclass(frozen=True)
class Layer:
    """A layer's weights as stored, and the inputs it meets at a time.

    Attributes
    ----------
    fan_out, fan_in, batch
        m, n, B.
    stored_bits
        Of one weight, metadata counted.
    value_bits
        Of the numbers that are multiplied.
    sparsity
        Share of weights whose multiplication is skipped.
    overhead
        Cost of a multiply-add that is not skipped, over that of dense arithmetic.
    activation_bits
        Of inputs and outputs.
    """

    fan_out: int
    fan_in: int
    batch: int = 1
    stored_bits: float = 16.0
    value_bits: float = 16.0
    sparsity: float = 0.0
    overhead: float = 1.0
    activation_bits: float = 16.0

    def __post_init__(self) -> None:
        for name in ("fan_out", "fan_in", "batch"):
            object.__setattr__(self, name, whole(name, getattr(self, name), 1))
        for name in ("stored_bits", "value_bits", "activation_bits"):
            object.__setattr__(self, name, positive(name, getattr(self, name), "bits"))
        object.__setattr__(self, "sparsity", share_of_zeros(self.sparsity))
        if not 1 <= self.overhead < math.inf:
            raise ValueError(f"overhead must be a finite number of at least 1, got {self.overhead!r}")
        object.__setattr__(self, "overhead", float(self.overhead))

    @property
    def weights(self) -> int:
        """m n."""
        return self.fan_out * self.fan_in

    @property
    def bytes_moved(self) -> float:
        """m n b / 8 + B (m + n) a / 8.

        Examples
        --------
        >>> Layer(4096, 4096, stored_bits=4).bytes_moved
        8404992.0
        """
        activations = self.batch * (self.fan_out + self.fan_in)
        return (self.weights * self.stored_bits + activations * self.activation_bits) / 8

    @property
    def multiply_adds(self) -> float:
        """Those that are not skipped."""
        return self.weights * self.batch * (1 - self.sparsity)

    @property
    def bit_operations(self) -> float:
        """Multiply-adds times b_w b_a.

        Examples
        --------
        >>> wide, narrow = (Layer(8, 8, value_bits=b, activation_bits=b) for b in (8, 4))
        >>> wide.bit_operations / narrow.bit_operations
        4.0
        """
        return self.multiply_adds * self.value_bits * self.activation_bits


def layer_time(layer: Layer, machine: Machine) -> float:
    """max(bytes / bandwidth, overhead multiply-adds / rate), in seconds.

    Examples
    --------
    >>> machine = Machine(bandwidth=1e12, rate=1e14)
    >>> dense, four = Layer(4096, 4096), Layer(4096, 4096, stored_bits=4, value_bits=4)
    >>> round(layer_time(dense, machine) / layer_time(four, machine), 2)
    3.99
    """
    arithmetic = layer.overhead * layer.multiply_adds / machine.rate_of(layer.value_bits)
    return max(layer.bytes_moved / machine.bandwidth, arithmetic)


def crossover_batch(machine: Machine, stored_bits: float = 16.0, value_bits: float | None = None) -> float:
    """Inputs from which on a large layer is bound by arithmetic: B* = rate b / (8 bandwidth).

    Weights decide alone: activations are left out, which raise it.

    Examples
    --------
    >>> crossover_batch(Machine(bandwidth=1e12, rate=1e14)), crossover_batch(Machine(1e12, 1e14), 4)
    (200.0, 200.0)
    """
    value_bits = stored_bits if value_bits is None else value_bits
    return (
        machine.rate_of(value_bits)
        * float(positive("stored_bits", stored_bits, "bits"))
        / 8
        / machine.bandwidth
    )


def break_even_sparsity(
    scheme: str,
    machine: Machine,
    batch: int = 1,
    dense_bits: float = 4.0,
    bits: float = 16.0,
    *,
    skip: bool = True,
    overhead: float = 1.0,
    **options: Any,
) -> float:
    """Sparsity from which on pruned weights take no longer than dense ones; nan where none is enough.

    Both times per weight, of large layers: a pruned weight moves bits_per_weight(scheme, c, bits) / 8 bytes
    and costs (1 - c) overhead multiply-adds of `bits` bits (all of them without `skip`), a dense one
    `dense_bits`.

    Parameters
    ----------
    scheme
        "bitmask", "csr", "run-length" or "entropy".
    batch
        Inputs at a time.
    dense_bits, bits
        Of the dense alternative; of one kept value.
    options
        As for :func:`theory.storage.bits_per_weight`.

    Examples
    --------
    >>> machine = Machine(bandwidth=1e12, rate=1e14)
    >>> break_even_sparsity("bitmask", machine), break_even_sparsity("bitmask", machine, batch=10_000)
    (0.8125, 0.75)
    >>> break_even_sparsity("bitmask", machine, batch=10_000, overhead=4.0)
    0.9375
    """
    batch = whole("batch", batch, 1)
    if not 1 <= overhead < math.inf:
        raise ValueError(f"overhead must be a finite number of at least 1, got {overhead!r}")
    dense_bits = float(positive("dense_bits", dense_bits, "bits"))
    bits, overhead = float(positive("bits", bits, "bits")), float(overhead)
    time = max(dense_bits / 8 / machine.bandwidth, batch / machine.rate_of(dense_bits))
    room = min(8 * machine.bandwidth * time, 2.0**52)  # bits moved meanwhile; more are never short
    small = storage.break_even_sparsity(scheme, room, bits, **options)
    arithmetic = overhead * batch / machine.rate_of(bits)  # per weight, none skipped
    if arithmetic <= time:
        return small
    return max(small, 1 - time / arithmetic) if skip else math.nan

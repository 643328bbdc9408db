"""A network's tensors as one: squared errors and signals add, decibels do not.

    SNR of the network = 10 log10( sum_t |W_t|^2 / sum_t |W_t - F(W_t)|^2 )

A mean of decibels says nothing about any network: one tensor without loss lifts it by as much as one likes.
The verdict rests on the pooled ratio; means, median and the worst tensor stand beside it.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sims.support.output import plain
from theory.snr import decibel, equal_sparsity, noise_snr
from theory.snr.ratio import RESOLUTION

SNAP, CUT, EITHER = "snap", "cut", "either"
LOSSLESS = decibel(1.0, RESOLUTION)  # 150 dB, for an infinite ratio beside finite ones in a mean


@dataclass(frozen=True)
class Signal:
    """Energy of a tensor, sum of w^2 = mantissa * 4^exponent: large squares leave double precision.

    Examples
    --------
    >>> Signal.of(3e200, 2).exponent > 600
    True
    """

    mantissa: float
    exponent: int = 0

    @classmethod
    def of(cls, value: float, count: int = 1) -> "Signal":
        """The energy of `count` weights of magnitude `value`."""
        mantissa, exponent = math.frexp(value)
        return cls(count * mantissa**2, exponent)


def error_shares(signals: Sequence[Signal], ratios: Sequence[float]) -> tuple[list[float], float]:
    """Share of every tensor in the summed squared error, and the SNR (dB) of all of them together.

    Parameters
    ----------
    signals, ratios
        Energy of each tensor, and its own SNR in dB (inf where nothing is lost).

    Returns
    -------
    Shares that sum to 1 (all 0 where no tensor loses anything), and the pooled SNR; nan of no tensors.

    Examples
    --------
    >>> shares, ratio = error_shares([Signal(1.0), Signal(1.0), Signal(2.0)], [20.0, math.inf, 20.0])
    >>> [round(share, 3) for share in shares], round(ratio, 3)
    ([0.333, 0.0, 0.667], 21.249)
    """
    if not signals:
        return [], math.nan
    top = max((one.exponent for one in signals if one.mantissa), default=0)
    energies = [math.ldexp(one.mantissa, 2 * max(one.exponent - top, -1000)) for one in signals]
    errors = [energy * 10 ** (-ratio / 10) for energy, ratio in zip(energies, ratios, strict=True)]
    signal, error = math.fsum(energies), math.fsum(errors)
    shares = [one / error if error else 0.0 for one in errors]
    return shares, noise_snr(error / signal) if signal else math.inf


def pooled(signals: Sequence[Signal], ratios: Sequence[float]) -> float:
    """SNR (dB) of tensors together: summed signal over summed squared error.

    Examples
    --------
    >>> round(pooled([Signal(1.0), Signal(99.0)], [math.inf, 20.0]), 4)
    20.0436
    """
    return error_shares(signals, ratios)[1]


def mean(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Mean weighted by sizes; infinite where every value is, otherwise infinities count as `LOSSLESS`.

    Examples
    --------
    >>> mean([1, 3], [10.0, 20.0]), mean([1], [math.inf]), mean([1, 1], [math.inf, 50.0])
    (17.5, inf, 100.0)
    """
    if all(value == math.inf for value in values):  # also of none
        return math.inf if sizes else math.nan
    return sum(n * min(x, LOSSLESS) for n, x in zip(sizes, values, strict=True)) / sum(sizes)


@dataclass(frozen=True)
class Spread:
    """How one method's ratios (dB) are spread over the tensors.

    Attributes
    ----------
    mean, equal_mean
        Weighted by numbers of weights, and not weighted; tensors without loss count as `LOSSLESS`.
    median, worst
        Median and least ratio.
    worst_tensor
        Name of the tensor of the least ratio.
    largest_share, largest_tensor
        The tensor that holds most of the squared error, and its share of it.
    """

    mean: float
    equal_mean: float
    median: float
    worst: float
    worst_tensor: str
    largest_share: float
    largest_tensor: str

    @classmethod
    def of(
        cls, names: Sequence[str], sizes: Sequence[int], signals: Sequence[Signal], ratios: Sequence[float]
    ) -> "Spread":
        """The spread of `ratios` over the tensors of these names, sizes and energies; at least one."""
        shares, _ = error_shares(signals, ratios)
        worst = min(range(len(ratios)), key=ratios.__getitem__)
        largest = max(range(len(shares)), key=shares.__getitem__)
        return cls(
            mean=mean(sizes, ratios),
            equal_mean=mean([1] * len(ratios), ratios),
            median=statistics.median(ratios),
            worst=ratios[worst],
            worst_tensor=names[worst],
            largest_share=shares[largest],
            largest_tensor=names[largest],
        )

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return plain(vars(self))


@dataclass(frozen=True)
class Total:
    """A network at one width.

    Attributes
    ----------
    quantization, pruning
        Pooled SNR in dB: summed signal over summed squared error.
    quantization_spread, pruning_spread
        The single tensors' ratios.
    snapped, cut
        Share of the weights in tensors where quantization wins, and where pruning does.
    wins, losses, tensors
        How many tensors quantization wins and pruning wins, of how many.
    zeros
        Share of all weights that the quantizers round to zero.
    """

    bits: int
    quantization: float
    pruning: float
    quantization_spread: Spread
    pruning_spread: Spread
    snapped: float
    cut: float
    wins: int
    losses: int
    tensors: int
    zeros: float

    @property
    def winner(self) -> str:
        """ "snap" or "cut", by the pooled ratios; "either" where they are equal."""
        return winner(self.quantization, self.pruning)

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        found = {
            "bits": self.bits,
            "sparsity": equal_sparsity(self.bits),
            "quantization_snr": self.quantization,
            "pruning_snr": self.pruning,
            "verdict": self.winner,
            "quantization": self.quantization_spread.as_dict(),
            "pruning": self.pruning_spread.as_dict(),
            "snapped_weights": self.snapped,
            "cut_weights": self.cut,
            "quantization_wins": self.wins,
            "pruning_wins": self.losses,
            "tensors": self.tensors,
            "natural_zeros": self.zeros,
        }
        return plain(found)


def winner(quantization: float, pruning: float) -> str:
    """ "snap" or "cut", the method with the larger ratio; "either" where both are equal (say, infinite).

    Examples
    --------
    >>> winner(19.3, 5.6), winner(5.0, math.inf), winner(math.inf, math.inf)
    ('snap', 'cut', 'either')
    """
    if quantization == pruning:
        return EITHER
    return SNAP if quantization > pruning else CUT

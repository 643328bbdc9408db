"""The table of a network's tensors: ratios, winners, formats, and what to do in one sentence."""

import math
import re
from dataclasses import dataclass, field

from sims.support.output import plain
from sims.weights import formats
from sims.weights.network import CUT, EITHER, SNAP, Signal, Spread, Total, error_shares, mean, pooled, winner
from theory.snr import equal_sparsity

_OTHER = re.compile(r"(?<= )'.*'")  # the tensor that a copy is a copy of
PLAIN_SHARE = 0.9  # of a file's bytes; a verdict on less says so


@dataclass(frozen=True)
class TensorRow:
    """One tensor's signal-to-noise ratios.

    Attributes
    ----------
    name, shape, size
        Of the tensor; size is its number of weights.
    kurtosis
        Fourth central moment over the squared variance; nan for a constant.
    peak
        Largest magnitude over the root mean square.
    quantization, pruning
        SNR in dB by bit width; pruning at sparsity 1 - bits/16.
    zeros
        Share of weights the quantizer rounds to zero, by bit width.
    signal
        Energy, the sum of squares.
    nbytes
        Bytes it takes in the file.
    note
        Where the values come from, such as "dequantized from int8, one scale".
    stored
        The tensor in every format, by stored bits (where `analyse` was asked for formats).
    """

    name: str
    shape: tuple[int, ...]
    size: int
    kurtosis: float
    peak: float
    quantization: dict[int, float]
    pruning: dict[int, float]
    zeros: dict[int, float]
    signal: Signal
    nbytes: int = 0
    note: str = ""
    stored: tuple[formats.Stored, ...] = ()

    def best(self, budget: float) -> formats.Stored | None:
        """The format with the most signal within `budget` stored bits per weight, metadata counted."""
        return formats.best(self.stored, budget)

    def winner(self, bits: int) -> str:
        """ "snap" or "cut" at a width; "either" where both ratios are equal (say, infinite)."""
        return winner(self.quantization[bits], self.pruning[bits])

    @property
    def verdict(self) -> str:
        """ "snap", "cut", or which at which widths: "cut at 2-3, snap at 4-8"."""
        return _widths([(bits, self.winner(bits)) for bits in self.quantization])

    def as_dict(self) -> dict:
        """Plain values, ready for JSON; infinite ratios become None."""
        found = {
            "name": self.name,
            "shape": self.shape,
            "size": self.size,
            "kurtosis": self.kurtosis,
            "peak": self.peak,
            "quantization_snr": self.quantization,
            "pruning_snr": self.pruning,
            "natural_zeros": self.zeros,
            "verdict": self.verdict,
            "note": self.note,
            "formats": [one.as_dict() for one in self.stored],
        }
        return plain(found)


@dataclass
class Table:
    """What :func:`analyse` found.

    Attributes
    ----------
    bits, rows
        Widths, and what was judged.
    skipped
        Names that were not judged, with their reasons.
    total_bytes
        Of every array of the file, judged or not.
    part
        Says so where the file is a part of a network.
    planned, seen
        How many tensors there are to judge, and how many have been looked at.
    """

    bits: tuple[int, ...]
    rows: list[TensorRow] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    total_bytes: int = 0
    part: str = ""
    planned: int = 0
    seen: int = 0

    @property
    def size(self) -> int:
        """Number of weights analysed."""
        return sum(row.size for row in self.rows)

    @property
    def share_of_bytes(self) -> float:
        """Share of the file's bytes that the verdict rests on; nan of no bytes."""
        return sum(row.nbytes for row in self.rows) / self.total_bytes if self.total_bytes else math.nan

    def format_means(self) -> list[formats.Stored]:
        """Every format over the whole network: mean stored bits, and the pooled SNR (dB)."""
        names = [one.name for one in self.rows[0].stored] if self.rows else []
        sizes, signals = [row.size for row in self.rows], [row.signal for row in self.rows]
        by_name = [{one.name: one for one in row.stored} for row in self.rows]
        found = []
        for name in names:
            stored = [row[name] for row in by_name]
            ratio = pooled(signals, [one.snr for one in stored])
            found.append(formats.Stored(name, mean(sizes, [one.bits for one in stored]), ratio))
        dense = {f"own zeros + {one.name}": one.bits for one in found} | {"own zeros": 16}
        gains = [one for one in found if one.bits < dense.get(one.name, math.inf)]
        return sorted(gains, key=lambda one: one.bits)

    def best_format(self, budget: float) -> str:
        """One sentence: the format for the whole network within `budget` stored bits per weight, and why."""
        chosen = formats.best(self.format_means(), budget)
        if chosen is None:
            return f"No format fits into {budget:g} bits per weight."
        winners = [row.best(budget) for row in self.rows]
        wins = sum(one is not None and one.name == chosen.name for one in winners)
        sentence = (
            f"Within {budget:g} bits per weight {chosen.name} keeps the most signal: {_decibels(chosen.snr)} "
            f"of the network at {chosen.bits:.3g} stored bits, best for {wins} of {len(self.rows)} tensors"
        )
        pruned = [
            one
            for one in self.format_means()
            if one.name.startswith(("prune", "own zeros")) or ":" in one.name
        ]
        other = formats.best(pruned, budget)
        if other is not None and other.name != chosen.name:
            sentence += f"; the best with zeros, {other.name}, keeps {_decibels(other.snr)}"
        return sentence + "."

    def lines(self, budget: float | None = None) -> list[dict[str, str]]:
        """One dict of printable cells per tensor: name, weights, kurtosis, "SNR quantized / pruned" in dB per
        width, verdict, best format; the network as a whole comes last.
        """
        found = []
        for row in self.rows:
            line = {"tensor": row.name, "weights": f"{row.size:,}", "kurtosis": f"{row.kurtosis:.1f}"}
            for bits in self.bits:
                line[f"{bits} bits"] = f"{row.quantization[bits]:.1f} / {row.pruning[bits]:.1f}"
            line["verdict"] = row.verdict
            if budget is not None and row.stored:
                one = row.best(budget)
                line[f"best within {budget:g} bits"] = f"{one.name} ({one.snr:.1f} dB)" if one else "none"
            found.append(line)
        if found:
            whole = dict.fromkeys(found[0], "")
            whole |= {"tensor": "network, errors summed", "weights": f"{self.size:,}"}
            totals = self.totals()
            for total in totals:
                whole[f"{total.bits} bits"] = f"{total.quantization:.1f} / {total.pruning:.1f}"
            found.append(whole | {"verdict": self.verdict})
        return found

    def skipped_lines(self) -> list[str]:
        """One line per reason: how many were skipped, why, and the first names."""
        names: dict[str, list[str]] = {}
        for name, reason in self.skipped.items():
            names.setdefault(_OTHER.sub("another", reason), []).append(name)
        return [
            f"skipped {len(found)} ({reason}): {', '.join(found[:3])}{', ...' if len(found) > 3 else ''}"
            for reason, found in names.items()
        ]

    def totals(self) -> list[Total]:
        """One :class:`Total` per width."""
        return [self._total(bits) for bits in self.bits] if self.rows else []

    def _total(self, bits: int) -> Total:
        names, sizes = [row.name for row in self.rows], [row.size for row in self.rows]
        signals, winners = [row.signal for row in self.rows], [row.winner(bits) for row in self.rows]
        quantization = [row.quantization[bits] for row in self.rows]
        pruning = [row.pruning[bits] for row in self.rows]
        snapped, cut = (
            sum(size for size, one in zip(sizes, winners, strict=True) if one == side) / self.size
            for side in (SNAP, CUT)
        )
        return Total(
            bits,
            pooled(signals, quantization),
            pooled(signals, pruning),
            Spread.of(names, sizes, signals, quantization),
            Spread.of(names, sizes, signals, pruning),
            snapped=snapped,
            cut=cut,
            wins=winners.count(SNAP),
            losses=winners.count(CUT),
            tensors=len(winners),
            zeros=mean(sizes, [row.zeros[bits] for row in self.rows]),
        )

    @property
    def verdict(self) -> str:
        """The network's: "snap", "cut", or which at which widths, by summed errors."""
        return _widths([(total.bits, total.winner) for total in self.totals()])

    @property
    def partial(self) -> bool:
        """Whether tensors were still to be judged when this table was taken."""
        return self.seen < self.planned

    def middle(self) -> Total:
        """The network at the width on which the verdict rests: the one nearest to 4 bits."""
        return self._total(min(self.bits, key=lambda bits: abs(bits - 4)))

    def recommendation(self) -> str:
        """The whole network in one sentence, with its reason: pooled errors decide."""
        if not self.rows:
            return "Nothing to judge: no tensor has enough floating-point weights."
        totals, middle = self.totals(), self.middle()
        pruned = f"pruning {percent(equal_sparsity(middle.bits))}"
        if middle.winner == EITHER:
            return f"Either: at {middle.bits} bits quantization and {pruned} lose the same."
        sides = [
            ("Snap", "quantization", middle.quantization, middle.wins),
            ("Cut", pruned, middle.pruning, middle.losses),
        ]
        (verdict, better, kept, wins), (_, worse, less, _) = sides if middle.winner == SNAP else sides[::-1]
        sentence = (
            f"{verdict}: at {middle.bits} bits {better} keeps {_decibels(kept)} of the network and {worse} "
            f"{_decibels(less)}{', and' if 2 * wins >= middle.tensors else ', although it'} wins "
            f"{'' if 2 * wins >= middle.tensors else 'only '}{wins} of {middle.tensors} tensors"
        )
        others = [total.bits for total in totals if total.winner not in (middle.winner, EITHER)]
        if others:
            other = "pruning" if middle.winner == SNAP else "quantization"
            sentence += f"; {other} is better at {', '.join(map(str, others))} bits"
        return sentence + "."

    def distribution(self) -> str:
        """One sentence on single tensors under the method recommended: worst, median, share of the error."""
        if not self.rows:
            return ""
        middle = self.middle()
        cut = middle.winner == CUT
        spread = middle.pruning_spread if cut else middle.quantization_spread
        sentence = (
            f"Of its tensors the worst keeps {_decibels(spread.worst)} ({spread.worst_tensor}), "
            f"the median {_decibels(spread.median)}"
        )
        if spread.largest_share:
            sentence += f"; {percent(spread.largest_share)} of the error is in {spread.largest_tensor}"
        return sentence + "."

    def basis(self) -> str:
        """One sentence: the share of the bytes that the verdict rests on, plainly where it is small."""
        share = self.share_of_bytes
        if math.isnan(share):
            return ""
        if self.partial:
            return f"So far the verdict rests on {percent(share)} of the file's bytes."
        if share >= PLAIN_SHARE:
            return f"The verdict rests on {percent(share)} of the file's bytes."
        return (
            f"Note: the verdict rests on only {percent(share)} of the file's bytes; "
            "what was left out, and why, is listed above."
        )

    def sentences(self) -> list[str]:
        """The verdict, its spread over tensors, its basis; and plainly where it is only a part."""
        found = [one for one in (self.recommendation(), self.distribution(), self.basis(), self.part) if one]
        notes = sum(bool(row.note.startswith("dequantized")) for row in self.rows)
        if notes:
            found.append(
                f"{notes} of {len(self.rows)} tensors were already quantized: their SNR is relative to that."
            )
        long = [row.name for row in self.rows if len(row.shape) == 1]
        if long and len(long) < len(self.rows):
            found.append(
                f"Vectors too long for biases, judged as flattened matrices: {len(long)}, such as {long[0]}."
            )
        if self.partial:
            found.append(f"Partial: {self.seen} of {self.planned} tensors were judged.")
        return found

    def news(self) -> str:
        """How things stand while tensors are judged, in a few words."""
        if not self.rows:
            return f"{self.seen} of {self.planned} tensors"
        middle = self.middle()
        sides = f"{_decibels(middle.quantization)} / {_decibels(middle.pruning)}"
        return f"{self.seen} of {self.planned} tensors: {middle.winner}, {sides} at {middle.bits} bits"

    def network(self) -> dict:
        """The network's verdict and the pooled ratios behind it, ready for JSON."""
        totals = self.totals() if self.rows else []
        found = {
            "quantization_snr": {total.bits: total.quantization for total in totals},
            "pruning_snr": {total.bits: total.pruning for total in totals},
            "verdict": self.middle().winner if self.rows else None,
            "verdict_bits": self.middle().bits if self.rows else None,
            "share_of_bytes": self.share_of_bytes,
        }
        return plain(found)

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        tensors = [row.as_dict() for row in self.rows]
        signals = [row.signal for row in self.rows]
        for method in ("quantization", "pruning"):
            for bits in self.bits:
                shares, _ = error_shares(signals, [getattr(row, method)[bits] for row in self.rows])
                for one, share in zip(tensors, shares, strict=True):
                    one.setdefault(f"share_of_{method}_error", {})[str(bits)] = share
        return {
            "bits": list(self.bits),
            "network": self.network(),
            "tensors": tensors,
            "totals": [total.as_dict() for total in self.totals()],
            "formats": [one.as_dict() for one in self.format_means()],
            "skipped": self.skipped,
            "recommendation": self.recommendation(),
            "partial": self.partial,
        }


def _widths(winners: list[tuple[int, str]]) -> str:
    """ "snap", or which at which widths: "cut at 2-3, snap at 4-8"."""
    runs: list[tuple[str, int, int]] = []
    for bits, name in sorted(winners):
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1], bits)
        else:
            runs.append((name, bits, bits))
    if len(runs) == 1:
        return runs[0][0]
    return ", ".join(f"{name} at {low}" + (f"-{high}" if high > low else "") for name, low, high in runs)


def percent(share: float, digits: int = 3) -> str:
    """A share in percent.

    Examples
    --------
    >>> percent(0.75), percent(0.12345, 2)
    ('75 %', '12 %')
    >>> percent(1.0, 2), percent(0.998)
    ('100 %', '99.8 %')
    """
    exact = 100 * share
    return "100 %" if f"{exact:.{digits}g}" in ("100", "1e+02") else f"{exact:.{digits}g} %"


def _decibels(ratio: float) -> str:
    return "everything" if ratio == math.inf else f"{ratio:.1f} dB"

"""The table of a network's tensors: ratios, winners, formats, and what to do in one sentence."""

import math
from dataclasses import dataclass, field

from sims.support.output import plain
from sims.weights import formats
from theory.snr import decibel, equal_sparsity
from theory.snr.ratio import RESOLUTION

SNAP, CUT, EITHER = "snap", "cut", "either"
LOSSLESS = decibel(1.0, RESOLUTION)  # 150 dB, for an infinite ratio beside finite ones in a mean


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
    stored: tuple[formats.Stored, ...] = ()

    def best(self, budget: float) -> formats.Stored | None:
        """The format with the most signal within `budget` stored bits per weight, metadata counted."""
        return formats.best(self.stored, budget)

    def winner(self, bits: int) -> str:
        """ "snap" or "cut" at a width; "either" where both ratios are equal (say, both infinite)."""
        difference = self.quantization[bits] - self.pruning[bits]
        if math.isnan(difference) or difference == 0:
            return EITHER
        return SNAP if difference > 0 else CUT

    @property
    def verdict(self) -> str:
        """ "snap", "cut", or which at which widths: "cut at 2-3, snap at 4-8"."""
        runs: list[tuple[str, int, int]] = []
        for bits in sorted(self.quantization):
            winner = self.winner(bits)
            if runs and runs[-1][0] == winner:
                runs[-1] = (winner, runs[-1][1], bits)
            else:
                runs.append((winner, bits, bits))
        if len(runs) == 1:
            return runs[0][0]
        return ", ".join(f"{name} at {low}" + (f"-{high}" if high > low else "") for name, low, high in runs)

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
            "formats": [one.as_dict() for one in self.stored],
        }
        return plain(found)


@dataclass(frozen=True)
class Total:
    """Means over a network's tensors at one width, weighted by their numbers of weights.

    Attributes
    ----------
    quantization, pruning
        Mean SNR in dB, tensors without loss as in `LOSSLESS`.
    snapped, cut
        Share of the weights in tensors where quantization wins, and where pruning does.
    wins, tensors
        How many tensors quantization wins, of how many.
    zeros
        Share of all weights that the quantizers round to zero.
    """

    bits: int
    quantization: float
    pruning: float
    snapped: float
    cut: float
    wins: int
    tensors: int
    zeros: float

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        found = {
            "bits": self.bits,
            "sparsity": equal_sparsity(self.bits),
            "quantization_snr": self.quantization,
            "pruning_snr": self.pruning,
            "snapped_weights": self.snapped,
            "cut_weights": self.cut,
            "quantization_wins": self.wins,
            "tensors": self.tensors,
            "natural_zeros": self.zeros,
        }
        return plain(found)


@dataclass
class Table:
    """What :func:`analyse` found: `rows`, and the names it `skipped` with their reasons."""

    bits: tuple[int, ...]
    rows: list[TensorRow] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of weights analysed."""
        return sum(row.size for row in self.rows)

    def format_means(self) -> list[formats.Stored]:
        """Every format over the whole network: stored bits and SNR (dB), means weighted by weights."""
        names = [one.name for one in self.rows[0].stored] if self.rows else []
        found = []
        sizes = [row.size for row in self.rows]
        for name in names:
            stored = [next(one for one in row.stored if one.name == name) for row in self.rows]
            bits = _mean(sizes, [one.bits for one in stored])
            found.append(formats.Stored(name, bits, _mean(sizes, [one.snr for one in stored])))
        return sorted(found, key=lambda one: one.bits)

    def best_format(self, budget: float) -> str:
        """One sentence: the format for the whole network within `budget` stored bits per weight, and why."""
        chosen = formats.best(self.format_means(), budget)
        if chosen is None:
            return f"No format fits into {budget:g} bits per weight."
        winners = [row.best(budget) for row in self.rows]
        wins = sum(one is not None and one.name == chosen.name for one in winners)
        sentence = (
            f"Within {budget:g} bits per weight {chosen.name} keeps the most signal: {_decibels(chosen.snr)} "
            f"in the mean at {chosen.bits:.3g} stored bits, best for {wins} of {len(self.rows)} tensors"
        )
        pruned = [one for one in self.format_means() if one.name.startswith("prune") or ":" in one.name]
        other = formats.best(pruned, budget)
        if other is not None and other.name != chosen.name:
            sentence += f"; the best with zeros, {other.name}, keeps {_decibels(other.snr)}"
        return sentence + "."

    def lines(self, budget: float | None = None) -> list[dict[str, str]]:
        """One dict of printable cells per tensor: name, weights, kurtosis, "SNR quantized / pruned" in dB per
        width, verdict, best format; the mean over the network comes last.
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
            mean = dict.fromkeys(found[0], "") | {
                "tensor": "mean, weighted by size",
                "weights": f"{self.size:,}",
            }
            for total in self.totals():
                mean[f"{total.bits} bits"] = f"{total.quantization:.1f} / {total.pruning:.1f}"
            found.append(mean)
        return found

    def skipped_lines(self) -> list[str]:
        """One line per reason: how many were skipped, why, and the first names."""
        names: dict[str, list[str]] = {}
        for name, reason in self.skipped.items():
            names.setdefault(reason, []).append(name)
        return [
            f"skipped {len(found)} ({reason}): {', '.join(found[:3])}{', ...' if len(found) > 3 else ''}"
            for reason, found in names.items()
        ]

    def totals(self) -> list[Total]:
        """One :class:`Total` per width."""
        return [self._total(bits) for bits in self.bits]

    def _total(self, bits: int) -> Total:
        sizes = [row.size for row in self.rows]
        shares = {
            winner: sum(row.size for row in self.rows if row.winner(bits) == winner) / max(1, self.size)
            for winner in (SNAP, CUT)
        }
        return Total(
            bits=bits,
            quantization=_mean(sizes, [row.quantization[bits] for row in self.rows]),
            pruning=_mean(sizes, [row.pruning[bits] for row in self.rows]),
            snapped=shares[SNAP],
            cut=shares[CUT],
            wins=sum(row.winner(bits) == SNAP for row in self.rows),
            tensors=len(self.rows),
            zeros=_mean(sizes, [row.zeros[bits] for row in self.rows]),
        )

    def recommendation(self) -> str:
        """The whole network in one sentence, with its reason."""
        if not self.rows:
            return "Nothing to judge: no tensor has enough floating-point weights."
        totals = self.totals()
        middle = min(totals, key=lambda total: abs(total.bits - 4))
        quantized, pruned = "quantization", f"pruning {_percent(equal_sparsity(middle.bits))}"
        if middle.snapped == middle.cut == 0:
            return f"Either: at {middle.bits} bits {quantized} and {pruned} are equal on every tensor."
        losing = [total.bits for total in totals if total.snapped < total.cut]
        snap = middle.snapped >= middle.cut
        better, worse = (quantized, pruned) if snap else (pruned, quantized)
        wins = f"{middle.wins} of {middle.tensors} tensors and {_percent(middle.snapped)} of the weights"
        ahead = middle.quantization - middle.pruning if snap else middle.pruning - middle.quantization
        if ahead > 0:
            lead = "loses nothing" if ahead == math.inf else f"is {ahead:.1f} dB above {worse} in the mean"
            sentence = f"at {middle.bits} bits {better} {lead}"
            sentence += f" and wins {wins}" if snap else f", and quantization wins only {wins}"
        else:
            sentence = (
                f"at {middle.bits} bits quantization wins {'' if snap else 'only '}{wins}, "
                f"although {worse} is {-ahead:.1f} dB above {better} in the mean"
            )
        sentence = ("Snap: " if snap else "Cut: ") + sentence
        if losing and len(losing) < len(totals):
            sentence += f"; pruning holds most weights better at {', '.join(map(str, losing))} bits"
        return sentence + "."

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        return {
            "bits": list(self.bits),
            "tensors": [row.as_dict() for row in self.rows],
            "totals": [total.as_dict() for total in self.totals()],
            "formats": [one.as_dict() for one in self.format_means()],
            "skipped": self.skipped,
            "recommendation": self.recommendation(),
        }


def _mean(sizes: list[int], values: list[float]) -> float:
    """Mean weighted by sizes; infinite where every value is, otherwise infinities count as `LOSSLESS`."""
    if not sizes or all(value == math.inf for value in values):
        return math.inf if sizes else math.nan
    return sum(n * min(x, LOSSLESS) for n, x in zip(sizes, values, strict=True)) / sum(sizes)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _decibels(ratio: float) -> str:
    return "everything" if ratio == math.inf else f"{ratio:.1f} dB"

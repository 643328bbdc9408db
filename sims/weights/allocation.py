"""A format for every tensor within a budget of stored bits, so that the network loses least.

The objective is the summed squared error of the weights or, where Gram matrices of a tensor's inputs are
given, of its outputs. :mod:`sims.weights.knapsack` finds the choice and proves how far from the best one it
may be; :mod:`theory.allocation` has the limits beside it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sims.support.output import plain
from sims.support.powers import times_power
from sims.weights import formats
from sims.weights.axes import rows_of
from sims.weights.encoding import encode
from sims.weights.formats import EVERY, Stored
from sims.weights.knapsack import Choice, choose
from sims.weights.scales import Values
from sims.weights.table import Table
from theory.allocation import water_filling_snr
from theory.arguments import positive
from theory.formats import FORMATS, Format
from theory.snr import decibel
from theory.snr.ratio import HIGH_PRECISION

KEPT = "as it is"


@dataclass(frozen=True)
class Allocation:
    """Formats of a network's tensors within a budget.

    Attributes
    ----------
    formats
        {tensor: format}; "as it is" where its 16 bits are kept.
    sizes, stored_bits
        Weights of every tensor, and its bits per weight as stored.
    budget, bits_per_weight
        As asked for, and as spent; metadata counted.
    error
        Summed squared error over summed energy.
    gap
        (error - proved lower bound) / error: 0 where no other choice among these formats is better.
    price
        Error (over the energy) that one more bit per weight would save, at the margin.
    uniform, uniform_error
        The best single format for all tensors, and its error; "" and nan where none fits.
    limit
        SNR in dB that no code of independent Gaussian weights of these variances exceeds; nan for outputs.
    objective
        "weights" or "outputs".
    """

    formats: dict[str, str]
    sizes: dict[str, int]
    stored_bits: dict[str, float]
    budget: float
    bits_per_weight: float
    error: float
    gap: float
    price: float
    uniform: str
    uniform_error: float
    limit: float
    objective: str = "weights"

    @property
    def snr(self) -> float:
        """SNR in dB, all tensors pooled."""
        return decibel(1.0, self.error)

    @property
    def gain(self) -> float:
        """dB above the best single format; nan where none fits, 0 where both lose nothing."""
        if self.error == self.uniform_error:
            return 0.0
        return decibel(self.uniform_error, self.error) if self.uniform else math.nan

    def as_dict(self) -> dict:
        """Plain values, ready for JSON."""
        tensors = [
            {"name": name, "format": form, "size": self.sizes[name], "stored_bits": self.stored_bits[name]}
            for name, form in self.formats.items()
        ]
        return plain(
            {
                "objective": self.objective,
                "budget": self.budget,
                "bits_per_weight": self.bits_per_weight,
                "snr": self.snr,
                "error": self.error,
                "gap": self.gap,
                "price": self.price,
                "uniform": {"format": self.uniform, "snr": decibel(1.0, self.uniform_error)},
                "gain": self.gain,
                "limit_snr": self.limit,
                "tensors": tensors,
            }
        )

    def lines(self) -> list[dict]:
        """A dict of printable cells per tensor, most bits first."""
        order = sorted(self.formats, key=lambda name: -self.stored_bits[name])
        return [
            {"tensor": name, "weights": f"{self.sizes[name]:,}", "format": self.formats[name],
             "stored bits": self.stored_bits[name]}
            for name in order
        ]  # fmt: skip

    def sentence(self) -> str:
        """What it gains, in one sentence."""
        spent = f"{self.bits_per_weight:.4g} bits per weight keep {self.snr:.2f} dB of the {self.objective}"
        beside = (
            f", {self.gain:.2f} dB more than {self.uniform} for all"
            if self.uniform
            else ", no single format fits"
        )
        proof = (
            "no choice is better" if self.gap == 0 else f"at most {100 * self.gap:.2g} % of the error to gain"
        )
        return f"Formats by tensor within {self.budget:g} bits: {spent}{beside}; {proof}."


def allocate(
    arrays: Mapping[str, np.ndarray],
    bits_per_weight: float,
    grams: Mapping[str, np.ndarray] | None = None,
    formats: Sequence[Format] | None = None,
) -> Allocation:
    """The format of every tensor for which the network loses least within a budget.

    Parameters
    ----------
    arrays
        {name: weights}, rows are output channels.
    bits_per_weight
        Budget over all these tensors, scales and masks counted. Originals count as 16 bits.
    grams
        {name: X'X of the tensor's inputs}, (fan_in, fan_in), for every tensor: then errors of outputs count.
    formats
        To choose from, beside the original: all of them and integers with a scale per channel, or those of
        ``theory.formats.FORMATS`` where outputs count.

    Raises
    ------
    ValueError
        A budget below the cheapest formats or above 16 bits, a tensor that cannot be stored, a Gram matrix
        that does not fit.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = allocate({"loud": rng.normal(size=(64, 64)), "quiet": rng.normal(size=(64, 64)) / 30}, 4.0)
    >>> found.stored_bits["loud"] > found.stored_bits["quiet"], found.gain > 3, found.gap
    (True, True, 0.0)
    """
    if not arrays:
        raise ValueError("arrays must hold at least one tensor")
    found: dict[str, list[Stored]] = {}
    energies: dict[str, tuple[float, int]] = {}
    for name, array in arrays.items():
        array = np.asarray(array)
        try:
            prepared = Values(array)
        except (ValueError, TypeError) as error:
            raise type(error)(f"tensor {name[:100]!r} cannot be stored: {error}") from None
        if grams is None:
            found[name] = _compare(array, EVERY if formats is None else formats, prepared)
            energies[name] = prepared.energy, 2 * prepared.exponent
        else:
            if name not in grams:
                raise ValueError(
                    f"grams must hold a matrix for every tensor; there is none for {name[:100]!r}"
                )
            found[name], energy = _compare_outputs(name, array, formats or FORMATS, prepared, grams[name])
            energies[name] = energy, 2 * prepared.exponent
    sizes = {name: int(np.asarray(array).size) for name, array in arrays.items()}
    # squares may leave double precision; zeros have no unit
    top = max((exponent for energy, exponent in energies.values() if energy), default=0)
    relative = {name: math.ldexp(energy, exponent - top) for name, (energy, exponent) in energies.items()}
    return allocate_stored(found, sizes, relative, bits_per_weight, "weights" if grams is None else "outputs")


def _compare(array: np.ndarray, forms: Sequence[Format], prepared: Values) -> list[Stored]:
    return formats.compare(array, forms, prepared)


def _compare_outputs(
    name: str, array: np.ndarray, forms: Sequence[Format], prepared: Values, gram: np.ndarray
) -> tuple[list[Stored], float]:
    """SNR of the outputs in every format, and their energy."""
    matrix = array.reshape(array.shape[0], -1)  # inputs in the order of the array, as in `gram`
    rows, gram = times_power(matrix.astype(np.float64), -prepared.exponent), np.asarray(gram, np.float64)
    columns = rows.shape[1]
    if gram.shape != (columns, columns) or not np.isfinite(gram).all():
        raise ValueError(
            f"the Gram matrix of {name[:90]!r} must be {columns} x {columns}, all finite, got {gram.shape}"
        )
    unit, energy = Values(rows), float(np.sum(rows @ gram * rows))
    stored = []
    for form in forms:
        error = rows - rows_of(encode(rows, form, unit))
        noise = float(np.sum(error @ gram * error)) / energy if energy > 0 else 0.0
        stored.append(Stored(form.name, form.stored_bits_in_rows(columns), decibel(1.0, noise)))
    return stored, energy


def allocate_stored(
    found: Mapping[str, Sequence[Stored]],
    sizes: Mapping[str, int],
    energies: Mapping[str, float],
    bits_per_weight: float,
    objective: str = "weights",
) -> Allocation:
    """:func:`allocate` where the SNR of every tensor in every format is known already.

    Parameters
    ----------
    found
        {tensor: its formats}, of :func:`sims.weights.formats.compare`.
    sizes, energies
        Weights, and summed squares (in any common unit) that the ratios refer to, by tensor.
    """
    budget = float(positive("bits_per_weight", bits_per_weight, "stored bits per weight"))
    if budget > HIGH_PRECISION:
        raise ValueError(f"bits_per_weight must be at most {HIGH_PRECISION}, the original's, got {budget:g}")
    names, weights = list(found), sum(sizes[name] for name in found)
    largest = max(energies[name] for name in names)
    total = math.fsum(energies[name] / largest for name in names) if largest > 0 else 1.0
    options = {name: [*found[name], Stored(KEPT, HIGH_PRECISION, math.inf)] for name in names}
    costs = {name: [round(one.bits * sizes[name]) for one in options[name]] for name in names}
    errors = {
        name: [
            (energies[name] / largest / total if largest > 0 else 0.0) * _noise(one) for one in options[name]
        ]
        for name in names
    }
    room = math.floor(budget * weights + 1e-9)
    cheapest = sum(min(costs[name]) for name in names)
    if cheapest > room:
        raise ValueError(
            f"bits_per_weight must be at least {cheapest / weights:.4g}, what the cheapest formats of these "
            f"tensors take, got {budget:g}"
        )
    choice = choose([costs[name] for name in names], [errors[name] for name in names], room)
    picked = {name: options[name][k] for name, k in zip(names, choice.picked, strict=True)}
    uniform, uniform_error = _uniform(options, costs, errors, room)
    limit = math.nan
    if objective == "weights" and largest > 0:
        variances = [energies[name] / largest / sizes[name] for name in names]
        limit = water_filling_snr(variances, budget, [sizes[name] for name in names])
    return Allocation(
        formats={name: one.name for name, one in picked.items()},
        sizes={name: sizes[name] for name in names},
        stored_bits={name: float(one.bits) for name, one in picked.items()},
        budget=budget,
        bits_per_weight=choice.cost / weights,
        error=choice.error,
        gap=choice.gap,
        price=choice.price * weights,
        uniform=uniform,
        uniform_error=uniform_error,
        limit=limit,
        objective=objective,
    )


def allocate_table(table: Table, bits_per_weight: float) -> Allocation:
    """:func:`allocate` for a table of :func:`sims.weights.judge.judged` with every format."""
    top = max(row.signal.exponent for row in table.rows)
    return allocate_stored(
        {row.name: row.stored for row in table.rows},
        {row.name: row.size for row in table.rows},
        {row.name: math.ldexp(row.signal.mantissa, 2 * (row.signal.exponent - top)) for row in table.rows},
        bits_per_weight,
    )


def _noise(one: Stored) -> float:
    return 0.0 if one.snr == math.inf else 10 ** (-one.snr / 10)


def _uniform(options: dict, costs: dict, errors: dict, room: int) -> tuple[str, float]:
    """The single format that all tensors can have within the budget, with the least error."""
    cost: dict[str, int] = {}
    error: dict[str, float] = {}
    count: dict[str, int] = {}
    for name, stored in options.items():
        for one, c, e in zip(stored, costs[name], errors[name], strict=True):
            cost[one.name] = cost.get(one.name, 0) + c
            error[one.name] = error.get(one.name, 0.0) + e
            count[one.name] = count.get(one.name, 0) + 1
    fits = [form for form in cost if count[form] == len(options) and cost[form] <= room]
    best = min(fits, key=lambda form: (error[form], cost[form]), default="")
    return best, error.get(best, math.nan)


__all__ = ["Allocation", "Choice", "allocate", "allocate_stored", "allocate_table"]

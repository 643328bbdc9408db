"""The ticket: a pruned random network beside its target; verified, run, written and read."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sims.lottery import masks as masks_
from sims.lottery.masks import Block, Draw
from sims.lottery.network import check_network, exact_product, integer_inputs, network_outputs, reduce_outputs
from sims.support.files import atomic_write
from theory.lottery import predicted_failures, samples_needed

_FORMAT = "snapcut.ticket.1"
_HEADER = (
    "max_value", "samples", "seed", "construction", "law", "signed_inputs", "retries", "reduced_from",
    "rounding", "allotment",
)  # fmt: skip
_TILE = 1 << 22  # entries of a drawn matrix held at a time


class Failure(NamedTuple):
    """A target weight that no subset of its candidates represents."""

    layer: int
    row: int
    column: int
    weight: int


@dataclass
class Layer:
    """One target layer inside the drawn network: a pair of matrices, or one matrix read from copies."""

    first: Draw | None  # matrix A of a pair; None where the layer reads copies of its inputs directly
    second: Draw
    fan_in: int  # of the target layer
    rows: int  # of the second matrix: copies times the target's fan_out
    copies: int  # rows per target unit
    drawn: int  # hidden units of the pair, or columns of the one matrix
    scale: int  # the layer's integer outputs are `scale` times the target's
    blocks: list[Block] = field(default_factory=list)

    @property
    def drawn_parameters(self) -> int:
        """Entries of the random matrices."""
        return self.rows * self.drawn + (self.drawn * self.fan_in if self.first else 0)

    @property
    def kept_parameters(self) -> int:
        """Entries the masks keep."""
        kept = sum(block.kept() for block in self.blocks)
        return kept + (sum(block.kept_units() for block in self.blocks) if self.first else 0)

    def effective(self) -> tuple[np.ndarray, np.ndarray]:
        """(P, N) of this layer, int64 (rows, fan_in): it computes P x+ - N x-."""
        sides = []
        for side in (1, -1):
            out = np.zeros((self.rows, self.fan_in), np.int64)
            for block in self.blocks:
                if (block.sides == side).any():
                    out += masks_.effective(block, self.second, side, self.fan_in, self.drawn)
            sides.append(side * out)  # N = B min(A, 0) = -(sum of B |A|)
        return sides[0], sides[1]

    def run(self, x: np.ndarray) -> np.ndarray:
        """Pass integers (samples, inputs) through the pruned matrices; no use is made of the target."""
        out = np.zeros((x.shape[0], self.rows), np.int64)
        for block in self.blocks:
            used = block.units >= 0
            if self.first:
                weight = (block.factors * block.sides[:, None])[used]
                hidden = np.maximum(x[:, np.repeat(block.inputs, block.counts)] * weight, 0)
                columns = np.zeros(block.units.shape, np.int64)
                columns[used] = np.arange(weight.size)
            else:
                hidden, columns = x, block.units
            tile = max(1, _TILE // max(1, hidden.shape[1]))
            for start, kept in masks_.kept_entries(
                block, self.second, columns, hidden.shape[1], self.drawn, tile
            ):
                out[:, start : start + kept.shape[0]] += exact_product(hidden, kept)
        return out


@dataclass
class Ticket:
    """A pruned random network beside the target it represents; made by `embed` or `load`.

    Attributes
    ----------
    failures
        List of Failure, empty when the ticket is the target.
    drawn_parameters, kept_parameters
        Entries of the random network, and those the masks keep.
    """

    weights: list[np.ndarray]
    max_value: int
    samples: int
    seed: int
    construction: str
    law: str
    signed_inputs: bool
    retries: int
    layers: list[Layer]
    failures: list[Failure] = field(default_factory=list)
    reduced_from: int = 1
    rounding: str = "truncate"
    allotment: str = "matched"

    @property
    def drawn_parameters(self) -> int:
        """Entries of all random matrices, hidden units of redraws included."""
        return sum(layer.drawn_parameters for layer in self.layers)

    @property
    def kept_parameters(self) -> int:
        """Entries that all masks together keep."""
        return sum(layer.kept_parameters for layer in self.layers)

    @property
    def overparameterization(self) -> float:
        """Drawn parameters per parameter of the target."""
        return self.drawn_parameters / sum(w.size for w in self.weights)

    @property
    def masks(self) -> list[np.ndarray]:
        """Boolean masks of the drawn matrices, in the order of the network's layers."""
        found = []
        for layer in self.layers:
            second = np.zeros((layer.rows, layer.drawn), bool)
            first = np.zeros((layer.drawn, layer.fan_in), bool)
            for block in layer.blocks:
                used = block.units >= 0
                second[:, block.units[used]] |= block.bits[:, used]
                first[block.units[used], np.repeat(block.inputs, block.counts)] = True
            if layer.first:
                found.append(first & np.any(second, axis=0)[:, None])
            found.append(second)
        return found

    def matrices(self) -> list[np.ndarray]:
        """The drawn integer matrices, whole: small networks only."""
        found = []
        for layer in self.layers:
            if layer.first:
                found.append(layer.first.matrix(layer.drawn, layer.fan_in))
            found.append(layer.second.matrix(layer.rows, layer.drawn))
        return found

    def effective(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Per target layer the integer matrices (B max(A, 0), B min(A, 0)), redrawn from the seed and masked.

        Shapes (rows, fan_in), in units of the target's grid step. In "depth_plus_one" there is one row per
        copy (a pruned copy is a row of zeros) and a layer that reads copies has its sums over the copies of
        an input in the first matrix. The second matrix is zero where no side for negative inputs was built.
        """
        return [
            (positive // layer.scale, negative // layer.scale)
            for layer in self.layers
            for positive, negative in [layer.effective()]
        ]

    def verify(self, inputs: np.ndarray | None = None, reduction: int = 1) -> bool:
        """Whether the pruned network is the target, for all inputs; and on `inputs`, output by output.

        The first part compares integers drawn again from the seed: P = W (and N = W where inputs can be
        negative) for every layer implies equality for every input, real or integer, and under any operator
        applied to the layers' outputs (see the module). A layer that reads copies must read good ones only.
        """
        if not all(self._identity()):
            return False
        if inputs is None:
            return True
        return np.array_equal(
            self.outputs(inputs, reduction), network_outputs(self.weights, inputs, reduction)
        )

    def _identity(self) -> list[bool]:
        verdicts = []
        good_columns = None
        for i, (layer, weights) in enumerate(zip(self.layers, self.weights, strict=True)):
            positive, negative = layer.effective()
            wanted = np.repeat(weights, layer.copies, axis=0) * layer.scale
            same = positive == wanted
            if i == 0 and self.signed_inputs:
                same &= negative == wanted
            good = np.all(same, axis=1)
            fine = bool(good.reshape(-1, layer.copies).any(axis=1).all())
            if layer.first is None and good_columns is not None:
                fine &= all(
                    good_columns[block.units[(block.units >= 0) & block.bits.any(axis=0)]].all()
                    for block in layer.blocks
                )
            good_columns = good
            verdicts.append(fine)
        return verdicts

    def outputs(self, inputs: np.ndarray, reduction: int = 1) -> np.ndarray:
        """Outputs (samples, fan_out) of the pruned network, through its own matrices, in exact integers.

        Parameters
        ----------
        inputs
            Integers (samples, fan_in); negative ones only if the ticket was made with `signed_inputs`.
        reduction
            After every target layer [.]_gamma keeps one grid point in `reduction` (`reduce_outputs`).
        """
        x = integer_inputs(inputs, self.weights[0].shape[1])
        if not self.signed_inputs and x.min(initial=0) < 0:
            raise ValueError(
                "inputs hold negative values, but the ticket was made for non-negative ones: "
                "embed with signed_inputs=True"
            )
        for i, layer in enumerate(self.layers):
            if i:
                x = np.maximum(x, 0)
            x = reduce_outputs(layer.run(x), reduction * layer.scale)
        return x

    def _advice(self) -> str:
        """What the law says about so few samples, where there is one for a whole network."""
        if self.law != "nonzero" or self.construction != "two_layer":
            return ""
        layers = [*self.weights, *self.weights[: int(self.signed_inputs)]]
        failed = predicted_failures(layers, self.max_value, self.samples, retries=self.retries)
        enough = samples_needed(layers, self.max_value, 0.01)
        return f" (failure probability {-math.expm1(-failed):.3g}; {enough} samples bring it under 0.01)"

    def save(self, path: str | Path) -> None:
        """Write seed and packed masks (safetensors). An incomplete ticket is refused."""
        if self.failures:
            raise ValueError(
                f"ticket is incomplete: {len(self.failures)} weights have no subset among "
                f"samples={self.samples}{self._advice()}; embed with more samples or with retries"
            )
        from safetensors.numpy import save

        tensors = {}
        shape = []
        for i, layer in enumerate(self.layers):
            shape.append({"drawn": layer.drawn, "copies": layer.copies, "blocks": len(layer.blocks)})
            for k, block in enumerate(layer.blocks):
                name = f"layer{i}.block{k}."
                tensors[name + "inputs"] = block.inputs
                tensors[name + "sides"] = block.sides
                tensors[name + "units"] = block.units
                tensors[name + "mask"] = np.packbits(
                    block.bits.reshape(layer.rows, -1), axis=1, bitorder="little"
                )
        header = {name: getattr(self, name) for name in _HEADER}
        data = save(
            tensors,
            {
                "format": _FORMAT,
                "generator": "philox4x32-10",
                "ticket": json.dumps(header),
                "layers": json.dumps(shape),
            },
        )
        with atomic_write(path, "wb") as file:
            file.write(data)


def load(path: str | Path, weights: Sequence[np.ndarray]) -> Ticket:
    """Read a saved ticket: the random network is redrawn from its seed, `weights` are the target to verify.

    Raises
    ------
    ValueError
        The file is not a ticket, or its masks are not masks of the network its seed names (a unit that keeps
        two inputs, a unit beyond the width, a shape that is not the target's).
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file: {error}") from None
    if header.get("format") != _FORMAT:
        raise ValueError(f"{path} is not a ticket: its format is {header.get('format')!r}, not {_FORMAT!r}")
    try:
        ticket = json.loads(header["ticket"])
        shapes = json.loads(header["layers"])
        return _read(ticket, shapes, tensors, weights, path)
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a whole ticket: {error!r}") from None


def _read(
    ticket: dict, shapes: list, tensors: dict, weights: Sequence[np.ndarray], path: str | Path
) -> Ticket:
    product, two = ticket["law"] == "product", ticket["construction"] == "two_layer"
    max_value = ticket["max_value"]
    targets = check_network(weights, max_value**2 if product and two else max_value, max_value)
    if len(shapes) != len(targets):
        raise ValueError(f"{path} holds {len(shapes)} layers but weights has {len(targets)}")
    law_of = (ticket["reduced_from"], ticket["rounding"] == "nearest")
    layers = []
    number = 0
    for i, (shape, target) in enumerate(zip(shapes, targets, strict=True)):
        first = None
        if i == 0 or two:
            first = (
                Draw(ticket["seed"], number, max_value, *law_of)
                if product
                else Draw(ticket["seed"], number, 1)
            )
            number += 1
        second = Draw(ticket["seed"], number, max_value, *law_of)
        number += 1
        layer = Layer(
            first, second, target.shape[1], target.shape[0] * shape["copies"], shape["copies"],
            shape["drawn"], max_value if product and not two and i == 0 else 1,
        )  # fmt: skip
        layer.blocks = [
            _read_block(tensors, f"layer{i}.block{k}.", layer, path) for k in range(shape["blocks"])
        ]
        units = np.concatenate([block.units[block.units >= 0] for block in layer.blocks])
        if np.unique(units).size != units.size:
            raise ValueError(f"{path}: layer {i} has a unit that keeps two inputs")
        layers.append(layer)
    return Ticket(weights=targets, layers=layers, **ticket)


def _read_block(tensors: dict, name: str, layer: Layer, path: str | Path) -> Block:
    inputs, sides, units = (tensors[name + key] for key in ("inputs", "sides", "units"))
    packed = tensors[name + "mask"]
    if (
        inputs.ndim != 1
        or sides.shape != inputs.shape
        or units.ndim != 2
        or units.shape[0] != inputs.size
        or packed.shape != (layer.rows, (units.size + 7) // 8)
        or (inputs.size and not 0 <= inputs.min() <= inputs.max() < layer.fan_in)
        or not np.isin(sides, (1, -1)).all()
    ):
        raise ValueError(f"{path}: the masks of {name[:-1]} do not have the shape of the target's layer")
    bits = np.unpackbits(packed, axis=1, count=units.size, bitorder="little").astype(bool)
    if units.max(initial=-1) >= layer.drawn:
        raise ValueError(f"{path}: {name[:-1]} names a unit beyond the width {layer.drawn}")
    empty = units < 0
    if bits[:, empty.ravel()].any() or (empty[:, :-1] & ~empty[:, 1:]).any():
        raise ValueError(f"{path}: the masks of {name[:-1]} keep entries of units that are not there")
    if layer.first:
        factors = masks_.kept_factors(layer.first, inputs, sides, units)
        if not factors.all():
            raise ValueError(f"{path}: a kept unit of {name[:-1]} has a weight of the wrong sign")
    else:
        factors = np.ones(units.shape, np.int32)
        copies = layer.drawn // layer.fan_in
        if not ((units < 0) | (units // copies == inputs[:, None])).all():
            raise ValueError(f"{path}: {name[:-1]} reads a copy of another input")
    words = masks_.words_from_bits(bits.reshape(layer.rows, *units.shape))
    return Block(inputs, sides, units, factors, words)

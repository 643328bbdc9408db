"""Real weights: judge every tensor of a checkpoint: snap (quantize) or cut (prune)?

    b bits and sparsity 1 - b/16 compress 16-bit weights equally; the method with the larger SNR_dB wins.

Quantization uses the integer grid of b bits at the certified best scale of the tensor, pruning removes the
smallest magnitudes; everything is computed in float64 whatever the precision of the file (in float16 the
squares of small weights vanish and fourth powers of large ones overflow).
"""

import contextlib
import functools
import hashlib
import itertools
import json
import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sims import checkpoints
from sims.checkpoints import Contents, Tensor, reasons
from sims.support import processes, progress
from sims.support.threads import in_order
from sims.weights import formats
from sims.weights.axes import rows_of
from sims.weights.kept import Judged, Kept
from sims.weights.network import Signal
from sims.weights.no_weights import is_mask, is_table_of_positions
from sims.weights.rotation import rotate
from sims.weights.scales import Values
from sims.weights.select import MIN_SIZE, Selection, select
from sims.weights.sources import in_memory, opened
from sims.weights.table import Table, TensorRow
from theory.snr import check_bits, decibel, equal_sparsity

_BUNDLE = 2**18  # weights judged in one call of a thread, some milliseconds
_SPARE = 2**26  # bytes that may be in use beside three times the largest tensor


def analyse(
    arrays: Mapping[str, np.ndarray] | np.ndarray,
    bits: int | Iterable[int] = range(2, 9),
    min_size: int = MIN_SIZE,
    *,
    every_format: bool = False,
) -> Table:
    """Signal-to-noise ratios of quantization and pruning for every tensor of a network.

    Parameters
    ----------
    arrays
        {name: array}, or one array. Weights are arrays of at least two dimensions and `min_size`
        elements; vectors (biases, normalisation) are judged where there is nothing else, or where they are
        too long to be such.
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
    arrays: Mapping[str, np.ndarray] | np.ndarray,
    bits: int | Iterable[int] = range(2, 9),
    min_size: int = MIN_SIZE,
    *,
    every_format: bool = False,
) -> Iterator[Table]:
    """The table of :func:`analyse` after every tensor that is judged, each time anew; the last is the whole.

    Examples
    --------
    >>> arrays = {name: np.random.default_rng(i).normal(size=(64, 64)) for i, name in enumerate("ab")}
    >>> [(len(table.rows), len(table.skipped)) for table in growing_table(arrays | {"c": np.zeros(9)}, [4])]
    [(1, 1), (2, 1), (2, 1)]
    """
    yield from judged(select(in_memory(arrays), min_size), bits, every_format=every_format)


def judged(
    selection: Selection,
    bits: int | Iterable[int] = range(2, 9),
    *,
    every_format: bool = False,
    rotated: bool = False,
    threads: int | None = None,
    kept: Kept | None = None,
    elsewhere: Callable[[list[Tensor], tuple[int, ...], bool], Iterator[Judged]] | None = None,
) -> Iterator[Table]:
    """The growing table of selected tensors, each read when its turn comes and let go afterwards.

    Rows in `kept` are taken from there, new ones put there; `elsewhere` judges tensors instead of the threads
    here: their results, in order.

    Tensors of equal contents count once. At most three times the bytes of the largest tensor (and 64 MB)
    are in use at a time, without formats; with `threads` above 1 tensors are judged side by side as far as
    that allows.
    """
    widths = widths_of(bits)
    table = Table(widths, skipped=dict(selection.skipped), total_bytes=selection.total_bytes)
    tensors = list(selection.tensors.values())
    table.planned = len(tensors)
    gate = _Gate(3 * max((tensor.nbytes for tensor in tensors), default=0) + _SPARE)
    seen: dict[tuple, str] = {}

    masks = len(tensors) > 1
    known = {tensor.name: kept.get(tensor) for tensor in tensors} if kept is not None else {}
    left = [tensor for tensor in tensors if known.get(tensor.name) is None]

    def keep(tensor: Tensor, found: Judged) -> Judged:
        if kept is not None:
            kept.put(tensor, found)
        return found

    def judge(tensor: Tensor) -> Judged:
        with gate.room(_needed(tensor, every_format)):
            found = judge_tensor(tensor, widths, every_format=every_format, masks=masks, rotated=rotated)
        return keep(tensor, found)

    fresh: Iterator[Judged] = (
        map(keep, left, elsewhere(left, widths, masks)) if elsewhere else _bundled(judge, left, threads)
    )
    with progress.bar(sum(tensor.nbytes for tensor in tensors), "weights") as advance:
        for tensor in tensors:
            found = known.get(tensor.name)
            if found is None:
                found = next(fresh)
            row, digest = found
            table.seen += 1
            first = seen.setdefault((tensor.shape, digest), tensor.name)
            if isinstance(row, str):
                table.skipped[tensor.name] = row
            elif first != tensor.name:
                table.skipped[tensor.name] = f"equal to {first!r}"
            else:
                table.rows.append(row)
            advance(tensor.nbytes, table.news)
            if table.rows and table.rows[-1].name == tensor.name:
                yield replace(table, rows=list(table.rows), skipped=dict(table.skipped))
    yield table


def _bundled(
    judge: Callable[[Tensor], Judged], tensors: list[Tensor], threads: int | None
) -> Iterator[Judged]:
    """judge(tensor) in order, small tensors a few at a time: to wake another thread costs as much as one."""

    def every(bundle: list[Tensor]) -> list[Judged | Exception]:
        found: list[Judged | Exception] = []
        try:
            found.extend(map(judge, bundle))
        except Exception as error:  # what came before it is of use
            found.append(error)
        return found

    bundles: list[list[Tensor]] = []
    size = _BUNDLE
    for tensor in tensors:
        size += tensor.size
        if size > _BUNDLE:
            bundles.append([])
            size = tensor.size
        bundles[-1].append(tensor)
    sizes = [sum(tensor.size for tensor in bundle) for bundle in bundles]
    for found in itertools.chain.from_iterable(in_order(every, bundles, threads, sizes)):
        if isinstance(found, Exception):
            raise found
        yield found


def _needed(tensor: Tensor, every_format: bool) -> int:
    """Bytes that judging takes: values as float32 or float64, a quarter of that for sums, and tables."""
    itemsize = 8 if tensor.dtype == "float64" else 4
    tables = 16 * min(tensor.size, 2**21)
    return int(tensor.size * (48 if every_format else 1.25 * itemsize)) + tables


class _Gate:
    """Lets work in as long as what it needs fits beside what is inside; always one of them."""

    def __init__(self, most: int) -> None:
        self.most, self.used, self.changed = most, 0, threading.Condition()

    def room(self, need: int) -> "_Room":
        return _Room(self, need)


class _Room:
    def __init__(self, gate: _Gate, need: int) -> None:
        self.gate, self.need = gate, need

    def __enter__(self) -> None:
        with self.gate.changed:
            self.gate.changed.wait_for(
                lambda: not self.gate.used or self.gate.used + self.need <= self.gate.most
            )
            self.gate.used += self.need

    def __exit__(self, *_: object) -> None:
        with self.gate.changed:
            self.gate.used -= self.need
            self.gate.changed.notify_all()


def judge_tensor(
    tensor: Tensor,
    widths: Sequence[int],
    *,
    every_format: bool = False,
    masks: bool = True,
    rotated: bool = False,
) -> Judged:
    """The row of one tensor, or why it has none; and a digest of its values.

    With `masks`, what holds zeros and ones only is one, and no weights; with `rotated`, weights are judged
    after a rotation of their inputs.
    """
    from sims.kernels.values import centred_kurtosis

    array = tensor.load()
    array = array[tuple(slice(0, 1) if step == 0 else slice(None) for step in array.strides)]  # expanded
    digest = _digest(array)
    try:
        flat = array.reshape(-1)
        mine = tensor.fresh or rotated
        if flat.dtype not in (np.float32, np.float64):
            flat, mine = flat.astype(np.float32 if flat.dtype == np.float16 else np.float64), True
        largest = max(-float(flat.min()), float(flat.max()))  # NaN stays NaN
        if not math.isfinite(largest):
            return "NaN or infinity", digest
        if masks and is_mask(flat):
            return "zeros and one other value: a mask", digest
        if masks and largest < 1.02 and is_table_of_positions(array):
            return reasons.TABLE, digest
        if rotated:
            try:
                flat = rotate(rows_of(array, tensor.axis)).reshape(-1)
            except ValueError as error:  # rows of one weight
                return str(error), digest
            largest = max(-float(flat.min()), float(flat.max()))
        exponent = math.frexp(largest)[1]
        kurtosis = float(centred_kurtosis(flat, math.ldexp(1.0, min(-exponent, 1000))))
        del array
        prepared = Values(flat, overwrite=mine)
        if prepared.energy == 0:
            return "all zeros: both methods are exact", digest
        row = _row(tensor, kurtosis, prepared, tuple(widths))
        if every_format:
            del prepared
            row = replace(row, stored=_formats(tensor, rotated))
        return row, digest
    except MemoryError:
        raise ValueError(f"tensor {tensor.name[:100]!r} does not fit in memory when it is judged") from None


def _formats(tensor: Tensor, rotated: bool) -> tuple[formats.Stored, ...]:
    rows = rows_of(tensor.load(), tensor.axis)
    return tuple(formats.compare(rotate(rows) if rotated else rows))


def _digest(array: np.ndarray) -> bytes:
    """A digest of the values in their order, equal for equal arrays."""
    found = hashlib.blake2b(str(array.dtype).encode(), digest_size=16)
    if array.flags.c_contiguous:
        found.update(array.reshape(-1).view(np.uint8).data if array.size else b"")
    else:
        for part in array:
            found.update(np.ascontiguousarray(part).tobytes())
    return found.digest()


def _row(tensor: Tensor, kurtosis: float, prepared: Values, widths: tuple[int, ...]) -> TensorRow:
    every = prepared.at_widths(widths, [equal_sparsity(bits) for bits in widths])
    found = dict(zip(widths, every, strict=True))
    return TensorRow(
        name=tensor.name,
        shape=tensor.shape,
        size=prepared.size,
        kurtosis=kurtosis,
        peak=prepared.peak,
        quantization={bits: one.quantized.snr for bits, one in found.items()},
        pruning={bits: decibel(1.0, one.pruned) for bits, one in found.items()},
        zeros={bits: one.zeros for bits, one in found.items()},
        signal=Signal(prepared.energy, prepared.exponent),
        nbytes=tensor.nbytes,
        note=tensor.note,
    )


def report(
    source: Any, bits: int | Iterable[int] = range(2, 9), *, every_format: bool = False, **choice
) -> Table:
    """Read a weight file and judge it, whatever cannot be judged left out with its reason.

    Parameters
    ----------
    source
        A file, a folder, an index, the name of a network at hand, or arrays in memory, see
        :func:`sims.weights.opened`.
    choice
        `include`, `exclude` and `axes` of :func:`sims.weights.select.select`.

    Raises
    ------
    ValueError
        The file cannot be read, or holds no tensor that can be judged.
    """
    contents = opened(source)
    (table,) = deque(growing_report(contents, bits, every_format=every_format, **choice), maxlen=1)
    return table


def growing_report(
    contents: Contents,
    bits: int | Iterable[int] = range(2, 9),
    *,
    every_format: bool = False,
    store: Path | None = None,
    scheduler: str | None = None,
    rotated: bool = False,
    **choice,
) -> Iterator[Table]:
    """The table of :func:`report` as it grows; `rotated` judges every tensor after a rotation of its inputs.

    Parameters
    ----------
    store
        Folder in which finished rows are kept; what is there already is not judged again.
    scheduler
        Address of a Dask cluster whose workers judge the tensors; they must see the same path.
    choice
        `include`, `exclude` and `axes` of :func:`sims.weights.select.select`.

    Raises
    ------
    ValueError
        Nothing in it can be judged.
    """
    widths = widths_of(bits)
    selection = select(contents, **choice)
    asked = [widths, every_format, rotated, len(selection.tensors) > 1]  # alone, a mask is judged, too
    kept = Kept(Path(store), contents.identity, asked) if store is not None else None
    with contextlib.ExitStack() as stack:
        elsewhere = None
        if scheduler is not None:
            if not contents.path:
                raise ValueError(f"{contents.file!r} is no path that the workers of a cluster could read")
            stack.enter_context(processes.cluster(scheduler, otherwise="without one this machine judges"))
            fixed = (contents.path, contents.identity, json.dumps(choice), every_format, rotated)

            def elsewhere(tensors: list[Tensor], widths: tuple[int, ...], masks: bool) -> Iterator[Judged]:
                calls = ((*fixed, tensor.name, widths, masks) for tensor in tensors)
                return processes.run(_judge_there, calls, -1, local=False)

        what: dict = {"every_format": every_format, "rotated": rotated, "kept": kept, "elsewhere": elsewhere}
        yield from _reported(contents, judged(selection, widths, **what))


def widths_of(bits: int | Iterable[int]) -> tuple[int, ...]:
    """Different widths in increasing order; one alone counts as a list of one.

    Examples
    --------
    >>> widths_of(4), widths_of([8, 2, 8])
    ((4,), (2, 8))
    >>> widths_of("4")
    Traceback (most recent call last):
    TypeError: bits must be a width or several, such as 4 or range(2, 9), got '4'
    """
    if isinstance(bits, str) or not isinstance(bits, (Iterable, int, np.integer)):
        raise TypeError(f"bits must be a width or several, such as 4 or range(2, 9), got {bits!r}")
    widths = tuple(sorted({check_bits(width) for width in (bits if isinstance(bits, Iterable) else [bits])}))
    if not widths:
        raise ValueError("bits must name at least one width")
    return widths


@functools.lru_cache(maxsize=2)
def _selection(path: str, identity: str, choice: str) -> Selection:
    """The selection of a network in a worker, which judges many of its tensors; of new files a new one."""
    return select(checkpoints.open_checkpoint(path), **json.loads(choice))


def _judge_there(
    path: str,
    identity: str,
    choice: str,
    every_format: bool,
    rotated: bool,
    name: str,
    widths: tuple[int, ...],
    masks: bool,
) -> Judged:
    """One tensor of a network, in a worker or on another machine."""
    tensor = _selection(path, identity, choice).tensors.get(name)
    if tensor is None:
        raise ValueError(f"tensor {name[:100]!r} is not in the file {path!r} as the worker sees it")
    return judge_tensor(tensor, widths, every_format=every_format, masks=masks, rotated=rotated)


def _reported(contents, growing: Iterator[Table]) -> Iterator[Table]:
    for table in growing:
        table.part = contents.part
        if not table.rows:  # only the whole table can be without
            reasons = "; ".join(f"{key}: {reason}" for key, reason in list(table.skipped.items())[:3])
            raise ValueError(f"{contents.file!r} holds no weights to judge ({reasons})")
        yield table

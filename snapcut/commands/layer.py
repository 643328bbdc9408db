"""`snapcut layer`."""

from pathlib import Path
from typing import Literal

from sims.support.output import emit, print_table, say
from snapcut import face
from snapcut.options import Json, array_of, check_targets, indices, unheard


def layer(
    *,
    weights: Path,
    inputs: list[Path] | None = None,
    gram: Path | None = None,
    data: str | None = None,
    kernel: int | None = None,
    stride: int = 1,
    padding: int = 0,
    bits: int | None = None,
    sparsity: float | None = None,
    bounds: bool = False,
    rows: str | None = None,
    columns: str | None = None,
    time_limit: float = 2.0,
    step: Literal["weights", "outputs", "joint"] = "weights",
    scale: float = 1.0,
    order: Literal["given", "norm", "random", "pivoted"] = "given",
    rule: Literal["mse", "max"] = "mse",
    per_neuron: bool = False,
    seed: int = 0,
    method: str | None = None,
    out: Path | None = None,
    json: Json = None,
) -> int:
    """Compress one layer by every method, errors beside bounds; or the best that any method can do.

    Parameters
    ----------
    weights
        W as .npy, shape (fan_out, fan_in), or (fan_out, channels, side, side) of a convolution; or a layer of
        a network at hand, which brings its inputs, such as digits:1, efficientnet:head or "minilm:0 query";
        with --data a layer of a file, such as tuned/networks/dense-digits-float.npz:layer2.
    inputs
        X as .npy, shape (samples, fan_in), (batch, tokens, fan_in), or with --kernel (batch, channels,
        height, width); may be given several times.
    gram
        X'X as .npy instead of the inputs.
    data
        Data set that the file's network reads (digits, mnist or a .npz file) instead of the inputs.
    kernel
        Side of the convolution that reads images, 1 for a pointwise one.
    stride
        Of that convolution.
    padding
        Zeros around its images.
    bits
        Quantize to this width (4 if no sparsity is given).
    sparsity
        Prune to this sparsity instead.
    bounds
        The best codes and the best masks of single rows, exactly or with a certified limit.
    rows
        With --bounds: rows like 0-7 or 3,5; eight spread evenly by default.
    columns
        With --bounds: columns like 0-35; the first 36 by default.
    time_limit
        With --bounds: seconds of search for a row.
    step
        With --bounds: the step of least squared error of the weights, the one of 36 at which descended codes
        lose least in the outputs, or the best one together with the codes (proved where the search ends).
    scale
        C of path following.
    order
        Order of the columns.
    rule
        Step of the grid: least squared error of the weights (some are clipped, and no bound covers those), or
        large enough to hold every weight.
    per_neuron
        A step for every row of W instead of one for all.
    seed
        Seed of the stochastic methods.
    method
        Only this method.
    out
        Write the compressed weights of --method to this .npy file.
    json
        Also write the rows to this file ("-" for stdout).
    """
    check_targets(json, out)
    import numpy as np

    from sims.networks.samples import as_samples
    from sims.support.files import atomic_write
    from sims.weights import AT_HAND

    if not inputs:
        unheard(
            "images given with --inputs", kernel=kernel is not None, stride=stride != 1, padding=padding != 0
        )
    if sparsity is not None or bounds:
        unheard("methods that quantize at a given step", rule=rule != "mse", per_neuron=per_neuron)
    if bounds:
        unheard(
            "the methods, not to --bounds",
            scale=scale != 1,
            order=order != "given",
            seed=seed != 0,
            method=method is not None,
            out=out is not None,
        )
    else:
        searched = {"rows": rows is not None, "columns": columns is not None}
        unheard("--bounds", **searched, time_limit=time_limit != 2, step=step != "weights")
    if out is not None and method is None:
        raise ValueError("--out writes the weights of one method: name it with --method")
    own = str(weights).partition(":")[0] in AT_HAND and not weights.exists()
    if own and (inputs or gram is not None):
        raise ValueError(f"{weights} brings its inputs: give it without --inputs and --gram")
    if data is not None and (inputs or gram is not None):
        raise ValueError("--data brings the inputs of a layer: give it without --inputs and --gram")
    own = own or data is not None
    if not own and (gram is None) == (not inputs):
        raise ValueError("give either --inputs or --gram, or --data for a layer of a network's file")
    w = str(weights) if own else array_of(weights, 2, 4)
    x = as_samples([array_of(path, 2, 3, 4) for path in inputs], kernel, stride, padding) if inputs else None
    g = None if gram is None else array_of(gram, 2)
    content: dict = {
        "weights": str(weights),
        "inputs": [str(path) for path in inputs or ()],
        "gram": gram and str(gram),
        "data": data,
    }
    chosen: dict
    if bounds:
        chosen = {
            "rows": None if rows is None else indices("--rows", rows),
            "columns": None if columns is None else indices("--columns", columns),
            "time_limit": time_limit,
            "step": step,
        }
    else:
        chosen = {
            "methods": None if method is None else [method],
            "scale": scale,
            "order": order,
            "rule": rule,
            "per_neuron": per_neuron,
            "seed": seed,
        }
    table = face.layer(w, x, gram=g, data=data, bits=bits, sparsity=sparsity, bounds=bounds, **chosen)
    if out is not None:
        with atomic_write(out, "wb") as file:
            np.save(file, table.source[0].weights)

    def show() -> None:
        print_table(table.rows, title=table.title)
        say(*table.notes)

    emit(json, content | table.to_dict(), show)
    return 130 if bounds and table.source.interrupted else 0

"""`snapcut weights`."""

from pathlib import Path
from typing import Literal

from sims.support.output import emit, print_table, say
from snapcut import face
from snapcut.options import Json, Patterns, axes, check_targets, widths


def weights(
    file: Path,
    *,
    bits: str = "2-8",
    within: float | None = None,
    allocate: float | None = None,
    rotate: bool = False,
    include: Patterns = (),
    exclude: Patterns = (),
    axis: Patterns = (),
    sort: Literal["margin", "kurtosis", "error"] | None = None,
    predict: bool = False,
    csv: Path | None = None,
    figure: Path | None = None,
    store: Path | None = None,
    scheduler: str | None = None,
    json: Json = None,
) -> int:
    """Snap or cut? Judge every tensor of a weight file, and the network as a whole.

    Parameters
    ----------
    file
        .npz, .npy, .safetensors, torch (.pt, .pth, .bin, .ckpt; torch is not needed), .onnx, .gguf or Keras
        (with their extras), by contents whatever the ending; a folder, or the index of its shards; or digits,
        efficientnet or minilm (the last two with their extras).
    bits
        Widths to compare: a range like 2-8, or a list like 2,4,8.
    within
        Also compare every number format and find the best within this many stored bits per weight.
    allocate
        Also choose a format for every tensor so that the network loses least within this many stored bits per
        weight, and say what that gains over one format for all.
    rotate
        Also judge every tensor after a randomized Hadamard rotation of its inputs.
    include
        Judge only tensors whose names match this pattern, \\* for anything; may be given several times.
    exclude
        Leave out tensors whose names match this pattern; may be given several times.
    axis
        Axis of the outputs, where the file does not say: a number for all tensors, or PATTERN=NUMBER.
    sort
        What comes first in the table: the least margin of quantization, the largest kurtosis, or the largest
        share of the error.
    predict
        Also say how often kurtosis alone, or a fitted Student-t law, would have named the winner.
    csv
        Also write every number of every tensor to this file.
    figure
        Also draw the tensors into this file (.png, .pdf or .svg).
    store
        Keep finished rows in this folder, and take those that are there: a run that ended early goes on.
    scheduler
        Judge on the Dask cluster at this address, such as tcp://host:8786, whose workers see the same path.
    json
        Also write the numbers to this file ("-" for stdout instead of the table); a name that ends in .jsonl
        gets a line per tensor as it is judged, and the network at the end.
    """
    check_targets(json, csv, figure, None if store is None else store / "rows")
    from sims import weights as own
    from sims.weights import layout, results

    if within is not None and not 0 < within < float("inf"):
        raise ValueError(f"--within must be a positive number of bits per weight, got {within:g}")
    if allocate is not None and not 0 < allocate <= 16:
        raise ValueError(
            f"--allocate must be a number of bits per weight above 0, at most 16, got {allocate:g}"
        )
    if figure is not None and figure.suffix not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--figure must end in .png, .pdf or .svg, got {str(figure)!r}")
    choice: dict = {"include": include, "exclude": exclude, "axes": axes(axis)}
    contents = own.opened(file)
    every = within is not None or allocate is not None
    growing = own.growing_report(
        contents,
        widths(bits),
        every_format=every,
        store=store,
        scheduler=scheduler,
        **choice,
    )
    table, interrupted = results.follow(growing, json if results.by_lines(json) else None)
    foretold, turned, allocation = [], None, None
    if predict:
        from sims.weights.prediction import lines

        foretold = lines(table)
    if allocate is not None:
        from sims.weights.allocation import allocate_table

        allocation = allocate_table(table, allocate)
    if rotate:
        turned, _ = results.follow(own.growing_report(contents, widths(bits), rotated=True, **choice), None)

    def show() -> None:
        print_table(layout.lines(table, sort, layout.terminal_width()), title=layout.title(table))
        say(*table.skipped_lines(), *table.sentences())
        if within is not None:
            print_table(
                [{"format": m.name, "stored bits": m.bits, "SNR (dB)": m.snr} for m in table.format_means()]
            )
            say(table.best_format(within))
        if turned is not None:
            gains = own.gain_lines(table, turned)
            print_table(gains, title="dB gained by a rotation of the inputs, quantized / pruned")
        if allocation is not None:
            print_table(allocation.lines(), title=f"Formats by tensor within {allocate:g} bits per weight")
            say(allocation.sentence())
        if predict:
            print_table(foretold, title="Share of tensors whose winner is named without quantizing")

    content = face.judged_network(table, file.name, within).to_dict()
    if turned is not None:
        rotated = turned.as_dict()
        kurtosis = {row["name"]: row["kurtosis"] for row in rotated["tensors"]}
        for row in content["tensors"]:
            row["kurtosis_rotated"] = kurtosis.get(row["name"])
        content |= {"rotated": rotated}
    if allocation is not None:
        content |= {"allocation": allocation.as_dict()}
    if predict:
        content |= {"prediction": foretold}
    if csv is not None:
        results.save_csv(table, csv)
    if figure is not None:
        from figures.weights_scatter import save_picture

        save_picture(table, file.name, figure)
    emit(None if results.by_lines(json) else json, content, show)
    return 130 if interrupted else 0

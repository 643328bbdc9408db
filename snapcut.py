"""The command line: parse, call, print.

Results go to stdout, progress to stderr (on a terminal only). Exit codes: 0 every verdict is the declared
one, 1 a claim refuted, 2 usage or bad input, 3 inconclusive, 70 an error of snapcut itself, 130 interrupted,
141 the reader of a pipe went away, 143 ended by SIGTERM. SNAPCUT_DEBUG=1 shows the traceback behind a
sentence. Everything heavy is imported inside the command that needs it: `snapcut --help` must answer at once.
"""

import signal
import sys

# Until `main` begins, Ctrl-C ends a command (not a program that imports this) as it ends any: in silence.
if (_IS_COMMAND := __name__ == "__main__" or sys.argv[0].endswith("/snapcut")) and (
    signal.getsignal(signal.SIGINT) is signal.default_int_handler
):
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import contextlib
import functools
import inspect
import os
import shlex
import warnings
from collections.abc import Callable, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from sims.support import interruption
from sims.support.files import check_target, naming
from sims.support.output import emit, print_table, say, show_warning, visible
from sims.support.spans import span

if TYPE_CHECKING:
    from paper_checks.claim import Measurement
    from paper_checks.registry import Judged

Budget = Literal["quick", "standard", "deep"]
Patterns = Annotated[tuple[str, ...], Parameter(negative=())]
Json = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]  # "-" is standard output

app = App(
    name="snapcut",
    version=lambda: __import__("importlib.metadata").metadata.version("snapcut"),
    help="Snap or cut? Check, draw and explore the theory of quantizing and pruning neural networks.",
)
simulate = App(name="simulate", help="Simulate one setting: the estimate, its interval, theory beside it.")
app.command(simulate)
app.register_install_completion_command(help="Let the shell complete commands and options (bash, zsh, fish).")


@functools.cache  # once: a program may call `main` again, and a command is registered only once
def _offer_simulations() -> None:
    """Make each simulation a command: its signature and docstring are the options and their help."""
    from sims.simulations import SIMULATIONS

    for name, function in SIMULATIONS.items():
        simulate.command(_simulation(function), name=name)


def _simulation(function: Callable) -> Callable:
    """The command that runs `function` and prints its rows."""

    @functools.wraps(function)
    def command(*, json: Json = None, **parameters) -> int:
        _check_targets(json)
        rows = [row.as_dict() for row in function(**parameters)]
        content = {"simulation": function.__name__, "parameters": parameters, "rows": rows}
        emit(json, content, lambda: print_table(rows))
        return 0

    signature = inspect.signature(function)
    named = [p.replace(kind=p.KEYWORD_ONLY) for p in signature.parameters.values()]
    json = inspect.Parameter("json", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Json)
    command.__signature__ = signature.replace(parameters=[*named, json])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in (*named, json)} | {"return": int}
    options = inspect.cleandoc(function.__doc__ or "")
    command.__doc__ = f'{options}\njson\n    Also write the rows to this file ("-" for stdout).\n'
    return command


@app.command
def check(
    *claim: str,
    list_: Annotated[bool, Parameter("--list", negative="")] = False,
    paper: str | None = None,
    budget: Budget = "quick",
    power: bool = False,
    sharpness: bool = False,
    verbose: bool = False,
    seed: str = "0",
    json: Json = None,
) -> int:
    """Check claims of the papers and print a verdict for each.

    Parameters
    ----------
    claim
        Ids of claims, or the beginnings of ids; all when none is named.
    list_
        Only say which claims there are, of which paper and place.
    paper
        Only claims of this paper: kumar-natale, zhang-saab or kuzmin.
    budget
        Number of trials: standard has 10 times those of quick, deep 100 times.
    power
        Also run every false version of each claim; all of them must be refuted.
    sharpness
        Also find, for every claim, the nearest factors on its stated constant that it refutes.
    verbose
        Show every measurement behind a verdict, not only the one that decided.
    seed
        A number, or "random" for a fresh one (it is printed with the verdicts).
    json
        Also write the verdicts to this file ("-" for stdout instead of the table).
    """
    _check_targets(json)
    from paper_checks import registry

    selected = registry.claims(claim, paper)
    if list_:
        listed = registry.listing(selected)
        emit(json, {"claims": listed}, lambda: print_table(listed))
        return 0
    judged = registry.check(selected, budget=budget, power=power, sharpness=sharpness, seed=_seed(seed))
    rows = [one.as_dict() for one in judged]

    def show() -> None:
        hidden = {"false version": not power, "refuted at": not sharpness}
        lines = [line for one in judged for line in (_measurement_rows if verbose else _verdict_rows)(one)]
        shown = [{k: v for k, v in line.items() if not hidden.get(k)} for line in lines]
        print_table(shown, marked=("verdict",))
        _print_summary(judged)

    emit(json, {"claims": rows, "error_budget": registry.family(judged)}, show)
    return registry.exit_code(judged)


@app.command
def figures(
    *name: str,
    list_: Annotated[bool, Parameter("--list", negative="")] = False,
    set_: Annotated[tuple[str, ...], Parameter("--set", negative="")] = (),
    width: float | None = None,
    out: Path = Path("report/figures"),
    budget: Budget = "quick",
    seed: int = 0,
    json: Json = None,
) -> int:
    """Draw figures: PNG, PDF, the data as CSV and a manifest each.

    Parameters
    ----------
    name
        Names of figures or their beginnings (snr_); all when none is named.
    list_
        Only say which figures there are, what of which paper they show, and what --set can change.
    set_
        A parameter of the figure as KEY=VALUE, like df=4 or bits=2,4,8; may be given several times.
    width
        Width in inches, as the figure is to stand on a page; type keeps its size (5.5 suits most papers).
    out
        Folder to write into.
    budget
        Number of trials behind each point.
    seed
        Seed of the random streams.
    json
        Also write the list of files to this file ("-" for stdout instead of the list).
    """
    _check_targets(json)
    from figures import build

    chosen = build.selected(name)
    if list_:
        rows = build.listing(chosen)
        emit(json, {"figures": rows}, lambda: print_table(rows))
        return 0
    build.check_targets(chosen, out)
    written: dict[str, list[str]] = {}

    def kept() -> str:
        rest = [one for one in chosen if one not in written]
        options = ["--out", out, "--budget", budget, "--seed", seed]
        options += [part for setting in set_ for part in ("--set", setting)]
        options += [] if width is None else ["--width", width]
        return f"{_count(written, 'figure')} in {out} kept; the rest: {_command('figures', *rest, *options)}"

    interruption.remember(kept)
    ready = build.build_all(chosen, budget, seed, settings=set_, width=width)
    for one in ready:  # each is whole on disk before the next is waited for
        written[one.name] = [str(path) for path in build.save(one, out)]
    emit(json, {"figures": written}, lambda: say(*(paths[0] for paths in written.values())))
    return 0


@app.command
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
        (with their extras), by contents whatever the ending; a folder, or the index of its shards; "digits"
        or "efficientnet" (with its extra).
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
    _check_targets(json, csv, figure, None if store is None else store / "rows")
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
    choice: dict = {"include": include, "exclude": exclude, "axes": _axes(axis)}
    contents = own.opened(file)
    every = within is not None or allocate is not None
    growing = own.growing_report(
        contents,
        _widths(bits),
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
        turned, _ = results.follow(own.growing_report(contents, _widths(bits), rotated=True, **choice), None)

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

    content = table.as_dict()
    if within is not None:
        content |= {"within": within, "best_format": table.best_format(within)}
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


@app.command
def ticket(
    *,
    network: str = "digits",
    bits: str = "4",
    samples: int | None = None,
    construction: Literal["two_layer", "depth_plus_one"] = "two_layer",
    retries: int | None = None,
    layers: bool = False,
    data: str | None = None,
    seed: int = 0,
    out: Path | None = None,
    json: Json = None,
) -> int:
    """Build the exact lottery ticket of a quantized ReLU network and verify it.

    Parameters
    ----------
    network
        "digits", or a weight file of a bias-free ReLU network.
    bits
        Width of the weights, 2-12; a range like 2-8 builds one ticket each.
    samples
        Usable candidates per weight; by default the fewest that are expected to do.
    construction
        Two layers per target layer, or depth plus one with copies.
    retries
        Times a failed weight is redrawn; every redraw is counted.
    layers
        Take every tensor of the file as a layer of its own (any architecture); failures are counted.
    data
        Test images for a network of a file: digits or mnist.
    seed
        Seed of the random network.
    out
        Save the ticket (seed and packed masks, .safetensors); one width only.
    json
        Also write the rows to this file ("-" for stdout).
    """
    _check_targets(json, out)
    from sims.lottery.real import checkpoint_rows, ticket_rows

    if layers:
        (width,) = _widths(bits)[:1]
        rows = checkpoint_rows(network, width, samples or 14, seed, retries=retries or 0)
        emit(json, {"network": network, "layers": rows}, lambda: print_table(rows))
        return 0
    rows = ticket_rows(network, _widths(bits), samples, seed, construction, retries, out=out, data=data)
    turned = [{"": name, **{f"{row['bits']} bits": row[name] for row in rows}} for name in rows[0]][1:]
    emit(json, {"network": network, "tickets": rows}, lambda: print_table(turned))
    return 0


@app.command
def layer(
    *,
    weights: Path,
    inputs: list[Path] | None = None,
    gram: Path | None = None,
    kernel: int | None = None,
    stride: int = 1,
    padding: int = 0,
    bits: int | None = None,
    sparsity: float | None = None,
    bounds: bool = False,
    rows: str | None = None,
    columns: str | None = None,
    time_limit: float = 2.0,
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
        W as .npy, shape (fan_out, fan_in), or (fan_out, channels, side, side) of a convolution.
    inputs
        X as .npy, shape (samples, fan_in), (batch, tokens, fan_in), or with --kernel (batch, channels,
        height, width); may be given several times.
    gram
        X'X as .npy instead of the inputs.
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
    _check_targets(json, out)
    import numpy as np

    from sims.networks.samples import as_samples
    from sims.path_following.layers import compare, remarks
    from sims.support.files import atomic_write

    if out is not None and method is None:
        raise ValueError("--out writes the weights of one method: name it with --method")
    if bits is None and sparsity is None:
        bits = 4
    if (gram is None) == (not inputs):
        raise ValueError("give either --inputs or --gram")
    w = _array(weights, 2, 4)
    w = w.reshape(len(w), -1)
    x = as_samples([_array(path, 2, 3, 4) for path in inputs], kernel, stride, padding) if inputs else None
    g = None if gram is None else _array(gram, 2)
    content: dict = {
        "weights": str(weights),
        "inputs": [str(path) for path in inputs or ()],
        "gram": gram and str(gram),
    }
    if bounds:
        return _layer_bounds(w, x, g, bits, sparsity, rows, columns, time_limit, content, json)
    if rows is not None or columns is not None:
        raise ValueError("--rows and --columns belong to --bounds")
    found = compare(
        w,
        x,
        gram=g,
        bits=bits,
        sparsity=sparsity,
        methods=None if method is None else [method],
        scale=scale,
        order=order,
        rule=rule,
        per_neuron=per_neuron,
        seed=seed,
    )
    if out is not None:
        with atomic_write(out, "wb") as file:
            np.save(file, found[0].weights)
    lines, notes = [row.as_dict() for row in found], remarks(found)
    content |= {"methods": lines, "notes": notes}

    def show() -> None:
        print_table(lines, title="error: |X(W - Q)|^2 / |XW|^2")
        say(*notes)

    emit(json, content, show)
    return 0


def _layer_bounds(w, x, g, bits, sparsity, rows, columns, time_limit, content: dict, json: Json) -> int:
    from sims.layer_bounds.report import layer_report

    found = layer_report(
        w,
        x,
        gram=g,
        bits=bits,
        sparsity=sparsity,
        rows=None if rows is None else _indices("--rows", rows),
        columns=None if columns is None else _indices("--columns", columns),
        time_limit=time_limit,
    )

    def show() -> None:
        print_table(found.lines(), title="Output SNR of the best codes and the best masks")
        say(*found.notes)

    emit(json, content | {"bounds": found.as_dict()}, show)
    return 130 if found.interrupted else 0


@app.command
def sweep(
    file: Path,
    *,
    out: Path | None = None,
    resume: bool = False,
    backend: Literal["local", "dask"] = "local",
    scheduler: str | None = None,
    processes: int | None = None,
    json: Json = None,
) -> int:
    """Simulate every cell of a grid; finished cells survive a crash.

    Parameters
    ----------
    file
        TOML file: simulation, seed, fixed parameters, and a table [grid] of lists.
    out
        Folder of the cells and of sweep.csv; by default the file's name without its ending.
    resume
        Keep the finished cells found in the folder and compute the rest.
    backend
        Processes of this machine, or the Dask cluster at --scheduler.
    scheduler
        Address of the cluster, such as tcp://host:8786.
    processes
        Local processes; every core by default.
    json
        Also write the rows to this file ("-" for stdout).
    """
    folder = out or file.with_suffix("")
    _check_targets(json, folder / "sweep.csv")
    from sims import sweep as sweeps

    again = _command(*_given, *(() if resume else ("--resume",)))
    interruption.remember(
        lambda: f"{_count(sweeps.stored_cells(folder), 'cell')} in {folder} kept; to go on: {again}"
    )
    rows = sweeps.run(
        sweeps.load(file), folder, resume=resume, backend=backend, scheduler=scheduler, processes=processes
    )
    table = sweeps.save(rows, folder / "sweep.csv")
    emit(json, {"cells": rows}, lambda: say(f"{len(rows)} cells in {table}"))
    return 0


@app.command
def tune(
    *,
    network: Literal["dense", "conv"] = "dense",
    data: str = "digits",
    bits: str = "2,3,4,8",
    method: str = "qat,prune",
    seeds: int = 10,
    pretraining: int | None = None,
    epochs: int | None = None,
    batch: int = 64,
    rate: float = 0.1,
    tuning_rate: float = 0.05,
    grid: Literal["twos-complement", "symmetric"] = "twos-complement",
    per_channel: bool = False,
    seed: int = 0,
    out: Path | None = None,
    resume: bool = False,
    processes: int | None = None,
    json: Json = None,
) -> int:
    """Fine-tune: learned-step quantization against gradual pruning, on paired seeds (needs the train extra).

    Parameters
    ----------
    network
        Fully connected, or two convolutions; no biases.
    data
        digits, mnist, or a .npz file with images and labels.
    bits
        Widths, a range or a list; pruning runs at sparsity 1 - bits/16.
    method
        A list of qat, ste, prune, prune-then-quantize, and without training nearest, gpfq, spfq, optq,
        magnitude, path-following pruning, obs.
    seeds
        Networks, all trained at once; two at least for the paired test.
    pretraining
        Epochs in floating point; 30 (dense) or 12 (conv) by default.
    epochs
        Epochs of fine-tuning; 20 or 8 by default.
    batch
        Images per step.
    rate
        Largest learning rate of pretraining.
    tuning_rate
        Largest learning rate of fine-tuning.
    grid
        Codes: two's complement, or symmetric, as lottery tickets need them (ternary at 2 bits).
    per_channel
        A step for every row of a matrix.
    seed
        Seed of all streams.
    out
        Folder of the finished cells, the runs, tune.csv and the networks of the first seed.
    resume
        Keep the finished cells found in the folder and compute the rest.
    processes
        Cells computed at once; every core by default.
    json
        Also write the table and the cells to this file ("-" for stdout).
    """
    _check_targets(json, None if out is None else out / "tune.csv")
    from sims import sweep as sweeps
    from sims.fine_tuning import Setting
    from sims.fine_tuning.study import EPOCHS, study

    if resume and out is None:
        raise ValueError("--resume needs --out, the folder to resume from")
    if out is not None:
        again = _command(*_given, *(() if resume else ("--resume",)))
        interruption.remember(
            lambda: f"{_count(sweeps.stored_cells(out), 'cell')} in {out} kept; to go on: {again}"
        )
    usual = EPOCHS[network]
    setting = Setting(
        network,
        data,
        seeds,
        usual[0] if pretraining is None else pretraining,
        usual[1] if epochs is None else epochs,
        batch,
        rate,
        tuning_rate,
        grid,
        per_channel,
    )
    names = [name.strip() for name in method.split(",")]
    found = study(setting, _widths(bits), names, seed=seed, folder=out, resume=resume, processes=processes)
    title = "Test accuracy in %, median over seeds with its interval; p: exact paired test of qat above prune"
    saved: list[Path] = []
    if out is not None:
        sweeps.save(found.rows, out / "tune.csv")
        saved = found.save_networks(out / "networks")

    def show() -> None:
        print_table(found.lines(), title=title)
        if saved:
            say(f"{len(saved)} networks in {out}/networks")

    emit(json, {**found.as_dict(), "networks": [str(path) for path in saved]}, show)
    return 0


@app.command
def explore(*, host: str = "127.0.0.1", port: int = 2718, browser: bool = True) -> int:
    """Explore parameters in the browser; nothing leaves this machine.

    Parameters
    ----------
    host
        Address to listen on; only this machine by default.
    port
        Port to listen on; 0 takes any free one.
    browser
        Open the address in the browser.
    """
    from figures.explore.server import serve

    interruption.leave_to_server()
    code = 0
    try:
        serve(host, port, browser)
    except SystemExit as end:  # SIGTERM
        code = int(end.code or 0)
    # Simulations of pages still open run in threads inside compiled code; ending the interpreter around them
    # would abort it. Nothing is left to finish or to write.
    sys.stdout.flush()
    os._exit(code)


@app.command
def report(
    *,
    out: Path = Path("report"),
    budget: Budget = "quick",
    seed: str = "0",
    power: bool = True,
    sharpness: bool = True,
    json: Json = None,
) -> int:
    """Check every claim, draw every figure, and write one self-contained HTML page.

    Parameters
    ----------
    out
        Folder of the page (index.html) and of the figure files (figures/).
    budget
        Number of trials.
    seed
        A number, or "random".
    power
        Also run and show the false version of every claim.
    sharpness
        Also show how sharp every claim is: the nearest factors on its constant that it refutes.
    json
        Also write the verdicts and the names of the figures to this file ("-" for stdout).
    """
    _check_targets(json, out / "index.html")
    from figures import build
    from paper_checks import registry
    from paper_checks.report import Picture, render, weight_sheets, write
    from sims.support import progress

    chosen = _seed(seed)
    build.check_targets((), out / "figures")
    pictures: list[Picture] = []
    interruption.remember(
        lambda: f"{_count(pictures, 'figure')} in {out / 'figures'} kept, no page; again: {_command(*_given)}"
    )
    with progress.bar(3, "report") as advance:
        judged = registry.check(
            registry.claims(), budget=budget, power=power, sharpness=sharpness, seed=chosen
        )
        used = judged[0].outcome.seed
        advance(1)
        for one in build.build_all((), budget, used):
            build.save(one, out / "figures")
            pictures.append(Picture(one.name, one.title, one.caption, one.png))
        advance(1)
        sheets = weight_sheets()
    page = render(judged, pictures, budget=budget, seed=used, versions=build.versions(), sheets=sheets)
    path = write(page, out)

    def show() -> None:
        _print_summary(judged)
        say(str(path))

    content = {"page": str(path), "figures": [one.name for one in pictures]}
    emit(json, {**content, "claims": [one.as_dict() for one in judged]}, show)
    return registry.exit_code(judged)


INTERNAL_ERROR, PIPE_CLOSED = 70, 141
_given: list[str] = []  # the words of the command line under way


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the `snapcut` command."""
    global _given
    _given = sys.argv[1:] if arguments is None else arguments
    _open_standard_streams()
    warnings.showwarning = show_warning
    try:
        with interruption.ends_at_once():
            interruption.remember(lambda: f"nothing was kept; again: {_command(*_given)}")
            _offer_simulations()
            code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
            with naming("standard output"):
                sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, say) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PIPE_CLOSED
    except CycloptsError as error:
        code = _fail(str(error))
    except KeyboardInterrupt:
        code = 130
    except Exception as error:
        if os.environ.get("SNAPCUT_DEBUG"):
            raise
        if isinstance(error, (ValueError, TypeError, OSError, ImportError)):
            code = _fail(_sentence(error))
        elif isinstance(error, MemoryError):
            code = _fail(f"what was asked for does not fit in memory: {_sentence(error)}")
        else:
            _fail(f"internal error, please report it (SNAPCUT_DEBUG=1 shows where): {_sentence(error)}")
            code = INTERNAL_ERROR
    code = code if isinstance(code, int) else 0
    if _IS_COMMAND:
        interruption.finish(code)
    sys.exit(code)


def _command(*words: object) -> str:
    """What to type."""
    return shlex.join(["snapcut", *map(str, words)])


def _count(things: Sized, name: str) -> str:
    """How many there are.

    Examples
    --------
    >>> _count([1], "cell"), _count([], "cell")
    ('1 cell', '0 cells')
    """
    return f"{len(things)} {name}" + ("" if len(things) == 1 else "s")


def _open_standard_streams() -> None:
    """A stream that the caller closed leads nowhere: its number must not go to the next file opened."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115


def _fail(message: str) -> int:
    # the words of the command line and of a file are part of the message; its line ends are ours
    with contextlib.suppress(OSError):  # nobody can be told that nobody can be told
        print(*map(visible, f"snapcut: {message}".split("\n")), sep="\n", file=sys.stderr)
    return 2


def _check_targets(json: Path | None, *paths: Path | None) -> None:
    """Before any work: everything that will be written can be written."""
    for path in (None if str(json) == "-" else json, *paths):
        check_target(path)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _seed(text: str) -> int | None:
    if text == "random":
        return None
    if not text.isdecimal():
        raise ValueError(f'--seed must be a nonnegative integer or "random", got {text!r}')
    return int(text)


def _array(path: Path, *dimensions: int):
    """The one array of a file, with one of these numbers of dimensions."""
    from sims.checkpoints import read

    arrays = list(read(path).tensors.values())
    if len(arrays) != 1 or arrays[0].ndim not in dimensions:
        allowed = " or ".join(map(str, dimensions))
        shapes = [array.shape for array in arrays]
        raise ValueError(f"{path} must hold one array of {allowed} dimensions, it holds {shapes}")
    return arrays[0]


def _indices(name: str, text: str) -> list[int]:
    """Indices of "0-7" or "3,5"."""
    found: list[int] = []
    for part in text.split(","):
        numbers = span(part)
        if numbers is None or len(numbers) > 10**6:  # more rows than any layer has
            raise ValueError(f"{name} must be a range like 0-7 or a list like 3,5, got {text!r}")
        found.extend(numbers)
    if not found:
        raise ValueError(f"{name} must name at least one, got {text!r}")
    return found


def _widths(text: str) -> list[int]:
    """Widths of "2-8" or "2,4,8"."""
    spans = [span(part) for part in ([text] if "-" in text else text.split(","))]
    if not all(spans):
        raise ValueError(f"--bits must be a range like 2-8 or a list like 2,4,8, got {text!r}")
    # no command takes a hundred widths: what is too large shows itself soon enough
    return [width for numbers in spans if numbers for width in numbers[:100]]


def _axes(words: tuple[str, ...]) -> dict[str, int]:
    """Output axes by pattern, of words such as "-1" or "*.c_proj.weight=1"."""
    found = {}
    for word in words:
        pattern, _, number = word.rpartition("=")
        try:
            found[pattern or "*"] = int(number)
        except ValueError:
            raise ValueError(f"--axis must be a number or PATTERN=NUMBER, got {word!r}") from None
    return found


_COLOURS = {
    "holds": "green",
    "refuted": "red",
    "inconclusive": "yellow",
    "not reproduced": "magenta",
    "skipped": "dim",
}


def _verdict_rows(one: "Judged") -> list[dict]:
    """A verdict with its headline: the number that tells most, or what was covered."""
    lead = one.headline
    return [
        {
            "claim": one.outcome.claim.id,
            "verdict": _coloured(one.verdict, one.as_declared),
            **(_measured(lead.measurement) if lead else _measured(None)),
            **({"value": lead.measured, "stated": lead.stated} if lead and lead.cases else {}),
            "evidence": lead.evidence if lead else one.outcome.skipped,
            "expected": one.expected,
            "s": round(one.outcome.seconds, 2),
            "refuted at": str(one.outcome.sharpness or ""),
            "false version": _twin(one),
        }
    ]


def _measurement_rows(one: "Judged") -> list[dict]:
    """Every measurement of a claim, with its own verdict; the claim itself where it was skipped."""
    measurements = one.outcome.measurements or [None]
    parts = one.parts or [one.verdict]
    return [
        {
            "claim": one.outcome.claim.id,
            "verdict": _coloured(part, one.outcome.twin is not None or part == one.expected),
            **_measured(m),
            "evidence": m.evidence if m else one.outcome.skipped,
            "false version": _twin(one),
            "measurement": m.name if m else "",
        }
        for m, part in zip(measurements, parts, strict=True)
    ]


def _twin(one: "Judged") -> str:
    return one.outcome.twin.title if one.outcome.twin else ""


def _coloured(verdict: str, as_declared: bool) -> str:
    return f"[{_COLOURS[verdict] if as_declared else 'bold white on red'}]{verdict}[/]"


def _measured(m: "Measurement | None") -> dict:
    from paper_checks.headline import measured, stated

    if m is None:
        return dict.fromkeys(("value", "stated", "interval (99 %)", "tightness"))
    spread = "" if m.low == m.high else f"[{m.low:.4g}, {m.high:.4g}]"
    value = measured(m) if m.is_proposition else m.value
    return {"value": value, "stated": stated(m), "interval (99 %)": spread, "tightness": m.tightness}


def _print_summary(judged: list) -> None:
    run = [one for one in judged if one.verdict != "skipped"]
    plain = [one for one in run if not one.outcome.twin]
    twins = [one for one in run if one.outcome.twin]
    text = f"{sum(one.as_declared for one in plain)} of {len(plain)} verdicts as declared"
    if twins:
        text += f", {sum(one.as_declared for one in twins)} of {len(twins)} false versions refuted"
    if skipped := len(judged) - len(run):
        text += f", {skipped} skipped"
    print(f"{text}; seed {judged[0].outcome.seed}" if judged else text)
    if found := [one.outcome.sharpness for one in plain if one.outcome.sharpness]:
        from paper_checks.sharpness import summary

        print(summary(found))


if __name__ == "__main__":
    main()

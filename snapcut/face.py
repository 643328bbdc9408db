"""The library: one function per command that computes, the same results as objects.

What a command prints is what the function of its name returns. Everything heavy is imported when it is asked
for.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snapcut.results import Figure, Table, dots
from snapcut.verdicts import rows, summary

if TYPE_CHECKING:
    import sims.weights
    from paper_checks.claim import Claim


def weights(
    source: Any,
    bits: int | Iterable[int] = range(2, 9),
    *,
    within: float | None = None,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    axes: Mapping[str, int] | None = None,
) -> Table:
    """Snap or cut? Judge every tensor of a network, and the network as a whole.

    Parameters
    ----------
    source
        A weight file or folder, the name of a network at hand (`sims.weights.AT_HAND`), {name: array}, or one
        array; a matrix has shape (fan_out, fan_in).
    bits
        Width or widths to compare, 1-16.
    within
        Also compare every number format and find the best within this many stored bits per weight.
    include, exclude
        Patterns of tensor names.
    axes
        Axis of the outputs by pattern, where the file does not say.

    Returns
    -------
    Table, with the `sims.weights.Table` as its `source`; ratios in dB.

    Raises
    ------
    ValueError, TypeError
        One sentence: nothing to judge, no such file, a width that is none.

    Examples
    --------
    >>> import numpy as np
    >>> import snapcut
    >>> table = snapcut.weights(np.random.default_rng(0).standard_normal((64, 64)), bits=4)
    >>> table.source.verdict, table.to_dict()["network"]["verdict"], len(table)
    ('snap', 'snap', 2)
    """
    from sims import weights as own

    found = own.report(
        source, bits, every_format=within is not None, include=include, exclude=exclude, axes=axes
    )
    return judged_network(found, Path(source).name if isinstance(source, (str, Path)) else "weights", within)


def judged_network(found: "sims.weights.Table", name: str, within: float | None = None) -> Table:
    """What `weights` returns of a network that was judged already."""
    from sims.weights import layout

    content, notes = found.as_dict(), [*found.skipped_lines(), *found.sentences()]
    if within is not None:
        content |= {"within": within, "best_format": found.best_format(within)}
        notes.append(found.best_format(within))

    def picture() -> Any:
        from figures.weights_scatter import picture

        return picture(found, name)

    return Table(
        layout.lines(found), content, title=layout.title(found), notes=notes, source=found, picture=picture
    )


def check(
    *claims: "str | Claim",
    paper: str | None = None,
    budget: str = "quick",
    power: bool = False,
    sharpness: bool = False,
    seed: int | None = 0,
) -> Table:
    """Check claims, and with `power` their false versions; a verdict for each, under one error budget.

    Parameters
    ----------
    claims
        Ids or their beginnings ("kn.threshold", "ku"), or claims of your own (`paper_checks.claim.Claim`);
        every claim of the papers where none is named.
    paper
        Only claims of this paper: "kumar-natale", "zhang-saab" or "kuzmin".
    budget
        "quick", "standard" (10 times the trials) or "deep" (100 times).
    power
        Also run every false version; all of them must be refuted.
    sharpness
        Also find the nearest factors on each stated constant that are refuted.
    seed
        None draws a fresh one.

    Returns
    -------
    Table, with the list of `paper_checks.judge.Judged` as its `source`.

    Raises
    ------
    ValueError
        No claim of that name; the sentence says what is named like it.

    Examples
    --------
    >>> import snapcut
    >>> snapcut.check("ku.gaussian_pruning").rows[0]["verdict"]
    'holds'
    """
    from paper_checks import registry

    names = [one for one in claims if isinstance(one, str)]
    selected = [one for one in claims if not isinstance(one, str)]
    if names or paper is not None or not selected:
        selected = [*registry.claims(names, paper), *selected]
    judged = registry.check(selected, budget=budget, power=power, sharpness=sharpness, seed=seed)
    content = {"claims": [one.as_dict() for one in judged], "error_budget": registry.family(judged)}
    shown = rows(judged, power=power, sharpness=sharpness)
    return Table(shown, content, notes=summary(judged), source=judged)


def simulate(name: str, **parameters: Any) -> Table:
    """Simulate one setting: the estimate, its interval, theory beside it.

    Parameters
    ----------
    name
        "partition", "subset-sum", "lottery" or "path-following".
    parameters
        Of the simulation, such as n, max_value, trials and seed; `sims.simulations` explains each.

    Returns
    -------
    Table, with the list of `sims.support.row.Row` as its `source`; intervals at 99 %.

    Raises
    ------
    ValueError, TypeError
        No simulation of that name, no parameter of that name, or a value that cannot be.

    Examples
    --------
    >>> import snapcut
    >>> table = snapcut.simulate("partition", n=8, max_value=100, trials=1000)
    >>> list(table.rows[0])
    ['quantity', 'measured', 'low', 'high', 'theory', 'source', 'trials']
    """
    from sims.simulations import find

    function = find(name)
    known = inspect.signature(function).parameters
    if unknown := sorted(set(parameters) - set(known)):
        takes = ", ".join(f"{p.name}={p.default!r}" for p in known.values())
        raise TypeError(f"simulation {name} has no parameter {unknown[0]!r}; it takes {takes}")
    found = list(function(**parameters))
    lines = [row.as_dict() for row in found]
    content = {"simulation": function.__name__, "parameters": parameters, "rows": lines}
    alike = [row for row in found if row.quantity.split("(")[0] == found[0].quantity.split("(")[0]] or found
    picture = dots(
        name,
        names=[row.quantity for row in alike],
        values=[row.measured for row in alike],
        low=[row.low for row in alike],
        high=[row.high for row in alike],
        reference=[row.theory for row in alike],
        labels=("measured", "theory"),
    )
    return Table(lines, content, source=found, picture=picture)


def figure(
    name: str, *, budget: str = "quick", seed: int = 0, width: float | None = None, **parameters: Any
) -> Figure:
    """Draw a figure, with parameters of your own.

    Parameters
    ----------
    name
        As `snapcut figures --list` and the gallery have it.
    budget
        "quick", "standard" or "deep": trials behind each point.
    seed
        Of the random streams.
    width
        In inches, as the figure is to stand on a page.
    parameters
        Of the figure, such as df=4 or bits=(2, 4); a number does where several are meant.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        No figure or no parameter of that name; the sentence says which there are.

    Examples
    --------
    >>> import snapcut
    >>> snapcut.figure("snr_gaussian", bits=3).title
    'Gaussian weights: 3-bit quantization keeps 9.6 dB more than 81.25 % pruning'
    """
    from figures import build

    return Figure(build.build(name, budget, seed, parameters, width))


def _saved_layer(weights: Any, inputs: Any, gram: Any, data: str) -> tuple[Any, Any]:
    from sims.fine_tuning.saved import saved_layers
    from sims.weights import picked

    if inputs is not None or gram is not None:
        raise ValueError("data brings the inputs of a layer: give it without inputs and gram")
    file, colon, name = str(weights).rpartition(":")
    if not colon:
        raise ValueError(f"data goes with a layer of a network's file as FILE:LAYER, got {str(weights)!r}")
    return picked(saved_layers(file, data), name, file)


def layer(
    weights: Any,
    inputs: Any = None,
    *,
    gram: Any = None,
    data: str | None = None,
    bits: int | None = None,
    sparsity: float | None = None,
    bounds: bool = False,
    **options: Any,
) -> Table:
    """Compress one layer by every method, errors beside bounds; or the best that any method can do.

    Parameters
    ----------
    weights
        W, shape (fan_out, fan_in), or (fan_out, channels, side, side) of a convolution; or a layer of a
        network at hand with its own inputs, such as "digits:1" or "efficientnet:head"; with `data` one of a
        file, such as "tuned/networks/dense-digits-qat-2.npz:layer2".
    inputs
        X, shape (samples, fan_in) or (batch, tokens, fan_in).
    gram
        X'X, shape (fan_in, fan_in), instead of the inputs.
    data
        The data set that the file's network reads, "digits", "mnist" or a .npz file: its training images
        bring the inputs of the layer.
    bits
        Quantize to this width (4 if no sparsity is given).
    sparsity
        Prune to this sparsity instead.
    bounds
        The best codes and the best masks of single rows, exactly or with a certified limit.
    options
        Of `sims.path_following.layers.compare` (methods, scale, order, rule, per_neuron, seed), or with
        `bounds` of `sims.layer_bounds.report.layer_report` (rows, columns, time_limit, step).

    Returns
    -------
    Table; its `source` is the list of `LayerRow` (with the compressed weights), or the report of the bounds.
    Errors are |X(W - Q)'|^2 / |X W'|^2.

    Raises
    ------
    ValueError, TypeError
        One sentence that names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> import snapcut
    >>> rng = np.random.default_rng(0)
    >>> table = snapcut.layer(rng.standard_normal((8, 64)), rng.standard_normal((16, 64)), methods=["GPFQ"])
    >>> table.rows[0]["method"], table.source[0].weights.shape
    ('GPFQ', (8, 64))
    """
    import numpy as np

    from sims.networks.samples import as_samples
    from sims.path_following.layers import compare, remarks

    if bits is None and sparsity is None:
        bits = 4
    if data is not None:
        weights, inputs = _saved_layer(weights, inputs, gram, data)
    elif isinstance(weights, str) and inputs is None and gram is None:
        from sims.weights import layer_named

        weights, inputs = layer_named(weights)
    if (gram is None) == (inputs is None):
        raise ValueError("give either inputs or gram")
    w = np.asarray(weights)
    if w.ndim < 2:
        raise ValueError(f"weights must have shape (fan_out, fan_in) or more dimensions, got {w.shape}")
    w = w.reshape(len(w), -1)
    x = None if inputs is None else as_samples([np.asarray(inputs)])
    if bounds:
        from sims.layer_bounds.report import layer_report

        report = layer_report(w, x, gram=gram, bits=bits, sparsity=sparsity, **options)
        title = "Output SNR of the best codes and the best masks"
        ranges = report.lines()
        picture = dots(
            title,
            names=[line["method"] for line in ranges],
            values=[line["found (dB)"] for line in ranges],
            reference=[line["limit (dB)"] for line in ranges],
            labels=("found (dB)", "limit of any method (dB)"),
        )
        content: dict = {"bounds": report.as_dict()}
        return Table(ranges, content, title=title, notes=report.notes, source=report, picture=picture)
    found = compare(w, x, gram=gram, bits=bits, sparsity=sparsity, **options)
    lines, notes, title = [one.as_dict() for one in found], remarks(found), "error: |X(W - Q)|^2 / |XW|^2"
    picture = dots(
        title,
        names=[one.name for one in found],
        values=[one.error for one in found],
        reference=[one.bound for one in found],
        labels=("error", "bound"),
    )
    return Table(
        lines, {"methods": lines, "notes": notes}, title=title, notes=notes, source=found, picture=picture
    )

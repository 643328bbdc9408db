"""Tickets of real networks: the digits classifier, a file of matrices, a checkpoint layer by layer."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sims.lottery.embedding import Ticket, embed
from sims.lottery.misses import best_misses, smallest_samples
from sims.lottery.network import network_outputs
from sims.networks import digits as digits_
from sims.networks import images
from sims.support import progress
from sims.weights.scales import integer_codes
from theory.arguments import whole
from theory.codebooks import integer_levels
from theory.lottery import copies_success_probability, expected_failures, failure_probability

_PIXELS = 16  # the digits' pixels are multiples of 1/16
_REDUCTION = 16  # grid points of an output that become one
_TRIALS = 100_000  # candidate sets behind a predicted number of failures
_TRIALS_EACH = 20_000  # ... for every number of candidates


def load_network(path: str | Path, activation: str = "relu") -> list[np.ndarray]:
    """Matrices (fan_out, fan_in) of a bias-free ReLU network from a weight file, in the file's order.

    Raises
    ------
    ValueError
        An activation other than ReLU, tensors that are no matrices, biases, shapes that do not fit.
    """
    from sims import weights

    if activation != "relu":
        raise ValueError(
            f"activation={activation!r} is not supported: the construction rests on x = relu(x) - relu(-x)"
        )
    found: list[np.ndarray] = []
    for name, array in weights.load(path).items():
        if array.ndim != 2:
            kind = (
                "a bias: the theorems are about networks without"
                if array.ndim == 1
                else "no matrix (`checkpoint_rows` represents such a file layer by layer)"
            )
            if array.ndim == 1 and not array.any():
                continue
            raise ValueError(f"{Path(path).name!r}: tensor {name!r} of shape {array.shape} is {kind}")
        if found and found[-1].shape[0] != array.shape[1]:
            raise ValueError(
                f"{Path(path).name!r}: {name!r} reads {array.shape[1]} inputs, "
                f"but the matrix before it has {found[-1].shape[0]} outputs"
            )
        found.append(array)
    if not found:
        raise ValueError(f"{Path(path).name!r} holds no matrix")
    return found


def ticket_rows(
    network: str | Path = "digits",
    bits: Sequence[int] = (2, 3, 4, 5, 6, 7, 8),
    samples: int | None = None,
    seed: int = 0,
    construction: str = "two_layer",
    retries: int | None = None,
    failure: float = 0.01,
    out: str | Path | None = None,
    activation: str = "relu",
    data: str | None = None,
) -> list[dict]:
    """Rows for `snapcut ticket`: quantize a network, find its exact ticket, verify it, compare all outputs.

    "identical outputs" counts inputs on which all outputs agree, both as they are and with the outputs of
    every target layer reduced to a 16 times coarser grid.

    Parameters
    ----------
    network
        "digits", or a file read by `load_network`.
    bits
        Widths of the weights.
    samples
        Candidates per weight; by default the fewest whose predicted number of failed weights, without
        redraws, is at most `failure` ("depth_plus_one": that, and the network's failure probability); from
        exact miss probabilities up to 4 bits, measured ones beyond.
    retries
        Redraws for failed weights, counted in the drawn parameters; "two_layer" only. 3 where `samples`
        is left open, else 0.
    failure
        Tolerated without redraws, in (0, 1).
    out
        File for the saved ticket; one width only.
    data
        Test images for a network of a file, see `sims.networks.images.load`: "digits" or "mnist", whose
        pixels are integers in some unit. Without them the outputs on probing inputs are compared, and there
        is no accuracy.

    Returns
    -------
    Rows; "failure probability" is that of the whole ticket, redraws included: by the law of independent
    candidates for "two_layer", by `copies_success_probability` (mean field beyond one hidden layer) for
    "depth_plus_one".

    Raises
    ------
    ValueError
        Samples too few: the sentence names the probability of failure and the number that would do.
    """
    if out is not None and len(bits) != 1:
        raise ValueError(f"out={str(out)!r} takes one ticket, but bits names {len(bits)} widths")
    floats, inputs, labels, accuracy = _network_and_inputs(network, activation, data, seed)
    signed = labels is None  # nothing is known about the inputs of a file's network
    rows = []
    for width in progress.steps(bits, "tickets"):
        start = time.perf_counter()
        targets = [integer_codes(w, width, "symmetric")[0] for w in floats]
        top = int(integer_levels(width, "symmetric")[-1])
        chosen = _enough(targets, top, failure, construction, signed) if samples is None else samples
        redraws = (
            retries if retries is not None else 3 if samples is None and construction == "two_layer" else 0
        )
        ticket = embed(targets, top, chosen, seed, construction, signed_inputs=signed, retries=redraws)
        chance = _failure_probability(targets, top, chosen, construction, signed, redraws)
        if ticket.failures:
            enough = _enough(targets, top, failure, construction, signed)
            raise ValueError(
                f"samples={chosen} is too few: {len(ticket.failures)} weights have no solution, and the "
                f"network fails with probability {chance:.3g}; "
                f"{enough} samples bring it under {failure:g}"
            )
        wanted = network_outputs(targets, inputs)
        got = ticket.outputs(inputs)
        same = (wanted == got).all(
            axis=1
        )  # ... and with the outputs of every layer reduced to a coarser grid
        reduced = network_outputs(targets, inputs, _REDUCTION)
        same &= (reduced == ticket.outputs(inputs, _REDUCTION)).all(axis=1)
        if out is not None:
            ticket.save(out)
        rows.append(
            {
                "bits": width,
                "float accuracy": accuracy,
                "quantized accuracy": _accuracy(wanted, labels),
                "ticket accuracy": _accuracy(got, labels),
                "identical outputs": f"{int(same.sum())} of {len(inputs)}",
                "verified for all inputs": ticket.verify(),
                "samples": chosen,
                "failure probability": chance,
                "drawn parameters": ticket.drawn_parameters,
                "drawn per weight": ticket.overparameterization,
                "kept parameters": ticket.kept_parameters,
                "kept per weight": ticket.kept_parameters / sum(w.size for w in targets),
                "s": round(time.perf_counter() - start, 3),
            }
        )
    return rows


def _network_and_inputs(
    network: str | Path, activation: str, data: str | None, seed: int
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray | None, float | None]:
    """Matrices, integer inputs, their labels and the accuracy in floating point; no labels, no accuracy."""
    if str(network) == "digits":
        if data not in (None, "digits"):
            raise ValueError(f"the digits network reads the digits, got data={data!r}")
        shipped = digits_.load()
        return (
            shipped.weights,
            np.rint(shipped.test_images * _PIXELS).astype(np.int64),
            shipped.test_labels,
            shipped.accuracy(),
        )
    floats = load_network(network, activation)
    fan_in = floats[0].shape[1]
    if data is None:
        return floats, probing_inputs(fan_in, seed), None, None
    found = images.load(data)
    if not found.unit:
        raise ValueError(f"data={data!r} has no unit in which its values are integers; use digits or mnist")
    if found.test_images.shape[1] != fan_in:
        width = found.test_images.shape[1]
        raise ValueError(f"data={data!r} has {width} features, the network reads {fan_in}")
    inputs = np.rint(found.test_images.astype(np.float64) / found.unit).astype(np.int64)
    return floats, inputs, found.test_labels, _accuracy(digits_.forward(floats, inputs), found.test_labels)


def _accuracy(outputs: np.ndarray, labels: np.ndarray | None) -> float | None:
    return None if labels is None else float(np.mean(outputs.argmax(axis=1) == labels))


def _failure_probability(
    targets: list[np.ndarray], top: int, samples: int, construction: str, signed: bool, retries: int
) -> float:
    """Probability that some weight has no subset, after every redraw."""
    if construction == "two_layer":  # a redraw is a fresh try among as many candidates
        miss = best_misses(samples, top, _TRIALS, seed=0) ** (1 + retries)
        return failure_probability(targets, miss, signed)
    nothing = np.ones(top + 1)
    nothing[0] = 0.0
    each = [best_misses(n, top, _TRIALS_EACH, seed=0) for n in range(1, samples + 1)]
    success = copies_success_probability(targets, np.stack([nothing, *each]), samples, samples, signed)
    return max(0.0, 1.0 - success)


def _enough(targets: list[np.ndarray], top: int, failure: float, construction: str, signed: bool) -> int:
    """Fewest candidates with at most `failure` expected failures and, among copies, that probability."""
    layers = [*targets, targets[0]] if signed else targets  # both sides of the first layer must succeed
    samples, _ = smallest_samples(layers, top, failure)
    if construction == "depth_plus_one":  # later layers choose among the good copies alone
        while _failure_probability(targets, top, samples, construction, signed, 0) > failure:
            samples += 1
    return samples


def probing_inputs(fan_in: int, seed: int, size: int = 255, count: int = 32) -> np.ndarray:
    """Integers (samples, fan_in): zeros, extremes, alternating signs, unit vectors, and random rows.

    Examples
    --------
    >>> probing_inputs(3, seed=0).shape
    (42, 3)
    """
    alternating = size * (1 - 2 * (np.arange(fan_in) % 2))
    units = size * np.eye(fan_in, dtype=np.int64)[:64]
    rng = np.random.default_rng(seed)
    random = rng.integers(-size, size + 1, (count, fan_in))
    rows = [np.zeros(fan_in), np.full(fan_in, size), np.full(fan_in, -size), alternating]
    return np.concatenate([np.array(rows, np.int64), units, -units, random])


def checkpoint_rows(
    path: str | Path,
    bits: int = 4,
    samples: int = 14,
    seed: int = 0,
    signed_inputs: bool = True,
    least: int = 256,
    retries: int = 0,
) -> list[dict]:
    """One row per weight tensor of a checkpoint: its exact ticket as a matrix, layer by layer.

    Tensors of at least two dimensions and `least` elements are read as matrices (fan_out, rest); what stands
    between the layers (convolution windows, normalisation, other activations) is the same for target and
    ticket and is not part of this. `seed` + number of the layer names the random network of each.

    Returns
    -------
    Rows with tensor, bits, weights, drawn and kept parameters, failures beside their prediction (after all
    redraws; a weight fails when either side does), verified (every weight that is no failure is represented),
    seconds; the last row is the sum.
    """
    from sims import weights

    top = int(integer_levels(bits, "symmetric")[-1])
    misses = best_misses(samples, top, _TRIALS, seed=0) ** (1 + whole("retries", retries, 0))
    if signed_inputs:
        misses = misses * (2 - misses)
    rows: list[dict] = []
    loaded = weights.load(path)
    matrices = [name for name, array in loaded.items() if array.ndim >= 2 and array.size >= least]
    for name in progress.steps(matrices, "tensors"):
        array = loaded[name]
        target, _ = integer_codes(array.reshape(array.shape[0], -1), bits, "symmetric")
        start = time.perf_counter()
        ticket = embed([target], top, samples, seed + len(rows), signed_inputs=signed_inputs, retries=retries)
        found = time.perf_counter() - start
        rows.append(
            {
                "tensor": name,
                "bits": bits,
                "weights": target.size,
                "drawn parameters": ticket.drawn_parameters,
                "kept parameters": ticket.kept_parameters,
                "failures": len(ticket.failures),
                "predicted failures": expected_failures([target], misses),
                "verified": _represented(ticket),
                "seconds": found,
            }
        )
    if not rows:
        raise ValueError(f"{Path(path).name!r} holds no tensor of two dimensions and {least} elements")
    last = {"tensor": "all", "bits": bits, "verified": all(row["verified"] for row in rows)}
    return [*rows, {key: last[key] if key in last else sum(row[key] for row in rows) for key in rows[0]}]


def _represented(ticket: Ticket) -> bool:
    """Whether every weight that is not a reported failure is what the masks make it."""
    positive, negative = ticket.effective()[0]
    wrong = positive != ticket.weights[0]
    if ticket.signed_inputs:
        wrong |= negative != ticket.weights[0]
    reported = np.zeros_like(wrong)
    for failure in ticket.failures:
        reported[failure.row, failure.column] = True
    return bool((wrong == reported).all())

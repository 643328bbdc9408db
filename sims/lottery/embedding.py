r"""Strong lottery tickets: an exact copy of a quantized ReLU network, cut out of a larger random one.

The target is f(x) = W_l relu(... relu(W_1 x)) with integer weights; the drawn network exists before the
target is seen, and only masks are chosen. Per target layer the ticket has

    relu(A x) with one kept input j(h) per hidden unit h,  then B,  so that the pair computes P x+ - N x-,
    P = B max(A, 0),  N = B min(A, 0),  x = x+ - x-.

The pair equals W x for every x exactly when P = W and N = W (put x = e_j and x = -e_j); for x >= 0, when
P = W. The products a b of one input's units are the candidates of a random subset sum with target W_ij.

References
----------
.. [1] A. Kumar, E. Natale, arXiv:2508.11020, 2025: Theorem 1 (two layers per layer), Theorem 2 (depth l + 1).
.. [2] A. Pensia, S. Rajput, A. Nagle, H. Vishwakarma, D. Papailiopoulos, arXiv:2006.07990, 2020.
.. [3] R. Burkholz, "Most activation functions can win the lottery without excessive depth", NeurIPS 2022.
"""

from collections.abc import Sequence

import numpy as np

from sims.lottery import masks as masks_
from sims.lottery.masks import MAX_SAMPLES, Block, Draw
from sims.lottery.network import check_network
from sims.lottery.ticket import Failure, Layer, Ticket
from theory.arguments import choice, whole

CONSTRUCTIONS = ("two_layer", "depth_plus_one")
LAWS = ("nonzero", "product")
ALLOTMENTS = ("matched", "block")


def embed(
    weights: Sequence[np.ndarray],
    max_value: int,
    samples: int,
    seed: int,
    construction: str = "two_layer",
    law: str = "nonzero",
    signed_inputs: bool = False,
    retries: int = 0,
    *,
    copies: int | None = None,
    reduced_from: int = 1,
    rounding: str = "truncate",
    allotment: str = "matched",
    threads: int | None = None,
) -> Ticket:
    r"""Find a subnetwork of a random network that computes exactly the target.

    For every weight a subset S of its candidates with

        sum_{h in S} a_h b_h = W_ij

    is found: a_h the kept weight into hidden unit h, b_h the entry from h to output i.

    Parameters
    ----------
    weights
        Integer matrices (fan_out, fan_in) of the target layers, ReLU between them; entries in
        {-max_value..max_value} (units of delta = 1/max_value). With law "product" and two layers per layer
        the grid is that of the products: entries up to max_value^2 (units of delta^2).
    max_value
        M, entries of the random network are uniform on {±1..±M}. M = 1 is the ternary network;
        targets without zeros make it binary.
    samples
        Usable candidates per weight, and per side where inputs can be negative; at most 62.
    seed
        0 <= seed < 2^64.
    construction
        "two_layer" (Theorem 1: a pair of matrices per target layer) or "depth_plus_one" (Theorem
        2: one pair, whose outputs are represented `copies` times; later layers draw one matrix and pick
        subsets among the entries from the copies of their input).
    law
        "nonzero" (the first matrix of a pair is ±1, so that candidates are uniform) or "product" (both
        uniform on {±1..±M}).
    signed_inputs
        Build the side for negative inputs in the first layer.
    retries
        Rounds in which inputs with a failed weight get `samples` fresh hidden units, and the weight
        tries among those alone; the added units are drawn for every output and counted in `drawn_parameters`.
    copies
        Of every hidden unit in "depth_plus_one"; `samples` unless given. Copies with a failed weight are
        pruned; the candidates of the next layer are the copies that remain.
    reduced_from
        The network is drawn on a grid this many times finer, then reduced to {-M..M}, by
        `rounding` "truncate" (towards zero) or "nearest"; candidates are then not uniform and can be zero.
    allotment
        "matched" (a hidden unit keeps an input that still needs one and whose weight has the wanted
        sign: nearly all units are used) or "block" (as in the proof: every input has 2 samples consecutive
        units, of which the Binomial(2 samples, 1/2) many with the wanted sign are usable).
    threads
        Threads; results are the same bits for any number.

    Returns
    -------
    Ticket

    Raises
    ------
    ValueError, TypeError
        Weights off the grid or beyond it, shapes that do not chain, arguments out of range.

    References
    ----------
    A. Kumar, E. Natale, arXiv:2508.11020, Theorems 1 and 2.

    Examples
    --------
    >>> ticket = embed([[[3, -1], [0, 2]], [[1, -3]]], max_value=3, samples=12, seed=1)
    >>> ticket.failures, ticket.verify([[5, 0], [2, 7]])
    ([], True)
    >>> ticket.outputs([[5, 0]])
    array([[15]])
    """
    choice("construction", construction, CONSTRUCTIONS)
    choice("law", law, LAWS)
    choice("rounding", rounding, ("truncate", "nearest"))
    choice("allotment", allotment, ALLOTMENTS)
    max_value = whole("max_value", max_value, 1, 1 << 15)
    samples = whole("samples", samples, 1, MAX_SAMPLES // 2 if allotment == "block" else MAX_SAMPLES)
    seed = whole("seed", seed, 0, (1 << 64) - 1)
    retries = whole("retries", retries, 0, 1000)
    reduced_from = whole("reduced_from", reduced_from, 1, 1 << 15)
    if copies is not None:
        copies = whole("copies", copies, 1, MAX_SAMPLES)
        if construction == "two_layer":
            raise ValueError("copies belongs to construction='depth_plus_one'; two_layer makes none")
    if retries and construction == "depth_plus_one":
        raise ValueError("retries belongs to construction='two_layer'; ask for more copies in depth_plus_one")
    product = law == "product"
    targets = check_network(
        weights, max_value**2 if product and construction == "two_layer" else max_value, max_value
    )

    law_of = (reduced_from, rounding == "nearest")
    copies = copies or samples
    layers: list[Layer] = []
    failures: list[Failure] = []
    good = np.ones((targets[0].shape[1], 1), bool)
    number = 0  # of the next drawn matrix
    for i, target in enumerate(targets):
        fan_out, fan_in = target.shape
        first = None
        repeat = copies if construction == "depth_plus_one" and i + 1 < len(targets) else 1
        scale = max_value if product and construction == "depth_plus_one" and i == 0 else 1
        if i == 0 or construction == "two_layer":
            # The sign alone matters to the "nonzero" law: its first matrix is ±1, at any precision.
            first = Draw(seed, number, max_value, *law_of) if product else Draw(seed, number, 1)
            number += 1
        second = Draw(seed, number, max_value, *law_of)
        number += 1
        wanted = np.repeat(target, repeat, axis=0) * scale
        layer = Layer(first, second, fan_in, fan_out * repeat, repeat, 0, scale)
        if first:
            failed = _solve_pair(
                layer, wanted, samples, signed_inputs and i == 0, retries, allotment, threads
            )
        else:
            failed = _solve_copies(layer, wanted, good, copies, threads)
        good = np.logical_not(failed.any(axis=1)).reshape(fan_out, repeat)
        failures += _failures(i, target, failed.reshape(fan_out, repeat, fan_in))
        if repeat > 1:  # a copy that is not the target's unit is pruned whole, and nobody reads it
            for block in layer.blocks:
                block.words[~good.ravel()] = 0
        layers.append(layer)
    return Ticket(
        targets, max_value, samples, seed, construction, law, signed_inputs, retries, layers, failures,
        reduced_from, rounding, allotment,
    )  # fmt: skip


def _solve_pair(
    layer: Layer,
    wanted: np.ndarray,
    samples: int,
    signed: bool,
    retries: int,
    allotment: str,
    threads: int | None,
) -> np.ndarray:
    """Masks of a pair; returns the failed weights (rows, fan_in)."""
    assert layer.first
    fan_in = layer.fan_in
    inputs = np.arange(fan_in, dtype=np.int32)
    sides = np.ones(fan_in, np.int8)
    if signed:  # the two sides of an input stand beside each other
        inputs = np.repeat(inputs, 2)
        sides = np.tile(np.array([1, -1], np.int8), fan_in)
    open_: np.ndarray = np.ones((layer.rows, inputs.size), bool)
    for _ in range(retries + 1):
        block, layer.drawn = masks_.allot(
            layer.first, inputs, sides, samples, layer.rows, layer.drawn, allotment
        )
        targets = wanted[:, inputs] * sides
        open_ = masks_.solve(block, layer.second, targets, open_, layer.drawn, threads)
        layer.blocks.append(block)
        if not open_.any():
            break
        again = open_.any(axis=0)
        failed, slots, side_of = open_, inputs, sides
        inputs, sides, open_ = inputs[again], sides[again], open_[:, again]
    else:
        out = np.zeros((layer.rows, fan_in), bool)
        for side in (1, -1):  # an input stands once on each
            out[:, slots[side_of == side]] |= failed[:, side_of == side]
        return out
    return np.zeros((layer.rows, fan_in), bool)


def _solve_copies(
    layer: Layer, wanted: np.ndarray, good: np.ndarray, copies: int, threads: int | None
) -> np.ndarray:
    """Masks of a matrix that reads the good copies of its inputs; returns the failures (rows, fan_in)."""
    fan_in = layer.fan_in
    layer.drawn = fan_in * copies
    units = np.full((fan_in, copies), -1, np.int32)
    for j in range(fan_in):
        usable = np.flatnonzero(good[j])
        units[j, : usable.size] = j * copies + usable
    block = Block(
        np.arange(fan_in, dtype=np.int32),
        np.ones(fan_in, np.int8),
        units,
        np.ones_like(units),
        np.zeros((layer.rows, fan_in), masks_.word_type(copies)),
    )
    layer.blocks.append(block)
    return masks_.solve(block, layer.second, wanted, np.ones(wanted.shape, bool), layer.drawn, threads)


def _failures(index: int, target: np.ndarray, failed: np.ndarray) -> list[Failure]:
    """Failures of the units without a good copy, in the best copy; `failed` is (fan_out, copies, fan_in)."""
    if not failed.any():
        return []
    best = failed.sum(axis=2).argmin(axis=1)
    lost = failed[np.arange(failed.shape[0]), best]
    places = (found.tolist() for found in (*np.nonzero(lost), target[lost]))
    return [Failure(index, *each) for each in zip(*places, strict=True)]

"""Many random networks, each pruned to one target: which of them fail, and how many units they draw."""

from typing import NamedTuple

import numpy as np

from sims.kernels import kernel
from sims.kernels.lottery import Candidates, Entries, allot_blocks, allot_units, solve_rows

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


class Plan(NamedTuple):
    """What all networks share: the target, and how it is embedded (`sims.lottery.trials`)."""

    wanted: np.ndarray  # int64, the matrices of all layers one after another, a row for every copy
    shapes: np.ndarray  # (layers, 3) int64: rows, inputs, copies
    laws: (
        np.ndarray
    )  # (layers, 6) int64: number, limit, ratio of the first matrix (0, 0, 0: none) and the second
    nearest: bool
    signed: bool  # the first layer has a side for negative inputs
    blocks: bool
    samples: int
    retries: int


@kernel
def _drawn(seed, law, nearest):
    """The matrix of a network: number, limit and ratio as in `Plan.laws`."""
    return Entries(seed & _LOW, seed >> _32, law[0], law[1], law[2], nearest)


@kernel
def _solved(wanted, open_, units, factors, drawn, second, scratch):
    """Which of the open weights (rows, slots) find no subset of their candidates."""
    rows, slots = wanted.shape
    counts = np.empty(slots, np.int32)
    for s in range(slots):
        counts[s] = (units[s] >= 0).sum()
    failed = np.zeros((rows, slots), np.bool_)
    words = np.empty((rows, slots), np.uint64)
    candidates = Candidates(units, factors, counts)
    solve_rows(0, rows, wanted, open_, words, failed, candidates, drawn, second, scratch)
    return failed


@kernel
def _pair(wanted, signed, first, second, plan, scratch, lost):
    """Embed a layer as a pair; sets `lost` (rows, inputs) where all redraws fail, returns the units drawn."""
    rows, fan_in = wanted.shape
    each = 2 if signed else 1
    inputs = np.empty(each * fan_in, np.int32)
    sides = np.empty(each * fan_in, np.int8)
    for s in range(inputs.size):  # the two sides of an input stand beside each other
        inputs[s] = s // each
        sides[s] = 1 - 2 * (s % each)
    open_ = np.ones((rows, inputs.size), np.bool_)
    drawn = 0
    for _ in range(plan.retries + 1):
        slots = inputs.size
        width = 2 * plan.samples if plan.blocks else plan.samples
        units = np.full((slots, width), -1, np.int32)
        factors = np.ones((slots, width), np.int32)
        if plan.blocks:
            drawn = allot_blocks(inputs, sides, units, factors, drawn, first)
        else:
            drawn = allot_units(inputs, sides, units, factors, drawn, first)
        targets = np.empty((rows, slots), np.int64)
        for i in range(rows):
            for s in range(slots):
                targets[i, s] = wanted[i, inputs[s]] * sides[s]
        failed = _solved(targets, open_, units, factors, drawn, second, scratch)
        again = np.zeros(slots, np.bool_)
        for i in range(rows):
            again |= failed[i]
        inputs, sides, open_ = inputs[again], sides[again], failed[:, again].copy()
        if inputs.size == 0:
            break
    for i in range(rows):
        for s in range(inputs.size):
            if open_[i, s]:
                lost[i, inputs[s]] = True
    return drawn


@kernel
def _copied(wanted, good, second, scratch):
    """Which weights (rows, inputs) fail in a layer that reads the `good` copies (inputs, copies)."""
    fan_in, copies = good.shape
    units = np.full((fan_in, copies), -1, np.int32)
    for j in range(fan_in):
        found = 0
        for c in range(copies):
            if good[j, c]:
                units[j, found] = j * copies + c
                found += 1
    open_ = np.ones(wanted.shape, np.bool_)
    return _solved(wanted, open_, units, np.ones_like(units), fan_in * copies, second, scratch)


@kernel
def embed_many(seeds, plan, scratch, fails, drawn):
    """For every seed: whether its network has no ticket, and the units (or columns) each layer draws.

    `fails` (seeds,), `drawn` (seeds, layers). Answers are those of `sims.lottery.embed`, network by network.
    """
    for t in range(seeds.size):
        good = np.ones((plan.shapes[0, 1], 1), np.bool_)
        at = 0
        for i in range(len(plan.shapes)):
            rows, fan_in, copies = plan.shapes[i]
            wanted = plan.wanted[at : at + rows * fan_in].reshape((rows, fan_in))
            at += rows * fan_in
            law = plan.laws[i]
            second = _drawn(seeds[t], law[3:], plan.nearest)
            if law[1]:
                first = _drawn(seeds[t], law[:3], plan.nearest)
                lost = np.zeros((rows, fan_in), np.bool_)
                drawn[t, i] = _pair(wanted, plan.signed and i == 0, first, second, plan, scratch, lost)
            else:
                drawn[t, i] = good.size
                lost = _copied(wanted, good, second, scratch)
            good = np.ones((rows // copies, copies), np.bool_)
            for row in range(rows):
                good[row // copies, row % copies] = not lost[row].any()
            for unit in range(len(good)):
                if not good[unit].any():
                    fails[t] = True

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
    first: np.ndarray  # (layers, 3) int64: number, limit and ratio of the first matrix; 0 where there is none
    second: np.ndarray  # (layers, 3)
    nearest: bool
    signed: bool  # the first layer has a side for negative inputs
    blocks: bool
    samples: int
    retries: int


@kernel
def _drawn(seed, law, nearest):
    """The matrix of a network, by its number, limit and ratio."""
    return Entries(seed & _LOW, seed >> _32, law[0], law[1], law[2], nearest)


@kernel
def _counted(units):
    """How many units every slot has."""
    counts = np.zeros(len(units), np.int32)
    for s in range(len(units)):
        for c in range(units.shape[1]):
            if units[s, c] >= 0:
                counts[s] += 1
    return counts


@kernel
def _good_copies(good, units):
    """Fill `units` (inputs, copies) with the places of the good copies of every input, in order."""
    for j in range(len(good)):
        found = 0
        for c in range(good.shape[1]):
            if good[j, c]:
                units[j, found] = j * good.shape[1] + c
                found += 1


@kernel
def _failed_slots(failed, inputs, sides):
    """Move the slots with a failed weight to the front; how many they are."""
    left = 0
    for s in range(failed.shape[1]):
        again = False
        for i in range(len(failed)):
            again |= failed[i, s]
        if again:
            inputs[left], sides[left] = inputs[s], sides[s]
            for i in range(len(failed)):
                failed[i, left] = failed[i, s]
            left += 1
    return left


@kernel
def embed_many(seeds, plan, scratch, fails, drawn):
    """For every seed: whether its network has no ticket, and the units (or columns) each layer draws.

    `fails` (seeds,), `drawn` (seeds, layers). Answers are those of `sims.lottery.embed`, network by network.
    """
    none = np.int64(0)  # a literal would have the kernels below compiled once more
    for t in range(seeds.size):
        good = np.ones((plan.shapes[0, 1], 1), np.bool_)
        at = 0
        for i in range(len(plan.shapes)):
            rows, fan_in, copies = plan.shapes[i, 0], plan.shapes[i, 1], plan.shapes[i, 2]
            paired = plan.first[i, 1] > 0  # else the layer reads the copies of its inputs
            first = _drawn(seeds[t], plan.first[i], plan.nearest)
            second = _drawn(seeds[t], plan.second[i], plan.nearest)
            each = 2 if plan.signed and i == 0 else 1
            slots = each * fan_in
            inputs = np.empty(slots, np.int32)
            sides = np.empty(slots, np.int8)
            for s in range(slots):  # the two sides of an input stand beside each other
                inputs[s] = s // each
                sides[s] = 1 - 2 * (s % each)
            width = good.shape[1]
            if paired:
                width = 2 * plan.samples if plan.blocks else plan.samples
            open_ = np.ones((rows, slots), np.bool_)
            units_drawn = none
            for _ in range(plan.retries + 1):
                units = np.empty((slots, width), np.int32)
                units[:] = -1
                factors = np.ones((slots, width), np.int32)
                if not paired:
                    _good_copies(good, units)
                    units_drawn = good.size + none
                elif plan.blocks:
                    units_drawn = allot_blocks(
                        inputs[:slots], sides[:slots], units, factors, units_drawn, first
                    )
                else:
                    units_drawn = allot_units(
                        inputs[:slots], sides[:slots], units, factors, units_drawn, first
                    )
                targets = np.empty((rows, slots), np.int64)
                for row in range(rows):
                    for s in range(slots):
                        targets[row, s] = plan.wanted[at + row * fan_in + inputs[s]] * sides[s]
                candidates = Candidates(units, factors, _counted(units))
                failed = np.zeros((rows, slots), np.bool_)
                words = np.empty((rows, slots), np.uint32)  # nobody reads the masks
                solve_rows(
                    none, rows, targets, open_, words, failed, candidates, units_drawn, second, scratch
                )
                slots = _failed_slots(failed, inputs, sides)
                open_ = np.empty((rows, slots), np.bool_)
                for row in range(rows):
                    for s in range(slots):
                        open_[row, s] = failed[row, s]
                if slots == 0:
                    break
            drawn[t, i] = units_drawn
            at += rows * fan_in
            good = np.zeros((rows // copies, copies), np.bool_)
            for unit in range(rows // copies):
                some = False
                for c in range(copies):
                    whole = True
                    for s in range(slots):
                        whole &= not open_[unit * copies + c, s]
                    good[unit, c] = whole
                    some |= whole
                if not some:
                    fails[t] = True

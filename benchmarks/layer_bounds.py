"""Layer-output bounds beside general solvers: equal answers first, then CPU times of one run, one thread.

The relaxation beside cvxpy with Clarabel, optimal codes and optimal masks beside SCIP (the [oracles]
extra). `--large` adds n = 64 to the conic solver and long runs to SCIP; minutes.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import statistics
import sys
import time

import numpy as np

from sims.layer_bounds import oracles, pruning_range, quantization_range, relaxation
from sims.layer_bounds.certificate import certify
from sims.layer_bounds.problems import KINDS, problem
from sims.weights.scales import integer_scale

LARGE = "--large" in sys.argv
SCIP_SECONDS = 600 if LARGE else 60


def cpu(function, rounds=1):
    """Least CPU time of some rounds, and the last answer."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        answer = function()
        best = min(best, time.process_time() - start)
    return best, answer


def instance(kind, n, seed, bits):
    x, w = problem(kind, n, seed)
    return x.T @ x, w, integer_scale(w, bits).scale


def bounds():
    print("lower bound with box and integer cuts, 4 bits; certificate included")
    for n in (8, 16, 32, *([64] if LARGE else [])):
        ours, theirs, gaps = [], [], []
        for kind in KINDS:
            gram, w, step = instance(kind, n, 0, 4)
            y = w / step
            mine, found = cpu(lambda g=gram, y=y: certify(g, y, relaxation.solve(g, y, -8, 7), -8, 7), 3)
            other, value = cpu(lambda g=gram, y=y: oracles.conic(g, y, -8, 7))
            gaps.append(abs(found.value / value - 1))
            ours.append(mine)
            theirs.append(other)
        assert max(gaps) < 1e-5, f"values differ by {max(gaps)}"
        ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        print(
            f"  n = {n:3}: {1e3 * statistics.median(ours):8.1f} ms, cvxpy + Clarabel "
            f"{1e3 * statistics.median(theirs):8.1f} ms: {ratio:.0f} x (goal 100 at 32); "
            f"values equal to {max(gaps):.0e}"
        )
    for n, goal in ((64, ""), (128, " (goal 0.5 s)"), (256, " (goal 2 s)")):
        seconds = []
        for kind in KINDS:
            gram, w, step = instance(kind, n, 0, 4)
            seconds.append(
                cpu(lambda g=gram, y=w / step: certify(g, y, relaxation.solve(g, y, -8, 7), -8, 7))[0]
            )
        print(f"  n = {n:3}: {1e3 * max(seconds):8.1f} ms at most{goal}")


def codes():
    print("optimal codes, 4 bits: search alone after the heuristics, 15 instances")
    instances = [(kind, seed) for seed in range(4) for kind in KINDS][:15]
    for n in (24, 32, 36):
        seconds, nodes, stopped = [], [], 0
        for kind, seed in instances:
            gram, w, step = instance(kind, n, seed, 4)
            took, found = cpu(
                lambda g=gram, w=w, s=step: quantization_range(w, gram=g, bits=4, step=s, relaxation=False)
            )
            seconds.append(took)
            nodes.append(found.nodes)
            stopped += found.stopped
        print(
            f"  n = {n}: median {1e3 * statistics.median(seconds):.1f} ms, "
            f"largest {1e3 * max(seconds):.0f} ms ({max(nodes):,} nodes), {stopped} of {len(instances)} "
            f"not proved (goal: median 20 ms)"
        )
    for n in (8, 12, *([16] if LARGE else [])):
        ours, theirs, solved = [], [], 0
        for kind in KINDS:
            gram, w, step = instance(kind, n, 0, 4)
            mine, found = cpu(
                lambda g=gram, w=w, s=step: quantization_range(w, gram=g, bits=4, step=s, relaxation=False), 3
            )
            other, (status, value, lower) = cpu(
                lambda g=gram, y=w / step: oracles.scip_codes(g, y, -8, 7, SCIP_SECONDS)
            )
            value, lower = value * step**2, lower * step**2
            assert lower * (1 - 1e-5) <= found.optimum <= value * (1 + 1e-5), "optima differ"
            solved += status == "optimal"
            ours.append(mine)
            theirs.append(other)
        ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
        print(
            f"  n = {n}: median {1e3 * statistics.median(ours):.1f} ms, "
            f"SCIP {1e3 * statistics.median(theirs):.0f} ms, {solved} of {len(KINDS)} solved in "
            f"{SCIP_SECONDS} s: {ratio:.0f} x"
        )


def masks():
    print("optimal masks, correlation 0.9, kept weights refitted")
    for n, keep in ((16, 8), (36, 9), (36, 18)):
        ours, theirs, solved = [], [], 0
        for kind in ("autoregressive", "relu"):
            x, w = problem(kind, n, 0)
            gram = x.T @ x
            mine, found = cpu(lambda g=gram, w=w, k=keep: pruning_range(w, gram=g, keep=k), 3)
            assert found.optimum is not None
            other, (status, value, lower) = cpu(
                lambda g=gram, w=w, k=keep: oracles.scip_mask(g, w, k, SCIP_SECONDS)
            )
            assert lower * (1 - 1e-5) <= found.optimum <= value * (1 + 1e-5), "optima differ"
            solved += status == "optimal"
            ours.append(mine)
            theirs.append(other)
        ratio = min(b / a for a, b in zip(ours, theirs, strict=True))
        print(
            f"  n = {n}, keep {keep}: {1e3 * max(ours):.1f} ms at most, "
            f"SCIP {min(theirs):.1f} to {max(theirs):.1f} s, {solved} of 2 solved in {SCIP_SECONDS} s: at "
            f"least {ratio:.0f} x (goals 1 s and 20 x)"
        )


if __name__ == "__main__":
    pruning_range([1.0, 0.5], gram=np.eye(2), keep=1)  # kernels are loaded before anything is timed
    quantization_range([1.0, 0.5], gram=np.eye(2), bits=2)
    bounds()
    codes()
    masks()

"""Phase II beside a numpy column loop, and beside the matrix products it cannot avoid. Ratios of one run.

CPU time of one thread; N = 512 inputs, m = 2048 samples, 512 neurons, stochastic rounding, float64. The loop
keeps u for all neurons and takes contiguous columns of X (a stride of 4 KiB would make it thrice as slow).
`--large` adds N = 4096 with 4096 neurons on all cores.
"""

import os
import sys

if "--large" not in sys.argv:
    os.environ["OPENBLAS_NUM_THREADS"] = "1"

import resource
import time

import numpy as np
from compare import record

from sims.kernels.path_following import compress_block, transpose
from sims.path_following import compress
from sims.path_following.gram import Gram, add_square
from sims.path_following.recursion import specification
from sims.path_following.trials import error_sampler
from theory.operators import StochasticRounding

STEP = 0.1


def column_loop(weights, inputs, seed):
    columns = np.ascontiguousarray(inputs.T)
    uniforms = np.random.default_rng(seed).random(weights.shape[::-1])
    u = np.zeros((len(weights), len(inputs)))
    q = np.empty_like(weights)
    for t, x in enumerate(columns):
        v = weights[:, t] + u @ x / (x @ x)
        below = np.floor(v / STEP)
        q[:, t] = (below + (uniforms[t] < v / STEP - below)) * STEP
        u += np.outer(weights[:, t] - q[:, t], x)
    return q


def best(functions, rounds):
    """Least time of each function over interleaved rounds: on a shared machine only that can be compared."""
    least = [float("inf")] * len(functions)
    for _ in range(rounds):
        for i, function in enumerate(functions):
            start = time.process_time()
            function()
            least[i] = min(least[i], time.process_time() - start)
    return least


def products(gram, errors):
    """The matrix products of the recursion alone, in its blocks: panels of 128 rows, 16 in a panel."""
    for panel in range(0, len(gram), 128):
        gram[panel : panel + 128, :panel] @ errors[:panel]
        for start in range(panel + 16, panel + 128, 16):
            gram[start : start + 16, panel:start] @ errors[panel:start]


def phase_two():
    rng = np.random.default_rng(0)
    inputs, weights = rng.standard_normal((2048, 512)), rng.standard_normal((512, 512))
    operator = StochasticRounding(STEP)
    expected = column_loop(weights, inputs, seed=1)
    found = compress(weights, inputs, operator=operator, seed=1).weights
    assert np.array_equal(np.rint(expected / STEP), np.rint(found / STEP)), (
        "codes differ from the column loop"
    )
    gram = Gram()
    gram.update(inputs)
    (loop,) = best([lambda: column_loop(weights, inputs, 1)], 3)
    whole, reused, square, blocks, full = best(
        [
            lambda: compress(weights, inputs, operator=operator, seed=1),
            lambda: compress(weights, gram=gram, operator=operator, seed=1),
            lambda: inputs.T @ inputs,
            lambda: products(gram.own, found.T),
            lambda: gram.own @ weights,
        ],
        40,
    )
    rows = [
        ("numpy column loop", loop, "identical codes"),
        ("compress, Gram matrix included", whole, f"{loop / whole:.0f} x faster (goal 80)"),
        ("compress, Gram matrix reused", reused, f"{loop / reused:.0f} x faster (goal 200)"),
    ]
    for name, floor in (("blocks of G E", square + blocks), ("half of one G E", square + full / 2)):
        rows.append(
            (f"bare products: X'X, {name}", floor, f"compress takes {whole / floor:.2f} x (goal 1.15)")
        )
    rows += profile(weights, inputs, found, blocks)
    for name, seconds, remark in rows:
        print(f"{name:<40}{seconds * 1e3:10.2f} ms   {remark}")
    work = "path following, 512 x 2048 x 512, Gram matrix included"
    record(work, whole, "numpy column loop", loop / whole, "bare products", whole / (square + blocks))


def profile(weights, inputs, found, blocks):
    """What compress does, part by part: only the first two are products."""
    n, columns = weights.shape
    gram = add_square(None, inputs)
    q, e, uniforms = np.empty((columns, n)), np.empty((columns, n)), np.empty((16, n))
    nothing, exits, first = np.zeros((16, n)), np.zeros(n, np.int64), np.zeros(n, np.int64)
    inverse = 1 / np.diagonal(gram)
    kind, p = specification(StochasticRounding(STEP))
    rng = np.random.default_rng(1)

    def round_blocks():
        for start in range(0, columns, 16):
            compress_block(start, start + 16, q, gram, inverse, nothing, uniforms, e, exits, first, kind, p)

    transpose(weights, q)
    parts = {
        "X'X by a symmetric update": lambda: add_square(None, inputs),
        "uniforms": lambda: [rng.random(out=uniforms) for _ in range(columns // 16)],
        "rounding, sums within 16 columns": round_blocks,
        "weights turned for the kernel": lambda: transpose(weights, q),
        "every weight finite": lambda: np.isfinite(weights).all(),
    }
    times = dict(zip(parts, best(list(parts.values()), 40), strict=True))
    rows = [("  blocks of G E", blocks, "product"), *((f"  {name}", t, "") for name, t in times.items())]
    return [("of that, part by part:", blocks + sum(times.values()), ""), *rows]


def monte_carlo():
    rng = np.random.default_rng(0)
    inputs, weights = rng.standard_normal((8, 64)), rng.uniform(-1, 1, 64)
    sample = error_sampler(weights, inputs, StochasticRounding(STEP))
    few = sample(np.random.default_rng(1), 200)
    expected = (weights - column_loop(np.tile(weights, (200, 1)), inputs, seed=1)) @ inputs.T
    assert np.allclose(few, expected, atol=1e-12), "trials differ from the column loop"
    (together,) = best([lambda: sample(np.random.default_rng(1), 100_000)], 3)
    (hundred,) = best([lambda: [column_loop(weights[None], inputs, i) for i in range(100)]], 3)
    ratio = 1000 * hundred / together
    print(f"{'100,000 trials, N = 64, m = 8':<40}{together:10.2f} s    {ratio:.0f} x one by one (goal 2 s)")


def large():
    rng = np.random.default_rng(0)
    inputs, weights = rng.standard_normal((8192, 4096)), rng.standard_normal((4096, 4096))
    start = time.perf_counter()
    compress(weights, inputs, operator=StochasticRounding(STEP))
    elapsed = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'N = 4096, 4096 neurons, m = 8192':<40}{elapsed:10.1f} s    {peak:.2f} GiB (goals 60 s, 4 GiB)")


if __name__ == "__main__":
    phase_two()
    monte_carlo()
    if "--large" in sys.argv:
        large()

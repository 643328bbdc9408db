"""A network of 300 tensors judged on one thread and on two: equal rows first, then the ratio.

    python benchmarks/weights.py

On a busy machine two threads wait for cores, which says nothing about the program: where the system tells how
long a thread was ready to run but did not (Linux, /proc), that time is left out.
"""

import glob
import os
import time

import numpy as np
from compare import record

from sims.weights.judge import judged
from sims.weights.select import select
from sims.weights.sources import in_memory


def network(count=300):
    """Matrices of 32 to 512 rows and columns, 9.2 million weights in all."""
    rng = np.random.default_rng(0)
    shapes = (2 ** rng.uniform(5, 9, size=(count, 2))).astype(int)
    return {
        f"layer{i}.weight": rng.standard_t(6, size=shape).astype(np.float32) for i, shape in enumerate(shapes)
    }


def waits():
    """Seconds that every thread but the first, which judges nothing, has waited for a core."""
    found = {}
    for name in set(glob.glob("/proc/self/task/*/schedstat")) - {f"/proc/self/task/{os.getpid()}/schedstat"}:
        try:
            with open(name) as file:
                found[name] = int(file.read().split()[1]) / 1e9
        except OSError:  # it has ended
            continue
    return found


def run(arrays, threads):
    """The table; CPU seconds; seconds of wall time without the longest wait of a thread for a core."""
    before, start, cpu = waits(), time.perf_counter(), time.process_time()
    waited: dict[str, float] = {}
    for table in judged(select(in_memory(arrays)), threads=threads):
        if table.seen > 0.9 * table.planned:  # the pool's threads are still there
            waited |= {name: seconds - before.get(name, 0.0) for name, seconds in waits().items()}
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return table, cpu, wall - max(waited.values(), default=0.0)


def side_by_side():
    arrays = network()
    (one, _, _), (two, _, _) = run(arrays, 1), run(arrays, 2)  # compiles
    assert one.rows == two.rows, "threads must not change a bit"
    rounds = [(run(arrays, 1)[1], run(arrays, 2)[2]) for _ in range(9)]
    single, double = (sorted(times)[len(times) // 2] for times in zip(*rounds, strict=True))
    size = sum(array.size for array in arrays.values())
    print(
        f"{len(arrays)} tensors, {size:,} weights, 7 widths: {single:.3f} s on one thread, equal rows on two"
    )
    record(
        "300 tensors judged on two threads",
        double,
        "one thread",
        single / double,
        "two cores",
        2 * double / single,
    )


if __name__ == "__main__":
    side_by_side()

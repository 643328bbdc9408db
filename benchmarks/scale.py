"""What a sweep costs: trials per second of each simulation, how the cost grows, and a large sweep on paper.

Prints the figures of docs/scale.md. The rate of a long run must agree with that of a short one within the
noise of the machine (trials are independent and the cost is linear): both are shown.
"""

import time

from sims import partition, subset_sum
from sims.montecarlo import Estimate
from sims.support.threads import default_threads

TRIALS, CELLS, MACHINES, CORES = 1e9, 1e4, 100, 64
CASES = {
    "subset sum, n = 12, M = 127": lambda trials, threads: subset_sum.estimate(
        12, 127, 5, trials, seed=0, threads=threads
    ),
    "partition, n = 16, M = 2^14": lambda trials, threads: partition.estimate(
        16, 2**14, trials, seed=0, threads=threads
    ),
    "partition, n = 20, M = 2^18": lambda trials, threads: partition.estimate(
        20, 2**18, trials, seed=0, threads=threads
    ),
    "partition, n = 24, M = 2^22": lambda trials, threads: partition.estimate(
        24, 2**22, trials, seed=0, threads=threads
    ),
}


def rate(run, trials: int, threads: int) -> tuple[float, Estimate]:
    start = time.perf_counter()
    estimate = run(trials, threads)
    return trials / (time.perf_counter() - start), estimate


def main() -> None:
    threads = default_threads()
    print(f"{'simulation':<30}{'short':>12}{'long':>12}{'x threads':>11}{'core-hours':>14}{'days':>9}")
    for name, run in CASES.items():
        run(4096, 1)  # compile
        short, _ = rate(run, 20_480, 1)
        long, alone = rate(run, 204_800, 1)
        together, shared = rate(run, 204_800, threads)
        assert alone == shared, "threads must not change a bit"
        hours = TRIALS * CELLS / long / 3600
        days = hours / (MACHINES * CORES) / 24
        print(f"{name:<30}{short:>10.0f}/s{long:>10.0f}/s{together / long:>11.2f}{hours:>14.3g}{days:>9.2g}")
    print(f"last columns: {CELLS:.0e} cells of {TRIALS:.0e} trials, {MACHINES} machines of {CORES} cores")


if __name__ == "__main__":
    main()

"""Exact partition decisions and counts beside their peers: same instances, same verdicts, ratios of CPU time.

    python benchmarks/subset_sum.py

Peers: meet in the middle on sorted halves (compiled), a Python big-integer bitset, OR-Tools CP-SAT (extra
[oracles]). Every peer's verdicts are compared with the engine's before anything is timed. All times are CPU
time of one thread, the best of several rounds; only the ratios mean something on a busy machine.
"""

import argparse
import itertools
import os
import time
from functools import partial

os.environ.setdefault("SNAPCUT_THREADS", "1")

import numpy as np
from compare import record
from numba import njit

from sims import partition, subset_sum
from sims.kernels.subset_sum_count import count_pairs, sorted_sums
from sims.subset_sum import algorithms as engine
from sims.subset_sum.rare import estimate_rare
from theory.partition import window_max_value
from theory.subset_sum import exact as exact


def best_of(rounds, call):
    times = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times)


def instances(n, count, seed=0):
    return np.random.default_rng(seed).integers(1, window_max_value(n, 0.0) + 1, size=(count, n))


def sorted_merge(rows):
    """The classical method: halves sorted by merging (no comparison sort), one two-pointer pass."""
    n = rows.shape[1] - 1
    half = n // 2
    left, right = np.empty((2, 1 << half), np.int64), np.empty((2, 1 << (n - half)), np.int64)
    verdicts = []
    for row in rows:
        sorted_sums(row[1 : 1 + half], left[1], left[0])
        sorted_sums(row[1 + half :], right[1], right[0])
        total = int(row.sum())
        verdicts.append(count_pairs(left[0], right[0], total // 2, total // 2 + total % 2) > 0)
    return verdicts


def big_integer(rows):
    verdicts = []
    for row in rows.tolist():
        reachable = 1
        for value in row:
            reachable |= reachable << value
        verdicts.append(bool(reachable >> (sum(row) // 2) & 1))
    return verdicts


def cp_sat(rows):
    from ortools.sat.python import cp_model

    verdicts = []
    for row in rows.tolist():
        model = cp_model.CpModel()
        inside = [model.new_bool_var(str(i)) for i in range(len(row))]
        model.add(sum(v * x for v, x in zip(row, inside, strict=True)) == sum(row) // 2)
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        status = solver.solve(model)
        assert status in (cp_model.OPTIMAL, cp_model.FEASIBLE, cp_model.INFEASIBLE)
        verdicts.append(status != cp_model.INFEASIBLE)
    return verdicts


MERGE = ("sorted-merge meet in the middle", sorted_merge, 100)
# Look-ups of one decision, and 64-bit words of the bitset: 2^12 and 2^16 sums of the right half.
PROBES = {24: (2**12, 2**10), 32: (2**16, 2**13)}


@njit
def looked_up(bits, sums, blocks, hits):
    """Look the sums up in a bitset at `blocks` offsets, and nothing else; how many are there."""
    mask, total = np.int64(bits.size) * 64 - 1, 0
    for block in range(blocks):
        found = np.int64(0)
        for i in range(sums.size):
            r = np.uint64((block * 1_000_003 - sums[i]) & mask)
            hits[found] = i
            found += np.int64((bits[r >> np.uint64(6)] >> (r & np.uint64(63))) & np.uint64(1))
        total += found
    return total


def bare_probes(n):
    """Seconds of the look-ups alone, in a bitset of which a sixteenth is set."""
    count, words = PROBES[n]
    rng = np.random.default_rng(0)
    bits = np.packbits(rng.random((words, 64)) < 1 / 16, axis=1).view(np.uint64).ravel()
    sums, hits = rng.integers(0, 2**40, 2**9), np.empty(2**9 + 1, np.int64)
    looked_up(bits, sums, 1, hits)  # compile
    return best_of(9, lambda: looked_up(bits, sums, 64 * count // sums.size, hits)) / 64


def decisions(n, count, peers, rounds):
    rows = instances(n, count)
    ours = partition.perfect_rows(rows)
    engine = best_of(rounds, lambda: partition.perfect_rows(rows)) / count
    print(
        f"n = {n}, M = {window_max_value(n, 0.0)}: {1e6 * engine:.2f} us, {1 / engine:,.0f} decided a second"
    )
    for name, peer, some in peers:
        sample = rows[:some]
        verdicts = peer(sample)
        assert list(verdicts) == ours[:some].tolist(), f"{name} disagrees"
        cost = best_of(1 if some < 100 else rounds, partial(peer, sample)) / some
        print(f"    x {cost / engine:12,.1f}  {name} ({1e6 * cost:,.1f} us, {some} equal verdicts)")
        if peer is sorted_merge:
            floor = bare_probes(n)
            print(
                f"    {1e6 * floor:.2f} us are the look-ups alone, {1e9 * floor / PROBES[n][0]:.2f} ns each"
            )
            record(
                f"perfect partition decided, n = {n}", engine, name, cost / engine, "probes", engine / floor
            )


def counting(n):
    values = np.random.default_rng(1).integers(1, 2 ** (n - 4), size=n)
    target = int(values.sum()) // 2
    result = subset_sum.count_subsets(values, target, threads=1)
    assert result == engine.count_by_sorting(values, target)
    seconds = best_of(3, lambda: subset_sum.count_subsets(values, target, threads=1))
    peer = best_of(3, lambda: engine.count_by_sorting(values, target))
    plan = subset_sum.explain(values, target, "count").algorithm
    print(f"count all {result} solutions, n = {n}, by {plan}: {1e3 * seconds:.1f} ms")
    print(f"    x {peer / seconds:12,.1f}  sorted-merge meet in the middle, {32 * 2 ** (n // 2) >> 20} MiB")
    lists = np.zeros(2 ** (n // 2))
    floor = best_of(5, lambda: [lists.sum() for _ in range(4)])
    passes = f"4 passes over {8 * 2 ** (n // 2) >> 20} MiB"
    record(
        f"exact count of solutions, n = {n}", seconds, "sorted merge", peer / seconds, passes, seconds / floor
    )


def finding(n, bits):
    rng = np.random.default_rng(2)
    values = rng.integers(1, 2**bits, size=n) * rng.choice([-1, 1], size=n)
    target = int(values[rng.random(n) < 0.5].sum())
    mask = subset_sum.find_subset(values, target)
    assert values[mask].sum() == target
    seconds = best_of(3, lambda: subset_sum.find_subset(values, target))
    plan = subset_sum.explain(values, target).algorithm
    print(f"find one of n = {n}, values to 2^{bits}, by {plan}: {seconds:.3f} s")


def rare():
    start = time.process_time()
    found = estimate_rare(40, 127, 1, seed=0, threads=1)
    seconds = time.process_time() - start
    plain = subset_sum.estimate(16, 127, 1, 1_000_000, 0, threads=1)
    assert found.low[16] < plain.high and plain.low < found.high[16]
    start = time.process_time()
    subset_sum.estimate(21, 127, 1, 200_000, 0, threads=1)
    per_trial = (time.process_time() - start) / 200_000
    value, error = found.values[40], found.replicates[:, 40].std(ddof=1) / len(found.replicates) ** 0.5
    trials = value / error**2  # plain trials of the same relative error
    print(f"P(miss), n = 40, M = 127, t = 1: {value:.2e} +- {error:.0e} in {seconds:.1f} s")
    print(f"    x {trials * per_trial / seconds:12,.1e}  plain Monte Carlo of the same error (extrapolated)")


def exhaustive(n, max_value, target):
    """P(miss) by every draw and every subset."""
    values = [x for x in range(-max_value, max_value + 1) if x]
    draws = np.array(list(itertools.product(values, repeat=n)))
    sums = draws @ ((np.arange(2**n) >> np.arange(n)[:, None]) & 1)
    return 1.0 - float((sums == target).any(axis=1).mean())


def exact_chain(n=6, max_value=3, target=1):
    """The exact law beside enumeration, and beside Monte Carlo of 1 % error on a larger grid."""

    def chain(*arguments):
        exact._miss_law.cache_clear()
        return float(exact.exact_miss_probability(*arguments))

    assert abs(chain(n, max_value, target) - exhaustive(n, max_value, target)) < 1e-12
    ours = best_of(3, lambda: chain(n, max_value, target))
    peer = best_of(1, lambda: exhaustive(n, max_value, target))
    print(f"exact P(miss), M = {max_value}, n = {n}: {1e3 * ours:.2f} ms, and every other n with it")
    print(f"    x {peer / ours:12,.1f}  exhaustive enumeration, this n alone")
    value, ours = chain(40, 7, 7), best_of(3, lambda: chain(40, 7, 7))
    start = time.process_time()
    found = estimate_rare(40, 7, 7, seed=0, threads=1)
    seconds = time.process_time() - start
    assert found.low[40] < value < found.high[40]
    error = found.replicates[:, 40].std(ddof=1) / len(found.replicates) ** 0.5 / value
    start = time.process_time()
    subset_sum.estimate(20, 7, 7, 200_000, 0, threads=1)
    per_trial = (time.process_time() - start) / 200_000
    print(f"exact P(miss), M = 7, t = 7, n = 40: {value:.3e} in {1e3 * ours:.0f} ms")
    print(f"    x {seconds * (error / 0.01) ** 2 / ours:12,.0f}  splitting to 1 % (extrapolated)")
    print(f"    x {per_trial * 1e4 / value / ours:12,.1e}  plain Monte Carlo to 1 % (extrapolated)")


def threads():
    """Both cores against one, on whole Monte Carlo blocks."""
    times = []
    for count in (1, 2):
        start = time.perf_counter()
        result = partition.estimate(24, window_max_value(24, 0.0), 80_000, 0, threads=count)
        times.append((time.perf_counter() - start, result))
    assert times[0][1] == times[1][1]
    print(f"two threads against one: x {times[0][0] / times[1][0]:.2f}, equal bits")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer instances, no CP-SAT")
    quick = parser.parse_args().quick
    solvers = [("OR-Tools CP-SAT, one worker", cp_sat, 20)]
    try:
        import ortools  # noqa: F401
    except ImportError:
        print("OR-Tools is not installed (extra [oracles]): no CP-SAT row")
        solvers = []
    if quick:
        solvers = []
    decisions(
        24,
        2000 if quick else 20_000,
        [(*MERGE[:2], 2000), ("Python big-integer bitset", big_integer, 5 if quick else 20), *solvers],
        3,
    )
    decisions(32, 100 if quick else 1000, [MERGE], 3)
    counting(40)
    counting(44)
    finding(64, 40)
    rare()
    exact_chain()
    threads()


if __name__ == "__main__":
    main()

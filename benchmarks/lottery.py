"""Lottery tickets: the mask solver beside a big-integer bitset and CP-SAT; whole networks in one call.

Solver times are CPU times of one thread; peers solve the same weights and their answers are compared before
anything is timed. CP-SAT comes with the [oracles] extra, EfficientNet-Lite0 with [zoo].
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from sims.kernels import lottery as kernels
from sims.lottery import embed
from sims.lottery.masks import scratch
from sims.lottery.trials import network_failures, random_network

PUBLISHED_SECONDS, PUBLISHED_CORES = 77_266, 36  # 397,000 weights, n = 21, error 0.01, commercial MIP solver


def bitset_mask(x, target):
    """Reachable sums as bits of one Python integer, item by item; the mask by walking back."""
    low = -sum(v for v in x if v < 0)
    reach = [1 << low]
    for v in x:
        r = reach[-1]
        reach.append(r | (r << v if v > 0 else r >> -v))
    at = target + low
    if at < 0 or not reach[-1] >> at & 1:
        return -1
    mask = 0
    for c in range(len(x) - 1, -1, -1):
        if not reach[c] >> at & 1:
            mask |= 1 << c
            at -= x[c]
    return mask


def cp_sat_mask(x, target):
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    chosen = [model.new_bool_var("") for _ in x]
    model.add(sum(v * b for v, b in zip(x, chosen, strict=True)) == target)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return -1
    assert status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return sum(1 << c for c, b in enumerate(chosen) if solver.value(b))


def check(x, targets, masks):
    """Every mask is a solution; -1 stands for none."""
    for row, target, mask in zip(x.tolist(), targets.tolist(), masks, strict=True):
        if mask >= 0:
            assert sum(v for c, v in enumerate(row) if mask >> c & 1) == target


def solver(top, n, weights, name):
    rng = np.random.default_rng(0)
    x = (rng.integers(1, top + 1, (weights, n)) * rng.choice([-1, 1], (weights, n))).astype(np.int32)
    targets = rng.integers(-top, top + 1, weights)
    masks, solved = np.empty(weights, np.int64), np.empty(weights, bool)
    least = float("inf")
    for _ in range(5):
        work = scratch(top, n)
        start = time.process_time()
        failures = kernels.solve_many(x, targets, masks, solved, work)
        least = min(least, time.process_time() - start)
    masks = np.where(solved, masks, -1)
    print(f"{name}: {weights:,} weights, M = {top}, {n} candidates")
    each = 1e9 * least / weights
    print(f"  solver {least:.3f} s, {each:.0f} ns per weight; {failures} without solution")

    some = min(20_000, weights)
    rows = x[:some].tolist()
    start = time.process_time()
    found = [bitset_mask(row, t) for row, t in zip(rows, targets[:some].tolist(), strict=True)]
    each = (time.process_time() - start) / some
    assert [m < 0 for m in found] == (~solved[:some]).tolist(), "verdicts differ from the bitset"
    check(x[:some], targets[:some], found)
    check(x[:some], targets[:some], masks[:some].tolist())
    print(f"  big-integer bitset {1e9 * each:,.0f} ns per weight: {each * weights / least:,.0f} x slower")
    try:
        import ortools  # noqa: F401
    except ImportError:
        print("  CP-SAT: skipped, the [oracles] extra is not installed")
        return
    some = 200
    cp_sat_mask(rows[0], int(targets[0]))
    start = time.process_time()
    found = [cp_sat_mask(rows[i], int(targets[i])) for i in range(some)]
    each = (time.process_time() - start) / some
    assert [m < 0 for m in found] == (~solved[:some]).tolist(), "verdicts differ from CP-SAT"
    check(x[:some], targets[:some], found)
    print(f"  CP-SAT {1e9 * each:,.0f} ns per weight: {each * weights / least:,.0f} x slower")


def whole_network():
    weights = random_network((784, 500, 10), 127, 0)
    embed(weights, 127, 21, 0)
    seconds, core = float("inf"), float("inf")
    for _ in range(3):
        start, cpu = time.perf_counter(), time.process_time()
        ticket = embed(weights, 127, 21, 0)
        masks = ticket.kept_parameters
        wrong = sum(int((p != w).sum()) for (p, _), w in zip(ticket.effective(), weights, strict=True))
        seconds, core = (
            min(seconds, time.perf_counter() - start),
            min(core, time.process_time() - cpu),
        )
    assert wrong == len(ticket.failures), "a weight that is no failure is not represented"
    published = PUBLISHED_SECONDS * PUBLISHED_CORES
    print("784-500-10, 397,000 weights, 8 bits, 21 candidates: drawing, solving, masks, verification")
    print(
        f"  one call {seconds:.3f} s ({core:.3f} core-seconds), {wrong} failures, {masks:,} parameters kept"
    )
    ratio = published / core
    print(f"  published log, as many weights at error 0.01: {published:,} core-seconds, {ratio:,.0f} x")
    whole = embed(weights, 127, 34, 0)
    print(f"  34 candidates: {len(whole.failures)} failures, verified {whole.verify()}")


def many_networks(sizes, top, n, count, **options):
    """Random networks pruned to one target in one kernel, beside `embed` one after another: equal answers."""
    weights = random_network(sizes, top, 3)
    sample = network_failures(weights, top, n, **options)
    seeds = np.random.default_rng(0).integers(1 << 62, size=count)
    least, alone = float("inf"), float("inf")
    for _ in range(3):
        start = time.process_time()
        fails = sample(np.random.default_rng(0), count)
        middle = time.process_time()
        one_by_one = [bool(embed(weights, top, n, int(s), threads=1, **options).failures) for s in seeds]
        assert fails.tolist() == one_by_one, "verdicts differ from embed"
        least, alone = min(least, middle - start), min(alone, time.process_time() - middle)
    construction = options.get("construction", "two_layer")
    print(
        f"{'-'.join(map(str, sizes))}, M = {top}, {n} candidates, {construction}: "
        f"{1e6 * least / count:.1f} us per network, embed one by one {alone / least:,.0f} x slower"
    )


def peak_memory():
    """In GiB. getrusage would report the parent's peak after a fork, the status file does not."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def checkpoint():
    from sims import weights
    from sims.weights.scales import integer_codes

    path = weights.zoo_checkpoint()
    if path is None:
        print("EfficientNet-Lite0: skipped, the [zoo] extra is not installed")
        return
    arrays = [a for a in weights.load(path).values() if a.ndim > 1 and a.size >= 256]
    matrices = [integer_codes(a.reshape(len(a), -1), 4, "symmetric")[0] for a in arrays]
    del arrays
    for signed in (False, True):
        start, cpu = time.perf_counter(), time.process_time()
        failures = wrong = 0
        for i, w in enumerate(matrices):
            ticket = embed([w], 7, 14, i, signed_inputs=signed)
            failures += len(ticket.failures)
            positive, negative = ticket.effective()[0]
            wrong += int(((positive != w) | ((negative != w) if signed else False)).sum())
        seconds, core = time.perf_counter() - start, time.process_time() - cpu
        assert wrong == failures
        count = sum(w.size for w in matrices)
        sides = "both sides" if signed else "one side"
        print(
            f"EfficientNet-Lite0, {count:,} weights, 4 bits, 14 candidates, {sides}: drawing, solving, "
            f"masks, verification {seconds:.2f} s ({core:.2f} core-seconds), {failures} failures"
        )
    print(f"peak memory of this process {peak_memory():.2f} GiB")


if __name__ == "__main__":
    if "--checkpoint" in sys.argv:
        checkpoint()
    else:
        solver(127, 21, 397_000, "8 bits")
        solver(7, 14, 4_608_992, "4 bits")
        whole_network()
        many_networks((4, 5, 4), 1, 7, 1000)
        many_networks((4, 5, 4), 1, 4, 1000, construction="depth_plus_one", copies=10)
        many_networks((16, 8, 4), 7, 12, 1000)
        many_networks((64, 48, 10), 127, 16, 100)
        sys.stdout.flush()
        subprocess.run([sys.executable, __file__, "--checkpoint"], check=True)  # its own peak memory

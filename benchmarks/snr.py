"""Signal-to-noise engines beside their peers: answers compared first, then ratios of CPU time.

    OMP_NUM_THREADS=1 python benchmarks/snr.py [--large]

1. Optimal scales of a network (EfficientNet-Lite0 where the [zoo] extra is installed, else a stand-in of the
   same size), 7 bit widths: the certified search beside a 100-candidate grid search in vectorised numpy.
2. A scale per output channel of the same network: rows rounded whole beside the search on sorted rows, and
   the length of row at which the two cost the same.
3. Step and offset of all its weights as one tensor, 7 bit widths: the certified search beside a grid of 100
   steps x 100 offsets in vectorised numpy, whole on a sample and timed on some of its candidates.
4. The map of Figure 2, 7 bit widths x 200 kurtoses: closed forms beside quadrature with a scalar optimiser.
5. --large: 100 million weights in one tensor, time and peak memory.

CPU time of one thread, the best of several rounds; on a busy machine only the ratios mean something.
"""

import argparse
import functools
import resource
import time

import numpy as np
from compare import record
from numba import njit

from sims import weights
from sims.kernels.snr_rows import integer_scale as row_scale
from sims.kernels.snr_rows import integer_sums
from sims.weights import formats
from sims.weights.scales import EVALUATIONS, Values, integer_scale
from theory.distributions import StudentT
from theory.snr import equal_sparsity, integer_levels, quantization_snr

BITS = range(2, 9)


def cpu(call):
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def network():
    path = weights.zoo_checkpoint()
    if path is not None:
        arrays = weights.load(path).values()
        return "EfficientNet-Lite0", [w.ravel() for w in arrays if w.ndim >= 2 and w.size >= weights.MIN_SIZE]
    rng = np.random.default_rng(0)
    return "stand-in, Student-t weights", [rng.standard_t(6, size=92_000) for _ in range(50)]


def grid_search(values, bits, candidates=100):
    """The usual search: candidates between 1/100 and 1 of max-abs scaling, each rounded in full."""
    levels = integer_levels(bits)
    steps = np.linspace(1 / candidates, 1, candidates) * np.abs(values).max() / -levels[0]
    errors = [np.mean((values - s * np.clip(np.rint(values / s), levels[0], levels[-1])) ** 2) for s in steps]
    return steps[int(np.argmin(errors))], min(errors)


def scales():
    name, tensors = network()
    narrow = [tensor.astype(np.float32) for tensor in tensors]  # as the file has them
    sparsities = [equal_sparsity(bits) for bits in BITS]

    def ours(given):
        return [Values(tensor).at_widths(BITS, sparsities) for tensor in given]

    ours(narrow[:1]), ours(tensors[:1])  # compile
    found, seconds = min((cpu(lambda: ours(tensors)) for _ in range(9)), key=lambda pair: pair[1])
    same, fewer = min((cpu(lambda: ours(narrow)) for _ in range(9)), key=lambda pair: pair[1])
    assert found == same, "float32 values give other bits"
    peer, peer_seconds = cpu(lambda: [[grid_search(tensor, bits) for bits in BITS] for tensor in tensors])
    worst, gap = 0.0, 0.0
    for tensor, ours_, theirs in zip(tensors, found, peer, strict=True):
        power = float(np.mean(tensor**2))
        for one, (_, error) in zip(ours_, theirs, strict=True):
            scale = one.quantized
            worst = max(worst, scale.noise * power / error)
            gap = max(gap, (scale.noise - scale.bound) / scale.noise)
    assert worst <= 1 + 1e-9, f"grid search found a smaller error (ratio {worst})"
    assert gap <= 1e-6 + 1e-9, f"certificate incomplete (gap {gap})"
    count = sum(tensor.size for tensor in tensors)
    print(f"scales of {name}: {len(tensors)} tensors, {count:,} weights, {len(BITS)} widths: {seconds:.3f} s")
    print(f"  100-candidate grid search: {peer_seconds:.1f} s, x {peer_seconds / seconds:.0f}")
    print(f"  our error / grid error at most {worst:.6f}; certified gap at most {gap:.1e}")
    _, sort = min((cpu(lambda: [np.sort(tensor) for tensor in narrow]) for _ in range(9)), key=lambda p: p[1])
    tried = sum(
        one.quantized.evaluations * 2**bits for row in found for bits, one in zip(BITS, row, strict=True)
    )
    print(f"  float32 weights: {fewer:.3f} s; sorting alone {sort:.3f} s, {tried:,} sums looked up besides")
    wide = [tensor * (1 + 2.0**-40) for tensor in tensors]  # as no float32 holds them
    _, most = min((cpu(lambda: ours(wide)) for _ in range(5)), key=lambda pair: pair[1])
    print(f"  weights that float32 does not hold: {most:.3f} s, x {peer_seconds / most:.0f}")
    work = f"optimal scales, {count / 1e6:.1f} M weights x {len(BITS)} widths, float"
    peer_name = "100-candidate grid (float64)"
    record(f"{work}64", seconds, peer_name, peer_seconds / seconds, "one sort as float32", seconds / sort)
    record(f"{work}32", fewer, peer_name, peer_seconds / fewer, "one sort as float32", fewer / sort)


@njit
def rounded(x, times):
    """Round a row so many times, each at a scale that the sums before it decide, as a search does."""
    products, s = np.empty(x.size), 0.3
    for _ in range(times):
        a, b = integer_sums(x, products, 8.0, 7.0, s)
        s = 0.3 + 1e-9 * a / b
    return s


@functools.cache
def trial_seconds(columns):
    """Of one trial of a row, where nothing else is done."""
    x, times = np.random.default_rng(0).standard_t(6, columns), 2**21 // columns
    rounded(x, 1)  # compile
    return min(cpu(lambda: rounded(x, times))[1] for _ in range(5)) / times


@njit
def padded(columns):
    """Length of a row in scratch memory."""
    return -(-columns // 16) * 16


@njit
def trials_of(rows, widths, limit):
    """How many scales the search tries on these rows, all together."""
    columns = rows.shape[1]
    x = np.zeros(padded(columns))
    products, stack, total = np.empty(x.size), np.empty((256, 4)), 0
    for r in range(rows.shape[0]):
        x[:columns] = rows[r]
        for bits in widths:
            n = 2.0 ** (bits - 1)
            total += row_scale(x, products, stack, n, n - 1.0, 1e-6, limit)[3]
    return total


def channels():
    from sims.kernels.snr_rows import SHORT, row_errors

    path = weights.zoo_checkpoint()
    if path is not None:
        arrays = [w for w in weights.load(path).values() if w.ndim >= 2 and w.size >= weights.MIN_SIZE]
    else:
        rng = np.random.default_rng(0)
        arrays = [rng.standard_t(6, size=(440, 209)) for _ in range(50)]
    widths = np.array(BITS)
    rows = [formats.rows_of(w).astype(np.float64, order="C") for w in arrays]

    def whole():
        return [formats.channel_snr(w, BITS) for w in arrays]

    def kernel(short):
        return [row_errors(matrix, widths, 1e-6, EVALUATIONS, short) for matrix in rows]

    formats.channel_snr(arrays[0], BITS)  # compile
    found, seconds = min((cpu(lambda: kernel(SHORT)) for _ in range(3)), key=lambda pair: pair[1])
    peer, peer_seconds = cpu(lambda: kernel(0))
    _, total = min((cpu(whole) for _ in range(3)), key=lambda pair: pair[1])
    (errors, bounds), (others, _) = (map(np.concatenate, zip(*one, strict=True)) for one in (found, peer))
    rounding = 1e-13 * np.concatenate([(matrix**2).sum(axis=1) for matrix in rows])[:, None]
    difference = float(np.max(np.abs(errors - others) - 1e-6 * others - rounding))
    gap = float(np.max(errors - bounds - 1e-6 * errors - 1.001 * rounding))
    assert difference <= 0, f"the two searches differ by {difference} beyond their tolerance"
    assert gap <= 0, f"certificate incomplete by {gap}"
    print(f"scales per channel: {len(errors):,} rows, {len(BITS)} widths: {total:.2f} s")
    print(f"  of that the search {seconds:.2f} s; on sorted rows {peer_seconds:.2f} s,", end=" ")
    print(f"x {peer_seconds / seconds:.1f}; every error within 1e-6 of its proved bound")
    # A trial rounds every weight of a row; its sums, four partial ones in order, wait for the adder, and the
    # scale of the next trial waits for them.
    short = [matrix for matrix in rows if matrix.shape[1] <= SHORT]
    trials = [trials_of(matrix, widths, EVALUATIONS) for matrix in short]
    floor = sum(n * trial_seconds(padded(m.shape[1])) for n, m in zip(trials, short, strict=True))
    least = 1e9 * trial_seconds(16)
    print(f"  {sum(trials):,} trials of scales, at least {floor:.2f} s; one of 16 weights {least:.0f} ns")
    work = f"scales per channel, {len(errors):,} rows x {len(BITS)} widths"
    record(
        work,
        seconds,
        "the search on sorted rows",
        peer_seconds / seconds,
        "trials, one after another",
        seconds / floor,
    )
    ratios = []
    for columns in (256, 512, 1024, 2048, 4096, 8192):
        matrix = np.random.default_rng(0).standard_t(6, size=(2**19 // columns, columns))
        direct, sorted_ = (
            min(cpu(functools.partial(row_errors, matrix, widths, 1e-6, EVALUATIONS, short))[1] for _ in "12")
            for short in (columns, 0)
        )
        ratios.append(f"{columns}: {sorted_ / direct:.2f}")
    print(f"  sorted over whole rows, by weights per row: {', '.join(ratios)} (switched at {SHORT})")


def affine_errors(values, bits, pairs):
    """Mean squared error of every pair of ends, each rounded in full."""
    top, errors = 2**bits - 1, []
    for low, high in pairs:
        step = (high - low) / top
        errors.append(np.mean((values - low - step * np.clip(np.rint((values - low) / step), 0, top)) ** 2))
    return errors


def affine_candidates(values, count=100):
    """Ends that shrink independently from the least and the largest weight to a hundredth of the way."""
    shares = np.linspace(1 / count, 1, count)
    return [(low, high) for low in shares * values.min() for high in shares * values.max()]


def affine_grids():
    from sims.weights.affine import SplitValues

    _, tensors = network()
    values = np.concatenate(tensors).astype(np.float64)
    sample = np.random.default_rng(0).choice(values, 3000)
    SplitValues(sample).optimal(4)  # compile
    worst, least = 0.0, np.inf
    for bits in BITS:
        found, power = SplitValues(sample).optimal(bits), float(np.mean(sample**2))
        ratio = found.noise * power / min(affine_errors(sample, bits, affine_candidates(sample)))
        worst, least = max(worst, ratio), min(least, ratio)
    assert worst <= 1 + 2e-4, f"the grid found a smaller error (ratio {worst})"

    def ours():
        split = SplitValues(values)
        return [split.optimal(bits) for bits in BITS]

    found, seconds = min((cpu(ours) for _ in range(3)), key=lambda pair: pair[1])
    gap = max(one.gap for one in found)
    some = affine_candidates(values)[::3333]
    _, peer = cpu(lambda: [affine_errors(values, bits, some) for bits in BITS])
    whole = peer * 100 * 100 / len(some)
    print(f"step and offset of {values.size:,} weights, {len(BITS)} widths: {seconds:.2f} s, gap {gap:.1e}")
    print(
        f"  100 x 100 grid: {whole:.0f} s (by {len(some)} of its 10,000 candidates), x {whole / seconds:.0f}"
    )
    print(f"  on a sample of {sample.size:,}: our error / grid error {least:.4f} to {worst:.6f}")


def figure_map():
    from scipy import integrate, optimize

    bounds = np.geomspace(1.5, 2000, 200)

    def ours():
        return [[quantization_snr(StudentT(2, r), bits) for bits in BITS] for r in bounds]

    ours()
    found, seconds = min((cpu(ours) for _ in range(3)), key=lambda pair: pair[1])

    def quadrature(r, bits):
        law = StudentT(2, r)
        levels = integer_levels(bits)

        def error(log_step):
            step = np.exp(log_step)
            edges = np.clip(np.concatenate([[-r], (levels[1:] + levels[:-1]) / 2 * step, [r]]), -r, r)
            total = 0.0
            for level, low, high in zip(levels * step, edges[:-1], edges[1:], strict=True):
                if high > low:
                    total += integrate.quad(
                        lambda w, q=level: (w - q) ** 2 * law.pdf(w), low, high, epsrel=1e-10
                    )[0]
            return total

        start = np.log(r / -levels[0])
        best = optimize.minimize_scalar(
            error, bounds=(start - 5, start), method="bounded", options={"xatol": 1e-6}
        )
        return 10 * np.log10(law.second_moment / best.fun)

    sample = [(i, bits) for i in (20, 120) for bits in (2, 4, 6)]
    peer, peer_seconds = cpu(lambda: [quadrature(bounds[i], bits) for i, bits in sample])
    differences = [found[i][bits - 2] - value for (i, bits), value in zip(sample, peer, strict=True)]
    assert min(differences) > -1e-6, f"the scalar optimiser found more signal: {differences}"
    _, own = min(
        (cpu(lambda: [quantization_snr(StudentT(2, bounds[i]), b) for i, b in sample]) for _ in range(5)),
        key=lambda p: p[1],
    )
    print(f"map of Figure 2, {len(bounds)} x {len(BITS)} cells: {seconds:.3f} s")
    ratio = peer_seconds / own
    print(f"  quadrature and optimiser, {len(sample)} cells: {peer_seconds:.2f} s, x {ratio:.0f}")
    print(f"  differences at most {max(map(abs, differences)):.1e} dB")


def large():
    values = np.random.default_rng(0).standard_normal(100_000_000, dtype=np.float32)
    integer_scale(values[: 2**22], 4)  # compile the float32 kernels
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def ours():
        return weights.analyse({"w": values.reshape(10_000, 10_000)})

    table, seconds = cpu(ours)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"100 M weights, {len(BITS)} widths: {seconds:.1f} s, 4 bits {table.rows[0].quantization[4]:.3f} dB"
    )
    print(
        f"  peak memory {(after - before) * 1024 / values.nbytes + 1:.2f} times the tensor, itself included"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    arguments = parser.parse_args()
    scales()
    channels()
    affine_grids()
    figure_map()
    if arguments.large:
        large()

"""Claims on storage: formats of sparse weights counted bit by bit on packed examples."""

import math
from functools import partial

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, at_most, within
from theory import storage

PAPER = "kuzmin"
ROWS, COLUMNS = 256, 1024


def pruned(sparsity, seed=35):
    """A mask of kept entries: every row keeps the same number, at random places."""
    rng = np.random.default_rng(seed)
    kept = round((1 - sparsity) * COLUMNS)
    mask = np.zeros((ROWS, COLUMNS), bool)
    for row in mask:
        row[rng.choice(COLUMNS, kept, replace=False)] = True
    return mask


def csr_bits(mask, bits, pointers=True):
    """Bits of a CSR matrix: scipy's arrays, indices as short as the width allows, pointers of 32 bits."""
    from scipy.sparse import csr_array

    matrix = csr_array(mask.astype(np.float32))
    index = math.ceil(math.log2(mask.shape[1]))
    total = matrix.data.size * bits + matrix.indices.size * index
    return total + pointers * 32 * (matrix.indptr.size - 1)  # a row ends where the next begins


def csr(run, factor=1.0, pointers=True):
    """Kept values and column indices, and a row pointer: exact on packed examples."""
    for sparsity in (0.5, 0.75, 0.9375):
        mask = run.once(f"{sparsity}", partial(pruned, sparsity))
        packed = csr_bits(mask, 16, pointers) / mask.size
        stated = factor * storage.bits_per_weight("csr", sparsity, 16, columns=COLUMNS)
        yield within(f"sparsity {sparsity:g}: packed bits over the formula", packed / stated, 1.0, 1e-12)
        dearer = stated / (factor * storage.bits_per_weight("bitmask", sparsity, 16))
        if sparsity <= 0.75:  # 10-bit indices pay beyond 1 - 1/10 only
            yield at_most(f"sparsity {sparsity:g}: a bitmask over CSR", 1 / dearer, 1.0)


def runs(mask, run_bits, fillers=True):
    """Entries of a run-length code of the flattened mask: gaps of up to 2^r - 1 zeros, fillers beyond."""
    at = np.flatnonzero(mask.ravel())
    gaps = np.diff(at, prepend=-1) - 1
    return at.size + (int((gaps // 2**run_bits).sum()) if fillers else 0)


def run_length(run, factor=1.0, fillers=True):
    """Entries of drawn masks with independent zeros against (1 - c)/(1 - c^(2^r)), and the best r."""
    size = 2_000_000
    for sparsity, run_bits in ((0.5, 1), (0.75, 2), (0.9, 4)):

        def found(sparsity=sparsity, run_bits=run_bits):
            rng = np.random.default_rng(run.seed + 36)
            return runs(rng.random(run.trials(size)) >= sparsity, run_bits, fillers) / run.trials(size)

        entries = run.once(f"{sparsity}, {fillers}", found)
        stated = factor * storage.run_length_bits(sparsity, run_bits)
        name = f"sparsity {sparsity:g}, {run_bits}-bit runs: entries over the formula"
        yield within(name, entries / stated, 1.0, 5e-3, evidence="simulated")
        least = min(storage.run_length_bits(sparsity, r) * (16 + r) for r in range(24))
        code = storage.bits_per_weight("run-length", sparsity, 16)
        yield within(f"sparsity {sparsity:g}: the code's best r over the least", code / least, 1.0, 1e-12)


def n_of_m(run, factor=1.0, choices=False):
    """n of every m: values and a position each, on packed groups; the least is log2 of the choices."""
    rng = np.random.default_rng(37)
    for n, m in ((2, 4), (1, 4), (4, 8), (1, 16)):
        positions = np.argsort(rng.random((512, m)), axis=1)[:, :n]
        width = math.ceil(math.log2(m))
        packed = np.unpackbits(positions.astype(np.uint8)[:, :, None], axis=2)[:, :, 8 - width :]
        bits = (packed.size + positions.size * 16) / (512 * m)
        if choices:
            bits = n * 16 / m + math.log2(math.comb(m, n)) / m
        stated = factor * storage.bits_per_weight("n:m", 1 - n / m, 16, group=m)
        yield within(f"{n}:{m}: packed bits over the formula", bits / stated, 1.0, 1e-12)
        least = math.log2(math.comb(m, n)) / m
        yield at_most(f"{n}:{m}: least bits of a mask over those of positions", least, n * width / m + 1e-12)
    gain = storage.bits_per_weight("bitmask", 0.5) - storage.bits_per_weight("n:m", 0.5, group=4)
    yield within("2:4 beside a bitmask (bits per weight saved)", gain, 0.0, 1e-12)


CLAIMS = (
    Claim(
        id="ku.csr",
        title="Compressed sparse rows: an index for every kept value, a pointer for every row",
        paper=PAPER,
        place="hardware section, storage of pruned weights",
        statement=r"(1 - c)\bigl(16 + \lceil\log_2 N\rceil\bigr) + \frac{32}{N}\ \text{bits per weight}",
        hypotheses="256 rows of N = 1,024 weights packed by scipy, indices of 10 bits; sparsities 1/2, 3/4,"
        " 15/16. A bitmask is smaller up to 3/4.",
        mark="derived",
        constant=Constant("bits per weight"),
        check=csr,
        twins=(
            Twin("without row pointers", {"pointers": False}),
            Twin("0.1 % more bits", {"factor": 1.001}),
        ),
        figure="storage_break_even",
    ),
    Claim(
        id="ku.run_length",
        title="Run lengths: (1 - c)/(1 - c^(2^r)) entries per weight",
        paper=PAPER,
        place="hardware section, storage of pruned weights",
        statement=r"\frac{1 - c}{1 - c^{2^r}}\ \text{entries of } 16 + r\ \text{bits}",
        hypotheses="Independent zeros of probability $c$; runs longer than $2^r - 1$ zeros take fillers. Two"
        " million drawn weights, to 0.5 %.",
        mark="derived",
        constant=Constant("entries per weight"),
        check=run_length,
        twins=(
            Twin("no fillers", {"fillers": False}),
            Twin("1 % more entries", {"factor": 1.01}),
        ),
        figure="storage_break_even",
    ),
    Claim(
        id="ku.n_of_m",
        title="n:m sparsity: a position of log2(m) bits for every kept value",
        paper=PAPER,
        place="hardware section, structured sparsity",
        statement=r"\frac nm\bigl(16 + \lceil\log_2 m\rceil\bigr)\ \text{bits per weight}",
        hypotheses="2:4, 1:4, 4:8, 1:16, packed. 2:4 costs as much as a bitmask; the least of any code is"
        r" $\log_2\binom mn/m$.",
        mark="derived",
        constant=Constant("bits per weight"),
        check=n_of_m,
        twins=(
            Twin("the logarithm of the number of choices", {"choices": True}),
            Twin("0.1 % more bits", {"factor": 1.001}),
        ),
        figure="storage_break_even",
    ),
)

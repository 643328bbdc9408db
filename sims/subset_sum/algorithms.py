"""The exact algorithms behind `find_subset` and `count_subsets`, on validated nonzero integers."""

import math

import numpy as np

from sims.subset_sum.plan import geometry, sifting
from sims.support.threads import in_order

WIDE = 16  # adjacent targets from which sorted halves beat the modular search
_ROUNDS = 24  # random sub-collections tried before an exhaustive algorithm takes over


def log2_spread(items: np.ndarray) -> float:
    """log2 of twice the standard deviation of a random subset sum, sqrt(sum x^2); of the widest row."""
    return 0.5 * math.log2(np.max((items.astype(np.float64) ** 2).sum(axis=-1), initial=2.0))


def search_rows(
    rows: np.ndarray, targets: np.ndarray, width: int = 0, spread: float | None = None
) -> np.ndarray:
    """Bit mask of a subset with targets <= sum <= targets + width for each row (at most 62 items), or -1."""
    from sims.kernels.subset_sum import search_rows as kernel

    rows = np.ascontiguousarray(rows, dtype=np.int64)
    count, n = rows.shape
    out = np.full(count, -1, np.int64)
    if n == 0:
        out[(targets <= 0) & (targets + width >= 0)] = 0
        return out
    if spread is None:
        spread = log2_spread(rows) - math.log2(width + 1)
    shape = geometry(n, spread)
    kernel(rows, targets, width, shape.split, shape.base, shape.inner, shape.words, shape.second, out)
    return out


def find_by_search(items: np.ndarray, low: int, high: int) -> np.ndarray | None:
    """Modular meet in the middle; a wide window is first narrowed to one reachable sum, by sorted halves."""
    if high - low > WIDE:
        from sims.kernels.subset_sum_count import sum_between

        left, right = _sorted_halves(items)
        i, j = sum_between(left, right, low, high)
        if i < 0:
            return None
        low = high = int(left[i] + right[j])
    chosen = int(search_rows(items[None, :], np.array([low]), high - low)[0])
    return None if chosen < 0 else ((chosen >> np.arange(items.size)) & 1).astype(bool)


def find_by_table(items: np.ndarray, low: int, high: int) -> np.ndarray | None:
    """Reachability bitsets over the whole range, one per prefix of the items."""
    from sims.kernels.subset_sum_table import table_find

    words = (int(np.abs(items).sum()) + 128) // 64
    layers = np.empty((items.size + 1, words), np.uint64)
    chosen = np.zeros(items.size, np.bool_)
    for target in range(low, high + 1):
        if table_find(items, target, layers, chosen):
            return chosen
    return None


def find_by_collections(items: np.ndarray, low: int, high: int, size: int) -> np.ndarray | None:
    """Search random sub-collections exactly; the other items are fixed so that the rest lies mid-range.

    A hit is a solution; None proves nothing.
    """
    rng = np.random.default_rng(0)  # a fixed stream: the same question gets the same answer
    for _ in range(_ROUNDS):
        order = rng.permutation(items.size)
        free, fixed = order[:size], order[size:]
        chosen = np.zeros(items.size, bool)
        missing = low - int(items[free].sum()) // 2  # what the fixed items should contribute
        for i in fixed[np.argsort(-np.abs(items[fixed]), kind="stable")]:
            if abs(missing - int(items[i])) < abs(missing):
                chosen[i] = True
                missing -= int(items[i])
        rest = int(items[chosen].sum())
        found = find_by_search(items[free], low - rest, high - rest)
        if found is not None:
            chosen[free] = found
            return chosen
    return None


def _quarters(items: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    from sims.kernels.subset_sum import subset_sums

    parts = [np.ascontiguousarray(part) for part in np.array_split(items, 4)]
    lists = []
    for part in parts:
        sums = np.empty(1 << part.size, np.int64)
        subset_sums(part, sums)
        lists.append(sums)
    return parts, lists


def lists(items: np.ndarray, target: int, counting: bool, threads: int | None = None):
    """Four lists and a running modulus: the number of solutions, and one of them unless counting."""
    from sims.kernels.subset_sum_lists import match_residues

    parts, sums = _quarters(items)
    m = _prime_from(max(2 ** (items.size // 4), 3))
    a, b, c, d = sums
    pairs = max(sums[0].size * sums[1].size, sums[2].size * sums[3].size)
    room = pairs * 3 // (2 * m) + 256
    chunk = max(m // (32 if m > 256 else 1), 1)
    ranges = [(low, min(low + chunk, m)) for low in range(0, m, chunk)]
    total, solution = 0, None

    def run(residues: tuple[int, int], room: int = room):
        low, high = residues
        found = np.zeros(4, np.int64)
        result = match_residues(a, b, c, d, target, m, low, high, counting, room, found)
        while result < 0:  # some residue is crowded (items with much structure): exact room is now known
            if -result > 2**28:
                raise ValueError(
                    f"values are too regular for the list algorithm: one residue holds {-result} sums; "
                    "divide them by their common factor or use fewer of them"
                )
            room = -result + 256
            result = match_residues(a, b, c, d, target, m, low, high, counting, room, found)
        return result, found

    for count, found in in_order(run, ranges, threads):
        total += count
        if count and solution is None:
            masks = [
                ((int(p) >> np.arange(part.size)) & 1).astype(bool)
                for p, part in zip(found, parts, strict=True)
            ]
            solution = np.concatenate(masks)
            if not counting:
                break
    return total, solution


def count_by_table(items: np.ndarray, target: int) -> int:
    """Number of subsets of every sum, in one table."""
    from sims.kernels.subset_sum_table import count_table

    low = int(items[items < 0].sum())
    counts = np.empty(int(np.abs(items).sum()) + 1, np.int64)
    count_table(items, low, counts)
    return int(counts[target - low])


def count_by_sorting(items: np.ndarray, target: int) -> int:
    """Sorted halves and one two-pointer pass."""
    from sims.kernels.subset_sum_count import count_pairs

    return int(count_pairs(*_sorted_halves(items), target, target))


def count_by_sifting(items: np.ndarray, target: int) -> int | None:
    """Half sums without a partner sifted out, the others sorted; None where too many solutions pass."""
    from sims.kernels.subset_sum_sift import sift

    log2_bits, room = sifting(items.size)
    left, right = (
        np.ascontiguousarray(items[: items.size // 2]),
        np.ascontiguousarray(items[items.size // 2 :]),
    )
    lefts, needs = np.empty((2, room), np.int64)
    found = int(sift(left, right, target, log2_bits, max(log2_bits - 1, 6), lefts, needs))
    return None if found < 0 else found


def _sorted_halves(items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    from sims.kernels.subset_sum_count import sorted_sums

    halves = []
    for half in (items[: items.size // 2], items[items.size // 2 :]):
        sums, buffer = np.empty((2, 1 << half.size), np.int64)
        sorted_sums(np.ascontiguousarray(half), buffer, sums)
        halves.append(sums)
    return halves[0], halves[1]


def missed_rows(rows: np.ndarray, target: int, delta: int, spread: float) -> np.ndarray:
    """True for every row none of whose subsets comes within delta of the target."""
    if 2 * delta <= WIDE:
        return search_rows(rows, np.full(len(rows), target - delta), 2 * delta, spread) < 0
    from sims.kernels.subset_sum_count import between_rows

    out = np.empty(len(rows), np.bool_)
    between_rows(np.ascontiguousarray(rows, dtype=np.int64), target - delta, target + delta, out)
    return ~out


def count_by_polynomial(items: np.ndarray, target: int) -> int:
    """Coefficient of prod (1 + z^x) with integers of any size, by a product tree."""
    from flint import fmpz_poly

    low = int(items[items < 0].sum())
    factors = [fmpz_poly([1] + [0] * (abs(int(x)) - 1) + [1]) for x in items]
    while len(factors) > 1:
        factors = [
            factors[i] * factors[i + 1] if i + 1 < len(factors) else factors[i]
            for i in range(0, len(factors), 2)
        ]
    return int(factors[0][target - low])


def _prime_from(least: int) -> int:
    """Smallest prime >= least."""
    candidate = least
    while any(candidate % p == 0 for p in range(2, math.isqrt(candidate) + 1)):
        candidate += 1
    return candidate

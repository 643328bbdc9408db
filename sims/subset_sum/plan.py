"""Which algorithm answers a subset-sum question, what it will cost, and why it was chosen.

Costs in nanoseconds were fitted to benchmarks/subset_sum.py on one core of a 2-core cloud machine; they
choose between algorithms and refuse the hopeless, they are not promises.
"""

import math
from dataclasses import dataclass

from theory.arguments import choice

_ROTATE = 0.4  # per 64-bit word of a bitset rotated
_PROBE = ((2**21, 1.3), (2**24, 5.0), (math.inf, 20.0))  # per probe, by bits of the table: L1, L2, beyond
_LIST = 18.0  # per left or right sum formed and matched
_MERGE = 20.0  # per sum of a sorted half
_SIFT = ((2**21, 1.3), (2**24, 3.5), (2**26, 8.0), (math.inf, 21.0))  # per half sum, by bits of the bitset
_COUNT = 0.6  # per entry of the counting table and item
_OVERHEAD = 2e-5  # seconds per call
MOST_BYTES = 4 * 2**30
_HOPELESS = 1000  # items from which more of them make no sentence clearer, and doubles overflow
SMALL = 44  # items up to which one modular search is a matter of seconds


@dataclass(frozen=True)
class Geometry:
    """Shape of the modular meet in the middle (`sims.kernels.subset_sum.search`).

    Attributes
    ----------
    split
        Left items, enumerated into bitsets.
    base
        Left items enumerated one by one before the rotations start.
    inner
        Right items whose sums stand in a table.
    words, second
        64-bit words of the two moduli; second = 1 means no second filter.
    """

    split: int
    base: int
    inner: int
    words: int
    second: int

    @property
    def bytes(self) -> int:
        """Memory of the tables."""
        rows = self.split - self.base + 3
        return 8 * rows * (self.words + self.second) + 8 * (
            2**self.base + 2 * 2**self.inner + 2 ** max(self.base, self.inner)
        )

    def seconds(self, items: int, log2_spread: float) -> float:
        """Predicted time of one search that fails, or that stops early where solutions abound."""
        rows = self.split - self.base
        build = rows * (self.words + (self.second if self.second > 1 else 0)) * _ROTATE
        probe = next(cost for bits, cost in _PROBE if 64 * self.words <= bits)
        probes = 2.0 ** min(items - self.split, max(log2_spread + 4.0 - self.split, self.inner))
        return 1e-9 * (build + probes * probe) + _OVERHEAD


def geometry(items: int, log2_spread: float) -> Geometry:
    """Geometry for `items` items whose subset sums spread over about 2**log2_spread values.

    Halves are balanced when solutions are rare; with many solutions (items well above log2_spread) the
    left half need only make a hit likely within a similar number of probes, 2^(log2_spread/2).
    The bitset holds 8 to 16 times as many bits as left sums; from 2^11 left sums on, a second modulus
    (coprime to the first up to 64) pays for itself.

    Examples
    --------
    >>> geometry(23, 24.0)
    Geometry(split=12, base=6, inner=7, words=1024, second=1023)
    """
    wanted = math.ceil(max(log2_spread, 4.0) / 2) + 1
    split = max(min((items + 1) // 2, wanted, 24), 1)
    base = min(split, 7 if split >= 15 else 6)
    inner = min(items - split, 8 if split >= 15 else 7)
    log2_bits = max(split + (3 if split >= 16 else 4), 6)
    words = 2 ** (log2_bits - 6)
    return Geometry(split, base, inner, words, words - 1 if split >= 11 else 1)


@dataclass(frozen=True)
class Plan:
    """An algorithm, its predicted cost, and what was weighed against it.

    Attributes
    ----------
    algorithm
        "nothing", "table", "search", "collections", "lists", "sifted", "sorted", "polynomial" or "none".
    seconds, bytes
        Predicted cost; inf where nothing applies.
    reason
        One sentence.
    others
        (algorithm, seconds, bytes) that were weighed.
    collection
        Items searched at a time by "collections".
    """

    algorithm: str
    seconds: float
    bytes: int
    reason: str
    others: tuple[tuple[str, float, int], ...] = ()
    collection: int = 0

    def __str__(self) -> str:
        rest = "; ".join(f"{name} {_time(s)}, {_size(b)}" for name, s, b in self.others)
        if self.algorithm == "none":
            return self.reason
        text = f"{self.algorithm}: {self.reason} Predicted {_time(self.seconds)}, {_size(self.bytes)}."
        return text + (f" Instead of: {rest}." if rest else "")


def plan(items: int, reach: int, log2_spread: float, question: str, width: int = 1) -> Plan:
    """Choose an algorithm.

    Parameters
    ----------
    items
        Number of nonzero items.
    reach
        Sum of their absolute values.
    log2_spread
        log2 of the standard deviation of a random subset sum, doubled.
    question
        "find" (one subset, or the proof that there is none) or "count".
    width
        Number of adjacent targets that count as a hit.

    Examples
    --------
    >>> plan(24, 40_000_000, 22.0, "find").algorithm, plan(60, 3000, 9.0, "count").algorithm
    ('search', 'table')
    >>> print(plan(48, 2**44, 40.0, "count"))
    sifted: half sums without a partner are sifted out. Predicted 0.3 s, 88 MiB. \
Instead of: lists 0.6 s, 9 MiB; sorted 0.7 s, 512 MiB; table 140.7 h, 131072.0 GiB.
    """
    choice("question", question, ("find", "count"))
    if items == 0:
        return Plan("nothing", 0.0, 0, "only the empty set is left.")
    options: list[Plan] = []
    words = (reach + 64 + width) // 64
    if question == "find":
        table = (items * words * _ROTATE * 1e-9 + _OVERHEAD, 8 * (items + 1) * words)
        options.append(Plan("table", *table, "the range of the sums is small."))
        if items <= SMALL:
            shape = geometry(items, log2_spread - math.log2(width))
            cost = shape.seconds(items, log2_spread - math.log2(width))
            options.append(Plan("search", cost, shape.bytes, "meet in the middle on modular bitsets fits."))
        collection = _collection(items, log2_spread - math.log2(width))
        if collection:
            spread = log2_spread - math.log2(width) + 0.5 * math.log2(collection / items)
            shape = geometry(collection, spread)
            cost = 4 * shape.seconds(collection, spread)
            reason = f"{collection} items at a time should do; if they do not, another algorithm settles it."
            options.append(Plan("collections", cost, shape.bytes, reason, collection=collection))
        if items <= 72 and width == 1:
            options.append(_lists(items))
    else:
        if items <= 64:
            table = (items * reach * _COUNT * 1e-9 + _OVERHEAD, 8 * (reach + 1))
            options.append(Plan("table", *table, "the range of the sums is small."))
            options.append(_lists(items))
            options += _sifted(items, log2_spread)
            half = 2.0 ** ((items + 1) // 2)
            cost = 2 * half * _MERGE * 1e-9 + _OVERHEAD
            options.append(Plan("sorted", cost, int(32 * half), "the sorted halves are small."))
        else:
            bits = items * reach
            cost = bits * 0.5e-9 * math.log2(items)
            options.append(Plan("polynomial", cost, bits // 2, "counts beyond 64 bits over a small range."))
    fitting = [o for o in options if o.bytes <= MOST_BYTES]
    if not fitting:
        best = min(options, key=lambda o: o.bytes, default=None)
        need = (
            f"even the {best.algorithm} algorithm would need {_time(best.seconds)} and {_size(best.bytes)}"
            if best
            else "no algorithm applies"
        )
        return Plan("none", math.inf, best.bytes if best else 0, f"{need}.")
    chosen = min(fitting, key=lambda o: o.seconds)
    others = tuple(
        (o.algorithm, o.seconds, o.bytes) for o in sorted(options, key=lambda o: o.seconds) if o is not chosen
    )
    return Plan(chosen.algorithm, chosen.seconds, chosen.bytes, chosen.reason, others, chosen.collection)


def price(items: int, log2_spread: float) -> str:
    """Predicted time and memory of one exact decision, in words, for refusals.

    Examples
    --------
    >>> price(60, 60.0)
    'about 23.9 s and 52.0 GiB a decision'
    >>> price(5000, 60.0)
    'about 5e+135 years and 3e+144 GiB a decision'
    """
    items = min(items, _HOPELESS)
    split = (items + 1) // 2
    words = 2 ** max(split - 3, 0)
    shape = Geometry(split, min(split, 7), min(items - split, 8), words, max(words - 1, 1))
    return f"about {_time(shape.seconds(items, log2_spread))} and {_size(shape.bytes)} a decision"


def _collection(items: int, log2_spread: float) -> int:
    """Items that a random sub-collection needs to hold about 16 solutions (or as many as fit), or 0."""
    if items <= SMALL:
        return 0
    for size in range(8, SMALL + 1):
        log2_solutions = size - 0.3 - log2_spread - 0.5 * math.log2(size / items)  # E Z at its centre
        if log2_solutions >= 4.0 or (size == SMALL and log2_solutions >= 0.0):
            return size
    return 0


def _lists(items: int) -> Plan:
    quarter = 2.0 ** math.ceil(items / 4)
    cost = 2 * 2.0 ** (items / 2) * _LIST * 1e-9 + 2 * _OVERHEAD
    return Plan(
        "lists",
        cost,
        int(quarter * 200) + 2**23,
        "every pair of half sums is formed once, a residue at a time.",
    )


def sifting(items: int) -> tuple[int, int]:
    """Counting by sifting: log2 of the bits of the bitset of left sums, and the room for what passes it.

    Eight bits for every left sum while they fit 2 MiB, then four; of the other half's sums 12 or 22 % pass by
    accident.
    """
    left = items // 2
    return max(min(left + 3, max(left + 2, 24)), 6), 2 ** (items - left) // 4 + 1024


def _sifted(items: int, log2_spread: float) -> list[Plan]:
    if items < 2 or items - log2_spread > items // 2 - 5:  # solutions, not accidents, would fill the room
        return []
    log2_bits, room = sifting(items)
    each = next(cost for bits, cost in _SIFT if 2**log2_bits <= bits)
    cost = (2 ** (items // 2) + 2 ** (items - items // 2)) * each * 1e-9 + _OVERHEAD
    return [
        Plan("sifted", cost, 3 * 2**log2_bits // 8 + 16 * room, "half sums without a partner are sifted out.")
    ]


def _time(seconds: float) -> str:
    if seconds > 1e9:
        return f"{seconds / 31_557_600:.0e} years"
    for limit, unit, scale in ((1e-3, "us", 1e6), (0.1, "ms", 1e3), (600, "s", 1.0), (36e4, "min", 1 / 60)):
        if seconds < limit:
            return f"{seconds * scale:.1f} {unit}"
    return f"{seconds / 3600:.1f} h"


def _size(size: float) -> str:
    gib = size / 2**30
    return f"{size / 2**20:.0f} MiB" if gib < 1 else f"{gib:.1f} GiB" if gib < 1e9 else f"{gib:.0e} GiB"

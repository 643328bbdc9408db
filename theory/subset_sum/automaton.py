r"""The reachable-set chain as a finite automaton, solved for every number of samples at once.

A draw of samples matters only through how often each value occurs, so the samples may be taken sorted by
value, one value (a "letter") after the other. The state is the set of displacements

    D = {u - s : u a target, s a sum already reachable},

a bit string; a sample x sends D to D | (D - x), and the draw hits when 0 enters D. Some displacements can no
longer decide anything; dropping them merges so many states that finitely many remain, whatever n is.

Window. If a draw hits, some subset of it sums to a target u and has no part summing to 0 (drop such parts).
Add -u as one more number; in the resulting list of sum 0 no proper part sums to 0. Write it down so that the
next number is positive when the sum so far is <= 0 and negative otherwise: the partial sums are distinct, a
positive number is placed at a partial sum in (-b, 0], a negative one at one in [1, a], with a and -b the
largest and smallest numbers. Hence at most b positive and at most a negative numbers occur. With samples of
size at most R and largest target T > 0 that is at most max(R, T) positive and R - 1 negative samples, so
with letters of size at most v still to come only displacements in [-v (R - 1), v max(R, T)] matter.

Relevance. Let F be samples still to come that hit, d in D their sum, F minimal. No proper nonempty part of F
sums to a member of D (it would hit alone). So a walk from 0 that adds the letters of F in any fixed order
meets D only at its end, and uses no letter that lies in D unless F is that letter alone. Members of D that
no such walk reaches decide nothing and are dropped (`_Chain.reduce`); whoever hits D also hits what is kept,
by its minimal part. The window may be applied to what is kept: if F hits, a part of F with at most max(R, T)
positive and R - 1 negative samples hits the full D, hence what is kept, by a part of its own, whose sum, and
whose walk, lie in the window.

Closed form. Letter by letter, with w the number of ways to draw the letter and z marking samples, exactly i
samples contribute (w z)^i/i!. After finitely many of them the state no longer changes, so all further ones
together contribute e^{wz} minus a polynomial. Summed over the automaton from its end,

    sum_n P(miss with n) total^n z^n/n! = sum_j q_j(z) e^{jz},      total = number of ways to draw one sample,

with rational polynomials q_j: P(miss) = total^-n sum_j sum_i q_{j,i} n!/(n-i)! j^{n-i} for every n.
"""

import time
from dataclasses import dataclass
from typing import Any, Literal

from theory.integer_sums import Law, largest, sample_counts

Beyond = Literal["forget", "fill"]
HIT = -1
_STATE_BYTES = 200  # a state's edges and its place in two tables, besides its bits


class ChainLimitError(ValueError):
    """The chain outgrew the states, seconds or bytes it was given."""


@dataclass(frozen=True)
class ChainLimits:
    """What one chain may take; past any of these it stops with `ChainLimitError`.

    Attributes
    ----------
    states
        States visited (M = 13 takes up to 314,000).
    seconds
        wall-clock time.
    bytes
        Memory, estimated
        from the number of states and the length of their bit strings.
    """

    states: int = 500_000
    seconds: float = 60.0
    bytes: int = 2**30


@dataclass(frozen=True)
class Diagram:
    """A minimal automaton: per letter the distinct nodes, each the tuple of its successors.

    Attributes
    ----------
    weights
        Number of ways to draw each letter, first letter first.
    layers
        Nodes of each letter; entry i of a node is the node of the next layer (HIT for a hit) after i
        samples of that letter, the last entry after that many or more. Behind the last layer is a miss, 0.
    states
        States visited before equal ones were merged.
    """

    weights: tuple[int, ...]
    layers: tuple[tuple[tuple[int, ...], ...], ...]
    states: int

    @property
    def nodes(self) -> int:
        """Nodes of the minimal automaton."""
        return sum(len(layer) for layer in self.layers)


def letter_order(max_value: int, law: Law, first: int | None = None) -> list[tuple[int, int]]:
    """Nonzero values with their numbers of ways: the target's own value first, then by falling size.

    A sample equal to the target hits at once, so that branch ends there. Large values first leave the small
    ones, with which almost every displacement near 0 decides the same, for the end.

    Examples
    --------
    >>> letter_order(2, "nonzero", 1)
    [(1, 1), (2, 1), (-2, 1), (-1, 1)]
    """
    counts, _ = sample_counts(max_value, law)
    reach = largest(max_value, law)
    values = [s * v for v in range(reach, 0, -1) for s in (1, -1) if counts[reach + v]]
    values.sort(key=lambda x: x != first)  # stable: only the first letter moves
    return [(x, int(counts[reach + x])) for x in values]


def build(
    letters: list[tuple[int, int]],
    targets: list[list[int]],
    *,
    radius: int | None = None,
    beyond: Beyond = "forget",
    limits: ChainLimits,
) -> Diagram:
    """The minimal automaton of not reaching every target on one draw.

    Parameters
    ----------
    letters
        (value, ways) in the order of processing.
    targets
        Per target the sums that count as reaching it, none of them 0; positive for a single target.
    radius
        Single target: be coarse about displacements beyond it.
    beyond
        "forget" drops them, so that the
        automaton misses too often; "fill" takes all displacements on a side for present once one of them may
        decide, so that it misses too rarely. Bounds of P(miss) for every n.

    Raises
    ------
    ChainLimitError
        More states, seconds or bytes than allowed.
    """
    chain: Any = (
        _EveryChain(letters, targets) if len(targets) > 1 else _Chain(letters, targets[0], radius, beyond)
    )
    meter = _Meter(limits, _STATE_BYTES + len(targets) * chain.bits // 7)
    layer: dict[Any, int] = {chain.reduce(chain.start, 0): 0}
    edges: list[list[tuple[int, ...]]] = []
    for i, (x, _) in enumerate(letters):
        following: dict[Any, int] = {}
        reduced: dict[Any, Any] = {}
        rows = []
        for state in layer:
            row: list[int] = []
            while True:
                meter.look(len(following))
                small = reduced.get(state)
                if small is None:
                    small = reduced[state] = chain.reduce(state, i + 1)
                row.append(following.setdefault(small, len(following)))
                grown = chain.step(state, x, i)
                if grown == state:
                    break
                if chain.hits(grown):
                    row.append(HIT)
                    break
                state = grown
            rows.append(_trimmed(row))
        meter.close_layer(len(following))
        edges.append(rows)
        layer = following
    return _minimal(edges, tuple(w for _, w in letters), meter.total)


def _trimmed(row: list[int]) -> tuple[int, ...]:
    while len(row) > 1 and row[-1] == row[-2]:
        row.pop()
    return tuple(row)


def _minimal(edges: list[list[tuple[int, ...]]], weights: tuple[int, ...], states: int) -> Diagram:
    """Merge, from the last letter on, the states whose successors are the same."""
    layers = []
    node = [0]
    while edges:
        names: dict[tuple[int, ...], int] = {}
        node.append(HIT)  # so that node[HIT] is HIT
        rows = edges.pop()
        node = [names.setdefault(_trimmed([node[j] for j in row]), len(names)) for row in rows]
        layers.append(tuple(names))
    return Diagram(weights, tuple(reversed(layers)), states)


class _Meter:
    """Counts states and looks at the clock."""

    def __init__(self, limits: ChainLimits, state_bytes: int):
        by_bytes = limits.bytes // state_bytes
        self.most = min(limits.states, by_bytes)
        self.what = f"{limits.states} states" if limits.states <= by_bytes else f"{limits.bytes} bytes"
        self.seconds = limits.seconds
        self.end = time.monotonic() + limits.seconds
        self.total = 0

    def look(self, pending: int) -> None:
        if self.total + pending > self.most:
            raise ChainLimitError(f"the chain of reachable sets outgrew {self.what}")
        if time.monotonic() > self.end:
            raise ChainLimitError(f"the chain of reachable sets outgrew {self.seconds:g} seconds")

    def close_layer(self, count: int) -> None:
        self.look(count)
        self.total += count


class _Chain:
    """Displacements from the sums that count as a hit; bit k of a state is the displacement k - offset."""

    def __init__(
        self,
        letters: list[tuple[int, int]],
        targets: list[int],
        radius: int | None = None,
        beyond: Beyond = "forget",
    ):
        values = [x for x, _ in letters]
        reach, top = max(map(abs, values)), max(map(abs, targets))
        # largest numbers of positive and negative samples in a minimal solution
        positive, negative = max(reach, top), reach - 1
        if min(targets) < 0:  # the same for targets on the other side
            negative = positive
        self.offset = reach * positive + reach + top + 1
        self.bits = 2 * self.offset + 1
        self.zero = 1 << self.offset
        self.start = sum(1 << (self.offset + t) for t in targets)
        self.windows, self.letters_left = [], [0]
        size = 0
        for x in (0, *reversed(values)):
            size = max(size, abs(x))
            high, low = size * positive, size * negative
            if radius is not None and beyond == "forget":
                high, low = min(high, radius), min(low, radius)
            self.windows.append(((1 << (high + low + 1)) - 1) << (self.offset - low))
            if x:
                self.letters_left.append(self.letters_left[-1] | 1 << (self.offset + x))
        self.windows.reverse()
        self.letters_left.reverse()
        self.radius = radius if beyond == "fill" else None
        self.lattices = [
            sum(1 << k for k in range((self.offset + targets[0]) % g, 2 * self.offset + 1, g))
            for g in range(2, reach + 1)
            if len(targets) == 1 and targets[0] % g and self.radius is not None
        ]
        self.walks: dict[int, list[int]] = {}

    def hits(self, state: int) -> bool:
        return bool(state & self.zero)

    def step(self, state: int, x: int, i: int) -> int:
        return (state | (state >> x if x > 0 else state << -x)) & self.windows[i]

    def reduce(self, state: int, i: int) -> int:
        """The displacements that can still decide once letter i is next, and the fill beyond the radius."""
        state = self._deciding(state, i)
        if self.radius is None:
            return state
        cut = self.offset + self.radius
        fill = self.windows[i]
        for lattice in self.lattices:
            if not state & ~lattice:  # all samples so far are multiples of g: stay on t + g Z
                fill &= lattice
        filled, low = state, (1 << (self.offset - self.radius)) - 1
        if state >> (cut + 1):
            filled |= fill >> (cut + 1) << (cut + 1)
        if state & low:
            filled |= fill & low
        return self._deciding(filled, i) if filled != state else state

    def _deciding(self, state: int, i: int) -> int:
        window = self.windows[i]
        state &= window
        left = self.letters_left[i]
        ends = state & left  # a letter in D hits alone
        free = window & ~state
        reached = self.zero
        for x in self.order(left & ~state):
            front = reached
            if x > 0:
                while front:
                    front <<= x
                    ends |= front
                    front &= free & ~reached
                    reached |= front
            else:
                while front:
                    front >>= -x
                    ends |= front
                    front &= free & ~reached
                    reached |= front
        return state & ends

    def order(self, mask: int) -> list[int]:
        """Letters of a mask, falling: of six orders tried it leaves the fewest states per second."""
        known = self.walks.get(mask)
        if known is None:
            if len(self.walks) > 100_000:
                self.walks.clear()
            high = mask.bit_length() - 1
            known = [k - self.offset for k in range(high, -1, -1) if mask >> k & 1]
            self.walks[mask] = known
        return known


class _EveryChain:
    """One displacement set per target; all of them must be reached on the same draw."""

    REACHED, LOST = -1, 0  # in place of a displacement set; an empty one can never hit

    def __init__(self, letters: list[tuple[int, int]], groups: list[list[int]]):
        flat = [t for group in groups for t in group]
        self.chain = _Chain(letters, [min(flat), max(flat)])
        self.bits = self.chain.bits
        self.start = tuple(sum(1 << (self.chain.offset + t) for t in group) for group in groups)

    def hits(self, state: tuple[int, ...]) -> bool:
        return all(part == self.REACHED for part in state)

    def step(self, state: tuple[int, ...], x: int, i: int) -> tuple[int, ...]:
        grown = (part if part < 0 else self.chain.step(part, x, i) for part in state)
        return tuple(self.REACHED if part & self.chain.zero else part for part in grown)

    def reduce(self, state: tuple[int, ...], i: int) -> tuple[int, ...]:
        """Target by target; when one of them is out of reach for good, nothing else matters."""
        parts = tuple(part if part < 0 else self.chain.reduce(part, i) for part in state)
        return (self.LOST,) * len(parts) if self.LOST in parts else parts

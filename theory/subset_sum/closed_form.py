r"""P(miss) as a closed form in n, read off the automaton of the reachable-set chain."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory.arguments import whole
from theory.integer_sums import Law, largest, sample_counts
from theory.subset_sum.automaton import HIT, Diagram


@dataclass(frozen=True)
class MissLaw:
    r"""P(miss) as a closed form in n.

    .. math:: P(\text{miss with } n) = \text{total}^{-n} \sum_j \sum_i q_{j,i}\,\frac{n!}{(n-i)!}\,j^{n-i}

    Attributes
    ----------
    total
        Number of ways to draw one sample.
    terms
        (j, (q_j0, q_j1, ...)), largest j first.
    states, nodes
        Size of the chain and of its minimal automaton.
    """

    total: int
    terms: tuple[tuple[int, tuple[Fraction, ...]], ...]
    states: int
    nodes: int

    def probability(self, n: int) -> Fraction:
        """P(miss with n samples), exact.

        Examples
        --------
        >>> from theory.subset_sum.exact import miss_law
        >>> miss_law(3, 1).probability(2)  # (5/6)^2 less the draws (-1, 2), (-2, 3) in either order
        Fraction(7, 12)
        """
        n, total = whole("n", n, 0), Fraction(0)
        for j, coefficients in self.terms:
            falling = 1
            part = Fraction(0)  # Horner's rule would need j^-1: the powers are taken out at the end
            last = min(len(coefficients) - 1, n)
            for i in range(last + 1):
                power = j ** (last - i) if j or i == n else 0
                part += coefficients[i] * falling * power
                falling *= n - i
            total += part * (j ** (n - last) if j else int(n == last))
        return total / self.total**n

    def polynomial(self, j: int) -> tuple[Fraction, ...]:
        """p_j in P(miss) = sum_j p_j(n) (j/total)^n, coefficients of 1, n, n^2, ...; j > 0.

        Examples
        --------
        >>> from theory.subset_sum.exact import miss_law
        >>> miss_law(3, 2).polynomial(3)  # 1 + n/3
        (Fraction(1, 1), Fraction(1, 3))
        """
        for rate, coefficients in self.terms:
            if rate == j and j > 0:
                return falling_to_powers(tuple(q / Fraction(rate) ** i for i, q in enumerate(coefficients)))
        return ()


def falling_to_powers(coefficients: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """Coefficients of sum_i c_i n (n-1) ... (n-i+1) in powers of n.

    Examples
    --------
    >>> falling_to_powers((Fraction(0), Fraction(0), Fraction(1)))  # n (n - 1)
    (Fraction(0, 1), Fraction(-1, 1), Fraction(1, 1))
    """
    powers = [Fraction(0)] * len(coefficients)
    falling = [Fraction(1)]
    for i, c in enumerate(coefficients):
        for k, f in enumerate(falling):
            powers[k] += c * f
        shifted = [Fraction(0), *falling]
        falling = [a - i * b for a, b in zip(shifted, [*falling, Fraction(0)], strict=True)]
    return tuple(powers)


def solve(diagram: Diagram, max_value: int, law: Law) -> MissLaw:
    """The closed form of an automaton's P(miss); zeros of the uniform law are added here."""
    counts, total = sample_counts(max_value, law)
    zeros = int(counts[largest(max_value, law)])  # a zero changes no sum: a factor e^z
    found = _generating_function(diagram)
    terms = tuple(
        (j + zeros, tuple(Fraction(int(c.p), int(c.q)) for c in found[j].coeffs()))
        for j in sorted(found, reverse=True)
    )
    return MissLaw(total, terms, diagram.states, diagram.nodes)


def _generating_function(diagram: Diagram) -> dict[int, Any]:
    """{j: q_j}: from the last letter to the first, a node is the sum of what follows it."""
    from flint import fmpq, fmpq_poly

    after: list[dict[int, Any]] = [{0: fmpq_poly([1])}]
    for weight, nodes in zip(reversed(diagram.weights), reversed(diagram.layers), strict=True):
        exactly = [fmpq_poly([1])]  # (w z)^i/i!, i samples of the letter
        here = []
        for node in nodes:
            *before, last = node
            forever = {} if last == HIT else after[last]
            value = {j + weight: q for j, q in forever.items()}
            for i, child in enumerate(before):
                if len(exactly) <= i:
                    exactly.append(exactly[-1] * fmpq_poly([0, fmpq(weight, i)]))
                for j, q in after[child].items():
                    value[j] = value.get(j, 0) + exactly[i] * q
                for j, q in forever.items():
                    value[j] = value.get(j, 0) - exactly[i] * q
            here.append({j: q for j, q in value.items() if q != 0})
        after = here
    return after[0]

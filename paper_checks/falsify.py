"""Property tests of a bound: look for parameters at which it is false, and give the smallest found.

Hypothesis proposes parameters, drives them towards a tight bound, and shrinks what refutes it. It is imported
when it is used (the extra property).
"""

import inspect
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paper_checks.measurement import Measurement, at_least, at_most
from sims.montecarlo import Estimate
from sims.support.extras import to_install
from theory.arguments import choice, inside, whole

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

REFUTED, NOT_REFUTED = "refuted", "not refuted"


@dataclass(frozen=True)
class Falsification:
    """What a search for counterexamples found.

    Attributes
    ----------
    verdict
        "refuted", or "not refuted": no counterexample among those tried proves nothing.
    counterexample
        The smallest parameters found at which the bound is false; None where none was.
    measurement
        Measured value, interval and bound there, or else at the tightest parameters tried.
    tightest
        The parameters at which measured over bound (bound over measured, for a lower one) came out largest.
    tried
        Settings that were simulated.
    """

    verdict: str
    counterexample: dict[str, Any] | None
    measurement: Measurement | None
    tightest: dict[str, Any] | None
    tried: int

    def __str__(self) -> str:
        m = self.measurement
        where = self.counterexample if self.counterexample is not None else self.tightest
        text = f"{self.verdict}: {self.tried} settings tried"
        if m is None or where is None:
            return text
        limit = next(end for end in m.region if math.isfinite(end))
        spread = "" if m.low == m.high else f" in [{m.low:.4g}, {m.high:.4g}]"
        kind = "smallest counterexample" if self.counterexample is not None else "tightest"
        values = ", ".join(f"{name}={value!r}" for name, value in where.items())
        return f"{text}\n{kind} {values}: measured {m.value:.6g}{spread}, bound {limit:.6g}"


def falsify(
    bound: Callable[..., float],
    simulate: Callable[..., Estimate | float],
    parameters: "Mapping[str, SearchStrategy]",
    *,
    side: str = "upper",
    examples: int = 100,
    level: float = 1e-6,
    seed: int = 0,
) -> Falsification:
    r"""Search for parameters at which a bound is false.

    The k-th setting tried refutes the bound where the exact p-value of "the truth keeps to it" is at most
    level / (k (k + 1)); these sum to `level`, so that a true bound is refuted with at most this probability,
    however many settings are tried and however they are chosen.

    Parameters
    ----------
    bound, simulate
        Functions of the parameters; one that does not name a parameter is called without it. `simulate` gives
        an exact number, or an `Estimate` of `sims.montecarlo`; if it has an argument `seed` that is no
        parameter, every setting gets a fresh one, which the guarantee above needs.
    parameters
        A Hypothesis strategy for each parameter (`paper_checks.strategies` has those of the toolkit).
    side
        "upper" (truth <= bound) or "lower" (truth >= bound).
    examples
        Settings to try; shrinking a counterexample tries more.
    level
        Probability of refuting a bound that is true.
    seed
        Of the search and of the simulations.

    Returns
    -------
    Falsification

    Raises
    ------
    ValueError, TypeError
        A side, level or number of examples that is none; no parameters; a bound or a measured value of NaN.
    ImportError
        Hypothesis is missing; the sentence says how to get it.

    Examples
    --------
    >>> from hypothesis import strategies as st
    >>> print(falsify(lambda n: 100.0, lambda n: float(n**2), {"n": st.integers(0, 1000)}))
    refuted: ...
    smallest counterexample n=11: measured 121, bound 100
    """
    hypothesis = imported()
    choice("side", side, ("upper", "lower"))
    whole("examples", examples, 1)
    inside("level", level)
    if not isinstance(parameters, Mapping) or not parameters:
        raise ValueError(f"parameters must name at least one strategy, got {parameters!r}")
    search = _Search(bound, simulate, side, level, seed, set(parameters))
    settings = hypothesis.settings(
        max_examples=examples, database=None, deadline=None, derandomize=False, print_blob=False
    )

    def refuted(values: dict[str, Any]) -> bool:
        m, false = search.at(values)
        if m.tightness is not None and math.isfinite(m.tightness):
            hypothesis.target(m.tightness)
        return false

    try:
        found = hypothesis.find(
            hypothesis.strategies.fixed_dictionaries(dict(parameters)),
            refuted,
            settings=settings,
            random=random.Random(seed),
        )
    except hypothesis.errors.NoSuchExample:
        return Falsification(NOT_REFUTED, None, search.leading, search.tightest, len(search.seen))
    return Falsification(REFUTED, found, search.at(found)[0], search.tightest, len(search.seen))


class _Search:
    """Settings judged one after the other, each once, under one error budget."""

    def __init__(
        self, bound: Callable, simulate: Callable, side: str, level: float, seed: int, names: set[str]
    ):
        self._bound, self._simulate = _caller(bound), _caller(simulate)
        self._draws = "seed" in inspect.signature(simulate).parameters and "seed" not in names
        self._judge = at_most if side == "upper" else at_least
        self._level, self._seed = level, seed
        self.seen: dict[str, tuple[Measurement, bool]] = {}
        self.leading: Measurement | None = None
        self.tightest: dict[str, Any] | None = None

    def at(self, values: dict[str, Any]) -> tuple[Measurement, bool]:
        """The measurement at these parameters, and whether it refutes the bound."""
        key = repr(sorted(values.items()))
        if key not in self.seen:
            k = len(self.seen) + 1
            fresh = {"seed": random.Random(f"{self._seed} {k}").getrandbits(63)} if self._draws else {}
            limit = float(self._bound(values))
            m = self._judge(key, self._simulate({**values, **fresh}), limit)
            if math.isnan(m.value):
                raise ValueError(f"the simulation gave NaN at {values}")
            self.seen[key] = m, m.p_inside <= self._level / (k * (k + 1))
            if m.tightness is not None and (
                self.leading is None or m.tightness > (self.leading.tightness or -math.inf)
            ):
                self.leading, self.tightest = m, values
        return self.seen[key]


def _caller(function: Callable) -> Callable[[dict[str, Any]], Any]:
    """The function of a dict: only the arguments it names are handed over."""
    kinds = inspect.signature(function).parameters
    everything = any(p.kind is p.VAR_KEYWORD for p in kinds.values())
    return lambda values: function(**{k: v for k, v in values.items() if everything or k in kinds})


def imported() -> Any:
    """Hypothesis, or an ImportError that says how to get it."""
    try:
        import hypothesis
        import hypothesis.strategies
    except ImportError:
        raise ImportError(f"property tests need hypothesis; {to_install('property')}") from None
    return hypothesis

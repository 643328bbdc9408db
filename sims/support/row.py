"""One line of numbers: what was measured, and what theory says beside it."""

from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any, Protocol

_NUMBERS = ("measured", "low", "high", "theory", "trials")


class Measured(Protocol):
    """What `Row.of` needs to know of an estimate, such as `sims.montecarlo.Estimate`."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def low(self) -> float:
        """Lower end of its interval."""

    @property
    def high(self) -> float:
        """Upper end of its interval."""

    @property
    def trials(self) -> int:
        """Trials behind it."""


@dataclass(frozen=True)
class Row:
    """One quantity of a simulation; None where there is nothing to say.

    The one shape of results: `snapcut simulate`, sweeps and the explorer show it. Numbers become plain
    Python numbers, whatever library computed them, so that a row is ready for JSON and for other processes.

    Attributes
    ----------
    quantity
        What the numbers are about.
    measured, low, high
        An estimate with its interval (99 % unless the run was asked for another level).
    theory
        Law, bound or definition beside it.
    source
        Where the numbers come from: the law, the theorem, the method.
    trials
        Number of random trials behind `measured`.

    Examples
    --------
    >>> Row("P(perfect)", measured=0.5, low=0.4, high=0.6, trials=1000).theory is None
    True
    """

    quantity: str
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    theory: float | None = None
    source: str = ""
    trials: int | None = None

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            object.__setattr__(self, name, _plain(name, getattr(self, name)))

    @classmethod
    def of(cls, quantity: str, estimate: Measured, source: str = "", theory: float | None = None) -> "Row":
        """The row of an estimate with its interval and trials."""
        return cls(quantity, estimate.value, estimate.low, estimate.high, theory, source, estimate.trials)

    @classmethod
    def law(cls, quantity: str, theory: Any, source: str) -> "Row":
        """The row of a law, a bound or a definition: nothing is measured.

        `theory` is any one number; laws of numbers and arrays are typed as returning either.

        Examples
        --------
        >>> Row.law("critical bits", 17.8, "BCP").as_dict()["theory"]
        17.8
        """
        return cls(quantity, theory=theory, source=source)

    def as_dict(self) -> dict[str, Any]:
        """{attribute: plain value}, in the order above."""
        return asdict(self)


def _plain(name: str, value: Any) -> int | float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real):  # NumPy's scalars are registered as such
        raise TypeError(f"{name} must be a number or None, got {value!r}")
    return int(value) if isinstance(value, Integral) else float(value)

"""Parameters of figures: what `data` takes beside its budget and its seed, from Python or as text.

They are the keyword-only arguments of a figure's `data`, each with a default that fixes its kind: a whole
number, a real number, a word, or a tuple of one of these. Titles and captions name them as `<df>`.
"""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from sims.support.spans import span
from theory.arguments import whole

_SLOT = re.compile(r"<([a-z_][a-z_0-9]*)>")


def defaults(source: ModuleType) -> dict[str, Any]:
    """The parameters of a figure and their defaults.

    Examples
    --------
    >>> from figures import snr_student
    >>> defaults(snr_student)["df"]
    2.0
    """
    signature = inspect.signature(source.data).parameters.values()
    return {p.name: p.default for p in signature if p.kind is inspect.Parameter.KEYWORD_ONLY}


def read(name: str, known: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Parameters from texts KEY=VALUE, of the kinds of the defaults `known`; figure `name` in messages.

    Tuples are written with commas; whole numbers also as ranges.

    Raises
    ------
    ValueError
        Not KEY=VALUE, no parameter of that name, named twice, or a value of another kind.

    Examples
    --------
    >>> read("f", {"df": 2.0, "bits": (2, 3)}, ["df=4", "bits=2-4,8"])
    {'df': 4.0, 'bits': (2, 3, 4, 8)}
    >>> read("f", {"df": 2.0}, ["dof=4"])
    Traceback (most recent call last):
    ValueError: figure f has no parameter 'dof'; it takes df=2
    """
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not key or not text:
            raise ValueError(f"a parameter is set as KEY=VALUE, got {setting!r}")
        check_known(name, key, known)
        if key in found:
            raise ValueError(f"parameter {key} is set twice")
        found[key] = _value(key, text, known[key])
    return found


def check_known(name: str, key: str, known: Mapping[str, Any]) -> None:
    """Refuse a parameter that figure `name` does not have; the sentence says what it takes."""
    if key not in known:
        takes = ", ".join(f"{k}={shown(v)}" for k, v in known.items())
        raise ValueError(f"figure {name} has no parameter {key!r}; it takes {takes or 'none'}")


def _value(key: str, text: str, default: Any) -> Any:
    if not isinstance(default, tuple):
        return _scalar(key, text, default)
    parts: list[Any] = []
    for piece in text.split(","):
        numbers = span(piece) if type(default[0]) is int else None
        if numbers is None:
            parts.append(_scalar(key, piece.strip(), default[0]))
        elif not numbers:
            raise ValueError(f"{key}: the range {piece.strip()} runs backwards")
        elif numbers[-1] - numbers[0] > 1000:
            raise ValueError(f"{key}: the range {piece.strip()} holds more than 1000 numbers")
        else:
            parts += numbers
    return tuple(parts)


def _scalar(key: str, text: str, default: Any) -> Any:
    kind = type(default)
    if kind is str:
        return text
    try:
        return kind(text)
    except ValueError:
        raise ValueError(
            f"{key} takes {'whole' if kind is int else 'real'} numbers like {shown(default)}, got {text!r}"
        ) from None


def shown(value: Any) -> str:
    """A parameter as it is written on the command line and in a caption.

    Examples
    --------
    >>> shown((2, 3, 4, 8)), shown(0.05), shown((0.5, 0.1))
    ('2,3,4,8', '0.05', '0.5,0.1')
    """
    if isinstance(value, tuple):
        return ",".join(shown(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def filled(text: str, values: Mapping[str, Any], blank: str | None = None) -> str:
    """`text` with its slots <key> filled; those without a value by `blank`.

    Raises
    ------
    KeyError
        A slot names no value, and there is no `blank`.

    Examples
    --------
    >>> filled("<df> degrees of freedom, n < 3, bits <bits>", {"df": 2.0, "bits": (2, 3, 4)})
    '2 degrees of freedom, n < 3, bits 2, 3 and 4'
    """

    def words(match: re.Match) -> str:
        value = values[match[1]] if blank is None else values.get(match[1], blank)
        if isinstance(value, tuple) and len(value) > 1:
            return f"{', '.join(map(shown, value[:-1]))} and {shown(value[-1])}"
        return shown(value)

    return _SLOT.sub(words, text)


def wholes(name: str, values: Any, least: int | None = None, most: int | None = None) -> tuple[int, ...]:
    """Different whole numbers in increasing order; one alone counts as a list of one.

    Examples
    --------
    >>> wholes("bits", [4, 2], 1, 16), wholes("bits", 8)
    ((2, 4), (8,))
    >>> wholes("bits", [2, 40], 1, 16)
    Traceback (most recent call last):
    ValueError: bits must be an integer from 1 to 16, got 40
    """
    return tuple(whole(name, value, least, most) for value in _several(name, values))


def reals(name: str, values: Any, low: float = 0.0, high: float = float("inf")) -> tuple[float, ...]:
    """Different real numbers strictly between `low` and `high`, in increasing order.

    Examples
    --------
    >>> reals("miss", (0.5, 0.01), 0, 1)
    (0.01, 0.5)
    >>> reals("miss", 1.5, 0, 1)
    Traceback (most recent call last):
    ValueError: miss must lie strictly between 0 and 1, got 1.5
    """
    found = tuple(float(value) for value in _several(name, values))
    for value in found:
        if not low < value < high:
            limits = f"lie strictly between {low:g} and {high:g}" if np.isfinite(high) else f"exceed {low:g}"
            raise ValueError(f"{name} must {limits}, got {value:g}")
    return found


def _several(name: str, values: Any) -> Sequence[Any]:
    if isinstance(values, str):
        raise TypeError(f"{name} must be numbers, got {values!r}")
    listed = list(values) if isinstance(values, Iterable) else [values]
    if not listed:
        raise ValueError(f"{name} must name at least one number, got none")
    if any(isinstance(value, str) for value in listed):
        raise TypeError(f"{name} must be numbers, got {listed!r}")
    return sorted(set(listed))

"""What a page of the explorer is: parameters, curves drawn at once, points that join, and texts to take away.

A page is made of plain functions of its state, a dict {parameter: value}; nothing here knows the browser.
"""

import inspect
import math
import shlex
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
from matplotlib.axes import Axes

from sims.support.output import csv_text
from sims.support.row import Row

State = dict[str, Any]
Lines = Sequence[Row] | Sequence[dict[str, Any] | str]
MAX_UPLOAD = 200 * 2**20  # bytes of a file handed to a page


@dataclass(frozen=True)
class Parameter:
    """One control.

    Attributes
    ----------
    name
        As in the functions it is handed to, and in links.
    label
        Plain text: what is on screen is what a screen reader says.
    default
        Value on a fresh page.
    values
        The positions of a slider; a link may name others, which join them.
    choices
        {label: value} of a menu, instead of `values`.
    low, high
        Least and greatest value accepted.
    kind
        "model" or "simulation", the group it is shown in.
    used
        Whether the control has an effect in a state; it is disabled where it has none.
    """

    name: str
    label: str
    default: Any
    values: tuple = ()
    choices: Mapping[str, Any] = field(default_factory=dict)
    low: float = -math.inf
    high: float = math.inf
    kind: str = "model"
    used: Callable[[State], bool] = lambda state: True

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest value accepted."""
        ends = (self.values[0], self.values[-1]) if self.values else (self.low, self.high)
        return max(self.low, -math.inf if not self.values else ends[0]), min(self.high, ends[1])

    def read(self, text: str) -> Any:
        """Value of this parameter written in a link.

        Raises
        ------
        ValueError
            One sentence naming the parameter, the text and what would be right.

        Examples
        --------
        >>> Parameter("n", "items", 24, values=tuple(range(4, 31))).read("12")
        12
        >>> Parameter("n", "items", 24, values=tuple(range(4, 31))).read("99")
        Traceback (most recent call last):
        ValueError: n must be an integer between 4 and 30, got '99'
        """
        if self.choices:
            for value in self.choices.values():
                if str(value) == text:
                    return value
            raise ValueError(
                f"{self.name} must be one of {', '.join(map(str, self.choices.values()))}, got {text!r}"
            )
        kind = int if isinstance(self.default, int) else float
        low, high = self.limits
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            noun = "an integer" if kind is int else "a number"
            raise ValueError(f"{self.name} must be {noun} between {low:g} and {high:g}, got {text!r}")
        return value

    def positions(self, value: Any) -> list:
        """Slider positions, `value` among them."""
        return sorted({*self.values, value})


@dataclass(frozen=True)
class Series:
    """A named curve, or points with intervals; arrays of one length, None where a column does not apply."""

    name: str
    x: np.ndarray
    value: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    trials: np.ndarray | None = None

    def columns(self, x: str = "x", value: str = "value") -> dict[str, Sequence | np.ndarray | None]:
        """What the data file holds of it, under the names of the page's axes."""
        return {x: self.x, value: self.value, "low": self.low, "high": self.high, "trials": self.trials}


@dataclass(frozen=True)
class Finished(Series):
    """The rows of a finished simulation: no curve, but what its command prints."""

    rows: Sequence[Row] = ()

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Finished":
        """These rows."""
        return cls("rows", np.zeros(0), np.zeros(0), rows=tuple(rows))


def curves_of(points: Sequence[Series]) -> list[Series]:
    """Those of the series that a picture draws."""
    return [one for one in points if len(one.x)]


def finished_rows(points: Sequence[Series]) -> list[Row] | None:
    """The rows of a simulation that is done, or None."""
    return next((list(one.rows) for one in points if isinstance(one, Finished)), None)


@dataclass(frozen=True)
class Page:
    """One subject of the explorer.

    Attributes
    ----------
    name, title
        In links, above the page.
    lead
        Markdown: what is asked.
    formulas
        LaTeX of the law, in pieces that may stand beside each other or on lines of their own.
    parameters
        Its controls.
    axes
        Names of what the series hold, x and value: columns of the data file, and what hovering says.
    curves
        state -> the laws, under 50 ms.
    live
        state -> successive versions of the measured points, the point of the state first.
    draw
        (axes, state, curves, points, narrow) -> None.
    rows
        (state, points) -> the numbers on screen: rows, or dicts of tables of the page's own, a new one where
        the columns change, and sentences between them.
    caption
        Markdown below the picture.
    python, command
        state -> text that computes the numbers on screen.
    count
        Points -> how far the simulation is, in words.
    upload
        Endings of the files the page takes.
    """

    name: str
    title: str
    lead: str
    formulas: Sequence[str]
    caption: str
    parameters: Sequence[Parameter]
    axes: tuple[str, str]
    curves: Callable[[State], list[Series]]
    live: Callable[[State], Iterator[list[Series]]]
    draw: Callable[[Axes, State, list[Series], list[Series], bool], None]
    rows: Callable[[State, list[Series]], Lines]
    python: Callable[[State], str]
    command: Callable[[State], str]
    count: Callable[[list[Series]], str] = lambda points: _count_trials(points)
    upload: Sequence[str] = ()

    def defaults(self) -> State:
        """State of a fresh page."""
        return {p.name: p.default for p in self.parameters}

    def read(self, query: Mapping[str, Any]) -> tuple[State, list[str]]:
        """State named by a link, and one sentence for every part of it that cannot be used."""
        state, problems = self.defaults(), []
        for parameter in self.parameters:
            text = query.get(parameter.name)
            if text is None:
                continue
            try:
                state[parameter.name] = parameter.read(text if isinstance(text, str) else str(text[-1]))
            except ValueError as error:
                problems.append(f"{error}; {parameter.default} is shown instead.")
        known = {"page", "file", "pin", *(p.name for p in self.parameters)}
        problems += [f"This page has no parameter {name!r}." for name in query if name not in known]
        return state, problems

    def link(self, state: State) -> str:
        """Relative address that restores the state."""
        names = [p.name for p in self.parameters if p.name in state]
        return "?" + urlencode({"page": self.name, **{name: state[name] for name in names}})

    def idle(self, state: State) -> list[str]:
        """Names of the controls without effect."""
        return [p.name for p in self.parameters if not p.used(state)]

    def data(self, series: Sequence[Series]) -> bytes:
        """The data file: a line per point."""
        return to_csv(series, *self.axes)


def _count_trials(points: list[Series]) -> str:
    total = sum(int(one.trials.sum()) for one in points if one.trials is not None)
    return f"{total:,} trials".replace(",", "\u202f") if total else ""


def to_csv(series: Sequence[Series], x: str, value: str) -> bytes:
    """Tidy table: series, x, value, low, high, trials, and what further columns a series has.

    Examples
    --------
    >>> print(to_csv([Series("law", np.array([1]), np.array([0.5]))], "n", "probability").decode())
    series,n,probability,low,high,trials
    law,1,0.5,,,
    <BLANKLINE>
    """
    held = [(one, one.columns(x, value)) for one in series if len(one.x)]
    names = list(dict.fromkeys(name for _, columns in held for name in columns))
    lines: list[list[Any]] = []
    for one, columns in held:
        found = [columns.get(name) for name in names]
        cells = [[""] * len(one.x) if column is None else np.asarray(column).tolist() for column in found]
        lines += ([one.name, *values] for values in zip(*cells, strict=True))
    return csv_text(["series", *names], lines).encode()


def simulation_text(name: str, **arguments: Any) -> str:
    """Python source that runs a simulation of `sims.simulations` and prints its rows.

    Examples
    --------
    >>> print(simulation_text("partition", n=24, max_value=2**20))
    from sims.simulations import partition
    from sims.support.output import print_table
    <BLANKLINE>
    rows = partition(
        n=24, max_value=1048576,
    )
    print_table([row.as_dict() for row in rows])
    """
    inside = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    lines = textwrap.fill(
        inside + ",", 72, initial_indent="    ", subsequent_indent="    ", break_long_words=False
    )
    return (
        f"from sims.simulations import {name}\nfrom sims.support.output import print_table\n\n"
        f"rows = {name}(\n{lines}\n)\nprint_table([row.as_dict() for row in rows])"
    )


def command_text(*words: str, **options: Any) -> str:
    """A `snapcut` command line; a list takes its option once per entry, False leaves it out.

    Examples
    --------
    >>> command_text("simulate", "partition", n=24, max_value=1048576)
    'snapcut simulate partition --n 24 --max-value 1048576'
    >>> command_text("simulate", "lottery", sizes=(2, 1), rotate=True, mask=False)
    'snapcut simulate lottery --sizes 2 --sizes 1 --rotate'
    """
    flags = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            flags += [flag] if value else []
            continue
        entries = value if isinstance(value, tuple) else (value,)
        flags += [f"{flag} {shlex.quote(str(one))}" for one in entries]
    return " ".join(["snapcut", *words, *flags])


def python_line(code: str) -> str:
    """Lines of Python as one command of a shell.

    Examples
    --------
    >>> python_line("from math import pi\\n\\nprint('pi', pi)")
    'python -c \\'from math import pi; print("pi", pi)\\''
    """
    lines = [line for line in code.splitlines() if line]
    return "python -c '" + "; ".join(lines).replace("'", '"') + "'"


class Point(NamedTuple):
    """An estimate as the picture holds it."""

    value: float
    low: float
    high: float
    trials: int


def first_point(series: Series) -> Point:
    """The chosen point, which is the first of its series."""
    assert series.low is not None and series.high is not None and series.trials is not None
    value, low, high = (float(column[0]) for column in (series.value, series.low, series.high))
    return Point(value, low, high, int(series.trials[0]))


def measured_row(quantity: str, series: Series, unit: str = "trials", theory: float | None = None) -> Row:
    """The line of the chosen point."""
    point = first_point(series)
    return Row.of(quantity, point, f"{point.trials} {unit}", theory)


def defaults(simulation: Callable) -> dict[str, Any]:
    """Values that a simulation gives the parameters nobody names: a page opens where the command starts.

    Examples
    --------
    >>> from sims import simulations
    >>> defaults(simulations.partition)["n"]
    20
    """
    return {p.name: p.default for p in inspect.signature(simulation).parameters.values()}


def stopping(state: State, trials: int) -> dict[str, Any]:
    """How the simulation of a page ends, as arguments of its function and of its command."""
    return {
        "trials": trials,
        "width": state["width"],
        "confidence": state["level"],
        "seed": state["seed"],
    }


SEED = Parameter("seed", "seed", 0, low=0, high=2**31 - 1, kind="simulation")
LEVEL = Parameter(
    "level", "confidence", 0.99, choices={"90 %": 0.9, "99 %": 0.99, "99.9 %": 0.999}, kind="simulation"
)
WIDTH = Parameter(
    "width",
    "stop at interval width",
    0.02,
    choices={"0.1": 0.1, "0.05": 0.05, "0.02": 0.02, "0.01": 0.01, "0.005": 0.005},
    kind="simulation",
)

"""Curves of another state, kept in the picture to compare with."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from figures import style
from figures.explore.page import Page, Series, State


@dataclass(frozen=True)
class Pinned:
    """The laws of a state of a page, drawn dotted behind those of another."""

    page: Page
    state: State

    @classmethod
    def read(cls, page: Page, text: str) -> tuple["Pinned", list[str]]:
        """What a link pins, and a sentence for what in it cannot be used."""
        state, problems = page.read(dict(parse_qsl(text)))
        return cls(page, state), [f"Of the pinned curves: {problem}" for problem in problems]

    @cached_property
    def laws(self) -> list[Series]:
        """Its curves, named as pinned."""
        found = self.page.curves(self.state)
        return [dataclasses.replace(one, name=f"pinned: {one.name}") for one in found]

    def text(self) -> str:
        """Its state as a part of a link."""
        return self.page.link(self.state).removeprefix(f"?page={self.page.name}&")

    def differs(self, state: State) -> str:
        """In which controls it differs from a state, in words.

        Examples
        --------
        >>> from figures.explore.pages import find
        >>> page = find("partition")
        >>> Pinned(page, {**page.defaults(), "n": 12}).differs(page.defaults())
        'items n: 12'
        """
        shown = []
        for p in self.page.parameters:
            value = self.state.get(p.name)
            if p.kind == "model" and p.used(self.state) and value != state.get(p.name):
                named = next((label for label, one in p.choices.items() if one == value), value)
                shown.append(f"{p.label}: {named}")
        return ", ".join(shown) or "the same state"

    def draw(self, axes: Axes, state: State, narrow: bool) -> None:
        """Add the curves to a picture of `state`, whose axes grow to hold what its own picture shows."""
        alone = Figure().add_subplot()
        self.page.draw(alone, self.state, self.page.curves(self.state), [], narrow)
        for one in self.laws:
            axes.plot(one.x, one.value, color=style.GREY, linestyle=(0, (1, 1.5)), linewidth=1.6, zorder=1.5)
        for own, other, change in (
            (axes.get_xlim(), alone.get_xlim(), axes.set_xlim),
            (axes.get_ylim(), alone.get_ylim(), axes.set_ylim),
        ):
            change(min(own[0], other[0]), max(own[1], other[1]))
        words = "" if narrow else f", {self.differs(state)}"
        axes.set_xlabel(f"{axes.get_xlabel()}   (dotted: pinned{words})")

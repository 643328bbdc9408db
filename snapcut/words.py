"""What to type, as text: the command under way once more, or what is left of it."""

import shlex
from collections.abc import Sized

_given: list[str] = []  # the words of the command line under way


def begin(words: list[str]) -> None:
    """A command line begins; `again` repeats it."""
    _given[:] = words


def again(*more: str) -> str:
    """The command under way, as it was typed, with `more` at its end."""
    return command(*_given, *more)


def command(*words: object) -> str:
    """What to type."""
    return shlex.join(["snapcut", *map(str, words)])


def count(things: Sized, name: str) -> str:
    """How many there are.

    Examples
    --------
    >>> count([1], "cell"), count([], "cell")
    ('1 cell', '0 cells')
    """
    return f"{len(things)} {name}" + ("" if len(things) == 1 else "s")

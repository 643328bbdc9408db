"""What options are made of: their types, and the values of their words. Bad ones end in one sentence."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from sims.support.files import check_target
from sims.support.spans import span

Budget = Literal["quick", "standard", "deep"]
Patterns = Annotated[tuple[str, ...], Parameter(negative=())]
Json = Annotated[Path | None, Parameter(allow_leading_hyphen=True)]  # "-" is standard output
Listed = Annotated[bool, Parameter("--list", negative="")]


def check_targets(json: Path | None, *paths: Path | None) -> None:
    """Before any work: everything that will be written can be written."""
    for path in (None if str(json) == "-" else json, *paths):
        check_target(path)


def unheard(where: str, **given: bool) -> None:
    """Refuse options that would be left unheard: those `given`, which belong `where`."""
    names = [f"--{name.replace('_', '-')}" for name, is_given in given.items() if is_given]
    if names:
        listed = ", ".join(names[:-1]) + " and " + names[-1] if names[1:] else names[0]
        raise ValueError(f"{listed} belong{'' if names[1:] else 's'} to {where}")


def seed_of(text: str) -> int | None:
    """The number, or None for "random"."""
    if text == "random":
        return None
    if not text.isdecimal():
        raise ValueError(f'--seed must be a nonnegative integer or "random", got {text!r}')
    return int(text)


def widths(text: str) -> list[int]:
    """Widths of "2-8" or "2,4,8"."""
    spans = [span(part) for part in ([text] if "-" in text else text.split(","))]
    if not all(spans):
        raise ValueError(f"--bits must be a range like 2-8 or a list like 2,4,8, got {text!r}")
    # no command takes a hundred widths: what is too large shows itself soon enough
    return [width for numbers in spans if numbers for width in numbers[:100]]


def indices(name: str, text: str) -> list[int]:
    """Indices of "0-7" or "3,5"."""
    found: list[int] = []
    for part in text.split(","):
        numbers = span(part)
        if numbers is None or len(numbers) > 10**6:  # more rows than any layer has
            raise ValueError(f"{name} must be a range like 0-7 or a list like 3,5, got {text!r}")
        found.extend(numbers)
    if not found:
        raise ValueError(f"{name} must name at least one, got {text!r}")
    return found


def axes(words: tuple[str, ...]) -> dict[str, int]:
    """Output axes by pattern, of words such as "-1" or "*.c_proj.weight=1"."""
    found = {}
    for word in words:
        pattern, _, number = word.rpartition("=")
        try:
            found[pattern or "*"] = int(number)
        except ValueError:
            raise ValueError(f"--axis must be a number or PATTERN=NUMBER, got {word!r}") from None
    return found


def array_of(path: Path, *dimensions: int):
    """The one array of a file, with one of these numbers of dimensions."""
    from sims.checkpoints import read

    arrays = list(read(path).tensors.values())
    if not arrays:
        raise ValueError(f"{path} must hold an array of real numbers, it holds none")
    if len(arrays) != 1 or arrays[0].ndim not in dimensions:
        allowed = " or ".join(map(str, dimensions))
        shapes = [array.shape for array in arrays]
        raise ValueError(f"{path} must hold one array of {allowed} dimensions, it holds {shapes}")
    if not arrays[0].size:
        raise ValueError(f"{path} must hold numbers, its array of shape {arrays[0].shape} has none")
    return arrays[0]

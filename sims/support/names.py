"""What somebody meant who typed a name, the beginning of one, or nearly one."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def named(asked: Sequence[str], known: Sequence[str], what: str) -> list[str]:
    """The known names meant, in the order asked for, each once; all of them where none is asked for.

    A name means itself or, where there is none such, every name that begins with it.

    Parameters
    ----------
    what
        What the names are of, for the sentence of refusal.

    Raises
    ------
    ValueError
        Nothing is named so; the sentence says what is named like it, or all there is.

    Examples
    --------
    >>> known = ["snr_student", "cost", "cost_more", "snr_gauss"]
    >>> named(["snr_", "cost"], known, "figure")
    ['snr_student', 'snr_gauss', 'cost']
    >>> named(["snr_studnet"], known, "figure")
    Traceback (most recent call last):
    ...
    ValueError: no figure 'snr_studnet'; did you mean snr_student?
    """
    found: dict[str, None] = {}
    for name in asked:
        meant = [name] if name in known else [one for one in known if name and one.startswith(name)]
        if not meant:
            like = alike(name, known)
            hint = f"did you mean {' or '.join(like)}?" if like else f"there are {', '.join(known)}"
            raise ValueError(f"no {what} {name!r}; {hint}")
        found |= dict.fromkeys(meant)
    return list(found) or list(known)


def alike(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names that `name` may be a slip of, the nearest first.

    Examples
    --------
    >>> alike("digist", ["minilm", "digits"])
    ['digits']
    """
    return get_close_matches(name, list(known), n=most, cutoff=0.7)

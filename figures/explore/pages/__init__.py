"""The pages, in the order of the navigation. A page's module is imported when it is first opened."""

import importlib

from figures.explore.page import Page

LABELS = {
    "partition": "Partition",
    "subset-sum": "Subset sum",
    "lottery": "Lottery tickets",
    "path-following": "Path following",
    "snr": "SNR",
    "layer-bounds": "Layer bounds",
    "fine-tuning": "Fine-tuning",
    "weights": "Own weights",
}


def find(name: str | None) -> Page:
    """Page of that name; the first when none is named.

    Raises
    ------
    ValueError
        No page of that name; the message lists them.

    Examples
    --------
    >>> find("subset-sum").title
    'Random subset sum'
    """
    name = next(iter(LABELS)) if name is None else name
    if name not in LABELS:
        raise ValueError(f"There is no page {name!r}; there are {', '.join(LABELS)}.")
    return importlib.import_module(f"figures.explore.pages.{name.replace('-', '_')}").PAGE

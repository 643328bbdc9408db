"""Whole numbers as people write them on a command line: one, or a range."""


def span(text: str) -> range | None:
    """The numbers of "3" or "2-8", both ends included; None where the text is neither.

    Empty for a range that runs backwards. Nothing is listed: the caller says how many are too many.

    Examples
    --------
    >>> span("2-8"), span(" 3 "), span("8-2"), span("-3")
    (range(2, 9), range(3, 4), range(8, 3), None)
    """
    first, dash, last = text.strip().partition("-")
    if not first.isdecimal() or (dash and not last.isdecimal()) or len(first) > 18 or len(last) > 18:
        return None
    return range(int(first), int(last or first) + 1)

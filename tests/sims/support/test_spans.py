import pytest

from sims.support.spans import span


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("7", 7, 7),
        ("0-0", 0, 0),
        (" 2-8 ", 2, 8),
        ("1-999999999999999999", 1, 10**18 - 1),
        ("9" * 18, 10**18 - 1, 10**18 - 1),
    ],
)
def test_both_ends_count_and_nothing_is_listed(text, first, last):
    found = span(text)
    assert (found[0], found[-1]) == (first, last)
    assert len(found) == last - first + 1


def test_a_range_that_runs_backwards_is_empty():
    assert len(span("8-2")) == 0


@pytest.mark.parametrize(
    "text", ["", "-", "-3", "3-", "2-4-6", "1.5", "2,4", "x", "2 - 4", "9" * 19, "1-" + "9" * 19, "9" * 5000]
)
def test_anything_else_is_none(text):
    assert span(text) is None

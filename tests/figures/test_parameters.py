"""Parameters of figures as text and in Python."""

import pytest

from figures import parameters


def test_kinds_follow_the_defaults():
    known = {"n": 3, "x": 0.5, "law": "nonzero", "sizes": (1, 2), "levels": (0.5,)}
    settings = ["n=7", "x = 1e-3", "law=uniform", "sizes=2-4, 9", "levels=.1,2"]
    assert parameters.read("f", known, settings) == {
        "n": 7,
        "x": 0.001,
        "law": "uniform",
        "sizes": (2, 3, 4, 9),
        "levels": (0.1, 2.0),
    }
    assert parameters.read("f", {"target": (5, -3)}, ["target=-4,2"]) == {"target": (-4, 2)}


@pytest.mark.parametrize("text", ["n=1.5", "n=", "=3", "sizes=1,,2", "sizes=1-5000", "x=1,2"])
def test_other_kinds_get_one_sentence(text):
    with pytest.raises(ValueError):
        parameters.read("f", {"n": 3, "x": 0.5, "sizes": (1, 2)}, [text])


def test_slots_are_filled_and_nothing_else():
    assert parameters.filled("$x<3$ of <n>, <sizes>", {"n": 2, "sizes": (1,)}) == "$x<3$ of 2, 1"
    with pytest.raises(KeyError):
        parameters.filled("<unknown>", {})


def test_numbers_are_put_in_order_and_doubles_dropped():
    assert parameters.wholes("n", [3, 1, 3]) == (1, 3)
    assert parameters.reals("x", [0.3, 0.1], 0, 1) == (0.1, 0.3)
    for wrong in ("12", ["a"], []):
        with pytest.raises((TypeError, ValueError)):
            parameters.wholes("n", wrong)
    with pytest.raises(ValueError, match="x must exceed 2, got 2"):
        parameters.reals("x", 2.0, 2.0)
    with pytest.raises(ValueError, match="got nan"):
        parameters.reals("x", float("nan"))

"""What a name that is typed stands for."""

import pytest

from sims.support.names import alike, named

KNOWN = ["ab", "abc", "abd", "xyz"]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ([], KNOWN),
        (["ab"], ["ab"]),  # itself, though others begin so
        (["abd", "a"], ["abd", "ab", "abc"]),
        (["x", "xyz"], ["xyz"]),
    ],
)
def test_a_name_is_itself_or_the_beginning_of_others(asked, meant):
    assert named(asked, KNOWN, "thing") == meant


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "no thing ''; there are ab, abc, abd, xyz"),
        ("zzzz", "no thing 'zzzz'; there are ab, abc, abd, xyz"),
        ("xxyz", "no thing 'xxyz'; did you mean xyz?"),
        ("xyy", "no thing 'xyy'; there are ab, abc, abd, xyz"),  # 2/3 of the letters are too few for a guess
        ("axyzb", "no thing 'axyzb'; did you mean xyz?"),  # 3/4 are enough
    ],
)
def test_what_nothing_is_called_is_refused_with_what_there_is(name, message):
    with pytest.raises(ValueError) as raised:
        named([name], KNOWN, "thing")
    assert str(raised.value) == message


def test_names_are_alike_from_seven_tenths_on():
    """2 M / T of difflib, M letters in common of T in both: 10/14 = 0.71 is enough, 8/12 = 0.67 is not."""
    assert alike("abcdexy", ["abcdezw"]) == ["abcdezw"]
    assert alike("abcdxy", ["abcdzw"]) == []

"""What a name that is typed stands for."""

import pytest

from sims.support.names import named

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

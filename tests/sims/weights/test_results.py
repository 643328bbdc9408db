"""Which files take a line per tensor."""

from pathlib import Path

from sims.weights.results import by_lines


def test_a_name_decides_and_no_file_takes_none():
    assert by_lines(Path("a.jsonl")) is True
    assert by_lines(Path("a.json")) is False
    assert by_lines(None) is False

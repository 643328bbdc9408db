"""Which files take a line per tensor, and what stands on the lines."""

import json
from pathlib import Path

from sims import weights
from sims.weights import results
from sims.weights.results import by_lines


def test_a_name_decides_and_no_file_takes_none():
    assert by_lines(Path("a.jsonl")) is True
    assert by_lines(Path("a.json")) is False
    assert by_lines(None) is False


def test_a_line_for_every_tensor_and_one_for_the_network(tmp_path):
    rows = [
        weights.TensorRow(name, (3, 3), 9, 3.0, 2.0, {4: 9.0}, {4: 5.0}, {4: 0.0}, weights.Signal(1.0))
        for name in "ab"
    ]
    tables = [weights.Table((4,), rows[:count], planned=2, seen=count) for count in (1, 2)]
    table, interrupted = results.follow(tables, tmp_path / "lines.jsonl")
    assert (table, interrupted) == (tables[1], False)
    *tensors, network = map(json.loads, (tmp_path / "lines.jsonl").read_text().splitlines())
    assert [one["name"] for one in tensors] == ["a", "b"]
    assert "tensors" not in network and {"network", "totals", "recommendation"} <= set(network)

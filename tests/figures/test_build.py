"""Every figure draws from its own table, leaves four whole files, and the same bytes each time."""

import csv
import json

import matplotlib
import numpy as np
import pytest

from figures import build


def test_unknown_figures_list_what_exists():
    with pytest.raises(ValueError, match=r"no figure 'nothing'; there are .*partition_threshold"):
        build.build_all(["nothing"])


@pytest.fixture(scope="module")
def example():
    return build.build("partition_threshold")


def test_equal_arguments_give_equal_bytes(example):
    again = build.build("partition_threshold")
    assert again.png == example.png
    assert again.pdf == example.pdf
    assert build.build("partition_threshold", seed=1).png != example.png


def test_four_files_and_the_table_round_trips(example, tmp_path):
    paths = build.save(example, tmp_path)
    assert sorted(path.suffix for path in paths) == [".csv", ".json", ".pdf", ".png"]
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # no temporary file is left
    with open(tmp_path / "partition_threshold.csv") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(example.table)
    for column, values in example.table.items():
        if np.asarray(values).dtype.kind == "f":
            read = np.array([float(row[column]) for row in rows])
            np.testing.assert_array_equal(read, values)
    manifest = json.loads((tmp_path / "partition_threshold.json").read_text())
    assert manifest["parameters"] == {"budget": "quick", "seed": 0}
    assert manifest["rows"] == len(rows)
    assert manifest["versions"]["numpy"] == np.__version__


def test_drawing_leaves_the_callers_settings_alone(example):
    before = dict(matplotlib.rcParams)
    build.module("partition_threshold").draw(example.table)
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", build.names())
def test_every_figure_says_what_it_shows(name):
    source = build.module(name)
    assert source.TITLE
    assert not source.TITLE.endswith(".")
    assert len(source.CAPTION) > 60
    assert source.__doc__

"""Every figure draws from its own table, leaves four whole files, and the same bytes each time."""

import csv
import hashlib
import json

import matplotlib
import numpy as np
import pytest

from figures import build, parameters


def test_unknown_figures_list_what_exists():
    with pytest.raises(ValueError, match=r"no figure 'nothing'; there are .*partition_threshold"):
        build.build_all(["nothing"])
    with pytest.raises(ValueError, match="no figure 'snr_studnet'; did you mean snr_student"):
        build.build_all(["snr_studnet"])
    with pytest.raises(ValueError, match="no figure ''"):
        build.selected([""])


def test_prefixes_name_every_figure_that_begins_so_once():
    assert build.selected(["partition_threshold", "partition_"]) == [
        "partition_threshold",
        "partition_counts",
        "partition_discrepancy",
    ]
    assert build.selected() == build.names()


def test_the_list_says_what_each_figure_shows_and_takes():
    rows = {row["figure"]: row for row in build.listing()}
    assert list(rows) == build.names()
    assert rows["snr_student"]["shows"] == "Kuzmin et al. 2023, Figure 2"
    assert rows["snr_student"]["parameters"].startswith("df=2 other_df=3 bits=2,3,4,5,6,7,8")


def test_what_is_wrong_with_a_setting_is_said_before_anything_is_computed():
    for settings, message in (
        (["dof=4"], r"figure snr_student has no parameter 'dof'; it takes df=2"),
        (["df=two"], "df takes real numbers like 2, got 'two'"),
        (["bits=8-2"], "bits: the range 8-2 runs backwards"),
        (["bits"], "a parameter is set as KEY=VALUE, got 'bits'"),
        (["df=1", "df=2"], "parameter df is set twice"),
    ):
        with pytest.raises(ValueError, match=message):
            build.build_all(["snr_student"], settings=settings)
    with pytest.raises(ValueError, match="from 3 to 20 inches, got 1"):
        build.build_all(["snr_student"], width=1.0)
    with pytest.raises(ValueError, match="no parameter 'dof'"):
        build.build("snr_student", chosen={"dof": 4})


@pytest.fixture(scope="module")
def example():
    return build.build("partition_threshold")


def test_equal_arguments_give_equal_bytes(example):
    again = build.build("partition_threshold")
    assert again.png == example.png
    assert again.pdf == example.pdf
    assert b"/CIDFontType2" in example.pdf and b"/Type3" not in example.pdf  # text, not drawn glyphs
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
    assert manifest["parameters"] == {"budget": "quick", "seed": 0, "items": [12, 16, 20, 24], "reach": 4.0}
    assert manifest["rows"] == len(rows)
    assert manifest["versions"]["numpy"] == np.__version__


def test_a_figure_that_an_interruption_left_whole_is_among_those_saved(example, tmp_path, monkeypatch):
    """Ctrl-C after the first of four renames, or just after the last; before them there is none."""
    from sims.support import files

    place, real, saved = files._Waiting.place, build.save, build.Saved(tmp_path)
    assert saved.names() == []

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build, "write_together", interrupted)
        saved.add(example)
    assert saved.names() == [] and list(tmp_path.iterdir()) == []
    placed = []

    def once(waiting):
        placed.append(waiting)
        place(waiting)
        if len(placed) == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files._Waiting, "place", once)
        saved.add(example)
    assert saved.names() == [example.name] and len(list(tmp_path.iterdir())) == 4
    assert saved.paths == {}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(build, "save", lambda *given: (real(*given), interrupted()))
        saved.add(example)
    assert saved.names() == [example.name]
    saved.add(example)
    assert saved.names() == [example.name] and len(saved.paths[example.name]) == 4


def test_a_set_appears_whole_and_tells_whether_it_still_is(example, tmp_path):
    (tmp_path / "partition_threshold.csv").mkdir()  # cannot be written, though the two before it could
    with pytest.raises(IsADirectoryError):
        build.check_targets(["partition_threshold"], tmp_path)
    with pytest.raises(IsADirectoryError):
        build.save(example, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["partition_threshold.csv"]
    (tmp_path / "partition_threshold.csv").rmdir()
    build.check_targets(["partition_threshold"], tmp_path)
    *others, manifest = build.save(example, tmp_path)
    sums = {path.suffix[1:]: hashlib.sha256(path.read_bytes()).hexdigest() for path in others}
    assert json.loads(manifest.read_text())["sha256"] == sums and len(sums) == 3


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
    assert len(source.SOURCE) > 10
    known = parameters.defaults(source)
    told = source.data.__doc__.partition("Parameters\n")[2]
    assert all(key in told for key in known), "every parameter is explained where it is taken"


@pytest.mark.parametrize(
    ("name", "chosen", "message"),
    [
        ("snr_student", {"df": -1.0}, "df must be positive"),
        ("snr_student", {"bits": (1, 2)}, "bits must be an integer from 2 to 12, got 1"),
        ("snr_student", {"bits": ()}, "bits must name at least one number"),
        ("partition_threshold", {"items": (64,)}, "items must be an integer from 8 to 30, got 64"),
        ("subset_sum_miss", {"target": 8}, "target must be an integer from 1 to 7, got 8"),
        ("subset_sum_bounds", {"nonzero": (7,)}, "nonzero takes two numbers"),
        ("lottery_products", {"odd": 12}, "odd must be an odd weight, got 12"),
        ("path_following_tightness", {"level": 0.0}, "level must lie strictly between"),
        ("storage_break_even", {"value_bits": 2}, "value_bits must be an integer from 4 to 32, got 2"),
    ],
)
def test_values_no_figure_is_for_get_one_sentence(name, chosen, message):
    with pytest.raises(ValueError, match=message):
        build.build(name, chosen=chosen)


def test_the_same_parameters_as_text_and_in_python_give_the_same_bytes():
    (written,) = build.build_all(["snr_gaussian"], settings=["bits=3"], width=5.5)
    called = build.build("snr_gaussian", chosen={"bits": 3}, width=5.5)
    assert written.png == called.png and written.manifest == called.manifest
    assert written.manifest["parameters"]["bits"] == 3 and written.manifest["width"] == 5.5
    assert written.png != build.build("snr_gaussian").png

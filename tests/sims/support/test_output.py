"""Text from strangers is shown, never obeyed: not by a terminal, not by rich, not by a spreadsheet."""

import csv
import io
import warnings

import numpy as np
import pytest

from figures.explore import page, view
from sims import sweep
from sims.support.output import csv_text, emit, print_table, say, show_warning, visible

HOSTILE = [
    "\x1b]0;title\x07",
    "\x1b[2J",
    "\x9b31m",
    "a\rb",
    "a\nb",
    "a\x00b\x7f",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "a\u2028b",
    "\ud800",
    "[red]a[/b]",
    ":boom:",
]


def obeyed(text: str) -> str:
    """What a terminal would obey."""
    return "".join(c for c in text if not c.isprintable() and c != "\n")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_every_road_to_a_terminal_shows_names_as_text(name, capsys):
    say(f"skipped {name}")
    print_table([{"tensor": name, name: 1.0}])
    out = capsys.readouterr().out
    assert not obeyed(out)
    assert len(out.splitlines()) == 3 and out.count(visible(name)) == 3


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_pages_show_names_as_text(name):
    html = view.numbers([{"tensor": name, name: 1.0}]) + view.notice([name])
    assert not obeyed(html) and html.count(visible(name)) == 3


def test_ordinary_names_are_left_alone():
    for name in ("layers.0.weight", "größe", "重み", "a b", r"a\b", "β₁", "👩"):
        assert visible(name) == name


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", " =1", "\x1b=1"]


@pytest.mark.parametrize("name", FORMULAS, ids=ascii)
def test_no_table_holds_a_formula(name, tmp_path):
    texts = [
        csv_text([name], [[name]]),
        sweep.save([{name: name, "x": -1.5}], tmp_path / "a.csv").read_text(),
        page.to_csv([page.Series(name, np.array([-1.0]), np.array([0.5]))]).decode(),
    ]
    for text in texts:
        cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
        assert sum(visible(name) in cell for cell in cells) >= 1
        assert not [cell for cell in cells if cell.lstrip()[:1] in "=+@" and cell.strip()]
        assert all(float(cell) < 0 for cell in cells if cell.startswith("-"))
        assert not obeyed(text)


def test_numbers_stay_numbers_in_a_table():
    assert csv_text(["x"], [[-1.5], ["-1.5"], [None], ["+inf"]]) == 'x\n-1.5\n-1.5\n""\n+inf\n'


def test_a_result_whose_file_cannot_be_written_is_still_shown(tmp_path):
    """The place was fine when the work began, and is not any more."""
    shown = []
    with pytest.raises(IsADirectoryError) as caught:
        emit(tmp_path, {"x": 1}, lambda: shown.append("the table"))
    assert caught.value.filename == str(tmp_path) and shown == ["the table"]


def test_warnings_are_lines_without_paths_and_numerics_are_no_news(capsys, monkeypatch):
    monkeypatch.delenv("SNAPCUT_DEBUG", raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show_warning
        warnings.warn("a cell\x1b[2J is damaged", stacklevel=1)
        np.float64(0) / np.float64(0)
        assert capsys.readouterr().err == "snapcut: a cell\\x1b[2J is damaged\n"
        monkeypatch.setenv("SNAPCUT_DEBUG", "1")
        np.float64(0) / np.float64(0)
        assert capsys.readouterr().err.startswith("snapcut: invalid value")

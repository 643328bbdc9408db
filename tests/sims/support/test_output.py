"""Text from strangers is shown, never obeyed: not by a terminal, not by rich, not by a spreadsheet."""

import csv
import io
import math
import re
import sys
import warnings

import numpy as np
import pytest
from rich.cells import cell_len as cells_len

from figures.explore import page, view
from sims import sweep
from sims.support.output import csv_text, emit, plain, print_table, say, show_warning, visible

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
        page.to_csv([page.Series(name, np.array([-1.0]), np.array([0.5]))], name, "value").decode(),
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


class Terminal(io.StringIO):
    def isatty(self):
        return True


ROWS = [
    {
        "claim": f"kn.a_rather_long_claim_{i}",
        "verdict": "[green]holds[/]",
        "value": 0.123456 * 10**i,
        "interval (99 %)": "[0.1, 0.2]",
        "evidence": "monte carlo" if i else None,
        "a note": "größer als 重み, in one cell of its own",
    }
    for i in range(3)
]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_tables_fit_the_terminal_and_break_no_cell(width, monkeypatch):
    """What has no room beside the row stands below it, with its name; a cell is never cut or folded."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    print_table(ROWS, title="Title", marked=("verdict",))
    text = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    lines = text.splitlines()
    assert lines[0] == "Title" and lines[1].startswith("claim ")
    cells = ["0.12346", "1.2346", "12.346", *(row["claim"] for row in ROWS)]
    assert all(text.count(cell) == 1 for cell in cells)
    for cell, count in {"holds": 3, "[0.1, 0.2]": 3, "monte carlo": 2, ROWS[0]["a note"]: 3}.items():
        assert sum(line.count(cell) for line in lines) == count
    assert max(map(cells_len, lines)) <= max(width, cells_len(f"    a note {ROWS[0]['a note']}"))
    assert (len(lines) == 5) is (width == 200 or width == 120)


def test_a_terminal_gets_colours_where_markup_is_ours_and_a_pipe_none(monkeypatch, capsys):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    print_table(ROWS, marked=("verdict",))
    assert "\x1b" not in capsys.readouterr().out
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    print_table(ROWS, marked=("verdict",))
    assert terminal.getvalue().count("\x1b[32mholds\x1b[0m") == 3  # green


def test_a_pipe_gets_one_line_for_each_row(capsys):
    print_table([{"a": "x" * 300, "b": 1.0}])
    print_table([])
    assert capsys.readouterr().out == f"a{' ' * 299}  b\n{'x' * 300}  1\n"


@pytest.mark.parametrize(("width", "header"), [(8, ["one", "two"]), (7, ["one"])])
def test_a_table_as_wide_as_the_terminal_stands_on_one_line(width, header, monkeypatch):
    """Three and three characters, and two between them."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "stdout", Terminal())
    print_table([{"one": "abc", "two": "def"}, {"one": "abc", "two": None}])
    first, *others = re.sub(r"\x1b\[[0-9;]*m", "", sys.stdout.getvalue()).splitlines()
    assert first.split() == header
    below = ["abc", "    two def", "abc"]  # what is not there has no line
    assert others == (["abc  def", "abc"] if width == 8 else below)


@pytest.mark.parametrize("width", range(20, 60))
def test_what_stands_below_a_row_fills_its_lines(width, monkeypatch):
    """Four spaces, then pairs of a name and a value; a line ends only where the next pair has no room."""
    row = {"first": "x" * 18} | {f"n{i}": "y" * (3 + i % 4) for i in range(9)}
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr(sys, "stdout", Terminal())
    print_table([row])
    header, _, *below = re.sub(r"\x1b\[[0-9;]*m", "", sys.stdout.getvalue()).splitlines()
    left = [f"{name} {value}" for name, value in row.items() if name not in header.split()]
    for line in below:
        joined = "    " + left.pop(0)
        while left and len(joined) + 2 + len(left[0]) <= width:
            joined += "  " + left.pop(0)
        assert line == joined
    assert not left


def test_a_column_wider_than_the_terminal_is_shown_and_what_follows_stands_below(monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setattr(sys, "stdout", Terminal())
    print_table([{"first": "x" * 18, "second": "y" * 18, "third": "z"}])
    text = re.sub(r"\x1b\[[0-9;]*m", "", sys.stdout.getvalue())
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines == ["first", "x" * 18, f"    second {'y' * 18}", "    third z"]


def test_content_for_programs_is_plain():
    found = plain(
        {"text": "x", "none": None, "numbers": (np.int64(3), np.bool_(True), np.float32(0.5), np.nan)}
    )
    assert found == {"text": "x", "none": None, "numbers": [3, True, 0.5, None]}
    assert plain([math.inf, -math.inf, np.float32(np.inf)]) == [None] * 3
    assert [type(each) for each in found["numbers"][:3]] == [int, bool, float]


def test_lines_go_where_they_are_told_to(capsys, tmp_path):
    with (tmp_path / "remarks").open("w") as file:
        say("a remark", file=file)
    say("a result")
    assert capsys.readouterr().out == "a result\n" and (tmp_path / "remarks").read_text() == "a remark\n"

"""docs/speed.md states what the benchmarks committed."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"  # scripts, of no package
SPEC = importlib.util.spec_from_file_location("compare_benchmark", FOLDER / "compare.py")
compare = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(compare)


def test_the_page_is_made_of_what_is_committed():
    page = compare.page()
    assert page == compare.PAGE.read_text(encoding="utf-8")
    assert "<!--" not in page
    for kind in json.loads(compare.RATIOS.read_text(encoding="utf-8")):
        assert f"\n{kind['machine']}, {kind['date']}:\n" in page
        assert all(f"| {one['work']} |" in page for one in kind["rows"])


def test_a_table_is_markdown():
    assert compare.table("a | b", [("1", "2"), ("3", "4")]).splitlines() == [
        "| a | b |",
        "|---|---|",
        "| 1 | 2 |",
        "| 3 | 4 |",
    ]


@pytest.mark.parametrize(
    ("seconds", "cell"),
    [(5.16e-06, "5.16 µs"), (0.00308, "3.08 ms"), (0.0999, "99.9 ms"), (0.1, "0.1 s"), (1.12, "1.12 s")],
)
def test_seconds_have_a_readable_unit(seconds, cell):
    row = {"work": "w", "seconds": seconds, "peer": "p", "ratio": 176.54, "floor": "f", "above": 1.5}
    whole = cell.replace(" ", "\N{NO-BREAK SPACE}")
    assert compare.ahead([row]).splitlines()[-1] == f"| w | {whole} | p | ×177 | f | 1.50 |"


def test_a_ratio_that_shrank_by_half_fails_where_the_processor_is_the_same(monkeypatch, capsys):
    kind, *_ = json.loads(compare.RATIOS.read_text(encoding="utf-8"))
    rows = kind["rows"]
    monkeypatch.setattr(compare, "machine", lambda: kind["machine"])
    for shrink, ended in ((1.0, 0), (1.4, 0), (1.6, 1)):
        slower = [{**one, "ratio": one["ratio"] / (shrink if i == 2 else 1)} for i, one in enumerate(rows)]
        monkeypatch.setattr(compare, "measured", lambda slower=slower: slower)
        monkeypatch.setattr("sys.argv", ["compare.py"])
        assert compare.main() == ended
        assert ("SLOWER" in capsys.readouterr().out) == bool(ended)
    monkeypatch.setattr(compare, "measured", lambda: rows[1:])
    assert compare.main() == 1
    assert "no longer measured" in capsys.readouterr().out
    monkeypatch.setattr(compare, "machine", lambda: "another processor")
    assert compare.main() == 0
    assert "no ratios are committed for another processor" in capsys.readouterr().out


def test_writing_replaces_the_rows_of_this_processor_alone(monkeypatch, tmp_path):
    for name in ("RATIOS", "PAGE"):
        monkeypatch.setattr(compare, name, tmp_path / name)
    row = {"work": "w", "seconds": 1.0, "peer": "p", "ratio": 2.0, "floor": "f", "above": 1.5}
    kinds = [{"machine": kind, "date": "2020-01-01", "rows": [row]} for kind in ("one", "other")]
    compare.RATIOS.write_text(json.dumps(kinds))
    monkeypatch.setattr(compare, "machine", lambda: "other")
    monkeypatch.setattr(compare, "measured", lambda: [{**row, "ratio": 3.0}])
    monkeypatch.setattr("sys.argv", ["compare.py", "--write"])
    assert compare.main() == 0
    first, second = json.loads(compare.RATIOS.read_text())
    assert first == kinds[0] and second["rows"][0]["ratio"] == 3.0 and second["date"] > "2020-01-01"
    assert "one, 2020-01-01:" in compare.PAGE.read_text() and "| ×3 |" in compare.PAGE.read_text()

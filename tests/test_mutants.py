"""The driver of `make mutants`: which tests a module gets, and that it tells a good test from a weak one."""

import importlib.util
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "mutants.py"
spec = importlib.util.spec_from_file_location("mutants", SCRIPT)
assert spec is not None and spec.loader is not None
mutants = importlib.util.module_from_spec(spec)
sys.modules["mutants"] = mutants  # dataclasses look their module up
spec.loader.exec_module(mutants)
mutations = sys.modules["mutations"]  # which it imports from beside it
running = sys.modules["mutants_run"]


def test_a_module_is_tested_by_its_mirror_and_its_room():
    assert mutants.selection("theory/storage.py") == [
        "tests/theory/test_storage.py", *mutants.REFERENCE, mutants.INTERFACE,
    ]  # fmt: skip
    found = mutants.selection("theory/subset_sum/bounds.py")
    assert found[0] == "tests/theory/subset_sum/test_bounds.py" and len(found) == len(set(found)) > 4
    assert mutants.selection("sims/lottery/masks.py")[0] == "tests/sims/lottery/test_masks.py"
    network = mutants.selection("sims/path_following/network.py")  # those that name it come first
    assert network.index("tests/sims/path_following/test_layers.py") < 3
    assert network[-1] == mutants.ARGUMENTS
    assert mutants.selection("sims/kernels/snr.py") == ["tests/sims/kernels/test_snr.py"]
    assert "tests/theory/snr/test_ratio.py" in mutants.selection("theory/derivations/snr.py")
    names = mutants.modules()
    assert len(names) > 90 and set(mutants.ELSEWHERE) <= set(names)
    assert all((ROOT / name).is_file() for name in mutations.LEFT_OUT)
    assert [name for name in names if name.startswith("sims/kernels/") and not mutants.selection(name)] == []


def test_scores_leave_out_what_computes_the_same():
    score = mutants.Score(sites=100, drawn=20, found=18, same=1)
    assert score.row("x") == "| x | 100 | 20 | 18 | 1 | 1 | 94.7% |"
    assert mutants.Score().share == 1.0


def test_what_was_judged_still_stands_in_the_sources():
    for (name, was, became), why in mutants.judged().items():
        lines = {line.strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()}
        assert was in lines, f"{name}: {was}"
        assert became != was and why


def test_the_page_ends_with_tables():
    text = mutants.PAGE.read_text(encoding="utf-8")
    assert text.count(mutants.MARK) == 1
    assert "| theory |" in text and "| sims |" in text and "| sims/kernels |" in text


MODULE = """
def clamp(x: int | None, top: float = 4.0) -> float:
    if x is None:
        raise ValueError(f"{1 + 1}")
    return min(2 * x, top)
"""
WEAK = """
from theory.thing import clamp

def test_it_runs():
    assert clamp(0) <= 4
"""
STRONG = """
from theory.thing import clamp

def test_values():
    assert [clamp(x) for x in (0, 1, 3)] == [0, 2, 4.0]
"""


FORGETFUL = """
def half(x, scale=2.0, *, offset=0):
    return x / scale + offset


def all_of(rows, scale, shift):
    return [half(row, scale, offset=shift) for row in rows] + [half(1, 2.0, offset=0), half(1, scale, *rows)]
"""


def test_an_argument_is_left_out_where_a_default_takes_its_place(tmp_path, monkeypatch):
    """Not where there is none, where it is the default itself, or where a star hides which it is."""
    mutating = pytest.importorskip("cosmic_ray.mutating", reason="needs the extra [mutants]")
    monkeypatch.setattr(mutations, "ROOT", tmp_path)
    for folder in ("theory", "sims"):
        (tmp_path / folder).mkdir()
    (tmp_path / "theory" / "thing.py").write_text(FORGETFUL)
    mutations.defaults.cache_clear()
    changes = [change for site in mutations.sites(FORGETFUL) for change in site]
    found = [
        mutating.mutate_code(FORGETFUL, one(), k) for one, k in changes if one.__name__ == "ArgumentDropper"
    ]
    mutations.defaults.cache_clear()
    call = "half(row, scale, offset=shift)"
    assert sorted(found) == sorted(
        FORGETFUL.replace(call, other) for other in ("half(row, offset=shift)", "half(row, scale)")
    )


JOINED = """
def inside(x, low, high, loose=False):
    return loose or (x >= low and x <= high
                     and x == x)
"""


def test_a_condition_is_left_out_of_those_that_are_joined():
    mutating = pytest.importorskip("cosmic_ray.mutating", reason="needs the extra [mutants]")
    changes = [change for site in mutations.sites(JOINED) for change in site]
    found = {
        mutating.mutate_code(JOINED, one(), k) for one, k in changes if one.__name__ == "ConditionDropper"
    }
    bodies = {" ".join(text.partition("return ")[2].split()) for text in found}
    assert bodies == {
        "(x >= low and x <= high and x == x)",
        "loose",
        "loose or (x <= high and x == x)",
        "loose or (x >= low and x == x)",
        "loose or (x >= low and x <= high)",
    }


LIMITED = """
def side(x, n):
    if x == 4 or n > 2 * x + 0.5:
        return x + 8
    return 1 if x < -1e-3 else (n != 1) + len([3])
"""


def test_a_number_that_is_compared_is_doubled_and_halved():
    """Not one that is added to what a comparison decides, nor 0 and 1, which have no halves."""
    mutating = pytest.importorskip("cosmic_ray.mutating", reason="needs the extra [mutants]")
    changes = [change for site in mutations.sites(LIMITED) for change in site]
    found = [mutating.mutate_code(LIMITED, one(), k) for one, k in changes if one.__name__ == "LimitMover"]
    expected = [
        LIMITED.replace(*pair)
        for pair in (
            ("== 4", "== 8"), ("== 4", "== 2"), ("> 2 *", "> 4 *"), ("> 2 *", "> 1 *"), ("0.5", "1.0"),
            ("0.5", "0.25"), ("1e-3", "0.002"), ("1e-3", "0.0005"),
        )
    ]  # fmt: skip
    assert sorted(found) == sorted(expected)


WORKING = """
def gathered(rows, *, limit=9):
    if limit < 1:
        raise ValueError("too small")
    found = []
    limit = limit + 1
    rows, others = list(rows), None
    note: str = "typed"
    for row in rows:
        if row is None:
            continue
        row *= 2
        found.append(row)
        rows[0] = row
    if not found:
        return None
    return found
"""


def test_a_statement_is_left_out_where_its_lack_is_no_error_of_names():
    """Not the first `found = []`, and not the last `return`, which ends the function in any case."""
    mutating = pytest.importorskip("cosmic_ray.mutating", reason="needs the extra [mutants]")
    changes = [change for site in mutations.sites(WORKING) for change in site]
    texts = [
        mutating.mutate_code(WORKING, one(), k) for one, k in changes if one.__name__ == "StatementDropper"
    ]
    lines = WORKING.splitlines()
    found = set()
    for text in texts:
        ((before, after),) = [pair for pair in zip(lines, text.splitlines(), strict=True) if len({*pair}) > 1]
        assert after.strip() == "pass"
        found.add(before.strip())
    assert found == {
        'raise ValueError("too small")',
        "limit = limit + 1",
        "continue",
        "row *= 2",
        "found.append(row)",
        "rows[0] = row",
        "return None",
    }


HELD = """
from functools import cache, wraps


def loud(work):
    @wraps(work)
    def inner(*values):
        return work(*values) + 0

    return inner


@cache
def kept(x, step=1):
    return x + 2


class Box:
    size = 3

    @property
    def width(self):
        return self.size + 4

    @width.setter
    def width(self, value):
        self.size = value - 5


@loud
def spread(rows):
    return sum(row * 6
               for row in rows)
"""


def test_functions_are_exchanged_wherever_they_are_held(tmp_path):
    """Cached ones forget; methods, setters, what a decorator wraps and its own inside have the new code."""
    path = str(tmp_path / "held.py")
    values = {"__name__": "sims.held"}
    exec(compile(HELD, path, "exec"), values)
    box, kept, spread = values["Box"](), values["kept"], values["spread"]
    assert (kept(1), box.width, spread([1, 2])) == (3, 7, 18)
    changed = HELD.replace("x + 2", "x + 20").replace("+ 4", "+ 40").replace("- 5", "- 50")
    changed = changed.replace("row * 6", "row * 60").replace("+ 0", "+ 1")
    assert running.is_inside(HELD, changed, path)
    gone = weakref.proxy(type("Gone", (), {})())  # what stands in other modules must not matter
    running.exchange(HELD, changed, path)
    assert type(gone) is weakref.ProxyType
    assert (kept(1), box.width, spread([1, 2])) == (21, 43, 181)
    box.width = 100
    assert box.size == 50


def test_what_is_executed_at_import_is_told_from_what_is_not():
    for old, new, inside in [
        ("step=1", "step=2", False), ("size = 3", "size = 4", False), ("@cache", "@wraps", False),
        ("@property", "@cache", False), ("x + 2", "x - 2", True), ("return work(*values) + 0", "pass", True),
    ]:  # fmt: skip
        assert running.is_inside(HELD, HELD.replace(old, new), "held.py") == inside, old


def test_a_change_is_reached_with_its_statement_or_the_head_of_its_block():
    lines = HELD.splitlines()
    ends = lines.index("               for row in rows)") + 1
    assert running.statement_lines(HELD, ends, ends) == {ends - 1, ends}
    head = lines.index("def kept(x, step=1):") + 1
    assert running.statement_lines(HELD, head, head) == {head}
    matched = (
        "def f(x):\n    match x:\n        case 1:\n            y = 1\n        case 2:\n            y = 3\n"
    )
    assert running.statement_lines(matched, 5, 5) == {2, 3, 4, 5}
    assert running.statement_lines(matched, 6, 6) == {6}


def test_a_weak_test_lets_mutants_live_and_a_strong_one_does_not(tmp_path):
    pytest.importorskip("cosmic_ray", reason="needs the extra [mutants]")
    for folder in ("theory", "sims", "docs", "tests/theory"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("tests/conftest.py", "docs/mutants.md", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path / file)
    script = SCRIPT.read_text().replace("in LIBRARIES.split()", "in ['numba', 'pytest', 'hypothesis']")
    (tmp_path / "tests" / "mutants.py").write_text(script)
    for name in ("mutations.py", "mutants_run.py"):
        shutil.copy(SCRIPT.with_name(name), tmp_path / "tests")
    (tmp_path / "theory" / "__init__.py").touch()
    (tmp_path / "theory" / "thing.py").write_text(MODULE)

    def run(test, *options):
        (tmp_path / "tests" / "theory" / "test_thing.py").write_text(test)
        command = [sys.executable, "tests/mutants.py", "theory/thing.py", *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    weak = run(WEAK, "--sample", "5")
    assert "SURVIVED" in weak and "raise" not in weak and "| theory/thing.py |" in weak
    strong = run(STRONG, "--sample", "5", "--write")
    assert "SURVIVED" not in strong and strong.count("found  ") == 5
    again = run(STRONG, "--sample", "5")
    assert "found  " not in again and "| 5 | 5 | 0 | 0 | 100.0% |" in again  # nothing changed: nothing runs
    page = (tmp_path / "docs" / "mutants.md").read_text()
    assert page.startswith(mutants.PAGE.read_text()[:40]) and "| `theory/thing.py` |" in page
    assert page.endswith("### Left\n\nNone.\n")
    assert (tmp_path / "theory" / "thing.py").read_text() == MODULE

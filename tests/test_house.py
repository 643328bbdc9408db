"""The floors: a module imports only what stands below it, and cheap things stay cheap to import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {"theory": 1, "sims": 2, "figures": 3, "paper_checks": 3, "snapcut": 4}


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def modules() -> list[Path]:
    return sorted(p for floor in FLOORS for p in (*ROOT.glob(f"{floor}.py"), *(ROOT / floor).rglob("*.py")))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_floor_imports_only_floors_below(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imported(path):
        top = name.partition(".")[0]
        if top in FLOORS and top != own:
            assert FLOORS[top] < FLOORS[own], f"{own} must not import {name}"
        if own == "theory":
            assert not name.startswith(("numpy.random", "matplotlib")), f"theory holds no {name}"


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


HEAVY = {"numba", "sympy", "sklearn", "matplotlib", "scipy", "joblib", "flint"}


def test_the_command_line_imports_nothing_heavy():
    assert not loaded_by("import snapcut") & (HEAVY | {"numpy"})


@pytest.mark.parametrize("module", ["partition", "subset_sum", "path_following", "snr", "operators"])
def test_theory_compiles_draws_and_derives_nothing_on_import(module):
    assert not loaded_by(f"import theory.{module}") & (HEAVY - {"scipy"})

"""The shape of the house: floors, rooms, sizes, mirrors, and what is cheap to import (docs/design.md)."""

import ast
import functools
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {"theory": 1, "sims": 2, "figures": 3, "paper_checks": 3, "snapcut": 4}
THIRD_LEVEL = {"figures/explore/pages"}  # a page per subject: the one folder inside a room


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(module: str) -> str:
    """The file or folder on the first level of a package: theory.snr for theory.snr.ratio."""
    return ".".join(module.split(".")[:2])


FILES = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
MODULES = {dotted(path): path for path in FILES}


@functools.cache
def imports(path: Path) -> set[tuple[str, str]]:
    """(module, name) of every import in a file; those inside functions or under TYPE_CHECKING count too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports are written in full"
            found |= {(node.module, alias.name) for alias in node.names}
    return found


def graph() -> dict[str, set[str]]:
    """Which modules of the house each of them imports; a name in a folder means the folder's __init__."""
    edges = {}
    for name, path in MODULES.items():
        found = {
            f"{module}.{part}" if f"{module}.{part}" in MODULES else module for module, part in imports(path)
        }
        edges[name] = found & set(MODULES) - {name}
    return edges


def circle(edges: dict[str, set[str]]) -> list[str]:
    """What is left when modules that import nothing left, or that nothing left imports, are taken away."""
    left = set(edges)
    while True:
        inner = {n for n in left if edges[n] & left and any(n in edges[other] for other in left)}
        if inner == left:
            return sorted(left)
        left = inner


def between_rooms(edges: dict[str, set[str]], names: Iterable[str]) -> dict[str, set[str]]:
    names = set(names)
    rooms: dict[str, set[str]] = {room(name): set() for name in names}
    for name in names:
        rooms[room(name)] |= {room(other) for other in edges[name] & names} - {room(name)}
    return rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_floor_imports_only_floors_below(path):
    own = dotted(path).partition(".")[0]
    for module, part in imports(path):
        top = module.partition(".")[0]
        if top in FLOORS and top != own:
            assert FLOORS[top] < FLOORS[own], f"{own} must not import {module}"
        if own == "theory":
            name = f"{module}.{part}"
            assert not name.startswith(("numpy.random", "matplotlib")), f"theory holds no {name}"


def test_no_circle_of_modules():
    assert circle(graph()) == []


@pytest.mark.parametrize("package", FLOORS)
def test_no_circle_of_rooms(package):
    inside = [name for name in MODULES if name.startswith(f"{package}.")]
    assert circle(between_rooms(graph(), inside)) == []


def test_a_circle_would_be_found():
    tail = {"a": {"b"}, "b": {"c"}, "c": set()}
    assert circle(tail) == []
    assert circle({**tail, "c": {"b"}}) == ["b", "c"]
    edges = {"p.x.one": {"p.y.two"}, "p.y.two": set(), "p.y.three": {"p.x.one"}}
    assert circle(edges) == []
    assert circle(between_rooms(edges, edges)) == ["p.x", "p.y"]


def test_two_levels_and_no_deeper():
    deep = {
        path.parent.relative_to(ROOT).as_posix() for path in FILES if len(path.relative_to(ROOT).parts) > 3
    }
    assert deep <= THIRD_LEVEL


@pytest.mark.parametrize("package", FLOORS)
def test_every_folder_is_a_package(package):
    for path in FILES:
        if path.relative_to(ROOT).parts[0] == package:
            assert (path.parent / "__init__.py").exists()


def test_modules_are_short():
    lines = {n: len(p.read_text(encoding="utf-8").splitlines()) for n, p in MODULES.items()}
    assert {name: count for name, count in lines.items() if count >= 450} == {}
    assert statistics.median(lines.values()) < 150


def test_sims_has_few_rooms():
    rooms = {room(name) for name in MODULES if name.startswith("sims.")}
    assert len(rooms) <= 16, sorted(rooms)


@pytest.mark.parametrize("floor", FLOORS)
def test_tests_mirror_the_rooms(floor):
    rooms = {room(name).partition(".")[2] for name in MODULES if name.startswith(f"{floor}.")}
    folders = {path.name for path in (ROOT / "tests" / floor).iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} <= rooms


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


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=dotted)
def test_a_face_lists_what_it_takes_from_its_floor(path):
    """`from sims.room import *` and the reference know the same names as `sims.room.name`."""
    lists = [
        ast.literal_eval(node.value)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    floor = dotted(path).split(".")[0]
    taken = {name for module, name in imports(path) if module.startswith(f"{floor}.")}
    if dotted(path).startswith(("theory.", "sims.")):
        assert taken == set().union(*lists)

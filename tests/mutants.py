"""Does a test fail when one operator, comparison or constant of a module is changed? `make mutants`.

    python tests/mutants.py [MODULE ...] [--sample N | --all] [--seed S] [--write]

Cosmic Ray makes the changes (`tests/mutations.py` says which); `tests/mutants_run.py` runs them, because its
own runner starts Python anew for each and edits the files in place.

A module is tested by its doctests, by the tests of its own name, its rows of tests/reference and the tests of
its room, within a budget of processor time; what the rest of the suite and the claims would find is not
counted. A mutant that exceeds the limits of time or memory, which the module itself keeps, is found too.
Results are kept in build/mutants.json: a mutant runs again when its module has changed, or the test that
found it, or, where none did, any test.
"""

import argparse
import dataclasses
import functools
import hashlib
import importlib
import json
import os
import random
import sys
import time
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # run as a script, or read by its tests
from mutants_run import TIME, Task, in_a_fork, is_inside, module_name, run_room, run_tests
from mutations import ROOT, draw, modules

STORE = ROOT / "build" / "mutants.json"
JUDGED = ROOT / "tests" / "mutants_judged.toml"
PAGE = ROOT / "docs" / "mutants.md"
MARK = "<!-- written by tests/mutants.py --write -->\n"
SAMPLE = 20  # mutants per module by default
BUDGET = 5.0  # seconds of processor time after which no further test of a mutant begins, by default

# Values of every public formula of theory by another road, by module, and bounds that are attained.
REFERENCE = ["tests/theory/test_reference.py", "tests/theory/test_attained.py"]
INTERFACE = "tests/test_interface.py"  # defaults and public constants of every module but kernels
ARGUMENTS = "tests/sims/test_arguments.py"  # what simulations refuse
# Where a module is tested when it is not in the file or folder of its own name.
ELSEWHERE = {
    "sims/fine_tuning/networks.py": ["tests/sims/networks"],
    "sims/networks/samples.py": ["tests/sims/layer_bounds/test_report.py"],
    "theory/arguments.py": ["tests/theory/test_integers.py", "tests/theory/test_storage.py"],
    "theory/codebooks.py": ["tests/theory/formats", "tests/theory/snr"],
    "theory/integer_sums.py": ["tests/theory/partition", "tests/theory/subset_sum"],
}
LIBRARIES = (
    "numpy scipy.special scipy.stats scipy.optimize scipy.integrate scipy.linalg sympy mpmath flint "
    "numba numba.core.caching pytest hypothesis hypothesis.extra.numpy rich.table rich.progress joblib"
)


# --- tests --------------------------------------------------------------------------------------------------


def selection(name: str) -> list[str]:
    """Files that test a module: its mirror, rows of reference, then its room's, first those that name it."""
    path = Path(name)
    mirror = Path("tests") / path.parent / f"test_{path.name}"
    room = Path("tests") / path.parent if len(path.parts) > 2 else mirror
    if path.parts[:2] == ("theory", "derivations"):
        room = Path("tests/theory") / path.stem
        room = room if (ROOT / room).is_dir() else Path("tests/theory") / f"test_{path.name}"
    first, last = ([*REFERENCE, INTERFACE], []) if path.parts[0] == "theory" else ([INTERFACE], [ARGUMENTS])
    if path.parts[:2] == ("sims", "kernels"):  # the room's other tests do not touch it
        room, first, last = mirror, [], []
    files = []
    for place in (mirror.as_posix(), *first, room.as_posix(), *ELSEWHERE.get(name, []), *last):
        found = sorted((ROOT / place).rglob("test_*.py")) if (ROOT / place).is_dir() else [ROOT / place]
        texts = {file: file.read_text(encoding="utf-8") for file in found if file.exists()}
        called = name.removesuffix(".py").replace("/", ".")
        files += sorted(texts, key=lambda file: called not in texts[file])
    return list(dict.fromkeys(file.relative_to(ROOT).as_posix() for file in files))


def fingerprints(name: str) -> dict[str, str]:
    """Hashes of a module and of the tests it is selected."""
    return {
        file: hashlib.sha256((ROOT / file).read_bytes()).hexdigest()[:16]
        for file in (name, "tests/conftest.py", *selection(name))
    }


def still_true(name: str, killer: str, then: dict[str, str], now: dict[str, str]) -> bool:
    """A mutant stays found while the test that found it stays as it was; a survivor while all tests do."""
    if then.get(name) != now[name]:
        return False
    if not killer:
        return then == now
    file = killer.partition("::")[0]
    return file not in {**then, **now} or then.get(file) == now.get(file)


# --- results ------------------------------------------------------------------------------------------------


def wanted(names: list[str], test: str) -> bool:
    """Of the values of theory by another road, those of these modules."""
    return not test.startswith(REFERENCE[0]) or any(f"[{module_name(name)}:" in test for name in names)


class Module:
    """Mutants drawn of a module, and what is known of them."""

    def __init__(self, name: str, count: int | None, seed: int, budget: float, kept: dict) -> None:
        self.name, self.budget = name, budget
        mutants, self.sites = draw(name, count, seed)
        self.source = (ROOT / name).read_text(encoding="utf-8")
        self.mutants = {hashlib.sha256(m.source.encode()).hexdigest()[:16]: m for m in mutants}
        self.files = fingerprints(name)
        then, spent = kept.get("files", {}), kept.get("budget", 0.0)
        self.killers = {
            key: found["killer"]
            for key, found in kept.get("mutants", {}).items()
            if key in self.mutants
            and still_true(name, found["killer"], then, self.files)
            and (found["killer"] or budget <= spent)
        }

    def missing(self) -> list[Task]:
        """Mutants without a result, in the order they were drawn in."""
        return [Task(self.name, key, m) for key, m in self.mutants.items() if key not in self.killers]

    def results(self) -> dict:
        """What is stored."""
        found = {
            key: {"line": m.line, "was": m.was, "became": m.became, "killer": self.killers[key]}
            for key, m in self.mutants.items()
            if key in self.killers
        }
        return {"files": self.files, "budget": self.budget, "sites": self.sites, "mutants": found}


def examine(modules: list[Module], tests: list[str], budget: float, say) -> None:
    """Run the mutants, of modules that have the same tests, of which nothing is known yet."""
    by_name = {module.name: module for module in modules}

    def note(name: str, key: str, killer: str) -> None:
        by_name[name].killers[key] = killer
        mutant = by_name[name].mutants[key]
        say(f"{name}:{mutant.line}  {'found' if killer else 'SURVIVED'}  {mutant.became}")

    chosen = functools.partial(wanted, list(by_name))
    tasks = [task for module in modules for task in module.missing()]
    inside, outside = [], []
    for task in tasks:
        source, path = by_name[task.name].source, str(ROOT / task.name)
        (inside if is_inside(source, task.mutant.source, path) else outside).append(task)
    for values in run_room(inside, tests, budget, chosen) if inside else ():
        if len(values) == 1:
            say(f"{', '.join(by_name)}: {values[0]}")
        else:
            note(*values)
    outside += [task for task in inside if task.key not in by_name[task.name].killers]
    first: list[str] = []  # what found one mutant may find the next
    sound, unfit = {"", TIME}, set()
    for task in outside:
        killer = _imported_anew(task, by_name[task.name].source, tests, budget, (first, sound, unfit), chosen)
        if killer is None:
            say(f"{task.name}: nothing can be said, its tests fail without any change, too")
            return
        if "::" in killer:
            first[:] = [killer, *(test for test in first if test != killer)]
        note(task.name, task.key, killer)


def _imported_anew(task, source: str, tests: list[str], budget: float, memory, chosen) -> str | None:
    """What notices a mutant that changes what is executed at import; `memory` is of the module's others."""
    first, sound, unfit = memory
    limit = 3 + 2 * budget
    while True:
        work = functools.partial(
            run_tests, task.name, task.mutant.source, tests, budget, first, unfit, chosen
        )
        killer = in_a_fork(work, limit)
        if killer in sound:
            return killer
        # a budget of nothing ends after the first test, which is the one in question
        one = "::" in killer
        alone = ([killer.partition("::")[0]], 0.0, [killer]) if one else (tests, budget, [])
        work = functools.partial(run_tests, task.name, source, *alone, unfit, chosen)
        if not in_a_fork(work, limit):
            sound.add(killer)
            return killer
        if not one:
            return None
        unfit.add(killer)


# --- the page -----------------------------------------------------------------------------------------------


def judged() -> dict[tuple[str, str, str], str]:
    """Why a survivor computes the same, by (module, line before, line after)."""
    if not JUDGED.exists():
        return {}
    table = tomllib.loads(JUDGED.read_text(encoding="utf-8"))
    return {(name, m["was"], m["became"]): m["why"] for name, rows in table.items() for m in rows}


@dataclasses.dataclass
class Score:
    """Of a module or a floor."""

    sites: int = 0
    drawn: int = 0
    found: int = 0
    same: int = 0

    @property
    def share(self) -> float:
        """Found, of those that change a result."""
        return self.found / (self.drawn - self.same) if self.drawn > self.same else 1.0

    def row(self, name: str) -> str:
        """Line of the table."""
        left = self.drawn - self.found - self.same
        numbers = f"{self.sites} | {self.drawn} | {self.found} | {self.same} | {left} | {self.share:.1%}"
        return f"| {name} | {numbers} |"


def scores(results: dict) -> tuple[dict[str, Score], dict[str, Score], list[tuple[str, dict, str]]]:
    """By module, by floor, and the survivors with what was judged of them."""
    reasons = judged()
    by_module: dict[str, Score] = {}
    by_floor: dict[str, Score] = {}
    survivors = []
    for name in sorted(results):
        part = name.split("/")
        floor = "sims/kernels" if part[:2] == ["sims", "kernels"] else part[0]
        module, total = by_module.setdefault(name, Score()), by_floor.setdefault(floor, Score())
        for score in (module, total):
            score.sites += results[name]["sites"]
        for mutant in results[name]["mutants"].values():
            why = reasons.get((name, mutant["was"], mutant["became"]), "")
            for score in (module, total):
                score.drawn += 1
                score.found += bool(mutant["killer"])
                score.same += not mutant["killer"] and bool(why)
            if not mutant["killer"]:
                survivors.append((name, mutant, why))
    return by_module, by_floor, survivors


def table(by_name: dict[str, Score]) -> list[str]:
    """Rows of Markdown under their head."""
    head = "| | sites | drawn | found | same result | left | score |", "|---|---|---|---|---|---|---|"
    return [*head, *(score.row(name) for name, score in by_name.items())]


def code(line: str) -> str:
    """A line of code in Markdown."""
    return f"`` {line} ``" if "`" in line else f"`{line}`"


def page(results: dict) -> str:
    """What is written below the mark of the page: tables and survivors."""
    by_module, by_floor, survivors = scores(results)
    lines = [f"{len(by_module)} of {len(modules())} modules have been drawn from.", "", *table(by_floor), ""]
    lines += table({f"`{name}`": score for name, score in by_module.items()})
    for title, wanted in (("Same result", True), ("Left", False)):
        chosen = [survivor for survivor in survivors if bool(survivor[2]) == wanted]
        lines += ["", f"### {title}", ""]
        for name, mutant, why in chosen:
            change = f"{code(mutant['was'])} became {code(mutant['became'])}"
            lines.append(f"- `{name}`: {change}{': ' + why if why else ''}")
        if not chosen:
            lines.append("None.")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """See the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "modules", nargs="*", help="paths such as theory/storage.py, or folders; default: all"
    )
    parser.add_argument("--sample", type=int, default=SAMPLE, help="mutants per module (default %(default)s)")
    parser.add_argument("--all", action="store_true", help="every mutant of every module: days")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--budget",
        type=float,
        default=BUDGET,
        help="seconds of processor time per mutant (default %(default)s)",
    )
    parser.add_argument("--write", action="store_true", help="write the tables into docs/mutants.md")
    chosen = parser.parse_args(arguments)
    names = modules()
    if chosen.modules:
        wanted = [path.rstrip("/") for path in chosen.modules]
        names = [n for n in names if any(n == w or n.startswith(f"{w}/") for w in wanted)]
        if not names:
            raise SystemExit(f"no module of theory or sims is called {', '.join(chosen.modules)}")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for library in LIBRARIES.split():
        importlib.import_module(library)
    results = json.loads(STORE.read_text()) if STORE.exists() else {}
    results = {name: found for name, found in results.items() if name in modules()}
    STORE.parent.mkdir(exist_ok=True)
    begun = time.monotonic()
    rooms: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        rooms.setdefault(tuple(sorted(selection(name))), []).append(name)
    order = list(rooms)
    random.Random(chosen.seed).shuffle(order)  # a run that is stopped has seen a fair part
    for tests in order:
        count = None if chosen.all else chosen.sample
        room = [Module(n, count, chosen.seed, chosen.budget, results.get(n, {})) for n in rooms[tests]]
        try:
            examine(
                room,
                list(tests),
                chosen.budget,
                lambda line: print(f"{time.monotonic() - begun:6.0f} s  {line}", flush=True),
            )
        finally:
            results |= {module.name: module.results() for module in room}
            STORE.write_text(json.dumps(results, indent=1))
    by_module, by_floor, _ = scores({name: results[name] for name in names})
    print("\n".join(table({**by_module, **{f"all of {floor}": score for floor, score in by_floor.items()}})))
    if chosen.write:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(text[: text.index(MARK) + len(MARK)] + "\n" + page(results), encoding="utf-8")


if __name__ == "__main__":
    main()

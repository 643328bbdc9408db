"""Does a test fail when one operator, comparison or constant of a module is changed? `make mutants`.

    python tests/mutants.py [MODULE ...] [--sample N | --all] [--seed S] [--write]

Cosmic Ray makes the changes (`tests/mutations.py` says which); this script runs them, because its own runner
starts Python anew for each and edits the files in place. Here every mutant is a fork of one process that has
the libraries loaded, and exists in memory only: an import hook hands its source to the tests. Kernels run as
plain Python, since a mutant that must be compiled first costs seconds.

A module is tested by its doctests, by the tests of its own name, its rows of tests/reference and the tests of
its room, within a budget of processor time; what the rest of the suite and the claims would find is not
counted. A mutant that exceeds the limits of time or memory, which the module itself keeps, is found too.
Results are kept in build/mutants.json: a mutant runs again when its module has changed, or the test that
found it, or, where none did, any test.
"""

import argparse
import contextlib
import dataclasses
import functools
import hashlib
import importlib.abc
import importlib.util
import json
import os
import random
import resource
import signal
import sys
import time
import tomllib
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # run as a script, or read by its tests
from mutations import ROOT, draw, modules

STORE = ROOT / "build" / "mutants.json"
JUDGED = ROOT / "tests" / "mutants_judged.toml"
PAGE = ROOT / "docs" / "mutants.md"
MARK = "<!-- written by tests/mutants.py --write -->\n"
SAMPLE = 20  # mutants per module by default
BUDGET = 5.0  # seconds of processor time after which no further test of a mutant begins, by default
TIME = "time or memory"
MEMORY = 6 * 2**30  # address space of a mutant, libraries included

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


class Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module of the house from changed source."""

    def __init__(self, name: str, source: str) -> None:
        self.module = name.removesuffix(".py").replace("/", ".")
        self.path = str(ROOT / name)
        self.code = compile(source, self.path, "exec")

    def find_spec(self, fullname, path=None, target=None):
        """Ours, if it is the one."""
        if fullname == self.module:
            return importlib.util.spec_from_file_location(fullname, self.path, loader=self)
        return None

    def exec_module(self, module):
        """Run the changed source."""
        exec(self.code, module.__dict__)


class Watch:
    """A plugin of pytest: some tests first, some not at all, an end when the budget is spent, what fails."""

    def __init__(self, name: str, budget: float, first: list[str], unfit: list[str]) -> None:
        self.first, self.unfit = first, unfit
        self.module = name.removesuffix(".py").replace("/", ".")
        self.end = _processor_time() + budget
        self.failed = ""

    def pytest_sessionstart(self):
        """Hypothesis stops at the first failing example: which is the smallest does not matter here."""
        from hypothesis import Phase, settings

        phases = (Phase.explicit, Phase.generate)
        settings.register_profile("mutants", settings.get_profile("ci"), phases=phases)
        settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items):
        places = {test: place for place, test in enumerate(self.first)}
        items[:] = [
            item
            for item in items
            if item.nodeid not in self.unfit
            and (not item.nodeid.startswith(REFERENCE[0]) or f"[{self.module}:" in item.nodeid)
        ]
        items.sort(key=lambda item: places.get(item.nodeid, len(places)))

    def pytest_runtest_logfinish(self, nodeid):
        if _processor_time() > self.end:
            self.session.shouldstop = "the budget is spent"

    def pytest_collection_finish(self, session):
        self.session = session

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed = self.failed or report.nodeid

    pytest_collectreport = pytest_runtest_logreport


def _processor_time() -> float:
    return sum(os.times()[:4])


def run_tests(
    name: str, source: str, tests: list[str], budget: float, first: list[str], unfit: list[str]
) -> str:
    """In this process: doctests, then pytest, `first` first; the name of what fails, or nothing."""
    import doctest

    import pytest

    compiled = not name.startswith("sims/kernels/")
    os.environ["NUMBA_DISABLE_JIT"] = str(int(not compiled))
    sys.modules["numba"].config.DISABLE_JIT = not compiled
    finder = Replaced(name, source)
    sys.meta_path.insert(0, finder)
    try:
        module = importlib.import_module(finder.module)
    except BaseException:
        return "import"
    if doctest.testmod(module, report=False).failed:
        return "doctest"
    if not tests:
        return ""
    watch = Watch(name, budget, first, unfit)
    status = pytest.main([*tests, "-x", "-p", "no:cacheprovider", "--assert=plain"], plugins=[watch])
    return watch.failed or ("" if status in (0, 2, 5) else f"exit status {status}")


def in_a_fork(work, budget: float) -> str:
    """What `work` returns in a child process, or TIME if it dies there: of its limits, or of a signal."""
    limit = int(3 + 2 * budget)
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setpgid(0, 0)
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            signal.alarm(60 * limit)  # one that sleeps uses no processor time
            silence = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(silence, stream)
            found = work()
            os.write(writing, json.dumps(found).encode())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what its tests may have started
    return json.loads(answer) if answer else TIME


# --- one module ---------------------------------------------------------------------------------------------


def examine(name: str, count: int | None, seed: int, budget: float, results: dict, say) -> None:
    """Run the mutants of a module that have no result yet, and store what was found."""
    mutants, places = draw(name, count, seed)
    tests, now = selection(name), fingerprints(name)
    kept = results.get(name, {"files": {}, "mutants": {}})
    known = {
        key: mutant
        for key, mutant in kept["mutants"].items()
        if still_true(name, mutant["killer"], kept["files"], now)
        and (mutant["killer"] or budget <= kept.get("budget", 0.0))
    }
    source = (ROOT / name).read_text(encoding="utf-8")
    keys = [hashlib.sha256(mutant.source.encode()).hexdigest()[:16] for mutant in mutants]
    first: list[str] = []  # what found one mutant may find the next
    sound = {mutant["killer"] for mutant in known.values()} | {""}
    unfit: list[str] = []  # tests that fail here without any change: memory is limited, Numba may be off
    for key, mutant in zip(keys, mutants, strict=True):
        if key in known:
            continue
        while True:
            work = functools.partial(run_tests, name, mutant.source, tests, budget, first, unfit)
            killer = in_a_fork(work, budget)
            if killer in sound:
                break
            # a budget of nothing ends after the first test, which is the one in question
            one = "::" in killer
            alone = ([killer.partition("::")[0]], 0.0, [killer]) if one else (tests, budget, [])
            if not in_a_fork(functools.partial(run_tests, name, source, *alone, unfit), budget):
                sound.add(killer)
                break
            if "::" not in killer:
                say(f"{name}: nothing can be said, {killer} stops its tests without any change, too")
                return
            say(f"{name}: left out, as it fails here without any change: {killer}")
            unfit.append(killer)
        if "::" in killer:
            first = [killer, *(test for test in first if test != killer)]
        known[key] = {"line": mutant.line, "was": mutant.was, "became": mutant.became, "killer": killer}
        say(f"{name}:{mutant.line}  {'found' if killer else 'SURVIVED'}  {mutant.became}")
    results[name] = {
        "files": now,
        "budget": budget,
        "sites": places,
        "mutants": {key: known[key] for key in keys},
    }


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
    random.Random(chosen.seed).shuffle(names)  # a run that is stopped has seen a fair part
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for library in LIBRARIES.split():
        importlib.import_module(library)
    results = json.loads(STORE.read_text()) if STORE.exists() else {}
    results = {name: found for name, found in results.items() if name in modules()}
    STORE.parent.mkdir(exist_ok=True)
    begun = time.monotonic()
    for name in names:
        examine(
            name,
            None if chosen.all else chosen.sample,
            chosen.seed,
            chosen.budget,
            results,
            lambda line: print(f"{time.monotonic() - begun:6.0f} s  {line}", flush=True),
        )
        STORE.write_text(json.dumps(results, indent=1))
    by_module, by_floor, _ = scores({name: results[name] for name in names})
    print("\n".join(table({**by_module, **{f"all of {floor}": score for floor, score in by_floor.items()}})))
    if chosen.write:
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(text[: text.index(MARK) + len(MARK)] + "\n" + page(results), encoding="utf-8")


if __name__ == "__main__":
    main()

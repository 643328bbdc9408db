"""How `tests/mutants.py` runs a mutant: in memory, in a fork of a process that has everything loaded.

Two ways. Most mutants change what is inside a function: `Room` is a run of pytest that executes every test
once and notes, with coverage, which lines each one reaches; then each mutant is a fork in which the code
of its function is exchanged, and only tests run that reach its line, the quickest first. What is executed at
import (defaults, tables, constants) needs another import: `run_tests` starts from before it, with all tests.

What a test computed at import, and what runs in processes of their own, stays unchanged: no test is credited
with a mutant that it did not notice, but one that would notice may be missed.
"""

import ast
import contextlib
import dataclasses
import doctest
import functools
import gc
import importlib
import importlib.abc
import importlib.util
import inspect
import json
import os
import resource
import signal
import sys
import traceback
import types
from collections.abc import Callable

from mutations import ROOT, Mutant

TIME = "time or memory"
MEMORY = 6 * 2**30  # address space of a mutant, libraries included
HOUSE = ("theory", "sims", "figures", "paper_checks", "snapcut")
DOCTEST = "doctest"
OPTIONS = ["-p", "no:cacheprovider", "--assert=plain"]  # of pytest


def processor_time() -> float:
    """Of this process and of its children that have ended, in seconds."""
    return sum(os.times()[:4])


def module_name(name: str) -> str:
    """Of a path."""
    return name.removesuffix(".py").replace("/", ".")


def in_a_fork(work: Callable[[], object], limit: float):
    """What `work` returns in a child process, or TIME if it dies there: of its limits, or of a signal."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setpgid(0, 0)
            os.close(reading)
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            signal.alarm(60 + 10 * int(limit))  # one that sleeps uses no processor time
            be_silent()
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


def be_silent() -> None:
    """Nothing in, nothing out."""
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)


def compile_kernels(names: list[str]) -> None:
    """Kernels under test run as plain Python, since a mutant that must be compiled first costs seconds."""
    off = all(name.startswith("sims/kernels/") for name in names)
    os.environ["NUMBA_DISABLE_JIT"] = str(int(off))
    sys.modules["numba"].config.DISABLE_JIT = off


def find_quickly() -> None:
    """Hypothesis stops at the first failing example: which is the smallest does not matter here."""
    from hypothesis import Phase, settings

    settings.register_profile("mutants", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutants")


# --- what is executed at import -----------------------------------------------------------------------------


class Replaced(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module of the house from changed source."""

    def __init__(self, name: str, source: str) -> None:
        self.module = module_name(name)
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

    def __init__(
        self, budget: float, first: list[str], unfit: set[str], wanted: Callable[[str], bool]
    ) -> None:
        self.first, self.unfit, self.wanted = first, unfit, wanted
        self.end = processor_time() + budget
        self.failed = ""

    def pytest_sessionstart(self):
        find_quickly()

    def pytest_collection_modifyitems(self, items):
        places = {test: place for place, test in enumerate(self.first)}
        items[:] = [item for item in items if item.nodeid not in self.unfit and self.wanted(item.nodeid)]
        items.sort(key=lambda item: places.get(item.nodeid, len(places)))

    def pytest_runtest_logfinish(self, nodeid):
        if processor_time() > self.end:
            self.session.shouldstop = "the budget is spent"

    def pytest_collection_finish(self, session):
        self.session = session

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed = self.failed or report.nodeid

    pytest_collectreport = pytest_runtest_logreport


def run_tests(
    name: str,
    source: str,
    tests: list[str],
    budget: float,
    first: list[str],
    unfit: set[str],
    wanted: Callable[[str], bool],
) -> str:
    """In this process: doctests, then pytest, `first` first; the name of what fails, or nothing."""
    import pytest

    compile_kernels([name])
    finder = Replaced(name, source)
    sys.meta_path.insert(0, finder)
    try:
        module = importlib.import_module(finder.module)
    except BaseException:
        return "import"
    if doctest.testmod(module, report=False).failed:
        return DOCTEST
    if not tests:
        return ""
    watch = Watch(budget, first, unfit, wanted)
    status = pytest.main([*tests, "-x", *OPTIONS], plugins=[watch])
    return watch.failed or ("" if status in (0, 2, 5) else f"exit status {status}")


# --- what is inside of functions ----------------------------------------------------------------------------


def function_codes(code: types.CodeType) -> dict[str, list[types.CodeType]]:
    """Code of every function in the code of a module, by qualified name, in the order of the source."""
    found: dict[str, list[types.CodeType]] = {}
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            if each.co_flags & inspect.CO_OPTIMIZED:
                found.setdefault(each.co_qualname, []).append(each)
            for name, codes in function_codes(each).items():
                found.setdefault(name, []).extend(codes)
    return found


def import_code(code: types.CodeType) -> list[tuple]:
    """What a module and its classes execute at import, without the functions and where they stand."""
    own = [each for each in code.co_consts if not isinstance(each, types.CodeType)]
    found = [(code.co_code, repr(own), code.co_names, code.co_varnames)]
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            inside = each.co_flags & inspect.CO_OPTIMIZED
            found += [(each.co_qualname,)] if inside else import_code(each)
    return found


def is_inside(source: str, changed: str, path: str) -> bool:
    """Whether a mutant leaves alone all that is executed at import, so that functions can be exchanged."""
    then, now = (compile(text, path, "exec") for text in (source, changed))
    if import_code(then) != import_code(now):
        return False
    before, after = function_codes(then), function_codes(now)
    return all(len(before[name]) == len(after.get(name, ())) for name in before)


def exchange(source: str, changed: str, path: str) -> None:
    """Give the functions of a module the code of its mutant, and forget what they have kept."""
    before, after = (function_codes(compile(text, path, "exec")) for text in (source, changed))
    for function in gc.get_objects():  # `isinstance` would ask proxies of objects that are gone
        if type(function) is types.FunctionType and function.__code__.co_filename == path:
            own = function.__code__
            places = [k for k, c in enumerate(before.get(own.co_qualname, ())) if _same_place(c, own)]
            if places:
                # a closure whose cells are others keeps its code; what makes it has the new one
                with contextlib.suppress(ValueError):
                    function.__code__ = after[own.co_qualname][places[0]]
        elif type(function) is functools._lru_cache_wrapper and _is_of_the_house(function):
            function.cache_clear()


def _is_of_the_house(function) -> bool:
    return (getattr(function, "__module__", "") or "").partition(".")[0] in HOUSE


def _same_place(one: types.CodeType, other: types.CodeType) -> bool:
    return (one.co_firstlineno, one.co_name) == (other.co_firstlineno, other.co_name)


def statement_lines(source: str, first: int, last: int) -> set[int]:
    """Of the statement a change stands in, or of its head: not each of its lines has code of its own."""
    lines = set(range(first, last + 1))
    around = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt | ast.ExceptHandler) and node.lineno <= first <= node.end_lineno
    ]
    if not around:
        return lines
    node = min(around, key=lambda n: n.end_lineno - n.lineno)
    end = node.end_lineno
    if hasattr(node, "body"):
        end = max(node.body[0].lineno - 1, node.lineno)
    elif hasattr(node, "cases"):
        end = first
    return lines | set(range(node.lineno, end + 1))


@dataclasses.dataclass
class Task:
    """A mutant of a module, and what it is called in the results."""

    name: str
    key: str
    mutant: Mutant


class Room:
    """A plugin of pytest: every test once, then every mutant before those that reach its line."""

    def __init__(self, tasks: list[Task], budget: float, wanted, tell: Callable[..., None]) -> None:
        import coverage

        self.tasks, self.budget, self.wanted, self.tell = tasks, budget, wanted, tell
        self.names = list(dict.fromkeys(task.name for task in tasks))
        self.sources = {name: (ROOT / name).read_text(encoding="utf-8") for name in self.names}
        paths = [str(ROOT / name) for name in self.names]
        self.coverage = coverage.Coverage(data_file=None, include=paths, config_file=False)
        self.seconds: dict[str, float] = {}
        self.items: dict[str, object] = {}

    def pytest_sessionstart(self):
        find_quickly()

    @contextlib.contextmanager
    def context(self, test: str):
        """Lines reached inside belong to this test."""
        self.coverage.switch_context(test)
        begun = processor_time()
        yield
        self.seconds[test] = processor_time() - begun

    def pytest_runtestloop(self, session) -> bool:
        """In place of pytest's own."""
        items = [item for item in session.items if self.wanted(item.nodeid)]
        self.items = {item.nodeid: item for item in items}
        for item, following in zip(items, [*items[1:], None], strict=True):
            with self.context(item.nodeid):
                failed = self.failed(item, following)
            if failed:
                del self.seconds[item.nodeid]
                self.tell(f"left out, as it fails here without any change: {item.nodeid}")
        for name in self.names:
            with self.context(f"{DOCTEST} {name}"):
                self.doctest(name)
        self.coverage.stop()
        bridge = sys.modules.get("jax._src.xla_bridge")
        if bridge is not None and bridge.backends_are_initialized():
            self.tell("JAX has started threads, which no fork survives: each mutant is imported anew")
            return True
        _end_workers()
        data = self.coverage.get_data()
        reached = {name: data.contexts_by_lineno(str(ROOT / name)) for name in self.names}
        first: list[str] = []  # what found one mutant may find the next
        sound: dict[str, bool] = {}
        for task in self.tasks:
            killer = self.killer(task, reached[task.name], first, sound)
            self.tell(task.name, task.key, killer)
        return True

    def failed(self, item, following) -> bool:
        """Whether a test fails, with its fixtures."""
        from _pytest.runner import runtestprotocol

        item._initrequest()
        reports = runtestprotocol(item, log=False, nextitem=following)
        return any(report.failed for report in reports)

    def doctest(self, name: str) -> bool:
        """Whether an example of the module fails."""
        module = importlib.import_module(module_name(name))
        return bool(doctest.testmod(module, report=False).failed)

    def chosen(self, task: Task, reached: dict[int, list[str]], first: list[str]) -> list[str]:
        """Tests that reach a line of the change, within the budget; those that found others first."""
        lines = statement_lines(self.sources[task.name], task.mutant.line, task.mutant.last)
        tests = {test for line in lines for test in reached.get(line, ()) if test in self.seconds}
        places = {test: place for place, test in enumerate(first)}
        spent, found = 0.0, []
        for test in sorted(tests, key=lambda t: (places.get(t, len(places)), self.seconds[t])):
            spent += self.seconds[test]
            if found and spent > self.budget:
                break
            found.append(test)
        return found

    def killer(self, task: Task, reached, first: list[str], sound: dict[str, bool]) -> str:
        """The test that fails on a mutant and on nothing else, TIME, or nothing."""
        while True:
            tests = self.chosen(task, reached, first)
            limit = 5 + 3 * sum(self.seconds[test] for test in tests)
            found = in_a_fork(functools.partial(self.attempt, task, tests), limit)
            if found in ("", TIME):
                return found
            if found not in sound:
                sound[found] = not in_a_fork(functools.partial(self.run, [found]), limit)
            if sound[found]:
                first[:] = [found, *(test for test in first if test != found)]
                return DOCTEST if found.startswith(DOCTEST) else found
            self.tell(f"left out, as it fails here without any change: {found}")
            self.seconds.pop(found)

    def attempt(self, task: Task, tests: list[str]) -> str:
        """In this process: the mutant, and what fails on it."""
        exchange(self.sources[task.name], task.mutant.source, str(ROOT / task.name))
        return self.run(tests)

    def run(self, tests: list[str]) -> str:
        """The first of some tests that fails."""
        for test in tests:
            if test.startswith(DOCTEST):
                failed = self.doctest(test.removeprefix(f"{DOCTEST} "))
            else:
                failed = self.failed(self.items[test], None)
            if failed:
                return test
        return ""


def _end_workers() -> None:
    """A fork has no use for worker processes of its parent."""
    with contextlib.suppress(Exception):
        from joblib.externals.loky import reusable_executor

        if reusable_executor._executor is not None:
            reusable_executor._executor.shutdown(wait=True, kill_workers=True)


def run_room(tasks: list[Task], tests: list[str], budget: float, wanted):
    """Yield what is said and found about some mutants: [sentence] or [module, key, what noticed it].

    A room whose process cannot be forked, or ends, leaves some without an answer.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            be_silent()
            import pytest

            compile_kernels([task.name for task in tasks])

            def tell(*values: str) -> None:
                os.write(writing, (json.dumps(values) + "\n").encode())

            room = Room(tasks, budget, wanted, tell)
            room.coverage.start()
            status = pytest.main([*tests, *OPTIONS, "-p", "no:unraisableexception"], plugins=[room])
            if not room.items:
                tell(f"no test was collected (exit status {int(status)})")
        except BaseException:
            with contextlib.suppress(OSError):
                os.write(writing, (json.dumps([traceback.format_exc()]) + "\n").encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        for line in pipe:
            yield json.loads(line)
    os.waitpid(child, 0)

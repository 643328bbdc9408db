"""What callers and readers rely on without naming it: defaults of public functions, and public constants.

A changed default changes results that nobody asked to change. `python tests/test_interface.py` writes the
list anew; the change then stands in the diff.
"""

import ast
import dataclasses
import importlib
import inspect
import json
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[1]
LIST = Path(__file__).with_suffix(".json")
LEFT_OUT = ("sims.networks.train_digits", "theory.subset_sum.error_table")  # run once; a table of numbers
PLAIN = (bool, int, float, str, range, type(None))


def is_plain(value: Any) -> bool:
    """Numbers, text and what holds nothing else, fields of an object too: the rest has no short name."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return all(is_plain(getattr(value, field.name)) for field in dataclasses.fields(value))
    if isinstance(value, tuple | list | frozenset):
        return all(is_plain(one) for one in value)
    if isinstance(value, dict):
        return all(is_plain(one) for pair in value.items() for one in pair)
    return isinstance(value, PLAIN)


def defaults(thing: Any) -> dict[str, str]:
    """Default by argument or field."""
    if inspect.isclass(thing) and not dataclasses.is_dataclass(thing) and not hasattr(thing, "_fields"):
        thing = thing.__init__
    if not callable(thing):
        return {}
    try:
        parameters = inspect.signature(thing).parameters
    except (TypeError, ValueError):  # compiled, or of C
        return {}
    found = {name: parameter.default for name, parameter in parameters.items()}
    return {
        name: repr(value)
        for name, value in found.items()
        if value is not inspect.Parameter.empty and is_plain(value)
    }


def interface(module: ModuleType) -> dict[str, Any]:
    """Constants and defaults that a module itself defines and does not hide; none that names this folder."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    assigned = {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    found: dict[str, Any] = {}
    for name, value in sorted(vars(module).items()):
        if name.startswith("_"):
            continue
        if name.isupper() and name in assigned and is_plain(value) and str(ROOT) not in repr(value):
            table = isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value))
            found[name] = [repr(one) for one in value] if table else repr(value)  # a line each
        elif getattr(value, "__module__", "") == module.__name__:
            found[name] = defaults(value)
            for method, function in vars(value).items() if inspect.isclass(value) else ():
                function = getattr(function, "__func__", function)
                if not method.startswith("_") and inspect.isfunction(function):
                    found[f"{name}.{method}"] = defaults(function)
    return {name: one for name, one in found.items() if one}


def whole() -> dict[str, dict[str, Any]]:
    """By module; kernels have no defaults."""
    paths = sorted(path for floor in ("theory", "sims") for path in (ROOT / floor).rglob("*.py"))
    names = [path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for path in paths]
    names = [name for name in names if not name.startswith("sims.kernels.") and name not in LEFT_OUT]
    found = {name: interface(importlib.import_module(name)) for name in names}
    return {name: one for name, one in found.items() if one}


def test_defaults_and_constants_are_those_of_the_list():
    """What is new is not in the list before it is written anew, and what is gone is no change."""
    now, listed = whole(), json.loads(LIST.read_text(encoding="utf-8"))
    both = [(module, name) for module in listed for name in listed[module] if name in now.get(module, {})]
    assert {key: now[key[0]][key[1]] for key in both} == {key: listed[key[0]][key[1]] for key in both}
    assert len(both) > 0.9 * sum(map(len, now.values()))


if __name__ == "__main__":
    import sys

    sys.path.insert(0, str(ROOT))
    LIST.write_text(json.dumps(whole(), indent=1) + "\n", encoding="utf-8")

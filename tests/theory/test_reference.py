"""Every public formula of theory/ against values computed by another road (tests/reference)."""

import importlib
import inspect
import json
import math
import pkgutil
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import theory

ROWS = [
    row
    for path in sorted((Path(__file__).parents[1] / "reference").glob("*.json"))
    for row in json.loads(path.read_text(encoding="utf-8"))
]
CLASSES = {
    name: module
    for module, names in {
        "theory.distributions": ("Gaussian", "Laplace", "Uniform", "StudentT", "Truncated", "Empirical"),
        "theory.formats": ("Format",),
        "theory.operators": (
            "StochasticRounding", "NearestRounding", "OneBit", "NearestSign", "StochasticPruning",
            "HardPruning", "PruneThenRound", "PruneFraction",
        ),
        "theory.lottery": ("ParameterCounts",),
        "theory.fine_tuning": ("Codes",),
        "theory.subset_sum": ("CertifiedInterval", "MissLaw"),
        "theory.subset_sum.prefactor": ("Prefactor",),
    }.items()
    for name in names
}  # fmt: skip

# Public, and without a value of their own; the reason stands behind each.
WITHOUT = {
    "theory.arguments": "checks of arguments: tests of bad input in every room",
    "theory.derivations": "sympy expressions: the fast forms are held to them",
    "theory.distributions.base:legendre": "quadrature of the partial moments",
    "theory.distributions.base:panel_nodes": "likewise, of entropies and blocks",
    "theory.distributions.base:beta_nodes": "likewise, of blocks and groups",
    "theory.distributions.base:scale_parameter": "a check",
    "theory.distributions.base:tail_inside": "the tail of Truncated",
    "theory.distributions.base:Distribution": "abstract methods: every law has rows",
    "theory.distributions.laws:Empirical.pdf": "refused",
    "theory.distributions.base:interval": "a check",
    "theory.distributions.laws:Empirical.magnitude_quantile": "scale_for's percentile",
    "theory.distributions.frozen:takes_law": "a decorator: what it takes is as_law's",
    "theory.distributions.frozen:takes_symmetric_law": "a decorator with a check",
    "theory.codebooks:check_bits": "a check",
    "theory.codebooks:integer_codebook": "a kept object: integer_levels",
    "theory.codebooks:Codebook": "prepared thresholds: quantization_error",
    "theory.fine_tuning:Codes": "fields: tuning_codes",
    "theory.formats.formats:Format.offset_bits": "part of stored_bits, which test_ggml counts",
    "theory.formats.searched:searched_error_bounds": "shrunk_error, ray_error: drawn in test_searched",
    "theory.formats.formats:double_quantized": "held to its definition: test_affine",
    "theory.formats.formats:dynamic_levels": "the same",
    "theory.operators.base:Operator": "abstract",
    "theory.operators.base:check_grid_bits": "a check",
    "theory.operators.base:check_length": "a check",
    "theory.integer_sums:check_arguments": "a check",
    "theory.integer_sums:as_float": "a conversion: test_integers",
    "theory.integer_sums:log_fraction": "a conversion: test_integers",
    "theory.path_following.bounds:check_scale": "a check",
    "theory.path_following.bounds:as_inputs": "a check",
    "theory.subset_sum.automaton": "the chain behind miss_law, whose values are held to enumeration",
    "theory.subset_sum.closed_form:solve": "the same",
    "theory.subset_sum.exact:exact_is_cheap": "a rule on costs",
    "theory.subset_sum.miss:miss_form": "names a form",
    "theory.subset_sum.moments:expected_solutions_error": "an allowance for rounding: test_moments",
    "theory.subset_sum.moments:expected_solutions_reachable": "a rule on costs",
    "theory.subset_sum.moments:second_moment_reachable": "a rule on costs",
    "theory.subset_sum.moments:weighted_counts": "the sums behind second_moment and second_moment_bounds",
    "theory.subset_sum.errors:miss_error": "a measured table: tests/theory/reference_miss_errors.py",
    "theory.subset_sum.saddlepoint:saddlepoint_miss_probability": "measured: miss_error",
}


def decoded(value, integer=int):
    """Numbers of more digits than JSON's, and objects by the name of their class; integers of a type."""
    if isinstance(value, list):
        return [decoded(item, integer) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return integer(value)
    if not isinstance(value, dict):
        return value
    ((name, parameters),) = value.items()
    if name == "array":
        return np.array(decoded(parameters), dtype=float)
    if name == "integers":
        return np.array(parameters, dtype=int if integer is int else integer)
    if name == "integer":
        return int(parameters)
    if name == "fraction":
        return Fraction(parameters)
    found = getattr(importlib.import_module(CLASSES[name]), name)
    return found(*decoded(parameters, integer))


def resolve(name):
    """The function, or the unbound method or property of a class, and the module:name where it is defined."""
    module, _, path = name.partition(":")
    found = importlib.import_module(module)
    for part in path.split("."):
        found = inspect.getattr_static(found, part) if inspect.isclass(found) else getattr(found, part)
    if inspect.isclass(found):
        return found, name
    inner = getattr(found, "fget", None) or getattr(found, "func", None) or inspect.unwrap(found)
    return found, f"{inner.__module__}:{inner.__qualname__}"


def called(name, args, kwargs):
    found, _ = resolve(name)
    last = name.rpartition(".")[2]
    if isinstance(found, property) or hasattr(found, "func"):  # a property, cached or not
        return getattr(args[0], last)
    if not inspect.isfunction(inspect.unwrap(found)):
        return found(*args, **kwargs)
    # through the object, whose class may have a method of its own
    return (
        getattr(args[0], last)(*args[1:], **kwargs)
        if "." in name.partition(":")[2]
        else found(*args, **kwargs)
    )


def compare(found, answer, rtol):
    if isinstance(answer, dict) and "law" in answer:  # (point, probability) pairs, in any order
        points = {str(Fraction(point)): chance for point, chance in found}
        assert points == {point: Fraction(chance) for point, chance in answer["law"].items()}
    elif isinstance(answer, dict) and isinstance(found, dict):
        assert {str(key) for key in found} == set(answer)
        for key in found:
            compare(found[key], answer[str(key)], rtol)
    elif isinstance(answer, dict):  # attributes of an object
        for key, value in answer.items():
            compare(getattr(found, key), value, rtol)
    elif isinstance(answer, list):
        assert len(found) == len(answer)
        for one, other in zip(found, answer, strict=True):
            compare(one, other, rtol)
    elif isinstance(answer, str) and "/" in answer:
        assert isinstance(found, Fraction) and found == Fraction(answer)
    elif isinstance(answer, bool) or answer is None:
        assert found == answer
    else:
        answer = float(answer)
        same = math.isnan(answer) and math.isnan(float(found))
        assert same or float(found) == pytest.approx(answer, rel=rtol, abs=1e-300 if answer else 1e-12)


@pytest.mark.parametrize(("name", "args", "kwargs", "answer", "rtol"), ROWS, ids=[row[0] for row in ROWS])
def test_agrees_with_another_road(name, args, kwargs, answer, rtol):
    compare(called(name, decoded(args), {key: decoded(value) for key, value in kwargs.items()}), answer, rtol)


def integers_in(value):
    """The integers of a row's arguments, those inside of objects too, without arrays."""
    if isinstance(value, dict):
        return [] if "array" in value or "fraction" in value else integers_in(list(value.values()))
    if isinstance(value, list):
        return [number for item in value for number in integers_in(item)]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else []


# one row of every function, with the largest integers
WHOLE = {
    name: max((row for row in ROWS if row[0] == name), key=lambda row: max(integers_in(row[1]), default=0))
    for name in {row[0] for row in ROWS if integers_in(row[1:3])}
}
KINDS = (np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64)


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_integers_of_every_type_give_the_same(name):
    _, args, kwargs, answer, rtol = WHOLE[name]
    numbers = integers_in([args, kwargs])
    tried = 0
    for kind in KINDS:
        if np.iinfo(kind).min <= min(numbers) and max(numbers) <= np.iinfo(kind).max:
            keywords = {key: decoded(value, kind) for key, value in kwargs.items()}
            compare(called(name, decoded(args, kind), keywords), answer, rtol)
            tried += 1
    assert tried


def public():
    """module:name of every public function, and of the public methods of every public class, of theory/."""
    for info in pkgutil.walk_packages(theory.__path__, "theory."):
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != info.name:
                continue
            if inspect.isclass(thing):
                for method, inner in vars(thing).items():
                    if not method.startswith("_") and (callable(inner) or hasattr(inner, "__get__")):
                        yield f"{info.name}:{name}.{method}"
            elif callable(thing):
                yield f"{info.name}:{name}"


def excused(name):
    module, _, path = name.partition(":")
    return any(
        name == key
        or module == key
        or module.startswith(key + ".")
        or f"{module}:{path.partition('.')[0]}" == key
        for key in WITHOUT
    )


def named_in_its_own_tests(name):
    """Whether the tests of a module name it: enough for a module of which no row exists yet."""
    module, _, path = name.partition(":")
    room = module.split(".")[1]
    here = Path(__file__).parent
    files = [*(here / room).glob("test_*.py"), *here.glob(f"test_{room}.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return re.search(rf"\b{path.rpartition('.')[2]}\b", text) is not None


def test_every_public_formula_has_a_reference_value():
    held = {resolve(row[0])[1] for row in ROWS} | {row[0] for row in ROWS}
    modules = {name.partition(":")[0] for name in held}
    names = set(public())
    missing = sorted(
        name
        for name in names
        if name not in held
        and not excused(name)
        and (name.partition(":")[0] in modules or not named_in_its_own_tests(name))
    )
    assert not missing, "add a row to tests/reference, or a reason to WITHOUT"
    stale = [
        key
        for key in WITHOUT
        if not any(name == key or name.startswith((key + ".", key + ":")) for name in names)
    ]
    assert not stale


def test_the_generators_share_no_code_with_theory():
    for path in (Path(__file__).parents[1] / "reference").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import theory" not in text and "from theory" not in text

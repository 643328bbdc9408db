"""The changes that `tests/mutants.py` makes: which modules, which kinds, which are drawn.

Cosmic Ray's changes of operators, comparisons, constants and branches, and four kinds more: constants that
are 5 % larger, arguments that a call does not hand on, so that the default of what it calls stands in,
conditions without one of those that `and` or `or` join, and statements left out.
"""

import ast
import dataclasses
import functools
import random
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Nothing to find: numbers measured by a script, and a script that was run once.
LEFT_OUT = ("theory/subset_sum/error_table.py", "sims/networks/train_digits.py")


@dataclasses.dataclass(frozen=True)
class Mutant:
    """One change of one module: first and last line, the first before and after, the whole changed source."""

    line: int
    last: int
    was: str
    became: str
    source: str


def modules() -> list[str]:
    """What is mutated: every module of theory and sims that is more than the face of a room."""
    found = (path for floor in ("theory", "sims") for path in (ROOT / floor).rglob("*.py"))
    names = (path.relative_to(ROOT).as_posix() for path in found if path.name != "__init__.py")
    return sorted(name for name in names if name not in LEFT_OUT)


def operators() -> list:
    """Cosmic Ray's operators without those that swap names, and five of our own."""
    from cosmic_ray.ast import is_number
    from cosmic_ray.operators.operator import Operator
    from cosmic_ray.operators.provider import OperatorProvider
    from parso.python.tree import Name, Number

    class ConstantScaler(Operator):
        """Floats, and integers in a quotient or an exponent, times 1.05."""

        def mutation_positions(self, node):
            if is_number(node) and not node.value.lower().startswith("0x"):
                beside = {getattr(child, "value", "") for child in node.parent.children}
                whole = isinstance(ast.literal_eval(node.value), int)
                if not whole or (node.parent.type in ("term", "power") and beside & {"/", "**"}):
                    yield (node.start_pos, node.end_pos)

        def mutate(self, node, index):
            return Number(f"{node.prefix}{ast.literal_eval(node.value) * 1.05!r}", node.start_pos)

        @classmethod
        def examples(cls):
            return ()

    class LimitMover(Operator):
        """Numbers that something is compared with, doubled and halved: a next case, not only the nearest."""

        def mutation_positions(self, node):
            if is_number(node) and _is_compared(node) and ast.literal_eval(node.value) not in (0, 1):
                yield (node.start_pos, node.end_pos)
                yield (node.start_pos, node.end_pos)

        def mutate(self, node, index):
            value = ast.literal_eval(node.value)
            half = value // 2 if isinstance(value, int) else value / 2
            return Number(f"{node.prefix}{(2 * value, half)[index]!r}", node.start_pos)

        @classmethod
        def examples(cls):
            return ()

    class ArgumentDropper(Operator):
        """A call without one of the arguments that its function has a default for."""

        def mutation_positions(self, node):
            for argument in _with_default(node):
                yield (argument.start_pos, argument.end_pos)

        def mutate(self, node, index):
            dropped = _with_default(node)[index]
            kept = [each.get_code(False) for each in _arguments(node) if each is not dropped]
            return Name(f"({', '.join(kept)})", node.start_pos)

        @classmethod
        def examples(cls):
            return ()

    class ConditionDropper(Operator):
        """`a and b and c`, or with `or`, without one of them."""

        def mutation_positions(self, node):
            if node.type in ("and_test", "or_test"):
                for operand in node.children[::2]:
                    yield (operand.start_pos, operand.end_pos)

        def mutate(self, node, index):
            kept = [each.get_code(False) for k, each in enumerate(node.children[::2]) if k != index]
            joined = f" {node.children[1].value} ".join(kept)
            return Name(node.get_first_leaf().prefix + joined, node.start_pos)

        @classmethod
        def examples(cls):
            return ()

    class StatementDropper(Operator):
        """A statement left out whose lack is no error of names: what it refuses, changes or ends goes on."""

        def mutation_positions(self, node):
            if _can_be_left_out(node):
                yield (node.start_pos, node.end_pos)

        def mutate(self, node, index):
            return Name(f"{node.get_first_leaf().prefix}pass", node.start_pos)

        @classmethod
        def examples(cls):
            return ()

    provider = OperatorProvider()
    left_out = ("Variable", "RemoveDecorator")
    names = [name for name in provider if not name.startswith(left_out)]
    ours = [ConstantScaler, LimitMover, ArgumentDropper, ConditionDropper, StatementDropper]
    return [*(provider[name] for name in names), *ours]


@functools.cache
def defaults() -> dict[str, tuple[list[str], dict[str, str]]]:
    """Positional parameters, and the defaults as they are written, of every function of one name only."""
    found: dict[str, list] = {}
    for name in modules():
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, []).append(node.args)
    table = {}
    for name, (one, *others) in found.items():
        if not others:
            places = [each.arg for each in (*one.posonlyargs, *one.args)]
            filled = dict(zip(reversed(places), reversed(one.defaults), strict=False))
            named = zip(one.kwonlyargs, one.kw_defaults, strict=True)
            filled |= {each.arg: value for each, value in named if value is not None}
            own = places[1:] if places[:1] in (["self"], ["cls"]) else places
            table[name] = own, {key: ast.unparse(value) for key, value in filled.items()}
    return table


def _is_compared(node) -> bool:
    """Whether it stands on a side of a comparison, alone or in a sum, a product or the like."""
    while node.parent is not None and node.parent.type in ("arith_expr", "term", "power", "factor"):
        node = node.parent
    return node.parent is not None and node.parent.type == "comparison"


def _arguments(call) -> list:
    """Of parso's `(...)`, as nodes."""
    inside = call.children[1:-1]
    inside = inside[0].children if inside and inside[0].type == "arglist" else inside
    return [each for each in inside if each != ","]


def _with_default(node) -> list:
    """Arguments that can be left out, and are not what would take their place."""
    if node.type != "trailer" or node.children[0] != "(":
        return []
    before = node.get_previous_sibling()
    name = before.children[-1] if before is not None and before.type == "trailer" else before
    if name is None or name.type != "name" or name.value not in defaults():
        return []
    places, filled = defaults()[name.value]
    arguments = _arguments(node)
    starred = any(each.type == "argument" and each.children[0] in ("*", "**") for each in arguments)
    named = [each for each in arguments if each.type == "argument" and each.children[1] == "="]
    found = [(each.children[0].value, each.children[2], each) for each in named]
    bare = [each for each in arguments if each.type != "argument"]
    if bare and not starred and len(bare) <= len(places):
        found.append((places[len(bare) - 1], bare[-1], bare[-1]))
    return [each for name, value, each in found if name in filled and value.get_code(False) != filled[name]]


def _can_be_left_out(node) -> bool:
    """`raise`, `continue`, early `return`; calls for their effect; what sets a name anew, or an item."""
    if node.parent is None or node.parent.type != "simple_stmt":
        return False
    if node.type == "raise_stmt" or getattr(node, "value", "") in ("raise", "continue"):
        return True
    if node.type in ("atom_expr", "power"):
        return node.children[-1].type == "trailer" and node.children[-1].children[0] == "("
    inside = node
    while inside is not None and inside.type != "funcdef":
        inside = inside.parent
    if inside is None:
        return False
    if node.type == "return_stmt" or getattr(node, "value", "") == "return":
        return inside.get_last_leaf() is not node.parent.get_last_leaf()
    if node.type != "expr_stmt" or node.children[1].type == "annassign":
        return False
    if node.children[1] != "=":  # `x += 1`
        return True
    names = node.get_defined_names()
    if len(names) < len(node.get_defined_names(include_setitem=True)) or node.children[0].type == "atom_expr":
        return True
    known = {each.name.value for each in inside.get_params()}
    for earlier in _assignments(inside):
        if earlier.start_pos >= node.start_pos:
            break
        known |= {each.value for each in earlier.get_defined_names()}
    return bool(names) and {each.value for each in names} <= known


def _assignments(node):
    """Of a function, in order."""
    for child in getattr(node, "children", ()):
        if child.type == "expr_stmt":
            yield child
        yield from _assignments(child)


def _beside_the_point(node) -> bool:
    """Annotations, decorators, messages of errors, assertions for the type checker."""
    child, parent = node, node.parent
    while parent is not None:
        if parent.type in ("raise_stmt", "assert_stmt", "decorator", "annassign", "fstring", "import_from"):
            return parent.type != "annassign" or child is parent.children[1]
        if parent.type == "tfpdef" and child is not parent.children[0]:
            return True
        if parent.type == "funcdef" and parent.annotation is child:
            return True
        child, parent = parent, parent.parent
    return False


def sites(source: str) -> list[list[tuple]]:
    """(operator, occurrence) of all changes possible, those of one kind at one place together."""
    from cosmic_ray.ast import ast_nodes, get_ast

    nodes = list(ast_nodes(get_ast(source)))
    found: dict[tuple, list[tuple]] = {}
    for operator in operators():
        kind = operator.__name__.split("_")[0]
        occurrence = 0
        for node in nodes:
            for position in operator().mutation_positions(node):
                if not _beside_the_point(node):
                    found.setdefault((position, kind), []).append((operator, occurrence))
                occurrence += 1
    return [found[key] for key in sorted(found)]


def _equal_lines(one: list[str], other: list[str]) -> int:
    """How many lines are equal before the first that is not."""
    return next(i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1])


def draw(name: str, count: int | None, seed: int) -> tuple[list[Mutant], int]:
    """At most `count` mutants of a module, each at a site of its own; and how many sites there are.

    A site is drawn with equal probability whether a constant or a sum stands there, although a sum has
    eleven mutants. Without `count`: every mutant of every site.
    """
    from cosmic_ray.mutating import mutate_code

    source = (ROOT / name).read_text(encoding="utf-8")
    places = sites(source)
    chance = random.Random(f"{name} {seed}")
    chosen = list(places)
    chance.shuffle(chosen)
    changes = [chance.choice(site) for site in chosen] if count else [c for site in chosen for c in site]
    made: list[Mutant] = []
    for operator, occurrence in changes:
        changed = mutate_code(source, operator(), occurrence)
        try:
            if changed is None or ast.dump(ast.parse(changed)) == ast.dump(ast.parse(source)):
                continue
        except SyntaxError:
            continue
        before, after = source.splitlines(), changed.splitlines()
        line = _equal_lines(before, after)
        last = len(before) - min(_equal_lines(before[::-1], after[::-1]), len(before) - line - 1)
        made.append(Mutant(line + 1, last, before[line].strip(), after[line].strip(), changed))
        if len(made) == count:
            break
    return made, len(places)

"""A number that a claim prints is a number that its check compares with something."""

import ast
import functools
import inspect
import re

import pytest

from paper_checks import registry

# What the check need not name, with the reason.
ELSEWHERE = {
    ("kn.matched_units", "20.85"): "8 (1 + 1.6067)",
    ("zs.quantile_trap", "0.425"): "twice 0.21247, both sides",
    ("ku.low_rate", "6.02"): "20 log10(2), the name of a line",
    ("ku.decibels_per_bit", "6.02"): "20 log10(2), the name of a line",
    ("ku.pruning_error_settles", "3.32"): "1.0332 less 1",
    ("ku.natural_zeros", "16.6"): "of weights that are installed in few places",
    **dict.fromkeys(
        [("ku.rotation_nvfp4", text) for text in ("20.436", "20.658", "20.693", "20.764")],
        "the check has their differences; ku.block_scales has the ratios",
    ),
}


def printed_numbers(claim) -> list[str]:
    """Decimals of three significant digits and more, as they stand in title, statement and hypotheses."""
    text = " ".join((claim.title, claim.statement, claim.hypotheses))
    text = re.sub(r"arXiv [\d.]+", "", text)
    text = re.sub(r"(?<=\d)(?:,|\{,\}|\\,)(?=\d{3}\b)", "", text)
    found = re.findall(r"(?<![\w.])\d+\.\d+(?!\w)", text)
    return [number for number in found if len(number.replace(".", "").lstrip("0")) >= 3]


@functools.cache
def compared_numbers(path: str) -> frozenset[float]:
    """Numbers in the code of a module of claims, but for the claims' own words."""
    with open(path, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    found: set[float] = set()

    def collect(node: ast.AST) -> None:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node, ast.Assign) and any(getattr(t, "id", "") == "CLAIMS" for t in node.targets):
            return
        if isinstance(node, ast.Constant) and not isinstance(node.value, bool):
            if isinstance(node.value, int | float):
                found.add(abs(float(node.value)))
            elif isinstance(node.value, str):
                found.update(map(float, re.findall(r"\d+\.\d+|\d+", node.value)))
        for child in ast.iter_child_nodes(node):
            collect(child)

    collect(tree)
    return frozenset(found)


def is_compared(number: str, compared: frozenset[float]) -> bool:
    """Whether one of them rounds to the number as printed, or its share to these per cent."""
    half = 0.5 * 10.0 ** -len(number.split(".")[1]) * (1 + 1e-9)
    return any(abs(scale * one - float(number)) <= half for one in compared for scale in (1, 100, 0.01))


def test_a_number_is_read_as_it_is_printed():
    compared = frozenset({1.594, 0.8125, 15.985})
    assert all(is_compared(text, compared) for text in ("1.594", "1.59", "81.25", "15.99"))
    assert not any(is_compared(text, compared) for text in ("1.596", "1.674", "80.25", "15.96"))


@pytest.mark.parametrize("claim", registry.claims(), ids=lambda claim: claim.id)
def test_every_number_of_a_claim_is_in_its_check(claim):
    compared = compared_numbers(inspect.getsourcefile(claim.check))
    missing = [
        number
        for number in printed_numbers(claim)
        if not is_compared(number, compared) and (claim.id, number) not in ELSEWHERE
    ]
    assert not missing, f"{claim.id} prints {missing}; let its check compare them, or say above why not"


def test_no_reason_is_left_over():
    printed = {(claim.id, number) for claim in registry.claims() for number in printed_numbers(claim)}
    assert set(ELSEWHERE) <= printed

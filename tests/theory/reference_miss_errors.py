"""Measure every form of miss_probability against the exact law; write the table of its errors.

    python tests/theory/reference_miss_errors.py

writes theory/subset_sum/error_table.py (literals, read by theory.subset_sum.errors) and
docs/subset_sum_errors.md (the same with exact values beside it). About four minutes, nearly all of it the
saddlepoint law. Cells: the grids below, even n; the test draws cells outside them.
"""

import math
from pathlib import Path

from theory.subset_sum.cox import cox_miss_probability
from theory.subset_sum.exact import miss_law
from theory.subset_sum.moments import largest
from theory.subset_sum.saddlepoint import saddlepoint_miss_probability

ROOT = Path(__file__).parents[2]
SAMPLES = range(2, 41, 2)
GRIDS = {"nonzero": range(1, 11), "uniform": range(1, 11), "product": range(1, 4)}
FORMS = {
    "cox": lambda *cell: float(cox_miss_probability(*cell)),
    "saddlepoint": saddlepoint_miss_probability,
}
SHOWN_SAMPLES = (4, 8, 12, 20, 40)


def targets(reach):
    """The ends and the middle of 1..R, with neighbours of other parity."""
    return sorted({t for t in (1, 2, 3, reach // 2, reach // 2 + 1, reach - 1, reach) if 1 <= t <= reach})


def log_error(value, exact):
    return abs(math.log(value) - math.log(exact)) if value > 0.0 else math.inf


def measure():
    """{(law, M, t, n): (exact, {form: value})}."""
    cells = {}
    for law, grid in GRIDS.items():
        for max_value in grid:
            for t in targets(largest(max_value, law)):
                exact = miss_law(max_value, t, law)
                for n in SAMPLES:
                    values = {name: form(n, max_value, t, law) for name, form in FORMS.items()}
                    cells[law, max_value, t, n] = float(exact.probability(n)), values
    return cells


def worst(cells):
    """{(law, form, M, small target?): [largest log error over t, one per n]}."""
    table = {}
    for (law, max_value, t, n), (exact, values) in cells.items():
        small = 2 * t <= largest(max_value, law)
        for form, value in values.items():
            row = table.setdefault((law, form, max_value, small), dict.fromkeys(SAMPLES, 0.0))
            row[n] = max(row[n], log_error(value, exact))
    return table


def rounded(value):
    """Upwards to three decimals, so that the printed error is not less than the measured one."""
    return math.ceil(value * 1000) / 1000


def write_module(table):
    lines = [
        '"""Measured log errors of the forms of miss_probability; written by reference_miss_errors.py."""',
        "",
        "# fmt: off",
        f"SAMPLES = ({', '.join(map(str, SAMPLES))})",
        "# (law, form, M, 2 |t| <= largest sample): max over t of |ln(form/exact)|, one per n of SAMPLES",
        "LOG_ERRORS: dict[tuple[str, str, int, bool], tuple[float, ...]] = {",
    ]
    for (law, form, max_value, small), row in sorted(table.items()):
        numbers = [f"{rounded(row[n]):g}" for n in SAMPLES]
        half = len(numbers) // 2
        lines.append(f'    ("{law}", "{form}", {max_value}, {small}): (')
        lines += [f"        {', '.join(part)}," for part in (numbers[:half], numbers[half:])]
        lines.append("    ),")
    (ROOT / "theory/subset_sum/error_table.py").write_text("\n".join([*lines, "}", "# fmt: on"]) + "\n")


PAGE = """# Errors of the laws of random subset sum

Made by `python tests/theory/reference_miss_errors.py`; do not edit. Each cell gives the exact probability
that $n$ samples miss the target $t$ (`theory.subset_sum.exact_miss_probability`, rounded), and the ratios of
the Cox and of the saddlepoint law to it. A ratio of 1.00 is right; at 2.00 the law calls a miss twice too
likely. The Cox law is not offered for products; its ratios there are shown for comparison.

`miss_error` of `theory.subset_sum.errors` states these errors, with a margin for the cells between them.
"""


def write_page(cells):
    lines = [PAGE]
    for law in GRIDS:
        lines += [
            f"## Law: {law}",
            "",
            "| $M$ | $t$ | " + " | ".join(f"$n = {n}$" for n in SHOWN_SAMPLES) + " |",
        ]
        lines += ["|---|---|" + "---|" * len(SHOWN_SAMPLES)]
        for max_value in GRIDS[law]:
            reach = largest(max_value, law)
            for t in sorted({1, min(2, reach), reach}):
                row = []
                for n in SHOWN_SAMPLES:
                    exact, values = cells[law, max_value, t, n]
                    ratios = ", ".join(ratio(values[form] / exact) for form in FORMS)
                    row.append(f"{exact:.3e}; {ratios}")
                lines.append(f"| {max_value} | {t} | " + " | ".join(row) + " |")
        lines.append("")
    text = "\n".join(lines)
    (ROOT / "docs/subset_sum_errors.md").write_text(text.rstrip() + "\n")


def ratio(value):
    return f"{value:.2f}" if 0.01 <= value < 100 else f"{value:.1e}"


if __name__ == "__main__":
    measured = measure()
    write_module(worst(measured))
    write_page(measured)

"""Storage: what a mask costs, and the sparsity from which pruning is smaller than quantization."""

import numpy as np
from matplotlib.figure import Figure

from figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, label, panels, styled
from figures.tables import Table, by_column
from theory.arguments import whole
from theory.storage import bits_per_weight, break_even_sparsity

SOURCE = "Kuzmin et al. 2023, Section 2 (storage), masks counted"
TITLE = "Storage: masks and indices decide when sparse weights are smaller"
CAPTION = (
    "(a) Stored bits per weight of pruned <value_bits>-bit weights over sparsity; for independent zeros no "
    "storage of the mask is below its entropy (n:m masks are not independent). Bitmask: one bit per "
    "weight; CSR: the columns of a <columns>-wide matrix; run-length: the best run "
    "field, fillers counted. (b) The least sparsity at which each scheme is no larger than dense b-bit "
    "weights; the paper compares at 1 - b/<value_bits>, the mask not counted (grey)."
)
SCHEMES = {"bitmask": RED, "csr": ORANGE, "run-length": PURPLE, "entropy": GREEN}
DASHES = {"bitmask": "-", "csr": "--", "run-length": "-.", "entropy": ":"}
NAMES = {"bitmask": "bitmask", "csr": "CSR", "run-length": "run-length", "entropy": "entropy bound"}


def data(budget: str = "quick", seed: int = 0, *, value_bits: int = 16, columns: int = 1024) -> Table:
    """Rows (panel, scheme, x, y): sizes over sparsity, break-even sparsity over bits.

    Parameters
    ----------
    budget, seed
        Without effect.
    value_bits
        Bits of a kept value, from 4 to 32.
    columns
        Width of the matrix, for CSR.
    """
    value_bits, columns = whole("value_bits", value_bits, 4, 32), whole("columns", columns, 2)
    widths = np.linspace(1.1, value_bits / 2, 70)
    rows: list[tuple] = []
    for scheme in SCHEMES:
        options: dict = {"columns": columns} if scheme == "csr" else {}
        for c in np.linspace(0, 0.99, 199):
            rows.append(("size", scheme, c, bits_per_weight(scheme, float(c), value_bits, **options)))
        for b in widths:
            rows.append(
                ("break-even", scheme, b, break_even_sparsity(scheme, float(b), value_bits, **options))
            )
    rows += [("break-even", "not counted", b, 1 - b / value_bits) for b in widths]
    for name, sparsity in (("2:4", 0.5), ("1:4", 0.75)):
        rows.append(("size", name, sparsity, bits_per_weight("n:m", sparsity, value_bits)))
    names = ("panel", "scheme", "x", "y")
    return by_column(names, rows)


@styled
def draw(table: Table) -> Figure:
    """Sizes, and where they meet dense quantized weights."""

    def line(panel: str, scheme: str) -> tuple[np.ndarray, np.ndarray]:
        chosen = (table["panel"] == panel) & (table["scheme"] == scheme)
        return table["x"][chosen], table["y"][chosen]

    figure, (left, right) = panels(2, width=4.6, height=3.8)
    for scheme, color in SCHEMES.items():
        look = {"color": color, "linestyle": DASHES[scheme], "label": NAMES[scheme]}
        left.plot(*line("size", scheme), **look)
        right.plot(*line("break-even", scheme), **look)
    for scheme in ("2:4", "1:4"):
        x, y = line("size", scheme)
        left.plot(x, y, "v", color=BLUE, markersize=6)
        label(left, x[0], y[0], f"{scheme}, 2-bit positions", BLUE, xytext=(7, 6))
    most = line("size", "bitmask")[1][0]
    for bits in (b for b in (8, 4, 2) if b < 0.6 * most):
        left.axhline(bits, color=GREY, linewidth=0.8, linestyle="--")
        label(left, 0.0, bits, f"dense {bits} bits", GREY, xytext=(3, 6))
    left.set(
        xlabel="sparsity", ylabel="stored bits per weight", xlim=(0, 1), ylim=(0, 1.3 * most), title="Size"
    )
    left.legend(loc="upper right")
    x, y = line("break-even", "not counted")
    right.plot(x, y, color=GREY, linewidth=1, label="mask not counted")
    right.set(
        xlabel="bits per weight of dense quantization", ylabel="break-even sparsity", title="Break-even"
    )
    right.set(xlim=(1, x[-1]), ylim=(0.4, 1.0))
    right.set_xticks(range(1, int(x[-1]) + 1, 1 if x[-1] <= 8 else 2))
    right.legend(loc="lower left")
    return figure

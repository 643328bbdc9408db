"""Storage: what a mask costs, and the sparsity from which pruning is smaller than quantization."""

import numpy as np
from matplotlib.figure import Figure

from figures.style import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, label, panels, styled
from figures.tables import by_column
from theory.storage import bits_per_weight, break_even_sparsity

TITLE = "Storage: masks and indices decide when sparse weights are smaller"
CAPTION = (
    "Left: stored bits per weight of pruned 16-bit weights over sparsity; for independent zeros no "
    "storage of the mask is below its entropy (n:m masks are not independent). Bitmask: one bit per "
    "weight, 6.25 % of 16 bits; CSR: 10-bit columns of a 1,024-wide matrix; run-length: the best run "
    "field, fillers counted. Right: the least sparsity at which each scheme is no larger than dense b-bit "
    "weights; the paper compares at 1 - b/16, the mask not counted (dashed)."
)
SCHEMES = {"bitmask": RED, "csr": ORANGE, "run-length": PURPLE, "entropy": GREEN}
NAMES = {"bitmask": "bitmask", "csr": "CSR", "run-length": "run-length", "entropy": "entropy bound"}


def data(budget: str = "quick", seed: int = 0) -> dict[str, np.ndarray]:
    """Rows (panel, scheme, x, y): sizes over sparsity, break-even sparsity over bits."""
    rows = []
    for scheme in SCHEMES:
        rows += [("size", scheme, c, bits_per_weight(scheme, float(c))) for c in np.linspace(0, 0.99, 199)]
        rows += [
            ("break-even", scheme, b, break_even_sparsity(scheme, float(b))) for b in np.linspace(1.1, 8, 70)
        ]
    rows += [("break-even", "not counted", b, 1 - b / 16) for b in np.linspace(1.1, 8, 70)]
    rows += [
        ("size", "2:4", 0.5, bits_per_weight("n:m", 0.5)),
        ("size", "1:4", 0.75, bits_per_weight("n:m", 0.75)),
    ]
    names = ("panel", "scheme", "x", "y")
    return by_column(names, rows)


@styled
def draw(table: dict[str, np.ndarray]) -> Figure:
    """Sizes, and where they meet dense quantized weights."""

    def line(panel: str, scheme: str) -> tuple[np.ndarray, np.ndarray]:
        chosen = (table["panel"] == panel) & (table["scheme"] == scheme)
        return table["x"][chosen], table["y"][chosen]

    figure, (left, right) = panels(2, width=4.6, height=3.8)
    for scheme, color in SCHEMES.items():
        left.plot(*line("size", scheme), color=color, label=NAMES[scheme])
        right.plot(*line("break-even", scheme), color=color, label=NAMES[scheme])
    for scheme in ("2:4", "1:4"):
        x, y = line("size", scheme)
        left.plot(x, y, "v", color=BLUE, markersize=6)
        label(left, x[0], y[0], f"{scheme}, 2-bit positions", BLUE, xytext=(7, 6))
    for bits in (8, 4, 2):
        left.axhline(bits, color=GREY, linewidth=0.8, linestyle="--")
        label(left, 0.0, bits, f"dense {bits} bits", GREY, xytext=(3, 6))
    left.set(xlabel="sparsity", ylabel="stored bits per weight", xlim=(0, 1), ylim=(0, 22), title="Size")
    left.legend(loc="upper right")
    x, y = line("break-even", "not counted")
    right.plot(x, y, color=GREY, linestyle="--", label="mask not counted")
    right.set(
        xlabel="bits per weight of dense quantization", ylabel="break-even sparsity", title="Break-even"
    )
    right.set(xlim=(1, 8), ylim=(0.4, 1.0))
    right.legend(loc="lower left")
    return figure

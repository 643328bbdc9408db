"""Explorer page: is a weight law better rounded or pruned?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from figures import style
from figures.explore.live import BUSY
from figures.explore.page import (
    LEVEL,
    SEED,
    Page,
    Parameter,
    Series,
    State,
    command_text,
    defaults,
    simulation_text,
    stopping,
)
from sims import simulations
from sims.support.row import Row
from sims.weights import simulate as simulation
from sims.weights.simulate import Setting, named_law
from theory.formats import CODES, GROUPS, SCALES, widths
from theory.formats.families import SIGNED

_DEFAULTS = defaults(simulations.snr)
_STOP = {"0.5 dB": 0.5, "0.2 dB": 0.2, "0.1 dB": 0.1, "0.05 dB": 0.05}
_MAX_TENSORS = 6_400
_DEGREES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0)
_BOUNDS = (
    *(1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0, 29.4, 30.0, 40.0, 50.0, 70.0, 100.0, 200.0, 500.0),
    1000.0,
)
_CODES = dict(
    zip(
        (
            "integers, two's complement",
            "integers, symmetric",
            "integers from a zero point",
            "integers from any offset",
            "floating point (E2M1, E2M3, E4M3)",
            "NF4",
        ),
        CODES,
        strict=True,
    )
)
LAWS = {
    "Gaussian": "gaussian",
    "Laplace": "laplace",
    "uniform": "uniform",
    "Student t, truncated": "student-t",
}


def setting(state: State) -> Setting:
    """What is drawn and stored."""
    law = named_law(state["weights"], state["df"], state["bound"])
    scale = state["scale"] if _scaled(state) else _DEFAULTS["scale"]
    return Setting(law, state["codes"], state["group"], scale, state["rotate"], state["mask"], state["size"])


def _student(state: State) -> bool:
    return state["weights"] == "student-t"


def _scaled(state: State) -> bool:
    return state["group"] > 0 and state["codes"] not in SIGNED


def curves(state: State) -> list[Series]:
    """SNR of both methods at equal size, against the width."""
    one, bits = setting(state), widths(state["codes"])
    one.form(state["bits"])  # the width must be one of those
    found = np.array([one.ratios(b) for b in bits])
    return [Series(name, np.array(bits), found[:, i]) for i, name in enumerate(("rounding", "pruning"))]


def live(state: State) -> Iterator[list[Series]]:
    """Median SNR of random tensors of the chosen size, each with the scales that are best for itself."""
    chosen = state["bits"]
    bits = (chosen, *(b for b in widths(state["codes"]) if b != chosen))
    options: dict[str, Any] = {"seed": state["seed"], "trials": _MAX_TENSORS, "level": state["level"]}
    growing = simulation.growing_ratios(setting(state), bits, width=state["width"], **options)
    while True:
        with BUSY:
            found = next(growing, None)
        if found is None:
            return
        tensors, pairs = found
        trials, series = np.full(len(bits), tensors), []
        for i, name in enumerate(("rounding", "pruning")):
            value, low, high = np.array([pair[i] for pair in pairs]).T
            series.append(Series(f"{name}, measured", np.array(bits), value, low, high, trials))
        yield series


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """SNR in dB against bits per code, both methods."""
    rounded, pruned = laws
    for one, color in ((rounded, style.SNAP), (pruned, style.CUT)):
        axes.plot(one.x, one.value, color=color, linewidth=1.4, marker="." if len(one.x) < 7 else None)
        other = pruned if one is rounded else rounded
        middle = len(one.x) // 2
        above = one.value[middle] >= other.value[middle]
        place = float(one.x[middle]), float(one.value[middle])
        style.label(axes, *place, one.name, color, ha="right" if above else "left",
                    xytext=(-8, 8) if above else (6, -10))  # fmt: skip
        here = one.value[one.x == state["bits"]]
        axes.plot([state["bits"]], here, "o", color=color, markersize=10, fillstyle="none")
    for one in points:
        assert one.low is not None and one.high is not None
        color = style.SNAP if one.name.startswith("rounding") else style.CUT
        known = np.isfinite(one.low)
        style.interval(axes, one.x[known], one.value[known], one.low[known], one.high[known], color)
    top = max(float(one.value.max()) for one in (*laws, *points))
    axes.set(xlabel="bits per code", ylabel="SNR (dB)", xlim=(1.7, 8.3), ylim=(0, 1.08 * top))


def rows(state: State, points: list[Series]) -> list[Row]:
    """Numbers at the chosen width."""
    if not points:
        return simulation.rows(setting(state), state["bits"])
    medians = [(float(one.value[0]), float(one.low[0]), float(one.high[0])) for one in points
               if one.low is not None and one.high is not None]  # fmt: skip
    tensors = 0 if points[0].trials is None else int(points[0].trials[0])
    return simulation.rows(setting(state), state["bits"], tensors, (medians[0], medians[1]))


def _arguments(state: State) -> dict:
    optional = {"df": _student(state), "bound": _student(state), "scale": _scaled(state)}
    names = ("weights", "df", "bound", "bits", "codes", "group", "scale", "rotate", "mask", "size")
    return {name: state[name] for name in names if optional.get(name, True)} | stopping(state, _MAX_TENSORS)


PAGE = Page(
    name="snr",
    title="Signal-to-noise ratio: snap or cut?",
    lead=(
        "A weight $W$ is rounded to $b$ bits, or the smallest magnitudes are pruned until 16-bit weights "
        "take the same room. Which keeps more of it?"
    ),
    formulas=(
        r"\mathrm{SNR}=10\log_{10}\frac{\mathbb E\,W^2}{\mathbb E\,(W-F(W))^2}",
        r"\text{sparsity}=1-\frac{\text{stored bits}}{16}",
        r"\text{Gaussian pruning error}=c-2\tau\varphi(\tau),\ \ \tau=\Phi^{-1}\!\left(\tfrac{1+c}2\right)",
    ),
    caption=(
        "Lines: laws. One scale for the tensor is that of least squared error; a group's comes from its "
        "largest magnitude, or its ends. Pruning takes the same room, scales counted. Circles: the chosen "
        "width. Points: medians over random tensors in rows of 256; intervals hold at all times, whatever "
        "the law of the ratio. The extremes of a finite tensor are smaller than those of its law, which is "
        "why many bits do better than the law says."
    ),
    parameters=(
        Parameter("bits", "bits b of a code", _DEFAULTS["bits"], values=widths("symmetric")),
        Parameter("codes", "codes", _DEFAULTS["codes"], choices=_CODES),
        Parameter("group", "weights per scale (0: all)", _DEFAULTS["group"], values=GROUPS),
        Parameter(
            "scale", "scale of a group", _DEFAULTS["scale"], choices={s: s for s in SCALES}, used=_scaled
        ),
        Parameter("rotate", "rotation before", False, choices={"none": False, "Hadamard": True}),
        Parameter("weights", "weight law", _DEFAULTS["weights"], choices=LAWS),
        Parameter("df", "Student: degrees of freedom ν", 2.0, values=_DEGREES, used=_student),
        Parameter("bound", "Student: truncated at ±r", 30.0, values=_BOUNDS, used=_student),
        Parameter("mask", "pruning mask", False, choices={"not counted": False, "1 bit per weight": True}),
        Parameter("size", "weights per tensor", 4096, values=(256, 1024, 4096, 16384), kind="simulation"),
        Parameter("width", "stop at interval width", 0.2, choices=_STOP, kind="simulation"),
        LEVEL,
        SEED,
    ),
    axes=("bits", "snr_db"),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=lambda s: simulation_text("snr", **_arguments(s)),
    command=lambda s: command_text("simulate", "snr", **_arguments(s)),
    count=lambda points: f"{points[0].trials[0]} tensors" if points and points[0].trials is not None else "",
)

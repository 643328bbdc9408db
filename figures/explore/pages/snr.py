"""Explorer page: is a weight law better rounded or pruned?"""

from collections.abc import Iterator
from functools import lru_cache
from typing import get_args

import numpy as np
from matplotlib.axes import Axes

from figures import style
from figures.explore.live import BUSY, QuantileSequence
from figures.explore.page import LEVEL, SEED, Page, Parameter, Series, State, python_line, simulated_row
from sims.montecarlo import stream
from sims.support.row import Row
from sims.weights import CUT, SNAP
from sims.weights import scales as simulation
from theory import distributions
from theory import snr as theory
from theory.distributions import Distribution

WIDTHS = tuple(range(2, 9))
_BLOCK = 64  # tensors
_STOP = {"0.5 dB": 0.5, "0.2 dB": 0.2, "0.1 dB": 0.1, "0.05 dB": 0.05}
_MAX_TENSORS = 6_400
_DEGREES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0)
_BOUNDS = (
    *(1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0, 29.4, 30.0, 40.0, 50.0, 70.0, 100.0, 200.0, 500.0),
    1000.0,
)
_GRIDS = dict(zip(("−2^(b−1) .. 2^(b−1)−1", "symmetric"), get_args(theory.Grid), strict=True))
LAWS = {
    "Gaussian": "gaussian",
    "Laplace": "laplace",
    "uniform": "uniform",
    "Student t, truncated": "student-t",
}


def distribution(state: State) -> Distribution:
    """The weight law of the state, as a constructor call would write it."""
    match state["weights"]:
        case "gaussian":
            return distributions.Gaussian()
        case "laplace":
            return distributions.Laplace(1.0)
        case "uniform":
            return distributions.Uniform(1.0)
    return distributions.StudentT(state["df"], state["bound"])


@lru_cache(maxsize=256)
def _ratios(law: Distribution, grid: theory.Grid, mask: bool) -> tuple[np.ndarray, np.ndarray]:
    quantized = [theory.quantization_snr(law, bits, grid=grid) for bits in WIDTHS]
    pruned = [theory.pruning_snr(law, theory.equal_sparsity(bits, mask=mask)) for bits in WIDTHS]
    return np.array(quantized), np.array(pruned)


def curves(state: State) -> list[Series]:
    """SNR of both methods at equal size, against the width."""
    quantized, pruned = _ratios(distribution(state), state["grid"], state["mask"])
    bits = np.array(WIDTHS)
    return [Series("quantization", bits, quantized), Series("pruning", bits, pruned)]


def live(state: State) -> Iterator[list[Series]]:
    """Median SNR of random tensors of the chosen size, each with the scale that is optimal for itself."""
    law, bits = distribution(state), np.array(WIDTHS)
    methods = ("quantization", "pruning")
    medians = {(m, b): QuantileSequence(state["level"]) for m in methods for b in WIDTHS}
    count = 0
    while count < _MAX_TENSORS:
        rng = stream(state["seed"], ("snr", repr(law), state["size"]), count // _BLOCK)
        found: dict[tuple[str, int], list[float]] = {key: [] for key in medians}
        with BUSY:
            for _ in range(_BLOCK):
                values = simulation.Values(np.asarray(law.ppf(rng.random(state["size"]))))
                for b in WIDTHS:
                    found["quantization", b].append(simulation.integer_scale(values, b, state["grid"]).snr)
                    sparsity = theory.equal_sparsity(b, mask=state["mask"])
                    found["pruning", b].append(simulation.pruning_snr(values, sparsity))
        for key, values_found in found.items():
            medians[key].update(np.array(values_found))
        count += _BLOCK
        series = []
        for method in methods:
            own = [medians[method, b] for b in WIDTHS]
            low, high = np.array([m.interval() for m in own]).T
            name = f"{method}, simulated"
            trials = np.full(len(bits), count)
            series.append(Series(name, bits, np.array([m.value for m in own]), low, high, trials))
        yield series
        if max(float(np.max(s.high - s.low)) for s in series if s.high is not None) <= state["stop"]:
            return


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """SNR in dB against bits per weight, both methods."""
    quantized, pruned = laws
    for one, color, name in ((quantized, style.SNAP, "quantization"), (pruned, style.CUT, "pruning")):
        axes.plot(one.x, one.value, color=color, linewidth=1.4)
        other = pruned if one is quantized else quantized
        above = one.value[4] >= other.value[4]
        style.label(axes, 5.5, float(one.value[3:5].mean()), name, color, ha="right" if above else "left",
                    xytext=(-8, 8) if above else (6, -10))  # fmt: skip
        axes.plot(
            [state["bits"]],
            one.value[one.x == state["bits"]],
            "o",
            color=color,
            markersize=10,
            fillstyle="none",
        )
    for one in points:
        assert one.low is not None and one.high is not None
        color = style.SNAP if one.name.startswith("quantization") else style.CUT
        known = np.isfinite(one.low)
        style.interval(axes, one.x[known], one.value[known], one.low[known], one.high[known], color)
    top = max(quantized.value.max(), pruned.value.max())
    axes.set(xlabel="bits per weight", ylabel="SNR (dB)", xlim=(1.7, 8.3), ylim=(0, 1.08 * top))


def rows(state: State, points: list[Series]) -> list[Row]:
    """Numbers at the chosen width."""
    law, at = distribution(state), WIDTHS.index(state["bits"])
    quantized, pruned = (float(values[at]) for values in _ratios(law, state["grid"], state["mask"]))
    sparsity = theory.equal_sparsity(state["bits"], mask=state["mask"])
    winner = SNAP if quantized > pruned else CUT
    found = []
    for one in points:
        assert one.low is not None and one.high is not None and one.trials is not None
        chosen = Series(
            one.name, *(column[at : at + 1] for column in (one.x, one.value, one.low, one.high, one.trials))
        )
        method = one.name.partition(",")[0]
        found += simulated_row(
            f"SNR of {method}, simulated (dB)", chosen, f"tensors of {state['size']}, median"
        )
    return [
        Row.law(f"SNR of quantization to {state['bits']} bits (dB)", quantized, "exact, optimal scale"),
        Row.law(f"SNR of pruning {sparsity:.4g} (dB)", pruned, "exact"),
        Row.law("quantization above pruning (dB)", quantized - pruned, winner),
        *found,
        Row.law(
            "weights that rounding sends to zero",
            theory.natural_zeros(law, state["bits"], grid=state["grid"]),
            "exact",
        ),
        Row.law("kurtosis", law.kurtosis, "3 for the Gaussian"),
    ]


def python(state: State) -> str:
    """Both ratios by their laws."""
    law, bits = distribution(state), state["bits"]
    mask = ", mask=True" if state["mask"] else ""
    return (
        f"from theory import snr\nfrom theory.distributions import {type(law).__name__}\n\n"
        f"law = {law!r}\n"
        f"print(snr.quantization_snr(law, {bits}, grid={state['grid']!r}))\n"
        f"print(snr.pruning_snr(law, snr.equal_sparsity({bits}{mask})))"
    )


def command(state: State) -> str:
    """The same, in one line."""
    return python_line(python(state))


PAGE = Page(
    name="snr",
    title="Signal-to-noise ratio: snap or cut?",
    lead=(
        "A weight $W$ is rounded to $b$ bits, or the smallest magnitudes are pruned until 16-bit weights "
        "take the same room. Which keeps more of it?"
    ),
    formulas=(
        r"\mathrm{SNR}=10\log_{10}\frac{\mathbb E\,W^2}{\mathbb E\,(W-F(W))^2}",
        r"\text{sparsity}=1-\frac b{16}",
        r"\text{Gaussian pruning error}=c-2\tau\varphi(\tau),\ \ \tau=\Phi^{-1}\!\left(\tfrac{1+c}2\right)",
    ),
    caption=(
        "Lines: the law of the weights, rounded with the scale of least squared error, or pruned at equal "
        "size. Circles: the chosen width. Points: medians over random tensors, each with its own best scale; "
        "intervals hold at all times, whatever the law of the ratio. The extremes of a finite "
        "tensor are smaller than those of its law, which is why many bits do better than the law says."
    ),
    parameters=(
        Parameter("bits", "bits $b$", 4, values=WIDTHS),
        Parameter("weights", "weight law", "gaussian", choices=LAWS),
        Parameter("df", "Student: degrees of freedom $\\nu$", 2.0, values=_DEGREES),
        Parameter("bound", "Student: truncated at $\\pm r$", 30.0, values=_BOUNDS),
        Parameter("grid", "grid", "twos-complement", choices=_GRIDS),
        Parameter("mask", "pruning mask", False, choices={"not counted": False, "1 bit per weight": True}),
        Parameter("size", "weights per tensor", 4096, values=(256, 1024, 4096, 16384), kind="simulation"),
        Parameter("stop", "stop at interval width", 0.2, choices=_STOP, kind="simulation"),
        LEVEL,
        SEED,
    ),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=python,
    command=command,
    count=lambda points: f"{points[0].trials[0]} tensors" if points and points[0].trials is not None else "",
)

"""Explorer page: snap or cut the reader's own weights?"""

import re
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from figures import style
from figures.explore.page import MAX_UPLOAD, Page, Parameter, Row, Series, State, command_text
from sims import checkpoints
from sims import weights as simulation
from sims.networks import digits
from theory import snr
from theory.distributions import StudentT

ENDINGS = (".npz", ".npy", ".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".onnx")
_BOUNDS = np.geomspace(1.5, 3000.0, 40)
_DF = 2.0
SOURCES = {"digits network (built in)": "digits"}
if simulation.zoo_checkpoint() is not None:
    SOURCES["EfficientNet-Lite0"] = "efficientnet-lite0"


@lru_cache(maxsize=16)
def _student(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Kurtosis and margin of truncated Student laws with two degrees of freedom."""
    laws = [StudentT(_DF, float(bound)) for bound in _BOUNDS]
    sparsity = snr.equal_sparsity(bits)
    margin = [snr.quantization_snr(law, bits) - snr.pruning_snr(law, sparsity) for law in laws]
    return np.array([float(law.kurtosis) for law in laws]), np.array(margin)


def curves(state: State) -> list[Series]:
    """The margin of quantization over pruning for Student laws of growing kurtosis."""
    return [Series("Student law", *_student(state["bits"]))]


def _checkpoint(state: State) -> checkpoints.Checkpoint:
    """The network to judge.

    Raises
    ------
    ValueError : the file is too large, unreadable or holds nothing to judge; one sentence.
    """
    upload = state.get("upload")
    if upload is None and state["source"] == "digits":
        return checkpoints.Checkpoint({f"layer{i}": w for i, w in enumerate(digits.weights(), start=1)})
    if upload is None:
        path = simulation.zoo_checkpoint()
        if path is None:
            raise ValueError(
                "EfficientNet-Lite0 needs the zoo extra; upload a file, or choose the digits network"
            )
        return checkpoints.read(path)
    name, contents = upload
    if len(contents) > MAX_UPLOAD:
        raise ValueError(f"{name!r} has {len(contents):,} bytes; at most {MAX_UPLOAD:,} can be uploaded")
    # The readers choose by the ending and name the file in their messages; nothing else of the name is kept.
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", Path(name).name)[-100:].lstrip(".") or "upload"
    with tempfile.TemporaryDirectory(prefix="snapcut-") as folder:
        path = Path(folder) / plain
        path.write_bytes(contents)
        found = checkpoints.read(path)
        found.tensors = {key: np.array(array) for key, array in found.tensors.items()}  # the file goes away
        return found


def live(state: State) -> Iterator[list[Series]]:
    """Judge tensor after tensor; a series each."""
    checkpoint = _checkpoint(state)
    arrays = checkpoint.tensors
    judged = [
        name
        for name, array in arrays.items()
        if array.ndim >= 2 and array.size >= simulation.MIN_SIZE and array.dtype.kind == "f"
    ]
    if not judged:  # vectors are judged only where there is nothing else: leave the choice to the analysis
        table = simulation.analyse(arrays, [state["bits"]])
        if not table.rows:
            skipped = {**checkpoint.skipped, **table.skipped}
            reasons = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:3])
            raise ValueError(f"the file holds no weights to judge ({reasons})")
        yield [_series(one, state["bits"]) for one in table.rows]
        return
    found: list[Series] = []
    for name in judged:
        table = simulation.analyse({name: arrays[name]}, [state["bits"]])
        found += [_series(one, state["bits"]) for one in table.rows]
        yield list(found)
    others = [array.size for name, array in arrays.items() if name not in judged]
    if others or checkpoint.skipped:
        number = len(others) + len(checkpoint.skipped)
        yield [*found, _unknown(f"{number} others: vectors, small, or not real numbers", sum(others))]


def _unknown(name: str, size: int) -> Series:
    nothing = np.array([np.nan])
    return Series(name, nothing, nothing, nothing, nothing, np.array([size]))


def _series(one: simulation.TensorRow, bits: int) -> Series:
    """A tensor: kurtosis, margin; both ratios as its ends; its size."""
    quantized, pruned = one.quantization[bits], one.pruning[bits]
    columns = (one.kurtosis, quantized - pruned, quantized, pruned, one.size)
    return Series(one.name, *(np.array([value]) for value in columns))


def draw(axes: Axes, state: State, laws: list[Series], points: list[Series], narrow: bool) -> None:
    """Margin of quantization over pruning against kurtosis, a mark per tensor."""
    (student,) = laws
    axes.axhline(0, color=style.GREY, linewidth=0.9)
    axes.plot(student.x, student.value, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 2)))
    finite = [one for one in points if np.isfinite(one.value[0]) and np.isfinite(one.x[0])]
    top = max([1.1 * float(student.value.max()), *(1.1 * float(one.value[0]) for one in finite)])
    low = min([-0.35 * top, *(1.15 * float(one.value[0]) for one in finite)])
    right = max([60.0, *(1.3 * float(one.x[0]) for one in finite)])
    inside = student.x <= right
    edge = int(np.flatnonzero(inside & (student.value >= low))[-1])
    place = float(student.x[edge]), float(student.value[edge])
    style.label(axes, *place, "Student law, ν = 2", style.GREY, ha="right", xytext=(-8, -6))
    if finite:
        sizes = np.array([one.trials[0] for one in finite if one.trials is not None], dtype=float)
        margin = np.array([one.value[0] for one in finite])
        axes.scatter(
            [one.x[0] for one in finite],
            margin,
            s=12 + 70 * np.sqrt(sizes / sizes.max()),
            c=np.where(margin > 0, style.SNAP, style.CUT),
            edgecolor="white",
            linewidth=0.4,
            alpha=0.85,
            zorder=4,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([2, 3, 5, 10, 20, 30, 50, 100, 200, 500, 1000]))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    for text, color, above, side in (("snap ↑", style.SNAP, 4, "bottom"), ("cut ↓", style.CUT, -4, "top")):
        options: dict = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "va": side}
        axes.annotate(text, (0, 0), (6, above), color=color, **options)
    axes.set(
        xlabel="kurtosis of the tensor",
        ylabel="quantization above pruning (dB)",
        xlim=(1.5, right),
        ylim=(low, top),
    )


def rows(state: State, points: list[Series]) -> list[Row]:
    """The network as a whole, then every tensor."""
    names = ("tensor", "weights", "kurtosis", "quantized (dB)", "pruned (dB)", "verdict")
    lines: list[tuple] = []
    total = counted = snapped = 0
    sums = np.zeros(2)
    for one in points:
        assert one.low is not None and one.high is not None and one.trials is not None
        ratios, size, margin = np.array([one.low[0], one.high[0]]), int(one.trials[0]), float(one.value[0])
        verdict = "snap" if margin > 0 else "cut" if margin < 0 else "either"
        if np.isnan(ratios).all():
            verdict = "not judged"
        lines.append((one.name, size, float(one.x[0]), *ratios.tolist(), verdict))
        total += size * (verdict != "not judged")
        snapped += size * (verdict == "snap")
        if np.isfinite(ratios).all():
            counted += size
            sums += size * ratios
    if not lines:
        return []
    mean = (sums / counted).tolist() if counted else [np.nan, np.nan]
    whole = (
        "all judged, weighted by size",
        total,
        None,
        *mean,
        f"snap {100 * snapped / total:.3g} % of the weights",
    )
    return [dict(zip(names, line, strict=True)) for line in (whole, *lines)]


def _file(state: State) -> str:
    if state.get("upload") is not None:
        return Path(state["upload"][0]).name
    return "digits_network.npz" if state["source"] == "digits" else "efficientnet_lite0.pth"


def python(state: State) -> str:
    """The same analysis of the same file."""
    if state.get("upload") is None and state["source"] == "digits":
        source = "from sims.networks import digits\n\narrays = dict(enumerate(digits.weights(), start=1))"
        source = source.replace("dict(enumerate", "{f'layer{i}': w for i, w in enumerate").replace(
            "=1))", "=1)}"
        )
    elif state.get("upload") is None:
        source = "arrays = weights.load(weights.zoo_checkpoint())"
    else:
        source = f"arrays = weights.load({_file(state)!r})"
    return (
        f"from sims import weights\n{source}\n"
        f"for row in weights.analyse(arrays, bits=[{state['bits']}]).rows:\n    print(row.as_dict())"
    )


def command(state: State) -> str:
    """`snapcut weights` on the file; the built-in ones are written out by the Python text."""
    if state.get("upload") is None:
        return f"python - <<'END'\n{python(state)}\nEND"
    return command_text("weights", f"'{_file(state)}'", bits=state["bits"])


PAGE = Page(
    name="weights",
    title="Your own weights: snap or cut?",
    lead=(
        "Every tensor of a network is rounded with its best scale, and pruned to the same size. The file "
        "is read on this machine by readers that cannot run code; it goes nowhere else."
    ),
    formulas=(
        r"\mathrm{SNR}=10\log_{10}\frac{\sum w_i^2}{\sum(w_i-F(w_i))^2}",
        r"\text{sparsity}=1-\frac b{16}",
    ),
    caption=(
        "One mark per weight tensor, its area growing with the number of weights: above the line "
        "quantization keeps more signal than pruning at equal size, below it pruning does. Dashed: "
        "truncated Student laws with two degrees of freedom, whose kurtosis grows with the truncation."
    ),
    parameters=(
        Parameter("bits", "bits $b$", 4, values=tuple(range(2, 9))),
        Parameter("source", "network", "digits", choices=SOURCES),
    ),
    curves=curves,
    live=live,
    draw=draw,
    rows=rows,
    python=python,
    command=command,
    count=lambda points: (
        f"{sum(np.isfinite(one.low[0]) for one in points if one.low is not None)} tensors" if points else ""
    ),
    upload=ENDINGS,
)

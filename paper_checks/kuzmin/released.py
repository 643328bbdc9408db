"""Claims on the per-tensor results that Kuzmin et al. released: 45 models, 2,704 tensors, 2 to 8 bits."""

import functools
from fractions import Fraction

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, at_least, at_most, identity, within
from sims.networks import digits
from sims.weights import released
from theory import snr

PAPER = "kuzmin"
# tensors at which quantization is ahead, and tensors with both ratios finite, by width
WINS = (1997, 2266, 2412, 2512, 2551, 2567, 2551)
SHARES = (74.1, 84.5, 90.1, 94.1, 96.3, 97.4, 98.2)  # of them, in per cent
FINITE = (2694, 2682, 2677, 2669, 2650, 2636, 2597)
WINS_MASKED = (2684, 2699, 2700, 2702, 2703, 2703, 2703)
FINITE_MASKED = (2704, 2704, 2704, 2704, 2704, 2703, 2703)
# cells with a possible kurtosis, wrong calls of its threshold, and of always snapping
CALLS = (2546, 2537, 2533, 2527, 2508, 2495, 2456)
WRONG = (549, 207, 193, 131, 92, 70, 47)
WRONG_BLIND = (667, 398, 254, 152, 97, 68, 45)


def released_wins(run, factor=1.0, masked=False):
    """How many tensors quantization wins, by width and in all: exact counts."""
    tensors = len(released.load().excess_kurtosis)
    found, finite = released.load().wins(masked)
    for bits, ahead, cells, wins, known in zip(released.BITS, found, finite, WINS, FINITE, strict=True):
        title = f"{bits} bits: tensors with finite ratios"
        yield within(title, int(cells), known, 0, cases=tensors)
        title = f"{bits} bits: won of {cells}"
        yield within(title, int(ahead), factor * wins, 0, cases=int(cells))
    for bits, stated, part in zip(released.BITS, SHARES, 100 * found / finite, strict=True):
        yield within(f"{bits} bits: won (%)", float(part), factor * stated, 0.05, cases=tensors)
    share = found.sum() / finite.sum()
    yield within(f"share of {finite.sum():,} cells", share, 0.906 * factor, 5e-4, cases=int(finite.sum()))


def released_wins_masked(run, factor=1.0, masked=True):
    """The same with a bit for every mask entry."""
    tensors = len(released.load().excess_kurtosis)
    found, finite = released.load().wins(masked)
    for bits, ahead, cells, wins, known in zip(
        released.BITS, found, finite, WINS_MASKED, FINITE_MASKED, strict=True
    ):
        yield within(f"{bits} bits: finite", int(cells), known, 0, cases=tensors)
        yield within(f"{bits} bits: won of {cells}", int(ahead), factor * wins, 0, cases=int(cells))
        yield at_least(f"{bits} bits: share", ahead / cells, 0.992, cases=int(cells))
    least = 100 * float((found / finite).min())
    yield within("least of these shares (%)", least, factor * 99.3, 0.05, cases=tensors)


def half_precision_kurtosis(weights):
    """Excess kurtosis whose fourth powers are float16, as they are where a program runs in that format."""
    w = np.asarray(weights, np.float16)
    w = w - w.mean()
    return float((w**4).mean()) / float((w.astype(np.float64) ** 2).mean()) ** 2 - 3


def impossible_kurtosis(run, factor=1.0, least=-2.0, scale=0.02):
    """139 of 2,704 lie below the least possible one; all of them are -3, a fourth moment of 0."""
    kurtosis = released.load().excess_kurtosis
    below, tensors = kurtosis < least, len(kurtosis)
    empty = int((kurtosis[below] == -3).sum())
    yield within(f"below {least:g}", int(below.sum()), factor * 139, 0, cases=tensors)
    yield within("of them exactly -3", empty, factor * 139, 0, cases=tensors)
    yield within("infinite", int(np.isinf(kurtosis).sum()), factor * 12, 0, cases=tensors)
    # two points of mean 0, p and 1 - p: the kurtosis is (1 - p)^2/p + p^2/(1 - p)
    laws = [Fraction(k, 100) for k in range(1, 100)]
    excess = [(1 - p) ** 2 / p + p**2 / (1 - p) - 3 for p in laws]
    coin = min(excess) == excess[49] == least
    yield identity("two points: the fair coin has the least", coin, evidence="evaluated", cases=len(laws))
    # one way to get there, on other weights
    weights = digits.weights()[0].ravel()
    small = half_precision_kurtosis(scale * weights / np.abs(weights).max())
    yield within("the digits' first layer, small, fourth powers in float16", small, -3.0, 0.0)


@functools.cache
def _threshold(bits):
    """The kurtosis up to which quantization wins for the law of 2 degrees of freedom."""
    return snr.crossover_kurtosis(bits, 2)


def calls(factor):
    """By width: cells with finite ratios and a possible kurtosis, wrong calls, those of always snapping."""
    found = released.load()
    kurtosis = found.excess_kurtosis + 3
    rows = []
    for bits, q, p in zip(released.BITS, found.quantization.T, found.pruning.T, strict=True):
        seen = np.isfinite(kurtosis) & (kurtosis >= 1) & np.isfinite(q) & np.isfinite(p)
        snap, won = kurtosis[seen] < factor * _threshold(bits), (q > p)[seen]
        rows.append((int(seen.sum()), int((snap != won).sum()), int((~won).sum())))
    return rows


def released_kurtosis_predicts(run, factor=1.0):
    """Calls by the threshold of the Student-t law of 2 degrees of freedom, where the kurtosis is possible."""
    rows, tensors = calls(factor), len(released.load().excess_kurtosis)
    names = ("calls", "wrong", "wrong if always snapping")
    for i, bits in enumerate(released.BITS):
        stated = (CALLS[i], WRONG[i], WRONG_BLIND[i])
        for name, found, count in zip(names, rows[i], stated, strict=True):
            yield within(f"{bits} bits: {name}", found, count, 0, cases=tensors)
    cells, wrong, blind = (sum(column) for column in zip(*rows, strict=True))
    for name, count, share in (("by kurtosis", wrong, 92.7), ("always snapping", blind, 90.4)):
        yield within(f"{name}: right (%)", 100 * (1 - count / cells), share, 0.05, cases=cells)
    title = f"wrong calls of {cells:,} beside always snapping"
    yield at_most(title, wrong / blind, 0.77, cases=cells)
    higher = sum(row[1] for row in calls(1.5 * factor))
    yield within("thresholds half as high again: wrong calls", higher, 1073, 0, cases=cells)


CLAIMS = (
    Claim(
        id="ku.released_wins",
        title="In the authors' results quantization wins 90.6 % of 18,605 cells",
        paper=PAPER,
        place="Figure 3, the released results",
        statement=r"\#\{\mathrm{SNR}_{\mathrm{quant}}(b) > \mathrm{SNR}_{\mathrm{prune}}(1 - b/16)\}"
        r" = 16{,}856 \text{ of } 18{,}605",
        hypotheses="45 models, 2,704 tensors, cells where both printed ratios are finite: 74.1 % at 2 bits,"
        " 84.5, 90.1, 94.1, 96.3, 97.4, and 98.2 % at 8. Computed by the authors, partly in float16.",
        mark="paper",
        constant=Constant("numbers of cells won"),
        check=released_wins,
        twins=(
            Twin("the mask counted as well", {"masked": True}),
            Twin("0.1 % more cells", {"factor": 1.001}),
        ),
        figure="weights_scatter",
    ),
    Claim(
        id="ku.released_wins_masked",
        title="With the mask counted quantization wins 99.3 to 100 % of the authors' tensors",
        paper=PAPER,
        place="Figure 3 and hardware section, the released results",
        statement=r"\frac{\#\{\mathrm{SNR}_{\mathrm{quant}}(b) >"
        r" \mathrm{SNR}_{\mathrm{prune}}(1 - (b - 1)/16)\}}{\#\text{tensors}} \ge 0.992",
        hypotheses="2,684, 2,699, 2,700, 2,702 and 2,703 of 2,704 tensors at 2 to 6 bits; 2,703 of 2,703 with"
        " finite ratios at 7 and 8.",
        mark="paper",
        constant=Constant("numbers of cells won"),
        check=released_wins_masked,
        twins=(
            Twin("the mask not counted", {"masked": False}),
            Twin("0.1 % fewer cells", {"factor": 0.999}),
        ),
        figure="weights_scatter",
    ),
    Claim(
        id="ku.impossible_kurtosis",
        title="139 of the authors' 2,704 kurtoses are impossible: their fourth moment fell to 0",
        paper=PAPER,
        place="Figure 3, the released results",
        statement=r"\mathbb{E}W^4 \ge (\mathbb{E}W^2)^2 \Rightarrow \kappa - 3 \ge -2;\quad"
        r" \#\{\kappa - 3 < -2\} = \#\{\kappa - 3 = -3\} = 139",
        hypotheses="The least excess kurtosis is that of a fair coin. In float16 fourth powers of small"
        " weights are 0, one way to -3 (shown on the digits' first layer, scaled to at most 0.02); 12 more"
        " kurtoses are infinite.",
        mark="derived",
        constant=Constant("the counts 139 and 12"),
        check=impossible_kurtosis,
        twins=(
            Twin("excess kurtoses down to -3 are possible", {"least": -3.0}),
            Twin("float16 serves weights of size 1 as badly", {"scale": 1.0}),
        ),
    ),
    Claim(
        id="ku.released_kurtosis_predicts",
        title="Kurtosis names the winner of 92.7 % of the authors' cells, always snapping of 90.4 %",
        paper=PAPER,
        place="Section 3.4, Figure 3, right, the released results",
        statement=r"\kappa < \kappa_b \iff \mathrm{SNR}_{\mathrm{quant}}(b) >"
        r" \mathrm{SNR}_{\mathrm{prune}}(1 - b/16)\ \text{in all but 1,289 of 17,602 cells}",
        hypotheses=r"Threshold $\kappa_b$ of the Student-t law with 2 degrees of freedom; cells with finite"
        r" ratios and a possible kurtosis. Always snapping is wrong in 1,681 cells; thresholds 1.5 times as"
        r" high in 1,073: trained tensors prefer quantization at more kurtosis than that law.",
        mark="paper",
        constant=Constant(r"thresholds $\kappa_b$"),
        check=released_kurtosis_predicts,
        twins=(
            Twin("thresholds 2 % higher", {"factor": 1.02}),
            Twin("thresholds 2 % lower", {"factor": 0.98}),
        ),
        figure="weights_scatter",
    ),
)

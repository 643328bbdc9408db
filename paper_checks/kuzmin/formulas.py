"""Claims on the formulas behind the ratios: symmetric grids, Student-t moments, low rates, pooled ratios."""

import itertools
import math
from functools import partial

import numpy as np

from paper_checks.claim import Claim, Constant, Twin, at_least, at_most, within
from sims import weights
from sims.networks import digits
from theory.codebooks import quantization_error
from theory.distributions import Gaussian, Laplace, StudentT
from theory.snr import limits as snr_limits

PAPER = "kuzmin"


def stop_loss_gaussian(x):
    """E (Z - x)_+ of a standard Gaussian."""
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi) - x * math.erfc(x / math.sqrt(2)) / 2


def stop_loss_laplace(x):
    """E (W - x)_+ of density exp(-|w|)/2 at x >= 0."""
    return math.exp(-x) / 2


def integrated_error(density, step, top):
    """E (W - Q(W))^2 cell by cell, by Gauss-Legendre quadrature; Q clips to {-top..top} steps."""
    nodes, shares = np.polynomial.legendre.leggauss(40)
    edges = [0.0, *((j + 0.5) * step for j in range(top)), *(top * step + np.linspace(1.0, 40.0, 40))]
    total = 0.0
    for low, high in itertools.pairwise(edges):
        w = (low + high) / 2 + (high - low) / 2 * nodes
        error = w - step * np.minimum(np.rint(w / step), top)
        total += (high - low) / 2 * float(shares @ (error**2 * density(w)))
    return 2 * total


def symmetric_grid(run, factor=1.0, middle=0.5):
    """E(s) = E W^2 - 4 s sum_j g((j + 1/2) s), against quadrature of the definition and against the code."""
    for name, law, density, stop_loss in (
        ("Gaussian", Gaussian(), lambda w: np.exp(-w * w / 2) / math.sqrt(2 * math.pi), stop_loss_gaussian),
        ("Laplace", Laplace(), lambda w: np.exp(-w) / 2, stop_loss_laplace),
    ):
        for top, step in ((1, 1.2), (3, 0.6), (7, 0.3), (127, 0.03)):
            literal = run.once(f"{name} {top}", partial(integrated_error, density, step, top))
            gain = 4 * step * sum(stop_loss((j + middle) * step) for j in range(top))
            stated = law.second_moment - factor * gain
            title = f"{name}, M = {top}, s = {step:g}"
            yield within(f"{title}: formula over quadrature", stated / literal, 1.0, 1e-7)
            code = float(quantization_error(law, np.arange(-top, top + 1), step))
            yield within(f"{title}: the code over quadrature", code / literal, 1.0, 1e-7)


def student_moments(run, factor=1.0, shift=1):
    """Partial moments by 2F1 with mpmath, any degree, against quadrature of the density and the code."""
    import mpmath as mp

    for df in (0.5, 1, 2, 3, 4.5, 40):
        for order in (0, 1, 2, 4):
            law, x = StudentT(df, 25.0), 7.0

            def quadrature(df=df, order=order, x=x, bound=25.0):
                def density(u):
                    return (1 + u * u / df) ** (-(mp.mpf(df) + 1) / 2)

                part = mp.quad(lambda u: u**order * density(u), [0, 1, x])
                return float(part / (2 * mp.quad(density, [0, 1, 5, bound])))

            literal = run.once(f"{df}, {order}", quadrature)
            power = mp.mpf(order + 1)
            part = mp.hyp2f1((df + shift) / mp.mpf(2), power / 2, power / 2 + 1, -x * x / mp.mpf(df))
            whole = mp.hyp2f1((df + 1) / mp.mpf(2), mp.mpf(1) / 2, mp.mpf(3) / 2, -(25.0**2) / mp.mpf(df))
            stated = factor * float(x**power / power * part / (2 * 25 * whole))
            title = f"df = {df:g}, order {order}"
            yield within(f"{title}: 2F1 over quadrature", stated / literal, 1.0, 1e-10)
            code = law.partial_moment(order, 0, x)
            yield within(f"{title}: the code over quadrature", code / literal, 1.0, 1e-9)


def low_rate(run, factor=1.0, high_rate=False):
    """Loss of entropy-coded scalar quantization to rate-distortion at 0.48 and 0.11 bit (dB)."""
    from scipy.optimize import brentq

    for bits, stated in ((0.48, 0.884), (0.11, 0.2051)):

        def found(bits=bits):
            step = brentq(lambda s: snr_limits.entropy_coded(Gaussian(), s)[0] - bits, 0.5, 12.0)
            return float(snr_limits.rate_distortion_snr(bits) - snr_limits.entropy_coded(Gaussian(), step)[1])

        loss = run.once(f"{bits}", found)
        target = snr_limits.ENTROPY_CODED_LOSS if high_rate else stated
        yield within(f"{bits:g} bit: loss (dB)", loss, factor * target, 1e-3)


def pooled(run, factor=1.0, mean=False):
    """A network's ratio from summed errors: a lossless tensor leaves it alone; the mean of dB it moves."""
    arrays = {f"layer {i}": w for i, w in enumerate(digits.weights())}
    table = run.once("table", lambda: weights.analyse(arrays, (4,)))
    rows = table.rows
    ratios = [row.quantization[4] for row in rows]
    signals = [float((w**2).sum()) for w in arrays.values()]
    errors = [s * 10 ** (-r / 10) for s, r in zip(signals, ratios, strict=True)]
    literal = 10 * math.log10(sum(signals) / sum(errors))
    code = table.network()["quantization_snr"]["4"]
    yield within("the code's ratio of the network (dB)", code, literal, 1e-9)
    yield within("digits network, 4 bits (dB)", literal, factor * 18.8183, 1e-3)
    # one more tensor without any loss, as ratios of 150 dB are
    more = 10 * math.log10((sum(signals) + 1e-3) / (sum(errors) + 1e-18))
    average = [np.mean(ratios), np.mean([*ratios, 150.0])]
    moved = average[1] - average[0] if mean else more - literal
    yield at_most("moved by a small lossless tensor (dB)", float(moved), 1e-3)
    yield at_least("so moves the mean of dB", float(average[1] - average[0]), 30.0)


CLAIMS = (
    Claim(
        id="ku.symmetric_grid",
        title="The error of a symmetric grid is a sum of stop-loss functions",
        paper=PAPER,
        place="Section 2, eq. 3, carried out",
        statement=r"E(s) = \mathbb{E}W^2 - 4s\sum_{j=0}^{M-1} g\bigl((j + \tfrac12)s\bigr),\quad"
        r" g(x) = \mathbb{E}(W - x)_+",
        hypotheses=r"Grid $s\{-M..M\}$, symmetric law; Gaussian ($g = \varphi - x(1 - \Phi)$) and Laplace;"
        r" $M = 1, 3, 7, 127$; the definition integrated cell by cell.",
        mark="derived",
        constant=Constant("4"),
        check=symmetric_grid,
        twins=(
            Twin("thresholds at 0.495 of a step", {"middle": 0.495}),
            Twin("0.1 % more", {"factor": 1.001}),
        ),
    ),
    Claim(
        id="ku.student_moments",
        title="Partial moments of Student-t laws of every degree",
        paper=PAPER,
        place="Section 2.3, the laws of Figure 2",
        statement=r"\int_0^x u^k f = \frac{x^{k+1}}{k+1}\,"
        r"\frac{{}_2F_1\bigl(\frac{\nu+1}{2}, \frac{k+1}{2}; \frac{k+3}{2}; -\frac{x^2}{\nu}\bigr)}"
        r"{2r\,{}_2F_1\bigl(\frac{\nu+1}{2}, \frac12; \frac32; -\frac{r^2}{\nu}\bigr)}",
        hypotheses=r"$\nu = 0.5, 1, 2, 3, 4.5, 40$; $k = 0, 1, 2, 4$, at $k \ge \nu$ too; $r = 25$, $x = 7$.",
        mark="derived",
        constant=Constant("every moment"),
        check=student_moments,
        twins=(
            Twin(r"$\nu/2$ in place of $(\nu + 1)/2$", {"shift": 0}),
            Twin("0.1 % more", {"factor": 1.001}),
        ),
    ),
    Claim(
        id="ku.low_rate",
        title="At low rates entropy coding loses less: 0.884 dB at 0.48 bit, 0.205 dB at 0.11",
        paper=PAPER,
        place="beyond the paper",
        statement=r"6.02\,R - \mathrm{SNR}(R) = 0.884\ \mathrm{dB}\ (R = 0.48),"
        r"\ 0.205\ \mathrm{dB}\ (R = 0.11)",
        hypotheses="Uniform cells, one around 0, centroids as levels, standard normal weights.",
        mark="derived",
        constant=Constant("losses in dB"),
        check=low_rate,
        twins=(
            Twin("1.53 dB at every rate", {"high_rate": True}),
            Twin("1 % more", {"factor": 1.01}),
        ),
        figure="snr_stored_bits",
    ),
    Claim(
        id="ku.pooled",
        title="A network's ratio is that of summed errors; a mean of decibels is not",
        paper=PAPER,
        place="Figure 3, how tensors are put together",
        statement=r"\mathrm{SNR} = 10\log_{10}\frac{\sum_i \|W_i\|^2}{\sum_i \|W_i - Q(W_i)\|^2}"
        r" = 18.818\ \mathrm{dB}",
        hypotheses="Digits network, 4 bits. One lossless tensor more (150 dB) of little energy"
        " moves it by less than 0.001 dB, and the mean of the tensors' decibels by more than 30.",
        mark="derived",
        constant=Constant("18.818 dB"),
        check=pooled,
        twins=(
            Twin("the mean of decibels in its place", {"mean": True}),
            Twin("0.1 % more", {"factor": 1.001}),
        ),
    ),
)

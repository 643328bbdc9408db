"""Laws of weights by their densities alone: every mass and moment is an integral of mpmath's."""

import functools
import itertools
from collections.abc import Callable

from rows import mp

Function = Callable[[mp.mpf], mp.mpf]


class Law:
    """A symmetric density on [-bound, bound], integrated between points that grow geometrically."""

    def __init__(self, spec: dict, kernel: Function, bound: float = mp.inf, scale: float = 1.0) -> None:
        self.spec, self.bound, self.scale = spec, mp.mpf(bound), mp.mpf(scale)
        self.kernel = kernel
        self.total = 1
        self.total = 2 * self.integral(lambda x: mp.mpf(1), 0, self.bound)

    def pdf(self, x: mp.mpf) -> mp.mpf:
        return self.kernel(abs(x)) / self.total if abs(x) <= self.bound else mp.mpf(0)

    def integral(self, g: Function, low: mp.mpf, high: mp.mpf) -> mp.mpf:
        """Integral of g f over [low, high], 0 <= low <= high."""
        low, high = mp.mpf(low), min(mp.mpf(high), self.bound, 40 * self.scale)
        if high <= low:
            return mp.mpf(0)
        cuts = [
            low,
            *(c * self.scale for c in (0.25, 1, 2, 4, 7, 10, 20) if low < c * self.scale < high),
            high,
        ]
        return mp.quad(lambda x: g(x) * self.kernel(x), cuts) / self.total

    def moment(self, order: int, low: float, high: float) -> mp.mpf:
        """Integral of x^order f over [low, high] of either sign."""
        low, high = mp.mpf(low), mp.mpf(high)
        if low < 0 <= high:
            return self.moment(order, 0, high) + (-1) ** order * self.moment(order, 0, -low)
        if high < 0:
            return (-1) ** order * self.moment(order, -high, -low)
        return self.integral(lambda x: x**order, low, high)

    def quantile(self, p: float) -> mp.mpf:
        """The x with P(W <= x) = p, p > 1/2."""
        want = mp.mpf(p) - mp.mpf(1) / 2
        low, high = mp.mpf(0), min(self.bound, 40 * self.scale)
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self.moment(0, 0, middle) < want else (low, middle)
        x = (low + high) / 2
        for _ in range(4):  # Newton
            x -= (self.moment(0, 0, x) - want) / self.pdf(x)
        return x


@functools.cache
def gaussian(std: float = 1.0) -> Law:
    return Law({"Gaussian": [std]}, lambda x: mp.exp(-((x / std) ** 2) / 2), scale=std)


@functools.cache
def laplace(scale: float = 1.0) -> Law:
    law = Law.__new__(Law)  # decays slowly: as far as 40 digits ask
    law.spec, law.bound, law.scale = {"Laplace": [scale]}, mp.inf, mp.mpf(scale) * 3
    law.kernel, law.total = (lambda x: mp.exp(-x / scale)), mp.mpf(2 * scale)
    return law


@functools.cache
def uniform(bound: float = 1.0) -> Law:
    return Law({"Uniform": [bound]}, lambda x: mp.mpf(1), bound, bound)


@functools.cache
def student(df: float, bound: float) -> Law:
    return Law(
        {"StudentT": [df, bound]}, lambda x: (1 + x * x / mp.mpf(df)) ** (-(mp.mpf(df) + 1) / 2), bound,
        bound / 20,
    )  # fmt: skip


@functools.cache
def truncated(bound: float) -> Law:
    """The standard Gaussian given that it lies in [-bound, bound]."""
    return Law({"Truncated": [{"Gaussian": [1.0]}, bound]}, lambda x: mp.exp(-x * x / 2), bound, bound)


def rounding_error(law: Law, levels: list, scale: mp.mpf) -> mp.mpf:
    """E (W - nearest of scale * levels)^2, cell by cell."""
    points = [mp.mpf(level) * scale for level in sorted(levels)]
    ends = [-mp.inf, *((a + b) / 2 for a, b in itertools.pairwise(points)), mp.inf]
    total = mp.mpf(0)
    for q, low, high in zip(points, ends, ends[1:], strict=False):
        low, high = max(low, -law.bound), min(high, law.bound)
        if low < high:
            total += (
                law.moment(2, low, high) - 2 * q * law.moment(1, low, high) + q * q * law.moment(0, low, high)
            )
    return total


def best_scale(law: Law, levels: list, near: float) -> mp.mpf:
    """The scale of least error next to `near`: where the mean of (W - s q(W)) q(W) vanishes."""

    def slope(s: mp.mpf) -> mp.mpf:
        points = sorted(mp.mpf(level) for level in levels)
        ends = [-mp.inf, *((a + b) * s / 2 for a, b in itertools.pairwise(points)), mp.inf]
        total = mp.mpf(0)
        for q, low, high in zip(points, ends, ends[1:], strict=False):
            low, high = max(low, -law.bound), min(high, law.bound)
            if low < high and q:
                total += q * (law.moment(1, low, high) - s * q * law.moment(0, low, high))
        return total

    with mp.workdps(20):
        return mp.findroot(slope, (mp.mpf(near) * 0.999, mp.mpf(near) * 1.001), tol=1e-14)


def decibel(signal: mp.mpf, noise: mp.mpf) -> mp.mpf:
    return 10 * mp.log10(signal / noise)

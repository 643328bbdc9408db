"""The best quantization of a neuron when its step is free as well as its codes."""

import heapq
import math

import numpy as np

from sims.layer_bounds.certificate import certify
from sims.layer_bounds.neuron import Neuron
from sims.layer_bounds.ranges import Range
from sims.layer_bounds.relaxation import solve
from sims.montecarlo import stream

STEPS = np.linspace(0.5, 1.2, 36)  # multiples of the weights' best step that heuristics try
PIECES = 96  # relaxations solved for one bound at most: a third of a second at 36 columns
_CLOSE = 0.97  # of the least relaxation met: then the bound is not refined further


class JointNeuron(Neuron):
    r"""What one cell computes for the step that suits the codes; the layer is prepared once per process.

    .. math:: \min_{s > 0} \min_z |X (s z - w)|^2 = w^\top G w - \max_z \frac{(w^\top G z)_+^2}{z^\top G z}

    Heuristics run at 36 steps, and each of their code vectors takes its best step. The search is one tree for
    all steps (`sims.kernels.layer_bounds_joint.joint_codes`), the bound a cover of the steps by relaxations.
    """

    def __call__(self, w: np.ndarray, first: float, low: float, high: float, index: int) -> Range:
        """The range of weights w; `first` is the step of least squared error of the weights."""
        lattice, live = self.lattice, self.lattice.live
        codes = np.clip(np.rint(w / first), low, high)
        details = {"step": first, "low": low, "high": high}
        w = w[live]
        energy = lattice.error(w, np.zeros_like(w))
        if self.rounding is None or energy == 0:
            codes[live] = 0.0
            return Range(0.0, 0.0, 0.0, codes * first, energy, {"nearest": 0.0}, 0.0, details=details)
        errors, best = self.heuristics(w, first, low, high, stream(self.seed, ("layer_bounds", index)))
        heuristic = min(errors.values())
        bound, lower, nodes, ended = 0.0, 0.0, 0, False
        if lattice.definite:
            least, most = self.steps(w, low, high, energy, heuristic)
            if self.relaxation:
                bound = proved_bound(lattice.gram, w, low, high, least, most, heuristic)
            found, lower, nodes, ended = self.search(w, low, high, least, most, heuristic, best)
            if self.error(w, found) < heuristic:
                best = found
        error = self.error(w, best)
        step = self.step(w, best) or first
        codes[live] = best
        return self.searched(
            error,
            errors,
            bound=min(bound, error, heuristic),
            frontier=lower,
            ended=ended,
            solution=codes * step,
            energy=energy,
            nodes=nodes,
            details={**details, "step": step},
        )

    def step(self, w: np.ndarray, codes: np.ndarray) -> float:
        """The best step of these codes; 0 where any step makes them worse than zeros."""
        image = self.lattice.gram @ codes
        length = float(codes @ image)
        return max(0.0, float(w @ image) / length) if length > 0 else 0.0

    def error(self, w: np.ndarray, codes: np.ndarray) -> float:
        """|X (s z - w)|^2 at the best step."""
        return self.lattice.error(w, self.step(w, codes) * codes)

    def heuristics(
        self, w: np.ndarray, first: float, low: float, high: float, rng: np.random.Generator
    ) -> tuple[dict[str, float], np.ndarray]:
        """The least error of each heuristic over the steps, and the codes that are best of all."""
        from sims.kernels.layer_bounds import descend

        assert self.rounding is not None
        errors: dict[str, float] = {}
        best, least = np.zeros_like(w), math.inf
        for multiple in STEPS:
            tried = self.rounding.codes(w / (multiple * first), low, high, None, rng)
            for name, z in tried.items():
                error = self.error(w, z)
                errors[name] = min(error, errors.get(name, math.inf))
                if error < least:
                    best, least = z, error
        turned = best.copy()  # moves and steps in turn, until neither gains
        while step := self.step(w, turned):
            descend(self.lattice.gram, w / step, low, high, turned)
            error = self.error(w, turned)
            if error >= least:
                break
            best, least = turned.copy(), error
        errors["steps and moves in turn"] = least
        return errors, best

    def steps(
        self, w: np.ndarray, low: float, high: float, energy: float, error: float
    ) -> tuple[float, float]:
        """Least and largest step that codes better than `error` can have as their best.

        Below the first even real numbers in the box s low .. s high are worse. The second is where a single
        code, at its best step, outweighs |X w|: s |z_j| <= |X w| [G^-1]_jj^(1/2).
        """
        from sims.kernels.layer_bounds_joint import clipped_error

        gram = self.lattice.gram
        most = math.sqrt(energy * float(self.lattice.spread.max()))
        least, inside = 1e-6 * most, float(max(w.max() / high, w.min() / low))
        slack = 1e-9 * energy
        while inside > 1.01 * least:
            middle = math.sqrt(least * inside)
            if clipped_error(gram, w, middle * low, middle * high, 20) > error + slack:
                least = middle
            else:
                inside = middle
        return least, most

    def search(
        self,
        w: np.ndarray,
        low: float,
        high: float,
        least: float,
        most: float,
        error: float,
        start: np.ndarray,
    ) -> tuple[np.ndarray, float, int, bool]:
        """Codes with the least error, a lower bound on every error, nodes, and whether the search ended."""
        from sims.kernels.layer_bounds_joint import joint_codes

        lattice, order = self.lattice, self.lattice.order
        n = len(w)
        # as `Lattice.slack`: at the best step of codes that improve, |s z_j - w_j| <= (error [G^-1]_jj)^(1/2)
        reach = (2 * np.abs(w) + np.sqrt(error * lattice.spread))[order]
        sums = np.sqrt(lattice.squares) * (np.abs(lattice.u) @ reach)
        slack = 16 * n * 2.0**-53 * float(sums @ sums)
        codes, radius = start[order].copy(), error

        def attempt(allowed: int) -> tuple[float, int, bool]:
            nonlocal radius
            radius, frontier, nodes, ended = joint_codes(
                lattice.squares, lattice.u, w[order], low, high, least, most, radius, slack, allowed, codes
            )
            return frontier - slack, nodes, ended

        lower, nodes, ended = self.limits.spend(attempt)
        result = np.empty(n)
        result[order] = codes
        return result, lower, nodes, ended


def proved_bound(
    gram: np.ndarray, w: np.ndarray, low: float, high: float, least: float, most: float, error: float
) -> float:
    r"""Lower bound on the error at every step from `least` to `most`, or `error` if that is smaller.

    Codes with error e at their best step s* have, at another step s, by Pythagoras

    .. math:: e + (s / s^* - 1)^2 (|X w|^2 - e) \ge \beta(s),

    the certificate of the relaxation at s: one relaxation bounds e for all s* near s. Pieces of the steps are
    halved where the bound is lowest, until it is within 3 % of the least relaxation met or 96 are spent.

    Returns
    -------
    float
        0 where nothing could be proved: at n bits pieces must be as narrow as about 2^-n.

    Examples
    --------
    >>> w = np.array([1.0, 0.4])  # the optimum is codes (1, 0), or (1, 1) with step 0.7: 0.16
    >>> 0.15 < proved_bound(np.eye(2), w, -2, 1, 0.1, 2.0, 0.16) <= 0.16
    True
    """
    energy = float(w @ (gram @ w)) * (1 + 1e-10)
    ceiling = math.inf

    def piece(a: float, b: float) -> tuple[float, float, float]:
        nonlocal ceiling
        step, share = 2 * a * b / (a + b), (b - a) / (a + b) * (1 + 1e-10)  # |step / s - 1| <= share
        y = w / step
        value = certify(gram, y, solve(gram, y, low, high), low, high).value * step**2
        ceiling = min(ceiling, value)
        return (value - share**2 * energy) / (1 - share**2), a, b

    pieces = [piece(least, most)]
    for _ in range(PIECES // 2):
        lowest, a, b = pieces[0]
        if lowest >= min(error, _CLOSE * ceiling):
            break
        heapq.heappop(pieces)
        middle = math.sqrt(a * b)
        for ends in ((a, middle), (middle, b)):
            heapq.heappush(pieces, piece(*ends))
    return min(error, max(0.0, pieces[0][0] * (1 - 1e-10)))

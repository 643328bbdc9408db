"""Claims on OPTQ as Babai's nearest-plane algorithm: codes, the bound and its mean, clipping, orders."""

from collections.abc import Iterator

import numpy as np

from paper_checks.claim import Claim, Constant, Measurement, Run, Twin, at_least, at_most, identity, within
from sims.layer_bounds.lattice import Lattice
from sims.layer_bounds.problems import problem
from sims.layer_bounds.rounding import Rounding
from sims.path_following import compress
from theory.operators import NearestRounding
from theory.path_following import min_pivot_order, nearest_plane, nearest_plane_bound, optq_pivots

PAPER = "zhang-saab"
_OPTQ: dict = {"method": "optq", "damping": 0.0}


def codes(run: Run, forward: bool = False) -> Iterator[Measurement]:
    """OPTQ's codes beside Babai's, the last basis vector first; or on the basis in the other order."""
    rng = np.random.default_rng(31)
    for kind in ("independent", "autoregressive", "relu"):
        equal = 0
        for seed in range(20):
            x, _ = problem(kind, 8, seed)
            w = rng.uniform(-4, 4, 8)
            q = compress(w, x, operator=NearestRounding(1.0), **_OPTQ).weights[0]
            order = slice(None) if forward else slice(None, None, -1)
            equal += np.array_equal(nearest_plane(x[:, order], x @ w)[order], q)
        detail = f"{equal} with equal codes"
        yield identity(f"{kind}: 20 neurons", equal == 20, detail, evidence="evaluated", cases=20)


def bound(run: Run, factor: float = 1.0, bits: int | None = None) -> Iterator[Measurement]:
    """Errors over (s^2/4) sum D: never above 1, attained, a third in the mean; or with the codes clipped."""
    x, _ = problem("autoregressive", 12, 0)
    gram = x.T @ x
    pivots = optq_pivots(gram)
    worst = factor * nearest_plane_bound(gram)
    rng = np.random.default_rng(32)
    weights = rng.uniform(-3, 3, (2000, 12))
    operator = NearestRounding(1.0, bits=bits)
    errors = compress(weights, gram=gram, operator=operator, **_OPTQ).error
    yield at_most("largest of 2,000 errors over the bound", float(errors.max()) / worst, 1.0)
    # all v_t half a step from their codes: w - q = U'^-1 (1/2, .., 1/2), up to the side a tie falls on
    lower = np.linalg.cholesky(gram[::-1, ::-1])
    unit = (lower / np.diagonal(lower))[::-1, ::-1]
    middle = np.linalg.solve(unit.T, np.full(12, 0.5 - 1e-9))
    error = compress(middle, gram=gram, operator=NearestRounding(1.0), **_OPTQ).error[0]
    yield within("every v_t in mid-cell: error over the bound", error / worst, 1.0, 1e-6)

    def squares(rng: np.random.Generator, count: int) -> np.ndarray:
        return compress(rng.uniform(-3, 3, (count, 12)), gram=gram, operator=operator, **_OPTQ).error

    limit = float(pivots.sum()) / 4 if bits is None else float(errors.max()) * 50
    mean = run.mean("spread", squares, 80_000, (0.0, limit))
    expected = factor * nearest_plane_bound(gram, mean=True)
    yield within("mean over whole cells: a third of the bound, to 1.5 %", mean, expected, 0.015 * expected)


def orders(run: Run, swapped: bool = False, factor: float = 1.0) -> Iterator[Measurement]:
    """Sum of the pivots in min-pivot order over that in activation order, and over the given order."""
    ratios: dict[str, list[float]] = {"activation": [], "given": []}
    for kind in ("autoregressive", "equicorrelated", "relu"):
        for seed in range(10):
            x, _ = problem(kind, 24, seed)
            x = x * np.geomspace(1, 3, 24)  # unequal norms, as activations have
            gram = x.T @ x
            pick = {
                "activation": np.argsort(-np.diagonal(gram), kind="stable"),
                "given": np.arange(24),
                "min-pivot": min_pivot_order(gram)[:: -1 if swapped else 1],
            }
            sums = {name: nearest_plane_bound(gram[np.ix_(p, p)]) for name, p in pick.items()}
            for name, values in ratios.items():
                values.append(sums["min-pivot"] / sums[name])
    for name, most in (("activation", 1.01), ("given", 0.6)):
        yield at_most(
            f"bound in min-pivot over {name} order, mean of 30", float(np.mean(ratios[name])), most * factor
        )
    yield within("spread of the logarithms of the products of the pivots", _spread_of_products(), 0.0, 1e-9)


def _spread_of_products() -> float:
    x, _ = problem("relu", 10, 0)
    gram = x.T @ x
    values = []
    for order in (np.arange(10), np.arange(10)[::-1], min_pivot_order(gram)):
        values.append(np.log(optq_pivots(gram[np.ix_(order, order)])).sum())
    return float(np.ptp(values))


def reduction(
    run: Run, factor: float = 1.0, reduced: bool = True, clipped_too: bool = False
) -> Iterator[Measurement]:
    """Mean error on a reduced basis over a twelfth of its pivots; what LLL gains, and loses once clipped."""
    x, _ = problem("autoregressive", 12, 0)
    rounding = Rounding(Lattice(x.T @ x))
    rounding.reduced(np.zeros(12))  # reduces the basis
    assert rounding.basis is not None
    transform = np.empty((12, 12))
    transform[rounding.lattice.order] = rounding.basis[0]
    columns = x @ transform if reduced else x[:, rounding.lattice.order]
    pivots = np.diagonal(np.linalg.qr(columns, mode="r")) ** 2

    def squares(rng: np.random.Generator, count: int) -> np.ndarray:
        y = rng.uniform(-8, 8, (12, count))
        return np.square(x @ (y - rounding.reduced(y))).sum(axis=0)

    mean = run.mean("reduced", squares, 80_000, (0.0, float(pivots.sum()) / 2))
    expected = factor * float(pivots.sum()) / 12
    yield within("a twelfth of the reduced pivots, to 1.5 %", mean, expected, 0.015 * expected)
    gains, losses = [], []
    for kind in ("autoregressive", "equicorrelated", "relu"):
        for seed in range(4):
            x, _ = problem(kind, 24, seed)
            one, order = Rounding(Lattice(x.T @ x)), min_pivot_order(x.T @ x)
            y = np.random.default_rng(seed).standard_normal((24, 200))
            codes = one.reduced(y)
            assert one.basis is not None
            gains.append(float(np.square(np.diagonal(one.basis[1])).sum()) / float(
                optq_pivots((x.T @ x)[np.ix_(order, order)]).sum()))  # fmt: skip
            operator = NearestRounding(1.0, bits=2)
            plain = compress(y.T[:, order], x[:, order], operator=operator, **_OPTQ).error.sum()
            losses.append(float(np.square(x @ (y - np.clip(codes, -2, 1))).sum() / plain))
    yield at_most("pivots after LLL over those in min-pivot order, mean of 12", float(np.mean(gains)), 0.97)
    ratio = float(np.mean(losses))
    name = "clipped to 2 bits: error after LLL over OPTQ's, mean of 12"
    yield at_most(name, ratio, 1.0) if clipped_too else at_least(name, ratio, 4.0)


CLAIMS = (
    Claim(
        id="zs.nearest_plane",
        title="OPTQ is Babai's nearest-plane algorithm, back to front",
        paper=PAPER,
        place="neighbour of Phase II: arXiv 2507.18553, Theorem 4",
        statement=r"q_{\mathrm{OPTQ}}(w; X_1, \dots, X_N) = z_{\mathrm{Babai}}(X w; X_N, \dots, X_1)",
        hypotheses="independent columns, no damping, no clipping; Babai by projections on the basis, OPTQ "
        "by its feedback matrix",
        mark="paper",
        check=codes,
        constant="codes are equal or not",
        twins=[Twin("front to front", {"forward": True})],
    ),
    Claim(
        id="zs.nearest_plane_bound",
        title="OPTQ's error without clipping is at most a quarter of the sum of its pivots, a third of "
        "that in the mean",
        paper=PAPER,
        place="neighbour of Phase II: arXiv 2507.18553, Theorem 5",
        statement=r"\|X(w - q)\|^2 \le \tfrac14 \sum_j D_j s_j^2,\quad E = \tfrac1{12} \sum_j D_j s_j^2",
        hypotheses="no clipping; attained where every $v_t$ is in mid-cell; the mean for weights uniform "
        "over whole cells",
        mark="paper",
        check=bound,
        constant=Constant("a quarter of the sum of the pivots"),
        twins=[
            Twin("the constant 5 % smaller", {"factor": 0.95}),
            Twin("codes clipped to 2 bits obey it, too", {"bits": 2}),
        ],
    ),
    Claim(
        id="zs.min_pivot",
        title="Min-pivot order lowers the bound on OPTQ's error, and activation order does as well",
        paper=PAPER,
        place="neighbour of Phase II: arXiv 2507.18553, its min-pivot order",
        statement=r"\textstyle\sum_j D_j(\text{min-pivot}) \le 1.01 \sum_j D_j(\text{activation}),\ "
        r"\le 0.6 \sum_j D_j(\text{given}),\quad \prod_j D_j = \det G",
        hypotheses="means of 30 layers of 24 correlated inputs, norms rising from 1 to 3",
        mark="heuristic",
        check=orders,
        constant=Constant("ratio of the bounds", "upper"),
        twins=[Twin("the same order, compressed from its other end", {"swapped": True})],
    ),
    Claim(
        id="zs.lattice_reduction",
        title="LLL gains a few per cent without clipping, and loses several times the error with it",
        paper=PAPER,
        place="neighbour of Phase II: arXiv 2507.18553, Babai on a reduced basis",
        statement=r"E \|X(w - q)\|^2 = \tfrac{s^2}{12} \sum_j D_j(\text{LLL}),\quad "
        r"\textstyle\sum_j D_j(\text{LLL}) \le 0.97 \sum_j D_j(\text{min-pivot})",
        hypotheses="the mean for weights uniform over whole cells, no clipping; gain and loss as means of 12 "
        "layers of 24 correlated inputs, normal weights, codes -2 to 1 where clipped: at least 4 times the "
        "error of OPTQ in min-pivot order",
        mark="derived",
        check=reduction,
        constant=Constant("a twelfth of the sum of the reduced pivots"),
        twins=[
            Twin("the pivots of the basis before", {"reduced": False}),
            Twin("a twentieth less", {"factor": 0.95}),
            Twin("clipped codes gain, too", {"clipped_too": True}),
        ],
    ),
)

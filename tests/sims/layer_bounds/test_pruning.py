"""Ranges of pruning: against every mask; refitted, boxed and frozen; on awkward inputs, and stopped."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from sims.kernels import layer_bounds_fits
from sims.layer_bounds import pruning_range
from sims.layer_bounds.certificate import diagonal_below
from sims.layer_bounds.problems import KINDS, problem
from sims.layer_bounds.pruning import _tails
from sims.path_following import compress
from theory.operators import PruneFraction


def fit(x, w, kept, box, refit):
    """Least error that keeps these columns, by least squares on the inputs themselves."""
    if not refit:
        return float(np.sum((x @ np.where(kept, 0.0, w)) ** 2))
    if not kept.any():
        return float(np.sum((x @ w) ** 2))
    if box is None:
        v = np.linalg.lstsq(x[:, kept], x @ w, rcond=None)[0]
    else:
        v = lsq_linear(x[:, kept], x @ w, box, method="bvls", tol=1e-14).x
    return float(np.sum((x[:, kept] @ v - x @ w) ** 2))


def least(x, w, masks, box=None, refit=True):
    return min((fit(x, w, kept, box, refit), tuple(kept)) for kept in masks)


def masks_of(n, keep=None, pattern=None):
    every = (np.array(bits, bool) for bits in itertools.product((0, 1), repeat=n))
    if pattern is None:
        return [mask for mask in every if mask.sum() == keep]
    return [mask for mask in every if np.all(mask.reshape(-1, pattern[1]).sum(axis=1) == pattern[0])]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {"keep": 2},
        {"keep": 5},
        {"pattern": (2, 4)},
        {"keep": 4, "refit": False},
        {"pattern": (1, 2), "refit": False},
        {"keep": 4, "box": (-0.8, 0.5)},
        {"pattern": (1, 4), "box": (0.0, 1.0)},
    ],
    ids=str,
)
def test_the_optimum_is_the_least_of_all_masks_and_lies_in_the_range(kind, options):
    for seed in range(2):
        x, w = problem(kind, 8, seed)
        found = pruning_range(w, inputs=x, **options)
        masks = masks_of(8, options.get("keep"), options.get("pattern"))
        box, refit = options.get("box"), options.get("refit", True)
        error, mask = least(x, w, masks, box, refit)
        assert found.optimum == pytest.approx(error, rel=1e-7)
        tried = [value for name, value in found.errors.items() if name != "smallest kept"]
        assert found.bound <= found.optimum <= found.heuristic == min(tried)
        assert set(np.flatnonzero(found.solution)) <= set(np.flatnonzero(mask))
        assert np.sum((x @ (found.solution - w)) ** 2) == pytest.approx(found.optimum, rel=1e-7)
        if box is not None:
            assert box[0] <= found.solution.min() and found.solution.max() <= box[1]
        if not refit:
            np.testing.assert_array_equal(found.solution, np.where(mask, w, 0.0))


def test_heuristics_are_what_they_are_called():
    x, w = problem("relu", 12, 1)
    found = pruning_range(w, inputs=x, keep=6)
    smallest = np.argsort(np.abs(w))
    for name, cut in (("magnitude", smallest[:6]), ("smallest kept", smallest[6:])):
        kept = np.ones(12, bool)
        kept[cut] = False
        assert found.errors[name] == pytest.approx(fit(x, w, kept, None, True)), name
    theirs = compress(w, x, operator=PruneFraction(0.5), method="obs", damping=0.0)
    assert found.errors["OBS"] == pytest.approx(theirs.error[0])
    assert found.errors["swaps"] <= min(found.errors["OBS"], found.errors["magnitude"])


def test_the_ends_are_exact():
    x, w = problem("relu", 6, 0)
    all_, none = (pruning_range(w, inputs=x, keep=keep) for keep in (6, 0))
    assert all_.optimum == all_.bound == 0.0 and np.array_equal(all_.solution, w)
    assert none.optimum == pytest.approx(none.energy) and not none.solution.any()
    boxed = pruning_range(w, inputs=x, keep=6, box=(-0.5, 0.5))
    assert boxed.optimum == pytest.approx(fit(x, w, np.ones(6, bool), (-0.5, 0.5), True))
    touched = pruning_range(w, inputs=x, keep=6, box=(w.min(), w.max()))
    assert touched.optimum == touched.bound == 0.0 and np.array_equal(touched.solution, w)


@pytest.mark.parametrize("refit", [True, False])
def test_a_stopped_search_keeps_a_valid_range_and_says_so(refit):
    x, w = problem("relu", 24, 3)
    whole = pruning_range(w, inputs=x, keep=8, refit=refit)
    assert whole.stopped == 0
    for limit in (1, 5, 40):
        part = pruning_range(w, inputs=x, keep=8, refit=refit, node_limit=limit)
        assert part.optimum is None and part.stopped == 1
        assert part.bound <= part.lower <= whole.optimum * (1 + 1e-9) <= part.heuristic * (1 + 2e-9)
    assert pruning_range(w, inputs=x, keep=8, refit=refit, time_limit=60.0).optimum == whole.optimum


def test_frozen_weights_are_searched_ten_times_as_far_and_no_less_is_known_than_the_bound():
    w = np.random.default_rng(0).standard_normal(40)
    part = pruning_range(w, gram=np.eye(40), keep=20, refit=False, node_limit=2)
    least = float(np.sum(np.sort(w**2)[:20]))
    assert part.nodes == 20 and part.optimum is None and "stopped search" not in part.errors
    assert 0.98 * least < part.bound <= part.lower <= least * (1 + 1e-12)


def test_what_the_frozen_search_sums_is_the_error_of_every_mask(monkeypatch):
    """A triangular part and a price for every cut: equal correlations leave the first of rank one."""
    from sims.kernels import layer_bounds_pruning as kernels

    told = []

    def stopped(*given):
        told.append(given[:4])
        return given[-4], given[-4], 1, False

    monkeypatch.setattr(kernels, "best_frozen_cut", stopped)
    w, sizes = np.array([1.0, -0.7, 0.4, 0.9, -1.1, 0.6]), np.geomspace(1, 4, 6)
    gram = (0.9 * np.ones((6, 6)) + 0.1 * np.eye(6)) * np.outer(sizes, sizes)
    pruning_range(w, gram=gram, keep=3, refit=False)
    ((squares, u, moved, own),) = told
    order = [int(np.flatnonzero(w == one)[0]) for one in moved]
    for cut in masks_of(6, 3):
        e = -np.where(cut[order], moved, 0.0)
        parts = [squares[k] * (e[k] + u[k, k + 1 :] @ e[k + 1 :]) ** 2 for k in range(6)]
        lost = np.where(cut, w, 0.0)
        assert sum(parts) + own[cut[order]].sum() == pytest.approx(lost @ gram @ lost, rel=1e-9)


def test_the_bound_of_independent_inputs_counts_what_the_box_leaves_of_weights():
    """Beside clipping, a cut of v costs at least v^2; its price is w^2 - (w - v)^2, which is more."""
    w = np.array([4.0, -3.0, 2.5, -2.0, 0.5])
    found = pruning_range(w, gram=np.eye(5), keep=3, box=(-1.0, 1.0))
    clipped = 3**2 + 2**2 + 1.5**2 + 1**2
    assert found.optimum == pytest.approx(clipped + 0.5**2 + (2**2 - 1**2))
    assert clipped + 0.98 * (0.5**2 + 1) < found.bound <= clipped + 0.5**2 + 1


def test_more_dead_columns_than_are_cut():
    x, w = problem("relu", 6, 0)
    x[:, [1, 4]] = 0.0
    for keep in (4, 5, 6):
        found = pruning_range(w, inputs=x, keep=keep)
        assert found.optimum == 0.0 and found.details["cut"] == 0
        np.testing.assert_array_equal(found.solution, np.where(np.isin(range(6), (1, 4)), 0.0, w))


def test_dead_and_dependent_columns():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 8))
    x[:, 2] = 0.0  # dead: cut at no cost
    x[:, 5] = x[:, 1]  # its twin can take over
    w = rng.standard_normal(8)
    found = pruning_range(w, inputs=x, keep=6)
    assert found.optimum < 1e-6 * found.energy and found.details["shift"] > 0
    assert found.solution[2] == 0.0
    three = pruning_range(w, inputs=x, keep=5)
    error, _ = least(x, w, masks_of(8, 5))
    assert three.optimum == pytest.approx(error, rel=1e-5)
    single = pruning_range(w, inputs=x[:1], keep=1)
    assert single.optimum < 1e-6 * single.energy
    assert pruning_range(w, inputs=0 * x, keep=3).optimum == 0.0


def test_rows_are_summed_and_may_be_spread():
    x, _ = problem("relu", 8, 0)
    w = np.random.default_rng(1).standard_normal((9, 8))
    found = pruning_range(w, inputs=x, pattern=(2, 4))
    assert found.optimum == pytest.approx(sum(least(x, row, masks_of(8, pattern=(2, 4)))[0] for row in w))
    spread = pruning_range(w, gram=x.T @ x, pattern=(2, 4), processes=2)
    np.testing.assert_allclose(spread.solution, found.solution)


def test_what_lies_below_the_gram_matrix_does():
    for kind in KINDS:
        x, _ = problem(kind, 10, 0)
        gram = x.T @ x * np.geomspace(1, 1e8, 10)[:, None] * np.geomspace(1, 1e8, 10)
        s = diagonal_below(gram)
        unit = np.sqrt(np.diagonal(gram))
        assert np.all(s > 0) and np.linalg.eigvalsh((gram - np.diag(s)) / unit / unit[:, None])[0] > 0


def test_what_lies_below_equal_correlations_is_nearly_all_that_can():
    """(1 - r) I + r 11' less (1 - r) I is of rank one: in blocks of unequal r and size, each has its own."""
    shares, sizes = np.repeat([1.0, 0.5, 0.1], 4), np.repeat([1.0, 4.0, 25.0], 4)
    same = np.arange(12)[:, None] // 4 == np.arange(12) // 4
    gram = np.where(same, (1 - shares) * sizes, 0.0) + np.diag(shares * sizes)
    found = diagonal_below(gram) / (shares * sizes)
    assert 0.9 < found.min() <= found.max() < 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"keep": 3}, "keep must be at most 2, the number of weights in a row, got 3"),
        ({"keep": -1}, "keep must be an integer >= 0"),
        ({"keep": None}, "give either keep"),
        ({"pattern": (2, 4)}, "give either keep"),
        ({"keep": None, "pattern": (1, 4)}, "pattern 1:4 needs a fan-in that is a multiple of 4, got 2"),
        ({"keep": None, "pattern": (3, 2)}, "pattern's n must be an integer from 0 to 2, got 3"),
        ({"keep": None, "pattern": "2:4"}, "pattern must be two integers"),
        ({"keep": None, "pattern": "12"}, "pattern must be two integers"),
        ({"keep": None, "pattern": (1, 2, 1)}, "pattern must be two integers"),
        ({"box": (1.0, 2.0)}, "box must be an interval that holds 0, got (1, 2)"),
        ({"box": (0.5, -0.5)}, "box must be an interval that holds 0"),
        ({"box": (np.nan, 1.0)}, "box must be an interval that holds 0"),
        ({"box": (0.0, 0.0)}, "box must be an interval that holds 0, got (0, 0)"),
        ({"box": 1.0}, "box must be a pair"),
        ({"box": (-1.0, 0.0, 1.0)}, "box must be a pair"),
        ({"box": (-1.0, 1.0), "refit": False}, "box is for refitted weights"),
        ({"gram": -np.eye(2)}, "its diagonal cannot be negative"),
    ],
)
def test_bad_input_is_one_sentence(change, words):
    arguments = {"gram": np.eye(2), "keep": 1, **change}
    with pytest.raises((ValueError, TypeError)) as caught:
        pruning_range([0.5, 0.2], **arguments)
    assert words in str(caught.value)


def test_compiled_and_plain_kernels_agree(outputs):
    code = """
import numpy as np
from sims.kernels import layer_bounds_fits
from sims.layer_bounds import pruning_range
x = np.maximum(np.random.default_rng(0).standard_normal((40, 8)) + 0.5, 0)
for options in ({}, {"refit": False}, {"box": (-0.5, 0.5)}):
    found = pruning_range(np.linspace(-1, 1, 8), inputs=x, keep=4, **options)
    print(found.nodes, found.solution.round(9).tolist(), {k: round(v, 9) for k, v in found.errors.items()})
"""
    plain, compiled = outputs(code)
    assert plain == compiled


@pytest.mark.parametrize(
    ("condition", "shifted"), [(9e10, False), (1e11, True), (1.1e11, True), (9e11, True)]
)
def test_a_gram_matrix_is_shifted_from_a_condition_of_1e11_on(condition, shifted):
    found = pruning_range([1.0, 0.5], gram=np.diag([1.0, 1 / condition]), keep=1)
    assert found.details["shift"] == (pytest.approx(1e-9 * (1 + 1 / condition) / 2) if shifted else 0.0)


@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize(
    ("values", "condition"),
    [(np.ones(6), 1.0), (np.geomspace(1, 1e-6, 6), 1e6), (np.geomspace(1, 1e-10, 6), 1e10),
     ([1e-14, 1, 1, 1, 1, 1], 1.2e9), ([1e-14, 1e-14, 1e-14, 1e-14, 1e-14, 1], 6e9)],
)  # fmt: skip
def test_both_searches_leave_room_for_the_rounding_of_an_inverse(monkeypatch, refit, values, condition):
    """About n cond(G) 2^-53 of the error, and at least 1e-10: what rounding made dearer is not cut.

    The last two matrices are shifted by a billionth of their mean diagonal, 5/6 and 1/6.
    """
    from sims.kernels import layer_bounds_pruning as kernels

    told = []
    for name in ("best_cut", "best_frozen_cut"):
        original = getattr(kernels, name)

        def searched(*given, original=original):
            told.append(given[-4:-1])
            return original(*given)

        monkeypatch.setattr(kernels, name, searched)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 6)))[0]
    gram = turn * np.array(values) @ turn.T
    found = pruning_range([1.0, -0.7, 0.4, 0.9, -1.1, 0.6], gram=(gram + gram.T) / 2, keep=3, refit=refit)
    ((radius, slack, allowed),) = told
    assert radius == found.heuristic > 0 and allowed > 0
    rounding = max(1e-10, 6 * condition * 2.0**-53) * radius
    assert rounding <= slack <= 100 * rounding


def test_the_bound_at_the_root_leaves_room_for_the_rounding_of_a_sum():
    x, w = problem("autoregressive", 6, seed=3)
    gram = x.T @ x
    least = np.sort(diagonal_below(gram) * w**2)[:2].sum()
    assert 1e-10 < 1 - pruning_range(w, gram=gram, keep=4).bound / least < 1e-8


def test_the_bound_in_a_box_holds_whatever_the_rounding_of_nearly_equal_inputs():
    """One of two weights is kept, none below 0: the optimum in rationals; doubles keep eight digits."""
    r = 1 - 2.0**-30
    for first, second in np.random.default_rng(0).uniform(0.2, 0.9, (40, 2)):
        w = np.array([first, -0.5 * second * first])
        found = pruning_range(w, gram=[[1.0, r], [r, 1.0]], keep=1, box=(0.0, 1.0))
        a, b, g = Fraction(w[0]), Fraction(w[1]), Fraction(r)
        kept = a + g * b  # of the first weight, the second being cut
        e = kept - a, -b
        exact = e[0] ** 2 + 2 * g * e[0] * e[1] + e[1] ** 2
        assert 0 < kept < 1 and exact < (b + g * a) ** 2 + (1 - g * g) * a * a
        assert Fraction(found.bound) <= exact
        assert found.bound == pytest.approx(float(exact), rel=1e-4)


def test_a_box_may_end_at_zero_and_hold_nothing_above_it():
    """Inputs apart: a weight in the box costs nothing, another its square to the nearest end."""
    w = np.array([2.0, 0.5, -0.25, -3.0])
    for box, kept, error in (((-1.0, 0.0), [0, 0, -0.25, -1], 8.25), ((-4.0, 1.0), [1, 0.5, -0.25, -3], 1.0)):
        found = pruning_range(w, gram=np.eye(4), keep=4, box=box)
        assert found.optimum == pytest.approx(error) and found.solution == pytest.approx(np.array(kept))
    assert pruning_range(w, gram=np.eye(4), pattern=(1, 1)).optimum == 0.0
    assert pruning_range(w, gram=np.eye(4), pattern=(0, 1)).optimum == pytest.approx(np.sum(w**2))


@pytest.mark.parametrize("refit", [True, False])
def test_groups_that_dead_columns_leave_with_less_to_cut(refit):
    """Inputs apart, pairs: a dead one is cut in the first, 0.5 and 1 in the last of four each."""
    gram, w = np.diag([0.0, 1.0, 1.0, 1.0]), np.array([9.0, 0.1, 0.5, 2.0])
    found = pruning_range(w, gram=gram, pattern=(1, 2), refit=refit)
    assert found.optimum == pytest.approx(0.25) and found.solution.tolist() == [0, 0.1, 0, 2]
    gram, w = np.diag([0.0, 1.0, 1.0, 1.0, 1, 1, 1, 1]), np.array([9.0, 0.1, 3, 2, 1, 4, 0.5, 3])
    found = pruning_range(w, gram=gram, pattern=(2, 4), refit=refit)
    assert found.optimum == pytest.approx(0.01 + 1.25)
    assert found.solution.tolist() == [0, 0, 3, 2, 0, 4, 0, 3]


def test_least_sums_of_a_group_are_as_many_as_the_greatest_quota():
    own, group = np.array([4.0, 1.0, 2.0, 8.0]), np.array([0, 1, 1, 0])
    none = np.inf
    assert _tails(own, group, np.array([1, 2])).tolist() == [
        [[0, none, none], [0, 4, none], [0, 4, none], [0, 4, none], [0, 4, 12]],
        [[0, none, none], [0, none, none], [0, 1, none], [0, 1, 3], [0, 1, 3]],
    ]


def test_a_heuristic_is_what_heuristics_found_whatever_the_search_does():
    """Swaps end no higher than the sets they start from; a search that ended is no heuristic."""
    better = 0
    for seed, options in itertools.product((2, 3, 4, 10), [{"pattern": (2, 4)}, {"keep": 6, "refit": False}]):
        x, w = problem("relu", 12, seed)
        found = pruning_range(w, inputs=x, **options)
        assert found.errors["swaps"] <= min(found.errors["magnitude"], found.errors["OBS"]) * (1 + 1e-9)
        assert found.heuristic == min(v for name, v in found.errors.items() if name != "smallest kept")
        assert "stopped search" not in found.errors and found.optimum <= found.heuristic
        better += found.optimum < found.heuristic * (1 - 1e-9)
    assert better == 3


@pytest.mark.parametrize(("ends", "name"), [((2.0, 1.0), "OBS"), ((1.0, 2.0), "magnitude")])
def test_of_two_sets_that_swaps_end_in_the_better_is_taken(ends, name, monkeypatch):
    """Swaps that change nothing, of the largest magnitudes and of OBS in turn."""
    left = list(ends)
    monkeypatch.setattr(layer_bounds_fits, "swap_cuts", lambda *_: left.pop(0))
    x, w = problem("relu", 12, 4)
    errors = pruning_range(w, inputs=x, keep=3).errors
    assert errors["OBS"] != errors["magnitude"] and errors["swaps"] == errors[name]

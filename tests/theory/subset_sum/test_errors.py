import math

import numpy as np
import pytest

from theory.subset_sum import miss_probability
from theory.subset_sum.error_table import LOG_ERRORS, SAMPLES
from theory.subset_sum.errors import miss_error
from theory.subset_sum.exact import certified_interval, exact_miss_probability
from theory.subset_sum.moments import largest


def measured_targets(reach):
    """The targets of reference_miss_errors.py."""
    return {t for t in (1, 2, 3, reach // 2, reach // 2 + 1, reach - 1, reach) if 1 <= t <= reach}


def ratio(n, max_value, target, law, form):
    exact = float(exact_miss_probability(n, max_value, target, law))
    return miss_probability(n, max_value, target, law, form) / exact


def cells_outside_the_script():
    """200 cells: odd n, or a target the script leaves out."""
    rng = np.random.default_rng(13)
    cells = []
    plan = [
        ("nonzero", "saddlepoint", 9, 40, 6),
        ("product", "saddlepoint", 3, 30, 6),
        ("uniform", "saddlepoint", 8, 14, 4),
        ("nonzero", "cox", 10, 40, 12),
        ("uniform", "cox", 10, 40, 6),
        ("product", "cox", 3, 40, 6),
    ]
    for law, form, most, samples, pairs in plan:
        for _ in range(pairs):
            max_value = int(rng.integers(1, most + 1))
            target = int(rng.integers(1, largest(max_value, law) + 1))
            for n in rng.integers(2, samples + 1, size=5):
                seen = n % 2 == 0 and target in measured_targets(largest(max_value, law))
                cells.append((int(n) + int(seen) * (1 if n < samples else -1), max_value, target, law, form))
    return cells


def test_stated_errors_hold_outside_the_cells_of_the_script():
    cells = cells_outside_the_script()
    assert len(cells) == 200
    for cell in cells:
        stated = miss_error(*cell)
        assert 1.0 / (1.0 + stated) <= ratio(*cell) <= 1.0 + stated, (cell, stated)
    # and they are not idle: in most cells the form uses up a good part of what is allowed
    used = [abs(math.log(ratio(*cell))) / math.log1p(miss_error(*cell)) for cell in cells]
    assert np.median(used) > 0.4


@pytest.mark.parametrize("form", ["cox", "saddlepoint"])
def test_the_table_is_what_the_script_measures(form):
    for law, max_value, n in (("nonzero", 4, 12), ("nonzero", 7, 6), ("uniform", 3, 8), ("product", 2, 10)):
        for small in (False, True):
            reach = largest(max_value, law)
            errors = [
                abs(math.log(ratio(n, max_value, t, law, form)))
                for t in measured_targets(reach)
                if (2 * t <= reach) == small
            ]
            row = LOG_ERRORS[law, form, max_value, small]
            assert 0.0 <= row[SAMPLES.index(n)] - max(errors) < 1.001e-3


@pytest.mark.parametrize(("law", "most"), [("nonzero", 8), ("uniform", 8), ("product", 3)])
def test_every_cell_of_the_window_law_on_small_grids_is_what_the_script_measures(law, most):
    for max_value in range(1, most + 1):
        reach = largest(max_value, law)
        for small in (False, True):
            targets = [t for t in measured_targets(reach) if (2 * t <= reach) == small]
            for n, stated in zip(SAMPLES, LOG_ERRORS.get((law, "cox", max_value, small), ()), strict=False):
                errors = [abs(math.log(ratio(n, max_value, t, law, "cox"))) for t in targets]
                assert -1e-9 < stated - max(errors) < 1.001e-3, (max_value, small, n)


@pytest.mark.parametrize("law", ["nonzero", "uniform"])
@pytest.mark.parametrize("max_value", [9, 10])
def test_the_largest_grids_of_the_window_law_by_certified_intervals(law, max_value):
    """Far from the window one of three targets is the worst of all, and coarse chains tell its misses."""
    largest_errors = {False: [0.0] * 20, True: [0.0] * 20}
    for target in (1, max_value // 2, max_value):
        errors = largest_errors[2 * target <= max_value]
        for i, n in enumerate(SAMPLES[12:], 12):
            interval = certified_interval(n, max_value, target, law, tolerance=1e-3)
            form = miss_probability(n, max_value, target, law, "cox")
            errors[i] = max(errors[i], abs(math.log(form / float(interval.upper))))
    for small, errors in largest_errors.items():
        stated = LOG_ERRORS[law, "cox", max_value, small][12:]
        assert stated == pytest.approx(errors[12:], abs=2e-3)


def test_errors_are_stated_only_where_they_were_measured():
    for cell in ((41, 3, 1), (1, 3, 1), (20, 11, 1), (20, 4, 5), (20, 4, 1, "product")):
        assert math.isnan(miss_error(*cell))
    assert miss_error(20, 3, -1) == miss_error(20, 3, 1) > 0.0
    assert miss_error(20, 3, 0) == 0.0 == miss_error(5000, 7, 1, form="exact")
    with pytest.raises(ValueError, match="form must be"):
        miss_error(5, 3, 1, form="best")


@pytest.mark.parametrize("form", ["cox", "saddlepoint"])
def test_half_of_the_reach_belongs_to_the_near_targets(form):
    near, middle, far = (miss_error(12, 4, target, form=form) for target in (1, 2, 4))
    assert near == middle != far


def test_the_stated_error_is_the_largest_near_by_and_a_margin():
    """Even n up to three away; targets on their side of half the largest sample, the half itself below."""
    for (law, form, max_value, low), row in list(LOG_ERRORS.items())[::7]:
        reach = largest(max_value, law)
        target = max(1, reach // 2) if low else reach
        if (2 * target <= reach) != low:
            continue
        for n in (2, 3, 7, 8, 39, 40):
            near = [error for m, error in zip(range(2, 41, 2), row, strict=True) if n - 3 <= m <= n + 3]
            stated = math.exp(1.35 * max(near) + 0.02) - 1
            assert miss_error(n, max_value, target, law, form) == pytest.approx(stated, rel=1e-12)
        assert all(math.isnan(miss_error(n, max_value, target, law, form)) for n in (1, 41))
        assert math.isnan(miss_error(8, max_value, reach + 1, law, form))
    assert tuple(range(2, 41, 2)) == SAMPLES


@pytest.mark.parametrize(("max_value", "worst"), [(1, 15.7), (7, 3.2)])
def test_the_saddlepoint_law_is_too_large_by_what_it_says(max_value, worst):
    # both at t = 1 and 40 samples, the most of the table; no other target up to M is off by as much
    found = [ratio(40, max_value, t, "nonzero", "saddlepoint") for t in range(1, max_value + 1)]
    assert max(found) == found[0] == pytest.approx(worst, abs=0.05)

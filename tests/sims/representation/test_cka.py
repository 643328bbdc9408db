import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.representation import LinearCKA, linear_cka


def hsic_by_tuples(k, el):
    """HSIC_1 as the U-statistic it is: a mean over all ordered four-tuples of different samples."""
    n = len(k)
    total = sum(
        k[i, j] * (el[i, j] + el[q, r] - 2 * el[i, q]) for i, j, q, r in itertools.permutations(range(n), 4)
    )
    return total / math.perm(n, 4)


def plain_by_features(x, y):
    """|cov(x, y)|^2 / (|cov(x)| |cov(y)|), with numpy's own covariance."""
    p = x.shape[1]
    cov = np.cov(x.T, y.T)
    return np.sum(cov[:p, p:] ** 2) / math.sqrt(np.sum(cov[:p, :p] ** 2) * np.sum(cov[p:, p:] ** 2))


@pytest.fixture
def pair():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((7, 3)) + 2.0
    return x, 0.7 * x[:, :2] + 0.4 * rng.standard_normal((7, 2))


@pytest.mark.parametrize("wide", [False, True])
def test_unbiased_is_the_u_statistic(pair, wide):
    x, y = pair
    if wide:  # more features than samples: the other road through the code
        x = np.hstack([x, np.random.default_rng(1).standard_normal((7, 9))])
    k, el = x @ x.T, y @ y.T
    expected = hsic_by_tuples(k, el) / math.sqrt(hsic_by_tuples(k, k) * hsic_by_tuples(el, el))
    assert linear_cka(x, y) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("wide", [False, True])
def test_plain_is_the_ratio_of_covariances(pair, wide):
    x, y = pair
    if wide:
        x = np.hstack([x, np.random.default_rng(1).standard_normal((7, 9))])
    assert linear_cka(x, y, unbiased=False) == pytest.approx(plain_by_features(x, y), rel=1e-10)


def test_four_samples_are_enough_and_two_for_the_plain_one(pair):
    x, y = pair[0][:4], pair[1][:4]
    k, el = x @ x.T, y @ y.T
    expected = hsic_by_tuples(k, el) / math.sqrt(hsic_by_tuples(k, k) * hsic_by_tuples(el, el))
    assert linear_cka(x, y) == pytest.approx(max(-1, min(expected, 1)), rel=1e-9)
    assert linear_cka(x[:2], y[:2], unbiased=False) == pytest.approx(1)  # one difference on either side


def test_unbiased_has_mean_zero_over_all_matchings(pair):
    x, y = pair[0][:6], pair[1][:6]
    values = [linear_cka(x, y[list(order)]) for order in itertools.permutations(range(6))]
    assert math.fsum(values) / len(values) == pytest.approx(0.0, abs=1e-12)
    assert min(values) < -0.1  # it may be negative: clipping it at 0 would bring the bias back


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.booleans(), st.integers(0, 2**32 - 1))
def test_batches_do_not_change_the_value(sizes, unbiased, seed):
    rng = np.random.default_rng(seed)
    count = sum(sizes) + 4
    x = rng.standard_normal((count, 4)) * 3 + 1
    y = np.tanh(x[:, :3]) + 0.3 * rng.standard_normal((count, 3))
    stream, start = LinearCKA(unbiased), 0
    for size in [*sizes, 4]:
        stream.update(x[start : start + size], y[start : start + size])
        start += size
    centred = [v - v.mean(axis=0) for v in (x, y)]
    grams = [v @ v.T for v in centred]
    if unbiased:
        n = count
        for gram in grams:
            np.fill_diagonal(gram, 0.0)
        k, el = grams

        def hsic(a, b):
            rows = (a.sum(0) * b.sum(0)).sum()
            return (a * b).sum() + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 * rows / (n - 2)

        expected = hsic(k, el) / math.sqrt(hsic(k, k) * hsic(el, el))
    else:
        expected = plain_by_features(x, y)
    assert stream.value() == pytest.approx(expected, rel=1e-8, abs=1e-10)
    assert stream.samples == count


def test_invariances_and_what_is_none():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 4)), rng.standard_normal((50, 4))
    y[:, 0] += 2 * x[:, 0]
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    value = linear_cka(x, y)
    assert linear_cka(5 * x @ rotation - 3, y) == pytest.approx(value, rel=1e-10)
    assert linear_cka(y, x) == pytest.approx(value, rel=1e-10)
    assert abs(linear_cka(x * [10.0, 1.0, 1.0, 1.0], y) - value) > 0.05  # invertible, and yet another value


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_scales_beyond_the_square_root_of_double_precision(scale):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 3)), rng.standard_normal((40, 3))
    for unbiased in (True, False):
        assert linear_cka(scale * x, y, unbiased) == pytest.approx(linear_cka(x, y, unbiased), rel=1e-9)


def test_a_far_off_centre_costs_no_digits():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 3)), rng.standard_normal((200, 3))
    assert linear_cka(x + 2.0**20, y) == pytest.approx(linear_cka((x + 2.0**20) - 2.0**20, y), rel=1e-6)


def test_constant_features_do_no_harm():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 3)), rng.standard_normal((30, 2))
    assert linear_cka(np.hstack([x, np.full((30, 2), 7.0)]), y) == pytest.approx(linear_cka(x, y), rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "unbiased", "message"),
    [
        (np.eye(3), np.eye(3), True, "the unbiased CKA needs at least 4 samples, got 3"),
        (np.ones((1, 3)), np.ones((1, 3)), False, "the plain CKA needs at least 2 samples, got 1"),
        (np.ones((9, 2)), np.eye(9), True, "all samples of x are equally far apart"),
        (np.arange(18.0).reshape(9, 2), np.ones((9, 1)), False, "all samples of y are equally far apart"),
        (np.arange(27.0).reshape(9, 3), np.eye(9), True, "all samples of y are equally far apart"),
        (np.ones((5, 2)), np.ones((6, 2)), True, "must hold the same samples, got 5 and 6"),
        (np.ones(5), np.ones(5), True, r"x must have the shape \(samples, width\)"),
        (np.ones((5, 2)), np.ones((5, 0)), True, r"y must have .* neither of them 0, got \(5, 0\)"),
        (np.full((5, 2), np.nan), np.ones((5, 2)), True, "x must be finite"),
        (np.where(np.eye(5), np.inf, 1.0), np.ones((5, 2)), True, "x must be finite"),
    ],
)
def test_degenerate_input_is_one_sentence(x, y, unbiased, message):
    with pytest.raises(ValueError, match=message):
        linear_cka(x, y, unbiased)


def test_words_are_a_type_error_and_batches_must_agree():
    with pytest.raises(TypeError, match="y must hold real numbers"):
        linear_cka(np.eye(5), [["a"] * 5] * 5)
    stream = LinearCKA()
    stream.update(np.eye(5), np.eye(5))
    with pytest.raises(ValueError, match="x has 4 features, the batches before had 5"):
        stream.update(np.ones((3, 4)), np.ones((3, 5)))
    with pytest.raises(ValueError, match="at least 4 samples, got 0"):
        LinearCKA().value()


def test_batches_are_looked_at_as_whole_arrays_are():
    """Lists and images are taken as they come; what is refused leaves the sums as they were."""
    rng = np.random.default_rng(4)
    images, y = rng.integers(-100, 101, (9, 2, 3)).astype(np.int8), rng.standard_normal((9, 2))
    stream = LinearCKA()
    stream.update(images[:4].tolist(), y[:4].tolist())
    for x, other, message in (
        (images[4:], y[:4], "must hold the same samples, got 5 and 4"),
        (images[4:], np.full((5, 2), np.nan), "y must be finite"),
        (images[4], y[0], "y must have the shape"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.update(x, other)
    stream.update(images[4:], y[4:])
    value = linear_cka(images.reshape(9, 6).astype(float), y)  # squares of small integers are beyond them
    assert linear_cka(images, y) == pytest.approx(value, rel=1e-12) and stream.samples == 9
    assert stream.value() == pytest.approx(value, rel=1e-9)


def test_samples_that_are_nearly_equally_far_apart_can_be_compared():
    """Differences of 1e-6 of their distances are seen; those of 1e-7, whose squares are rounding, are not."""
    moved = np.random.default_rng(2).normal(size=(9, 9))
    for share in (1e-4, 1e-6):
        turned = np.eye(9) + share * moved
        assert linear_cka(turned, turned) == pytest.approx(1.0)
        stream = LinearCKA()
        stream.update(np.tile(turned, (1, 2)), moved)  # the gram matrix twice, by moments
        assert stream.value() == pytest.approx(linear_cka(turned, moved), rel=1e-3)
    with pytest.raises(ValueError, match="all samples of x are equally far apart"):
        linear_cka(np.eye(9) + 1e-7 * moved, moved)
    with pytest.raises(ValueError, match="all samples of x are equally far apart"):
        linear_cka(np.eye(9), turned)


@pytest.mark.parametrize("count", [6, 9, 40])
@pytest.mark.parametrize(("share", "seen"), [(4e-7, False), (1e-6, True)])
def test_one_limit_of_what_is_too_equal_holds_for_matrices_and_batches(count, share, seen):
    """Differences of a share s of the distances are about 2 s^2 of |x|^4, of which 1e-12 may be rounding."""
    moved = np.random.default_rng(2).normal(size=(count, count))
    turned = np.eye(count) + share * moved
    batches = LinearCKA()
    for start in range(0, count, 4):
        batches.update(turned[start : start + 4], moved[start : start + 4])
    wide = np.tile(turned, (1, 2))  # more features than samples: by matrices
    forms = [batches.value, lambda: linear_cka(turned, moved), lambda: linear_cka(wide, moved)]
    for form in forms:
        if seen:
            assert form() == pytest.approx(forms[-1](), rel=2e-3, abs=2e-3)
        else:
            with pytest.raises(ValueError, match="all samples of x are equally far apart"):
                form()


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("width", [4, 20])
def test_the_unit_of_the_features_does_not_matter(width, unbiased):
    x, y = np.random.default_rng(2).standard_normal((2, 9, width))
    plain = linear_cka(x, y, unbiased=unbiased)
    for unit in (2.0**-40, 2.0**40):
        assert linear_cka(unit * x, y / unit, unbiased=unbiased) == pytest.approx(plain, rel=1e-9)


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize(("first", "other"), [(0, -200), (0, 80), (0, 200), (-100, 0), (-200, 200), (-30, 3)])
def test_a_first_batch_of_another_size_does_not_change_the_value(first, other, unbiased):
    """Dead features, one row, or next to nothing: the unit of the first batch is not that of the rest."""
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal((12, 2))
    for count in (1, 2, 5):
        scaled = x * 10.0**other
        scaled[:count] = 7 * 10.0**other if first == 0 else x[:count] * 10.0**first
        one, two = LinearCKA(unbiased), LinearCKA(unbiased)
        for rows in (slice(0, count), slice(count, 8), slice(8, 12)):
            one.update(scaled[rows], y[rows])
            two.update(y[rows], scaled[rows])
        whole = linear_cka(np.ldexp(scaled, -math.frexp(np.abs(scaled).max())[1]), y, unbiased)
        assert one.value() == pytest.approx(whole, rel=1e-9)
        assert two.value() == pytest.approx(whole, rel=1e-9)

"""What the step is and what gradients see of it, by automatic differentiation."""

import math

import numpy as np
import pytest

from sims.fine_tuning import available
from sims.fine_tuning.quantizers import Layer, Options, effective, step

pytestmark = pytest.mark.skipif(not available(), reason="the train extra is not installed")
LAYER = Layer(np.float32(0.5), np.float32(0.25), np.float32(-2), np.float32(1))
W = np.array([[-3.0, -0.7, 0.2], [0.3, 0.8, -0.25]], np.float32)
MASK = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]], np.float32)


def grad(function, *values):
    from sims.fine_tuning.backend import load

    return [np.asarray(one) for one in load().jax.grad(function, argnums=tuple(range(len(values))))(*values)]


@pytest.mark.parametrize("p", [0.0, 0.7, -9.0])
@pytest.mark.parametrize("scaled", [True, False])
def test_a_step_in_logarithms_stays_between_two_powers_and_moves_as_its_scale_says(p, scaled):
    options = Options(quantize=True, scaled=scaled)
    value = 0.5 * math.exp(4 * math.tanh(p / 4))
    assert float(step(np.float32(p), LAYER, options)) == pytest.approx(value, rel=1e-5)
    (slope,) = grad(lambda q: step(q, LAYER, options), np.float32(p))
    slowed = (0.25 if scaled else 1.0) / value**2
    assert float(slope) == pytest.approx(value * (1 - math.tanh(p / 4) ** 2) * slowed, rel=2e-4)


def test_a_raw_step_moves_by_its_parameter_and_a_fixed_one_not_at_all():
    raw = Options(quantize=True, parameter="raw")
    assert float(step(np.float32(-0.7), LAYER, raw)) == pytest.approx(-0.2, rel=1e-6)
    assert float(grad(lambda q: step(q, LAYER, raw), np.float32(-0.7))[0]) == pytest.approx(0.25)
    loose = raw._replace(scaled=False)
    assert float(grad(lambda q: step(q, LAYER, loose), np.float32(-0.7))[0]) == pytest.approx(1.0)
    assert step(np.float32(3.0), LAYER, raw._replace(learn=False)) == LAYER.start


@pytest.mark.parametrize("clipped", [True, False])
def test_gradients_pass_straight_through_where_weights_are_inside(clipped):
    """Inside the grid a weight has slope 1 and the step its rounding error; outside, 0 and the grid's end."""
    options = Options(quantize=True, clipped=clipped, learn=False)
    layer = LAYER._replace(start=np.float32(0.5))
    values = np.asarray(effective(W, np.float32(0), MASK, layer, options))
    np.testing.assert_allclose(values, 0.5 * np.clip(np.round(W / 0.5), -2, 1))
    by_w, by_s = grad(
        lambda w, s: effective(w, np.float32(0), MASK, layer._replace(start=s), options).sum(),
        W,
        np.float32(0.5),
    )
    inside = (W / 0.5 >= -2) & (W / 0.5 <= 1)
    np.testing.assert_allclose(by_w, np.where(inside, 1.0, 0.0) if clipped else np.ones_like(W))
    codes = np.clip(np.round(W / 0.5), -2, 1)
    expected = np.where(inside, codes - W / 0.5, codes) if clipped else codes - W / 0.5
    assert float(by_s) == pytest.approx(expected.sum(), rel=1e-5)


@pytest.mark.parametrize("clipped", [True, False])
def test_signs(clipped):
    options = Options(quantize=True, sign=True, clipped=clipped, learn=False)
    values = np.asarray(effective(W, np.float32(0), MASK, LAYER, options))
    np.testing.assert_allclose(values, np.where(W < 0, -0.5, 0.5))
    (by_w,) = grad(lambda w: effective(w, np.float32(0), MASK, LAYER, options).sum(), W)
    np.testing.assert_allclose(by_w, np.where(np.abs(W) <= 0.5, 1.0, 0.0) if clipped else np.ones_like(W))


@pytest.mark.parametrize("quantize", [False, True])
@pytest.mark.parametrize("held", [True, False])
def test_masks_hold_values_and_their_gradients(quantize, held):
    """Held: what is cut is zero and stays. Not held: it is zero in the gradient alone."""
    options = Options(quantize=quantize, prune=True, held=held, learn=False)
    values = np.asarray(effective(W, np.float32(0), MASK, LAYER, options))
    plain = 0.5 * np.clip(np.round(W / 0.5), -2, 1) if quantize else W
    np.testing.assert_allclose(values, plain * MASK if held or quantize else plain)
    (by_w,) = grad(lambda w: effective(w, np.float32(0), MASK, LAYER, options).sum(), W)
    inside = (np.abs(W / 0.5 + 0.5) <= 1.5) | (not quantize)
    np.testing.assert_allclose(by_w, MASK * inside)


def test_zero_has_the_sign_of_the_positive():
    signs = Options(quantize=True, sign=True, learn=False)
    found = effective(np.array([[0.0, -0.1]], np.float32), np.float32(0), MASK[:, :2], LAYER, signs)
    assert np.asarray(found).tolist() == [[0.5, -0.5]]

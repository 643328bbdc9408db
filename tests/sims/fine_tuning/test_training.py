"""Compiled, vectorised training against plain NumPy loops, and what must hold whatever the optimiser does."""

import math

import numpy as np
import pytest

from sims.fine_tuning import available, from_arrays, methods, training
from sims.fine_tuning.networks import Network
from sims.fine_tuning.quantizers import Options
from sims.fine_tuning.store import Store
from sims.fine_tuning.training import Plan, Recipe, first_weights, orders, pruning_counts, train
from theory.fine_tuning import gradient_scale, lsq_gradients, quantized, tuning_codes
from theory.snr import pruned_count

pytestmark = pytest.mark.skipif(not available(), reason="the train extra is not installed")
RECIPE = Recipe(epochs=2, batch=8, rate=0.1)
NETWORK = Network("dense", 6, None, (5,), 3)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.random((60, 6)) * 0.6 + np.eye(6)[labels] * 0.8
    return from_arrays(images, labels)


@pytest.fixture(scope="module")
def start():
    return first_weights(NETWORK, 2, seed=0)


def reference(data, start, recipe, codes=None, starts=None, sparsity=None):
    """Seed after seed, batch after batch, gradients by hand; the step moves as exp of its update."""
    steps, rates = recipe.steps(len(data.train_images)), recipe.rates(len(data.train_images))
    counts = pruning_counts(NETWORK, sparsity, len(rates))
    results = []
    for seed in range(len(start[0])):
        w = [layer[seed].astype(np.float64) for layer in start]
        kept = [np.ones_like(m) for m in w]
        velocity = [np.zeros_like(m) for m in w]
        turn = [np.zeros((len(each[seed]), 1)) for each in starts or ()]
        drift = [np.zeros_like(each) for each in turn]
        for t, rate in enumerate(rates):
            batch = orders(len(data.train_images), recipe, len(start[0]), 0, "fine-tuning", t // steps)
            rows = batch[t % steps, seed]
            x, y = data.train_images[rows].astype(np.float64), data.train_labels[rows]
            if counts[t, 0] >= 0:
                for i, m in enumerate(w):
                    size = np.where(kept[i] > 0, np.abs(m), -1.0).ravel()
                    cut = np.argsort(size, kind="stable")[: counts[t, i]]
                    kept[i] = np.ones(m.size)
                    kept[i][cut] = 0
                    kept[i] = kept[i].reshape(m.shape)
                    w[i] = m * kept[i]
            s = [starts[i][seed] * np.exp(4 * np.tanh(turn[i] / 4)) if codes else None for i in range(2)]
            made = [
                quantized(m * k, si, codes) * k if codes else m * k
                for m, k, si in zip(w, kept, s, strict=True)
            ]
            hidden = np.maximum(x @ made[0].T, 0)
            logits = hidden @ made[1].T
            share = np.exp(logits - logits.max(1, keepdims=True))
            delta = share / share.sum(1, keepdims=True)
            delta[np.arange(len(y)), y] -= 1
            delta /= len(y)
            slopes = [None, delta.T @ hidden]
            slopes[0] = ((delta @ made[1]) * (hidden > 0)).T @ x
            for i in range(2):
                by_w = slopes[i] * kept[i]
                if codes:
                    inside, by_s = lsq_gradients(w[i] * kept[i], s[i], codes)
                    shared = (by_w * by_s).reshape(len(s[i]), -1)  # a row of what has one step
                    pull = shared.sum(axis=1, keepdims=True) * gradient_scale(shared.shape[1], codes) / s[i]
                    drift[i] = 0.9 * drift[i] + pull * (1 - np.tanh(turn[i] / 4) ** 2)
                    turn[i] -= rate * drift[i]
                    by_w = by_w * inside
                velocity[i] = 0.9 * velocity[i] + by_w
                w[i] = w[i] - rate * (velocity[i] + recipe.decay * w[i])
        s = [starts[i][seed] * np.exp(4 * np.tanh(turn[i] / 4)) if codes else None for i in range(2)]
        results.append(
            [quantized(m * k, si, codes) * k if codes else m * k for m, k, si in zip(w, kept, s, strict=True)]
        )
    return [np.stack(layer) for layer in zip(*results, strict=True)]


def test_a_recipe_a_start_and_an_order_by_hand(data):
    """Half a cosine down to a hair above 0; He's variance 2/fan_in; every image once an epoch."""
    assert Recipe() == Recipe(20, 64, 0.05, 0.9, 1e-3)
    recipe = Recipe(epochs=3, batch=7, rate=0.2)
    assert recipe.steps(45) == 6 and recipe.steps(7) == 1
    assert recipe.rates(45) == pytest.approx(
        [0.2 * math.cos(math.pi * k / 36) ** 2 for k in range(18)], rel=1e-5
    )
    wide = first_weights(Network("dense", 400, None, (300,), 3), 2, seed=0)
    assert [w.shape for w in wide] == [(2, 300, 400), (2, 3, 300)]
    assert np.mean(wide[0].astype(float) ** 2) * 400 == pytest.approx(2, abs=0.02)
    assert np.mean(wide[1].astype(float) ** 2) * 300 == pytest.approx(2, abs=0.2)
    assert not np.array_equal(wide[0][0], wide[0][1])
    drawn = [orders(45, recipe, 2, 0, phase, epoch) for phase, epoch in (("a", 0), ("a", 1), ("b", 0))]
    for order in drawn:
        assert order.shape == (6, 2, 7)
        for seed in range(2):
            assert len(set(order[:, seed].ravel())) == 42 and order.min() >= 0 and order.max() < 45
    assert not any(np.array_equal(drawn[0], other) for other in drawn[1:])
    assert not np.array_equal(drawn[0][:, 0], drawn[0][:, 1])


def test_masks_are_renewed_forty_times_in_three_quarters_of_the_steps():
    """Zhu and Gupta: s (1 - (1 - t/T)^3) at t = 0, T/40, ..., T, rounded up to whole weights."""
    counts = pruning_counts(NETWORK, 0.8, 1600)
    renewed = np.flatnonzero(counts[:, 0] >= 0)
    assert renewed.tolist() == list(range(0, 1201, 30))
    for t in renewed:
        share = 0.8 * (1 - (1 - t / 1200) ** 3)
        assert counts[t].tolist() == [pruned_count(size, share) for size in (30, 15)]
    assert np.all(counts[counts < 0] == -1) and np.all(pruning_counts(NETWORK, None, 5) == -1)
    assert np.flatnonzero(pruning_counts(NETWORK, 0.8, 4)[:, 0] >= 0).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(pruning_counts(NETWORK, 0.8, 5)[:, 0] >= 0).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(pruning_counts(NETWORK, 0.8, 7)[:, 0] >= 0).tolist() == [0, 1, 2, 3, 4, 5]
    assert pruning_counts(NETWORK, 0.8, 2)[-1].tolist() == [24, 12]


def test_floating_point_training_is_the_loop(data, start):
    found = train(NETWORK, data, start, Plan(), RECIPE)
    for layer, expected in zip(found.weights, reference(data, start, RECIPE), strict=True):
        np.testing.assert_allclose(layer, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("bits", [1, 3])
def test_learned_steps_are_the_loop(data, start, bits, per_channel):
    codes = tuning_codes(bits)
    starts = methods.best_steps(start, codes, per_channel)
    plan = Plan(Options(quantize=True, sign=codes.sign), codes, starts)
    found = train(NETWORK, data, start, plan, RECIPE)
    for layer, expected in zip(found.weights, reference(data, start, RECIPE, codes, starts), strict=True):
        np.testing.assert_allclose(layer, expected, rtol=2e-4, atol=2e-5)


def test_gradual_pruning_is_the_loop_and_reaches_its_sparsity(data, start):
    found = train(NETWORK, data, start, Plan(Options(prune=True), sparsity=0.7), RECIPE)
    for layer, expected in zip(found.weights, reference(data, start, RECIPE, sparsity=0.7), strict=True):
        np.testing.assert_allclose(layer, expected, rtol=2e-4, atol=2e-5)
        for seed in layer:
            assert np.count_nonzero(seed == 0) == pruned_count(seed.size, 0.7)


def test_a_seed_alone_is_that_seed_among_others(data, start):
    """Vectorising over seeds changes nothing but the time."""
    plan = Plan(Options(prune=True), sparsity=0.5)
    together = train(NETWORK, data, start, plan, RECIPE)
    alone = train(NETWORK, data, [layer[:1] for layer in start], plan, RECIPE)
    for both, one in zip(together.weights, alone.weights, strict=True):
        np.testing.assert_allclose(both[:1], one, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("plan", ["prune", "qat"])
def test_a_run_stopped_after_any_epoch_ends_with_the_same_bits(data, start, plan, tmp_path, monkeypatch):
    recipe = Recipe(epochs=3, batch=8, rate=0.1)
    codes = tuning_codes(2)
    plans = {
        "prune": Plan(Options(prune=True), sparsity=0.6),
        "qat": Plan(Options(quantize=True), codes, methods.best_steps(start, codes)),
    }
    whole = train(NETWORK, data, start, plans[plan], recipe)

    class Stopped(Exception):
        pass

    save = Store.save

    def dying(self, epochs, state, last):
        save(self, epochs, state, last)
        if epochs < last:
            raise Stopped

    monkeypatch.setattr(Store, "save", dying)
    for _ in range(2):  # killed after the first and after the second epoch
        with pytest.raises(Stopped):
            train(NETWORK, data, start, plans[plan], recipe, store=Store(tmp_path, {"run": plan}, every=0))
    found = train(NETWORK, data, start, plans[plan], recipe, store=Store(tmp_path, {"run": plan}, every=0))
    for one, other in zip(found.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(training, "orders", None)  # a finished run draws nothing more
    again = train(NETWORK, data, start, plans[plan], recipe, store=Store(tmp_path, {"run": plan}))
    np.testing.assert_array_equal(again.weights[0], whole.weights[0])


def test_steps_stay_positive_at_a_rate_that_turns_raw_ones_negative(data, start):
    """Two bits, a large rate: the published parameter goes through zero, this one cannot."""
    codes = tuning_codes(2)
    recipe = Recipe(epochs=3, batch=8, rate=0.5)
    starts = methods.best_steps(start, codes)

    def steps(**changes):
        options = Options(quantize=True, scaled=False)._replace(**changes)
        return np.concatenate(
            [s.ravel() for s in train(NETWORK, data, start, Plan(options, codes, starts), recipe).steps]
        )

    assert steps(parameter="raw").min() < 0
    found = steps()
    assert found.min() > 0 and np.all(np.isfinite(found))


def test_masks_outlive_momentum_and_decay_and_only_grow(data, start):
    plan = Plan(Options(prune=True), sparsity=0.8)
    held = train(NETWORK, data, start, plan, RECIPE)
    assert held.sparsity() >= 0.8
    loose = train(NETWORK, data, start, Plan(Options(prune=True, held=False), sparsity=0.8), RECIPE)
    assert loose.sparsity() < 0.5  # the public error: momentum moves what the gradient no longer does
    counts = pruning_counts(NETWORK, 0.8, 100)
    renewed = counts[counts[:, 0] >= 0]
    assert np.all(np.diff(renewed, axis=0) >= 0)
    assert renewed[-1].tolist() == [pruned_count(30, 0.8), pruned_count(15, 0.8)]


def test_masks_given_from_the_beginning_stay(data, start):
    masks = [(np.abs(w) > np.median(np.abs(w))).astype(np.float32) for w in start]
    codes = tuning_codes(4)
    plan = Plan(Options(quantize=True, prune=True), codes, methods.best_steps(start, codes, masks=masks))
    found = train(NETWORK, data, start, plan, RECIPE, masks=masks)
    for layer, mask in zip(found.weights, masks, strict=True):
        assert not layer[mask == 0].any() and layer[mask == 1].any()


def test_a_step_for_every_row(data, start):
    codes = tuning_codes(3)
    plan = Plan(Options(quantize=True), codes, methods.best_steps(start, codes, per_channel=True))
    found = train(NETWORK, data, start, plan, RECIPE)
    assert [s.shape for s in found.steps] == [(2, 5, 1), (2, 3, 1)]
    for layer, steps in zip(found.weights, found.steps, strict=True):
        ratios = layer / steps
        np.testing.assert_allclose(ratios, np.rint(ratios), atol=1e-5)
        assert ratios.min() >= codes.low - 1e-5 and ratios.max() <= codes.high + 1e-5


def _one_far_off(start):
    """The first seed as it is, the second beyond all numbers after a product or two."""
    return [np.stack([w[0], np.full_like(w[1], 1e30)]) for w in start]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d, s: Recipe(epochs=0), "epochs must be an integer >= 1, got 0"),
        (lambda d, s: Recipe(momentum=1.0), r"momentum and decay must lie in \[0, 1\)"),
        (lambda d, s: Recipe(decay=1.0), r"momentum and decay must lie in \[0, 1\), got 0\.9 and 1\.0"),
        (lambda d, s: Recipe(rate=-1.0), "rate must be positive"),
        (
            lambda d, s: train(NETWORK, d, s, Plan(), Recipe(batch=500)),
            "batch must be at most the 45 training",
        ),
        (
            lambda d, s: train(Network("dense", 6, None, (5,), 2), d, s, Plan(), RECIPE),
            "3 classes, the network 2",
        ),
        (
            lambda d, s: train(Network("dense", 7, None, (5,), 3), d, s, Plan(), RECIPE),
            "6 features, the network 7",
        ),
        (
            lambda d, s: train(NETWORK, d, s[:1], Plan(), RECIPE),
            r"start must hold \(seeds, fan_out, fan_in\)",
        ),
        (
            lambda d, s: train(NETWORK, d, [s[0][:1], *s[1:]], Plan(), RECIPE),
            r"start must hold \(seeds, fan_out, fan_in\)",
        ),
        (lambda d, s: train(NETWORK, d, s, Plan(), Recipe(2, 8, 1e30)), "the rate is too large"),
        (lambda d, s: train(NETWORK, d, _one_far_off(s), Plan(), RECIPE), "training left the finite numbers"),
    ],
)
def test_bad_input_is_one_sentence(data, start, call, message):
    with pytest.raises(ValueError, match=message):
        call(data, start)


PICTURES = Network("conv", 16, (4, 4), (2, 3), 3)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(1)
    labels = np.arange(36) % 3
    return from_arrays(rng.random((36, 4, 4)) + np.eye(4)[labels][:, :, None] * 0.7, labels)


def loss_by_loops(weights, images, labels):
    """Mean cross-entropy: every convolution a sum over neighbours, ReLU, then maxima of 2 x 2."""
    h = images.reshape(-1, 4, 4, 1)
    for matrix in weights[:2]:
        size, kernel = h.shape[1], matrix.reshape(len(matrix), 3, 3, h.shape[-1])
        framed = np.pad(h, ((0, 0), (1, 1), (1, 1), (0, 0)))
        full = np.zeros((len(h), size, size, len(matrix)))
        for i, j in np.ndindex(size, size):
            full[:, i, j] = np.tensordot(framed[:, i : i + 3, j : j + 3], kernel, ((1, 2, 3), (1, 2, 3)))
        full = np.maximum(full, 0)
        h = np.zeros((len(h), size // 2, size // 2, len(matrix)))
        for i, j in np.ndindex(size // 2, size // 2):
            h[:, i, j] = full[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2))
    logits = h.reshape(len(h), -1) @ weights[2].T
    return (np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]).mean()


def test_convolutions_descend_along_differences_of_the_loss(pictures):
    """Two seeds, two steps with momentum and decay; gradients by central differences of a loss in loops."""
    recipe = Recipe(epochs=1, batch=12, rate=0.1)
    start = first_weights(PICTURES, 2, seed=0)
    found = train(PICTURES, pictures, start, Plan(), recipe)
    rates = recipe.rates(len(pictures.train_images))
    order = orders(len(pictures.train_images), recipe, 2, 0, "fine-tuning", 0)
    assert len(rates) == 2
    for seed in range(2):
        w = [layer[seed].astype(np.float64) for layer in start]
        velocity = [np.zeros_like(m) for m in w]
        for rate, rows in zip(rates, order[:, seed], strict=True):
            x, y = pictures.train_images[rows].astype(np.float64), pictures.train_labels[rows]
            slopes = [np.zeros_like(m) for m in w]
            for matrix, slope in zip(w, slopes, strict=True):
                for place in np.ndindex(matrix.shape):
                    kept = matrix[place]
                    ends = []
                    for moved in (kept + 1e-5, kept - 1e-5):
                        matrix[place] = moved
                        ends.append(loss_by_loops(w, x, y))
                    matrix[place] = kept
                    slope[place] = (ends[0] - ends[1]) / 2e-5
            velocity = [0.9 * v + g for v, g in zip(velocity, slopes, strict=True)]
            w = [m - rate * (v + recipe.decay * m) for m, v in zip(w, velocity, strict=True)]
        for layer, matrix in zip(found.weights, w, strict=True):
            np.testing.assert_allclose(layer[seed], matrix, rtol=2e-4, atol=2e-6)


def test_convolutions_of_a_seed_do_not_see_the_other_seeds(pictures, monkeypatch):
    """Each with the step it starts from and its batches: together as alone."""
    codes, start = tuning_codes(3), first_weights(PICTURES, 2, seed=0)
    starts = [np.array([0.1, 0.3]).reshape(2, 1, 1) * (i + 1) for i in range(3)]
    plan, recipe = Plan(Options(quantize=True), codes, starts), Recipe(epochs=2, batch=8)
    together = train(PICTURES, pictures, start, plan, recipe)
    both = training.orders
    for seed in range(2):
        here = slice(seed, seed + 1)
        own = Plan(plan.options, codes, [s[here] for s in starts])
        monkeypatch.setattr(training, "orders", lambda *args, at=here: both(*args[:2], 2, *args[3:])[:, at])
        alone = train(PICTURES, pictures, [w[here] for w in start], own, recipe)
        for one, all_seeds in zip(
            (*alone.weights, *alone.steps), (*together.weights, *together.steps), strict=True
        ):
            np.testing.assert_allclose(one[0], all_seeds[seed], rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(not available(), reason="the train extra is not installed")
def test_what_was_cut_is_cut_before_a_weight_that_is_zero():
    w, masks = np.array([[[0.0, 5.0, 1.0, 2.0]]], np.float32), np.array([[[1.0, 0.0, 1.0, 1.0]]], np.float32)
    for count, kept in ((1, [1, 0, 1, 1]), (2, [0, 0, 1, 1]), (3, [0, 0, 0, 1])):
        (mask,), (left,) = training._renewed([w], [masks], np.array([count]), Options(prune=True))
        assert mask.tolist() == [[kept]] and left.tolist() == (w * mask).tolist()

"""Methods without training, layer by layer by hand; best steps; what prune-then-quantize is made of."""

import numpy as np
import pytest

from sims.fine_tuning import from_arrays, methods
from sims.fine_tuning.networks import Network
from sims.fine_tuning.training import Plan, Recipe, Trained, first_weights
from sims.path_following import compress
from sims.path_following.pruning import optimal_brain_surgeon
from sims.path_following.quantizers import quantizer
from theory.fine_tuning import tuning_codes
from theory.operators import PruneFraction

NETWORK = Network("dense", 5, None, (4,), 3)


@pytest.fixture(scope="module")
def data():
    """Images of one sort where methods look (the first 512), and of another behind."""
    rng = np.random.default_rng(0)
    labels = np.arange(800) % 2
    images = rng.random((800, 5)) * [1, 2, 3, 4, 5]
    found = from_arrays(images, labels)
    turned = found.train_images.copy()
    turned[512:] = turned[512:, ::-1] ** 2
    return type(found)("own", turned, found.train_labels, found.test_images, found.test_labels, 2, None)


@pytest.fixture(scope="module")
def start():
    rng = np.random.default_rng(1)
    layers = [rng.normal(size=(2, *shape)).astype(np.float32) for shape in NETWORK.matrices]
    return Trained(layers, layers, [np.ones_like(w) for w in layers])


def literal(data, weights, one):
    """Each layer on what the layers before give it: compressed inputs, and the original ones beside them."""
    x = y = data.train_images[:512].astype(np.float64)
    found = []
    for index, w in enumerate(weights):
        q = one(index, w, x, y)
        found.append(q)
        x, y = np.maximum(x @ q.T, 0), np.maximum(y @ w.T, 0)
    return found


@pytest.mark.parametrize("method", ["nearest", "gpfq", "spfq", "optq"])
def test_rounding_without_training(data, start, method):
    found = methods.post_training(NETWORK, data, start, method, 3, seed=7)
    name = {"nearest": "direct", "optq": "optq"}.get(method, "path-following")
    for seed in range(2):

        def one(index, w, x, y, seed=seed):
            return compress(
                w, x, target_inputs=y if index else None, operator=quantizer(w, 3, method == "spfq"),
                method=name, alignment=int(method != "nearest"), seed=7 + seed + 1000 * index,
            ).weights  # fmt: skip

        expected = literal(data, start.network(seed), one)
        for layer, w in zip(found.weights, expected, strict=True):
            np.testing.assert_allclose(layer[seed], w, rtol=1e-6, atol=1e-7)
    assert found.seeds == 2 and found.latent == start.latent
    for layer, mask in zip(found.weights, found.masks, strict=True):
        np.testing.assert_array_equal(mask, layer != 0)


def test_nearest_is_the_grid_of_least_error(data, start):
    found = methods.post_training(NETWORK, data, start, "nearest", 2)
    for layer, w in zip(found.weights, start.network(0), strict=True):
        step = quantizer(w, 2, False).step
        np.testing.assert_allclose(layer[0], step * np.clip(np.rint(w / step), -2, 1), rtol=1e-6)


def test_magnitude_cuts_the_smallest_weights_of_a_layer(data, start):
    found = methods.post_training(NETWORK, data, start, "magnitude", 4)
    for layer, w in zip(found.weights, start.network(1), strict=True):
        kept = np.zeros(w.size)
        kept[np.argsort(np.abs(w).ravel())[round(0.75 * w.size) :]] = 1
        np.testing.assert_allclose(layer[1], w * kept.reshape(w.shape), rtol=1e-6)


def test_the_surgeon_works_on_the_moved_inputs(data, start):
    found = methods.post_training(NETWORK, data, start, "obs", 4)

    def one(index, w, x, y):
        aligned = (
            w
            if not index
            else compress(w, x, target_inputs=y, operator=PruneFraction(0.75), method="obs").aligned
        )
        return optimal_brain_surgeon(aligned, x.T @ x, 0.75, 0.01)

    for layer, w in zip(found.weights, literal(data, start.network(0), one), strict=True):
        np.testing.assert_allclose(layer[0], w, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bits", [1, 3])
@pytest.mark.parametrize("per_channel", [False, True])
def test_best_steps_lose_least_of_what_is_kept(start, bits, per_channel):
    codes = tuning_codes(bits)
    masks = [(np.abs(w) > 0.4).astype(np.float32) for w in start.weights]
    masks[0][1, 2] = 0  # a row of nothing
    for given in (None, masks):
        for index, steps in enumerate(methods.best_steps(start.weights, codes, per_channel, given)):
            layer = start.weights[index]
            assert steps.shape == (2, len(layer[0]) if per_channel else 1, 1)
            for seed, group in np.ndindex(*steps.shape[:2]):
                rows = [group] if per_channel else range(len(layer[0]))
                w = np.concatenate([layer[seed, r] for r in rows]).astype(float)
                if given is not None:
                    w = w[np.concatenate([given[index][seed, r] for r in rows]) > 0]
                step = steps[seed, group, 0]
                if not w.size:
                    assert step == 1.0
                elif bits == 1:
                    assert step == pytest.approx(np.mean(np.abs(w)), rel=1e-6)
                else:
                    tried = np.abs(w).max() * np.geomspace(0.05, 1.5, 4000)[:, None]
                    errors = ((w - tried * np.clip(np.rint(w / tried), -4, 3)) ** 2).sum(axis=1)
                    own = ((w - step * np.clip(np.rint(w / step), -4, 3)) ** 2).sum()
                    assert own <= errors.min() * (1 + 2e-4) + 1e-12


def test_sparsities_of_every_method():
    shares = {name: methods.sparsity_of(name, 3) for name in methods.METHODS}
    cut = ("prune", "magnitude", "path-following pruning", "obs")
    assert shares == {
        name: 0.5 if name == "prune-then-quantize" else 13 / 16 if name in cut else 0.0 for name in shares
    }


@pytest.mark.parametrize(("method", "bits", "width"), [
    ("qat", 3, 3), ("ste", 3, 3), ("prune", 3, 0),
    ("prune-then-quantize", 3, 6), ("prune-then-quantize", 12, 16),
])  # fmt: skip
def test_what_a_method_trains(data, start, monkeypatch, method, bits, width):
    """Prune-then-quantize cuts half of the weights in the longer half of the epochs, and doubles the bits."""
    calls = []

    def recorded(network, data, weights, plan, recipe, **options):
        calls.append((weights, plan, recipe, options))
        return start

    monkeypatch.setattr(methods, "train", recorded)
    recipe = Recipe(epochs=5)
    found = methods.fine_tuned(
        NETWORK,
        data,
        start,
        method,
        bits,
        recipe,
        grid="symmetric",
        seed=4,
        keep=lambda phase: phase,
        parameter="raw",
    )
    *before, (weights, plan, last, options) = calls
    assert found is start and options["seed"] == 4 and options["store"] == "fine-tuning"
    assert weights is (start.weights if before else start.latent) and plan.options.parameter == "raw"
    assert plan.options.quantize == bool(width) and plan.options.prune == (method.startswith("prune"))
    assert plan.options.learn == (method != "ste")
    assert plan.sparsity == (13 / 16 if method == "prune" else None)
    if width:
        assert (plan.codes.low, plan.codes.high) == (1 - 2 ** (width - 1), 2 ** (width - 1) - 1)
    if not before:
        assert last == recipe and "masks" not in options
        return
    ((cut, pruning, first, others),) = before
    assert cut is start.latent and pruning.sparsity == 0.5 and pruning.options.prune
    assert not pruning.options.quantize and pruning.options.parameter == "log"
    assert (first.epochs, last.epochs) == (3, 2) and options["masks"] is start.masks
    assert others == {"seed": 4, "store": "pruning"}


@pytest.mark.parametrize("seed", [0, 5])
def test_networks_start_and_are_trained_by_the_seed_that_is_asked_for(data, start, monkeypatch, seed):
    calls = []
    monkeypatch.setattr(methods, "train", lambda *given, **named: calls.append((given, named)) or start)
    recipe = Recipe(epochs=3)
    assert methods.pretrained(NETWORK, data, 2, recipe, seed=seed, keep=lambda phase: phase) is start
    (((network, images, weights, plan, found), named),) = calls
    assert (network, images, found) == (NETWORK, data, recipe) and plan == Plan()
    assert named["seed"] == seed and named["store"] == named["phase"] == "pretraining"
    other = first_weights(NETWORK, 2, 5 - seed)
    for w, wanted, strange in zip(weights, first_weights(NETWORK, 2, seed), other, strict=True):
        np.testing.assert_array_equal(w, wanted)
        assert not np.isin(w, strange).any()


def test_two_epochs_are_enough_for_both_halves(data, start, monkeypatch):
    monkeypatch.setattr(methods, "train", lambda *_, **__: start)
    call = (NETWORK, data, start, "prune-then-quantize", 2)
    assert methods.fine_tuned(*call, Recipe(epochs=2)) is start
    with pytest.raises(ValueError, match="needs at least 2 epochs, one for each, got 1"):
        methods.fine_tuned(*call, Recipe(epochs=1))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("method", "bits"), [("qat", 3), ("ste", 2), ("prune-then-quantize", 2)])
def test_training_starts_at_the_steps_of_least_error(data, monkeypatch, method, bits, per_channel):
    """Of a whole matrix or of every row; after pruning of what was kept, on the grid of twice the bits."""
    rng = np.random.default_rng(3)
    layers = [rng.normal(size=(2, *shape)) * [[[1], [9], [3], [5]][: shape[0]]] for shape in NETWORK.matrices]
    masks = [np.where(np.abs(w) > 0.7, 1.0, 0.0) for w in layers]
    made, plans = Trained(layers, layers, masks), []
    monkeypatch.setattr(methods, "train", lambda *given, **_: plans.append(given[3]) or made)
    methods.fine_tuned(NETWORK, data, made, method, bits, Recipe(epochs=2), per_channel=per_channel)
    pruned = method.startswith("prune")
    low, high = (-8, 7) if pruned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for w, mask, steps in zip(layers, masks, plans[-1].starts, strict=True):
        assert steps.shape == (2, w.shape[1] if per_channel else 1, 1)
        for seed, group in np.ndindex(*steps.shape[:2]):
            at = (seed, group) if per_channel else seed
            kept = w[at][mask[at] > 0] if pruned else w[at].ravel()
            tried = np.abs(kept).max() * np.geomspace(0.05, 1.2, 3000)[:, None]
            errors = ((kept - tried * np.clip(np.rint(kept / tried), low, high)) ** 2).sum(axis=1)
            reached = (
                (kept - steps[seed, group] * np.clip(np.rint(kept / steps[seed, group]), low, high)) ** 2
            ).sum()
            assert reached <= errors.min() * (1 + 1e-3) + 1e-12

"""Gram matrices: what is taken for one, and what a collected one shows; what else of a layer is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from sims.path_following import compress
from sims.path_following.gram import Gram, as_gram
from sims.path_following.problems import adversarial_columns
from sims.path_following.pruning import optimal_brain_surgeon
from sims.path_following.quantizers import neuron_quantizer, quantizer
from sims.path_following.recursion import specification
from sims.path_following.trials import error_sampler, exit_sampler
from theory.operators import NearestRounding, OneBit

OTHER = SimpleNamespace(limits=(-1.0, 1.0))


@pytest.mark.parametrize("first", ["own", "target"])
def test_both_matrices_are_whole_whichever_is_looked_at_first(first):
    rng = np.random.default_rng(0)
    x, y = rng.integers(-9, 10, (2, 6, 5)).astype(float)
    gram = Gram()
    for part in (slice(2), slice(2, None)):
        gram.update(x[part], y[part])
        getattr(gram, first)
    assert np.array_equal(getattr(gram, first), (x if first == "own" else y).T @ (x if first == "own" else y))
    assert np.array_equal(gram.own, x.T @ x) and np.array_equal(gram.target, y.T @ y)
    assert np.array_equal(gram.cross, x.T @ y)


@pytest.mark.parametrize("make", [np.asfortranarray, lambda a: a.astype(int), lambda a: a.tolist()])
def test_a_matrix_may_come_in_any_layout_and_kind_of_number(make):
    x = np.random.default_rng(1).integers(-9, 10, (6, 5)).astype(float)
    w = np.linspace(-2.0, 2.0, 15).reshape(3, 5)
    expected = compress(w, gram=x.T @ x, operator=NearestRounding(0.5))
    found = compress(w, gram=make(x.T @ x), operator=NearestRounding(0.5))
    assert np.array_equal(found.weights, expected.weights) and np.array_equal(found.error, expected.error)
    assert as_gram(None, make(x.T @ x), None).own.flags.c_contiguous


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Gram().own, ValueError, "gram has seen no inputs yet: call update first"),
        (lambda: as_gram(None, Gram(), None), ValueError, "gram has seen no inputs yet: call update first"),
        (
            lambda: as_gram(None, np.eye(2), np.eye(2)),
            ValueError,
            "target_inputs needs inputs; .*a Gram.*",
        ),
        (lambda: as_gram(None, [["a"]], None), TypeError, "gram must hold real numbers, got dtype .U1"),
        (lambda: as_gram(None, np.eye(2) * 1j, None), TypeError, "gram must hold real numbers, got .*128"),
        (lambda: as_gram(None, [[np.nan]], None), ValueError, "gram must be finite, got NaN or infinity"),
        (lambda: as_gram(None, [[np.inf]], None), ValueError, "gram must be finite, got NaN or infinity"),
        (lambda: Gram().update([[1e160, 1.0]]), ValueError, "inputs are too large: their squares overflow.*"),
        (
            lambda: adversarial_columns(1, 3, 0.4, np.random.default_rng(0)),
            ValueError,
            "samples must be at least 2 for columns orthogonal to an error, got 1",
        ),
        (
            lambda: optimal_brain_surgeon(np.ones((1, 2)), np.ones((2, 2)), 0.5, 0.0),
            ValueError,
            r"the Gram matrix is singular: OBS needs damping > 0 \(0.01 is customary\)",
        ),
        (lambda: quantizer([[1.0]], 0, False), ValueError, "bits must be an integer from 1 to 16, got 0"),
        (
            lambda: neuron_quantizer([[1.0], [np.nan]], 4, False),
            ValueError,
            "weights must be finite, got NaN.*",
        ),
        (
            lambda: specification(OTHER),
            TypeError,
            r"operator must be one of .*, got SimpleNamespace",
        ),
        (
            lambda: error_sampler([0.9, 0.9], np.ones((1, 2)), OneBit(1.0))(np.random.default_rng(0), 40),
            ValueError,
            r"v left the limits of OneBit\(level=1\.0\) in (?!0)\d+ of 40 trials, where no bound applies.*",
        ),
        (
            lambda: exit_sampler([0.9, 1.5], np.ones((1, 2)), OneBit(1.0)),
            ValueError,
            "1 of 2 weights lie outside the one-bit range.*",
        ),
        (lambda: quantizer([[np.inf]], 4, False), ValueError, "weights must be finite and not all zero .*"),
    ],
)
def test_what_is_no_gram_matrix_no_weights_and_no_operator_is_one_sentence(call, error, words):
    with pytest.raises(error, match=f"^{words}$"):
        call()


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e12])
@pytest.mark.parametrize(("off", "accepted"), [(1e-9, True), (3e-9, False), (1e-7, False)])
def test_halves_of_a_matrix_may_differ_in_the_last_digits_alone(size, off, accepted):
    """By a billionth of the largest square and of the entry itself, together."""
    matrix = size * np.array([[1.0, 0.5], [0.5 + off, 1.0]])
    if accepted:
        assert as_gram(None, matrix, None).own.shape == (2, 2)
    else:
        with pytest.raises(ValueError, match="gram must be symmetric"):
            as_gram(None, matrix, None)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_columns_are_orthogonal_to_no_error_as_well(weight):
    """A weight on the grid makes none, and every column is a direction."""
    x = adversarial_columns(3, 4, weight, np.random.default_rng(0))
    assert np.linalg.norm(x, axis=0) == pytest.approx(np.ones(4))

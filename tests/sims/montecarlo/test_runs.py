"""A run looks at its arguments whichever estimator it is of, and says how far it is."""

import contextlib

import pytest

from sims import montecarlo
from sims.montecarlo import estimate


def uniforms(rng, count):
    return rng.random(count)


@pytest.mark.parametrize(
    "bad", [{"trials": 0}, {"trials": 2.5}, {"level": 1.0}, {"block": 0}, {"seed": -1}], ids=str
)
def test_a_mean_of_bad_arguments_is_refused_in_one_sentence(bad):
    with pytest.raises((ValueError, TypeError), match=f"^{next(iter(bad))} must [^\n]*$"):
        montecarlo.mean(uniforms, **{"trials": 10, "seed": 1, "bounds": (0, 1), **bad})


def test_the_bar_goes_on_by_the_trials_of_every_block(monkeypatch):
    steps = []

    @contextlib.contextmanager
    def bar(total, what):
        steps.append((total, what))
        yield steps.append

    monkeypatch.setattr(estimate.progress, "bar", bar)
    montecarlo.mean(uniforms, 250, bounds=(0, 1), seed=1, block=100)
    assert steps == [(250, "trials"), 100, 100, 50]

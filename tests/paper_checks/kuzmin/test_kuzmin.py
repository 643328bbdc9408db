import numpy as np
import pytest

from paper_checks import kuzmin, registry
from paper_checks.claim import Run, Twin, execute
from paper_checks.kuzmin import representation
from sims.representation import linear_cka


def test_the_printed_ratio_would_be_reproduced_at_the_printed_precision():
    """Declared not reproduced: the check must be able to say otherwise."""
    (claim,) = (claim for claim in kuzmin.CLAIMS if claim.id == "ku.gaussian_quantization")
    right, wrong = registry.judge(
        [execute(claim, Run(claim.id), Twin("another text", {"text": text})) for text in ("19.3", "5.6")]
    )
    assert right.parts[0] == "holds"
    # and a twin of it that is not reproduced either, is no evidence of anything
    assert wrong.verdict == "not reproduced" and not wrong.as_declared


def test_the_mean_over_shifts_is_that_of_shifted_samples():
    x, y = (np.random.default_rng(width).normal(size=(2, 7, width)) for width in (3, 4))
    literal = [np.mean([linear_cka(x[i], np.roll(y[i], k, 0), False) for k in range(7)]) for i in (0, 1)]
    assert representation.over_shifts(x, y) == pytest.approx(literal, abs=1e-12)

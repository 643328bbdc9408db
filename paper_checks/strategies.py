"""Hypothesis strategies for the objects of the toolkit, for `paper_checks.falsify` and for tests of your own.

Every function returns a strategy whose examples shrink towards small numbers. Hypothesis is imported when one
is called (the extra property).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from paper_checks.falsify import imported
from theory import distributions, operators
from theory.arguments import choice, whole

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

SAMPLING_LAWS = ("nonzero", "uniform", "product")


def widths(least: int = 2, most: int = 8) -> "SearchStrategy[int]":
    """Bits of a weight, from `least` to `most`."""
    return imported().strategies.integers(least, most)


def max_values(most: int = 127) -> "SearchStrategy[int]":
    """M of an integer grid {-M..M}, from 1 to `most`."""
    return imported().strategies.integers(1, whole("most", most, 1))


def grids(most: int = 127) -> "SearchStrategy[np.ndarray]":
    """Symmetric integer grids {-M..M} as sorted arrays of 2M + 1 levels, M up to `most`."""
    return max_values(most).map(lambda m: np.arange(-m, m + 1))


def positive(least: float = 0.01, most: float = 100.0) -> "SearchStrategy[float]":
    """Lengths: steps, thresholds, scales."""
    return imported().strategies.floats(least, most, allow_nan=False)


def laws() -> "SearchStrategy[distributions.Distribution]":
    """Laws of a weight: Gaussian, Laplace, uniform, truncated Student-t, and of given values."""
    st = imported().strategies
    student = st.builds(distributions.StudentT, df=st.floats(1.0, 30.0), bound=st.floats(2.0, 1000.0))
    values = st.lists(st.integers(-1000, 1000), min_size=2, max_size=20).filter(any)
    return st.one_of(
        st.builds(distributions.Gaussian, positive()),
        st.builds(distributions.Laplace, positive()),
        st.builds(distributions.Uniform, positive()),
        student,
        st.builds(distributions.Empirical, values.map(np.array)),
    )


def sampling_laws() -> "SearchStrategy[str]":
    """Names of the laws of random samples in subset sums and tickets."""
    return imported().strategies.sampled_from(SAMPLING_LAWS)


def compressors(unbiased: bool | None = None) -> "SearchStrategy[operators.Operator]":
    """Operators on one weight: rounding, one bit, pruning; `unbiased` asks for those that are, or are not."""
    st = imported().strategies
    bits = st.none() | st.integers(2, 8)
    even = [
        st.builds(operators.StochasticRounding, positive(), bits),
        st.builds(operators.OneBit, positive()),
        st.builds(operators.StochasticPruning, positive()),
        st.builds(
            lambda step, ratio: operators.PruneThenRound(threshold=ratio * step, step=step),
            positive(),
            st.integers(1, 8),
        ),
    ]
    odd = [
        st.builds(operators.NearestRounding, positive(), bits),
        st.builds(operators.NearestSign, positive()),
        st.builds(operators.HardPruning, positive()),
    ]
    choice("unbiased", unbiased, (True, False, None))
    return st.one_of({True: even, False: odd, None: even + odd}[unbiased])


def instances(
    most: int = 12, max_value: int = 127, law: str = "nonzero"
) -> "SearchStrategy[tuple[np.ndarray, int]]":
    """Subset-sum instances: up to `most` samples (int64) as the law draws them, and a target in {-M..M}."""
    st = imported().strategies
    choice("law", law, SAMPLING_LAWS)
    whole("most", most, 1)
    m = whole("max_value", max_value, 1)
    factor = st.integers(-m, m) if law == "uniform" else st.integers(-m, m).filter(bool)
    sample = st.tuples(factor, factor).map(lambda pair: pair[0] * pair[1]) if law == "product" else factor
    values = st.lists(sample, min_size=1, max_size=most).map(lambda found: np.array(found, np.int64))
    return st.tuples(values, st.integers(-m, m))


def layers(
    rows: int = 4, columns: int = 16, samples: int = 16, size: float = 10.0
) -> "SearchStrategy[tuple[np.ndarray, np.ndarray]]":
    """Layers: W of shape (fan_out, fan_in) and inputs X of shape (samples, fan_in), entries up to `size`.

    `rows`, `columns` and `samples` are the most there are of each.
    """
    st = imported().strategies
    from hypothesis.extra import numpy as hnp

    entries = st.floats(-size, size, allow_nan=False, width=32)

    def of_shape(shape: Sequence[int]) -> "SearchStrategy[tuple[np.ndarray, np.ndarray]]":
        fan_out, fan_in, count = shape
        return st.tuples(
            hnp.arrays(np.float64, (fan_out, fan_in), elements=entries),
            hnp.arrays(np.float64, (count, fan_in), elements=entries),
        )

    limits = (("rows", rows), ("columns", columns), ("samples", samples))
    return st.tuples(*(st.integers(1, whole(name, most, 1)) for name, most in limits)).flatmap(of_shape)


def networks(depth: int = 3, width: int = 8, max_value: int = 7) -> "SearchStrategy[list[np.ndarray]]":
    """Quantized ReLU networks without biases: up to `depth` integer matrices on {-M..M} that fit together."""
    st = imported().strategies
    from hypothesis.extra import numpy as hnp

    entries = st.integers(-max_value, max_value)

    def of_sizes(sizes: Sequence[int]) -> "SearchStrategy[list[np.ndarray]]":
        shapes = zip(sizes[1:], sizes, strict=False)
        return st.tuples(*(hnp.arrays(np.int64, shape, elements=entries) for shape in shapes)).map(list)

    return st.lists(st.integers(1, width), min_size=2, max_size=depth + 1).flatmap(of_sizes)

"""Samplers of the output error of one neuron, and of the event that it leaves the operator's limits."""

from typing import Any

import numpy as np

from sims.montecarlo import Sample
from sims.path_following.compression import Compressed, as_weights, check_one_bit, compress, output_error
from sims.path_following.gram import Gram
from theory.operators import Operator
from theory.path_following import as_inputs


def error_sampler(
    weights: Any, inputs: Any, operator: Operator, scale: float = 1.0, method: str = "path-following"
) -> Sample:
    """Sampler of u_N for one neuron: `sample(rng, count)` returns (count, samples) independent errors.

    Trials are extra neurons, so they share one Gram matrix.

    Parameters
    ----------
    weights : (fan_in,) array_like
    inputs : (samples, fan_in) array_like
    operator, scale, method
        As in `compress`

    Returns
    -------
    callable

    Raises
    ------
    ValueError
        From the sampler, if v left the operator's limits in any trial: the theorems are silent there.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import StochasticRounding
    >>> sample = error_sampler([0.5], [[1.0]], StochasticRounding(1.0))
    >>> np.unique(sample(np.random.default_rng(0), 100)).tolist()
    [-0.5, 0.5]
    """
    x = as_inputs(inputs)
    gram = Gram()
    gram.update(x)
    w = as_weights(weights, x.shape[1])

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        result = _trials(w, gram, operator, scale, method, rng, count)
        if result.exits.any():
            raise ValueError(
                f"v left the limits of {operator} in {np.count_nonzero(result.exits)} of {count} trials, "
                "where no bound applies: raise C or the operator's range"
            )
        return output_error(result, x)

    return sample


def exit_sampler(
    weights: Any, inputs: Any, operator: Operator, scale: float = 1.0, method: str = "path-following"
) -> Sample:
    """Sampler of the event that v leaves the operator's limits: `sample(rng, count)`, (count,) booleans.

    Parameters are those of `error_sampler`.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.operators import OneBit
    >>> sample = exit_sampler([0.9, 0.9], [[1.0, 1.0]], OneBit(1.0))
    >>> bool(sample(np.random.default_rng(0), 10).all())    # v_2 = 0.9 + (0.9 -+ 1) is 0.8 or 2.8
    False
    """
    x = as_inputs(inputs)
    gram = Gram()
    gram.update(x)
    w = as_weights(weights, x.shape[1])
    check_one_bit(w, operator)

    def sample(rng: np.random.Generator, count: int) -> np.ndarray:
        return _trials(w, gram, operator, scale, method, rng, count).exits > 0

    return sample


def _trials(
    weights: np.ndarray,
    gram: Gram,
    operator: Operator,
    scale: float,
    method: str,
    rng: np.random.Generator,
    count: int,
) -> Compressed:
    """The same neuron `count` times, with independent random choices."""
    rows = np.broadcast_to(weights, (count, weights.shape[1]))
    return compress(rows, gram=gram, operator=operator, scale=scale, method=method, damping=0.0, seed=rng)

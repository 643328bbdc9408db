r"""What a layer multiplies while it is trained: quantized by a learned step, masked, or both (in JAX).

The step is s = s_0 exp(c tanh(p/c)), s_0 the start and c = 4: whatever the optimiser makes of p, s stays
within a factor e^4 = 55 of its start and above zero. Steps that are parameters themselves turn negative at
large rates, and every code with them. The gradient of p is scaled so that a step of the optimiser moves s,
to first order, as the published update of s would
(:func:`theory.derivations.fine_tuning.multiplicative_update`).
"""

from typing import Any, NamedTuple

from sims.fine_tuning.backend import load

REACH = 4.0  # |log s/s_0| stays below it
PARAMETERS = ("log", "raw")


class Options(NamedTuple):
    """How a layer's weights are made; what a compiled program is compiled for.

    Attributes
    ----------
    quantize
        Round to the step's multiples.
    sign
        One bit: {-s, s}.
    learn
        Learn the step; False keeps its start (the straight-through yardstick).
    prune
        Multiply by the mask.
    parameter
        "log" as above, or "raw": s itself is the parameter, as published.
    scaled
        The published gradient scale of the step.
    clipped
        No gradient for weights beyond the range, as published; False is a public error.
    held
        Pruned weights stay cut; False leaves them to the optimizer's momentum and decay, a public error.
    """

    quantize: bool = False
    sign: bool = False
    learn: bool = True
    prune: bool = False
    parameter: str = "log"
    scaled: bool = True
    clipped: bool = True
    held: bool = True


class Layer(NamedTuple):
    """Arrays of one layer that stand while it is trained, and the numbers of its quantizer."""

    start: Any  # s_0, (1, 1) or (fan_out, 1)
    scale: Any  # factor on the step's gradient
    low: Any
    high: Any


def step(parameter: Any, layer: Layer, options: Options) -> Any:
    """s, with the gradient described above."""
    jax, jnp, _ = load()
    stop = jax.lax.stop_gradient
    if not options.learn:
        return layer.start
    factor = layer.scale if options.scaled else 1.0
    if options.parameter == "raw":
        return layer.start + _slowed(parameter, factor, stop)
    current = layer.start * jnp.exp(REACH * jnp.tanh(parameter / REACH))
    return layer.start * jnp.exp(
        REACH * jnp.tanh(_slowed(parameter, factor / stop(current) ** 2, stop) / REACH)
    )


def _slowed(value: Any, factor: Any, stop: Any) -> Any:
    """`value`, whose gradient is multiplied by `factor`."""
    part = value * factor
    return part + stop(value - part)


def effective(weights: Any, parameter: Any, mask: Any, layer: Layer, options: Options) -> Any:
    """The matrix that multiplies, of the layer's latent weights, step parameter and mask."""
    if options.prune and options.held:
        weights = weights * mask
    elif options.prune:  # the gradient alone is masked
        stop = load().jax.lax.stop_gradient
        weights = weights * mask + stop(weights * (1 - mask))
    if not options.quantize:
        return weights
    rounded = rounding(weights, step(parameter, layer, options), layer, options)
    return rounded * mask if options.prune else rounded


def rounding(weights: Any, s: Any, layer: Layer, options: Options) -> Any:
    """s clip(round(w/s), low, high) with the slopes of :func:`theory.fine_tuning.lsq_gradients`."""
    jax, jnp, _ = load()
    stop = jax.lax.stop_gradient
    if options.sign:
        sign = jnp.where(weights < 0, -1.0, 1.0)
        through = jnp.clip(weights, -stop(s), stop(s)) if options.clipped else weights
        return s * sign + (through - stop(through))
    scaled = weights / s
    clipped = jnp.clip(scaled, layer.low, layer.high)
    through = clipped if options.clipped else scaled
    return s * (through + stop(jnp.round(clipped) - through))

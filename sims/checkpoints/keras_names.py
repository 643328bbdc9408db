"""Which axes of an array of Keras or Flax are its outputs, as the names of variable and layer say.

Keras 3 writes no names of variables: `layers/conv2d_1/vars/0` is the kernel, the folder that of its class.
"""

import re

from sims.checkpoints.tensor import Axis

_EMBEDDING = re.compile(r"(.*_)?embeddings?(_\d+)?|wte|wpe|shared|embed_tokens")
_TRANSPOSED = re.compile(r"(.*_)?conv[123]_?d_transpose(_\d+)?")
_DEPTHWISE = re.compile(r"(.*_)?(depthwise|separable)_conv[123]d(_\d+)?")
_HEADS = re.compile(r"(query|key|value)(_dense)?")


def bare(name: str) -> str:
    """The name of a variable without what TensorFlow adds to it.

    Examples
    --------
    >>> bare("dense/kernel:0"), bare("dense/kernel/.ATTRIBUTES/VARIABLE_VALUE")
    ('dense/kernel', 'dense/kernel')
    """
    return name.removesuffix(":0").removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")


def parts_of(name: str) -> list[str]:
    """The parts of a tensor's name, in small letters.

    Examples
    --------
    >>> parts_of("Model.layers.0/Dense_1/kernel:0"), parts_of("params:mlp/~/linear_0:w")
    (['model', 'layers', '0', 'dense_1', 'kernel'], ['params', 'mlp', '~', 'linear_0', 'w'])
    """
    return re.split(r"[./:]", bare(name).lower())


def output_axis(name: str, rank: int) -> Axis | None:
    """The output axis of an array of this name; the last, unless its layer keeps them in another place.

    Examples
    --------
    >>> output_axis("dense/kernel:0", 2), output_axis("layers/embedding_1/vars/0", 2)
    (1, 0)
    >>> output_axis("layers/conv2d_transpose/vars/0", 4), output_axis("layers/depthwise_conv2d/vars/0", 4)
    (2, (2, 3))
    >>> output_axis("encoderblock_0/attention/query/kernel", 3)
    (1, 2)
    """
    if rank < 2:
        return None
    *layers, variable = parts_of(name)
    layer = next((part for part in reversed(layers) if part != "vars"), "")
    kernel = variable in ("kernel", "0")
    table = variable in ("0", "weight") and _EMBEDDING.fullmatch(layer)
    if variable in ("embeddings", "embedding") or table:
        return 0
    if rank >= 3 and (variable == "depthwise_kernel" or (kernel and _DEPTHWISE.fullmatch(layer))):
        return rank - 2, rank - 1  # (positions, channels, multiples of each)
    if rank >= 3 and kernel and _TRANSPOSED.fullmatch(layer):
        return rank - 2
    if rank == 3 and kernel and _HEADS.fullmatch(layer):
        return 1, 2
    return rank - 1

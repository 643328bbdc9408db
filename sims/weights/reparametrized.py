"""Weights that a network computes from what it stores: masks, lengths and directions, spectral norms.

As :mod:`sims.weights.packed`: each function takes the name, the parts and the network's config.json, and
gives the weights as one lazy tensor, or raises :class:`Unclear` with what is missing.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sims.checkpoints import Tensor
from sims.weights.dequantize import Unclear
from sims.weights.packed import Parts, whole

# What torch stores of a reparametrized weight; beside the forms below it may be anything.
PART = re.compile(r"(^|\.)parametrizations\.\w+\.(original\d*|\d+\..+)$")
UNKNOWN = "a part of weights that the network computes in a way that is not read"


def _target(name: str) -> str:
    """The name of the weights that a stored part of this name belongs to."""
    return re.sub(r"parametrizations\.(\w+)\.original$", r"\1", name).removesuffix("_orig")


def masked(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """torch (prune, ao), TensorFlow, MADE: the product with the mask, of zeros and ones or not."""
    values, mask = parts.values()
    if values.shape != mask.shape:
        raise Unclear(f"a mask of shape {mask.shape} for weights of shape {values.shape}")

    def read() -> np.ndarray:
        return values.load() * mask.load()

    found = whole(_target(name), values.shape, parts, "weights times their mask", read, of="")
    return found.renamed(axis=values.axis)


def normed(length: str, direction: str) -> Callable:
    """torch.nn.utils.weight_norm: w = g v / |v|, the norm along every axis on which `length` has size 1."""

    def join(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
        g, v = parts[length], parts[direction]
        fits = len(g.shape) == len(v.shape) and all(
            a in (1, b) for a, b in zip(g.shape, v.shape, strict=True)
        )
        if not fits and g.size > 1:
            raise Unclear(f"lengths of shape {g.shape} for directions of shape {v.shape}")
        axes = tuple(i for i in range(len(v.shape)) if not fits or g.shape[i] == 1)

        def read() -> np.ndarray:
            values, lengths = v.load().astype(np.float64), g.load().astype(np.float64)
            norm = np.sqrt((values**2).sum(axis=axes, keepdims=True))
            scale = np.divide(
                lengths if fits else lengths.reshape(()), norm, out=np.zeros_like(norm), where=norm > 0
            )
            return (values * scale).astype(np.float32)

        target = name.removesuffix(direction).replace("parametrizations.", "")
        target += "weight" if direction == "weight_v" else ""
        return whole(target, v.shape, parts, "lengths times directions", read, of="")

    return join


def scored(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """Edge-popup, movement pruning: a share of the weights with the largest scores is kept."""
    raise Unclear("weights that scores prune, and how many of them is not in the file")


def spectral(name: str, parts: Parts, config: Mapping[str, Any]) -> Tensor:
    """torch.nn.utils.spectral_norm: W / (u' W v), of W as a matrix whose rows are one of the first axes."""
    values, u, v = parts.values()
    axes = [
        axis
        for axis in (0, 1)
        if len(values.shape) > 1
        and u.shape == values.shape[axis : axis + 1]
        and v.shape == (values.size // max(1, values.shape[axis]),)
    ]
    if not axes:
        raise Unclear(f"vectors of shapes {u.shape} and {v.shape} for weights of shape {values.shape}")

    def read() -> np.ndarray:
        array = values.load().astype(np.float64)
        left, right = u.load().astype(np.float64), v.load().astype(np.float64)
        # where both axes fit, the larger norm: another matrix than its own has no singular vectors there
        norms = [left @ np.moveaxis(array, axis, 0).reshape(left.size, -1) @ right for axis in axes]
        norm = max(norms, key=abs)
        return (array / (norm or 1.0)).astype(np.float32)

    found = whole(_target(name), values.shape, parts, "weights over their spectral norm", read, of="")
    return found.renamed(axis=axes[0] if len(axes) == 1 else None)

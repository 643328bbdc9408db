"""JAX, which trains: an optional extra, imported where it is needed and nowhere else."""

import functools
import importlib.util
import os
from types import ModuleType
from typing import NamedTuple

from sims.support.extras import to_install

NEEDED = f"fine-tuning needs the extra train; {to_install('train')}"
_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false"


class Backend(NamedTuple):
    """The three modules that training is written in."""

    jax: ModuleType
    numpy: ModuleType
    optax: ModuleType


def available() -> bool:
    """Whether the extra is installed; nothing is imported.

    Examples
    --------
    >>> isinstance(available(), bool)
    True
    """
    return all(importlib.util.find_spec(name) is not None for name in ("jax", "optax"))


@functools.cache
def load() -> Backend:
    """JAX on the processor, one thread per program: cells of a sweep are what runs in parallel.

    One thread also fixes the order of every sum, so that a run repeats to the bit on one machine. Products
    are those of float32 everywhere: a GPU would round their factors to 10 bits of mantissa (TF32), and what
    convolutions learn on it would differ in the third digit. What the caller's environment says about
    platforms, products or XLA stands.

    Raises
    ------
    ImportError
        The extra is missing; the sentence says how to get it.
    """
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")
    flags = os.environ.get("XLA_FLAGS", "")
    if _ONE_THREAD.partition("=")[0] not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_ONE_THREAD}".strip()
    try:
        import jax
        import optax
    except ImportError:
        raise ImportError(NEEDED) from None
    return Backend(jax, jax.numpy, optax)

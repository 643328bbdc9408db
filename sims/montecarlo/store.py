"""Moments of blocks of trials, and the file that keeps them so that a run can be resumed.

Written by hand, as no library knows that a block depends on its stream alone: what is kept here is a few
numbers per block, whole or absent, under an identity that covers every source file.
"""

import functools
import hashlib
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sims.support.files import atomic_write, sealed, unsealed

_SAVE_EVERY = 1.0  # seconds between saves of an unfinished run


@dataclass(frozen=True)
class Moments:
    """Count, mean and summed squared deviations of each column; merging is Chan's formula.

    A mean lies between the values that it is made of, also where rounding of their sum would take it out
    (4,096 times 0.1): a bound on every trial bounds it, too. Merging cannot take it out: the share is less
    than one by more than the rounding.
    """

    count: int
    mean: tuple[float, ...]
    deviations: tuple[float, ...]

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Moments of the columns of an array of trials (rows)."""
        columns = values.reshape(len(values), -1).astype(np.float64)
        mean = np.clip(columns.mean(axis=0), columns.min(axis=0), columns.max(axis=0))
        return cls(len(columns), tuple(mean.tolist()), tuple(((columns - mean) ** 2).sum(axis=0).tolist()))

    def merge(self, other: "Moments") -> "Moments":
        """Moments of both together."""
        if self.count == 0:
            return other
        n = self.count + other.count
        share = other.count / n
        gaps = [b - a for a, b in zip(self.mean, other.mean, strict=True)]
        mean = tuple(a + g * share for a, g in zip(self.mean, gaps, strict=True))
        summed = zip(self.deviations, other.deviations, gaps, strict=True)
        return Moments(n, mean, tuple(p + q + g * g * self.count * share for p, q, g in summed))


class Store:
    """Finished blocks of one run in a JSON file, rewritten atomically; floats round-trip exactly.

    The identity holds what the run is made of, except the sampler, which cannot be compared with one of
    yesterday: `key` stands for it and must name it.
    """

    def __init__(
        self,
        path: str | Path,
        seed: int,
        key: Sequence,
        block: int,
        bounds: Sequence[tuple[float, float]],
        estimator: str,
    ):
        if not key:
            raise ValueError("a stored run needs a key that names what is sampled, got ()")
        self.path, self.bounds = Path(path), bounds
        self.identity = {
            "estimator": estimator,
            "seed": int(seed),
            "key": [str(part) for part in key],
            "block": int(block),
            "bounds": [list(pair) for pair in bounds],
            "sources": source_digest(),
        }
        self.blocks: dict[int, Moments] = {}
        self._next, self._fresh = 0.0, True
        if self.path.exists():
            try:
                self.blocks = self._read()
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                warnings.warn(f"{self.path} cannot be resumed and is computed anew: {error}", stacklevel=4)
        self.save()  # a path that cannot be written is noticed now, not after the work

    def _read(self) -> dict[int, Moments]:
        stored = unsealed(self.path.read_text(encoding="utf-8"))
        if stored["identity"] != self.identity:
            raise ValueError("it belongs to another run (seed, key, bounds, block size or sources differ)")
        blocks = {}
        for index, (count, means, deviations) in stored["blocks"].items():
            moments = Moments(int(count), tuple(map(float, means)), tuple(map(float, deviations)))
            sound = len(means) == len(deviations) == len(self.bounds) and all(
                low <= mean <= high and 0.0 <= spread < math.inf
                for mean, spread, (low, high) in zip(
                    moments.mean, moments.deviations, self.bounds, strict=True
                )
            )
            if not sound:
                raise ValueError(f"block {index} holds impossible moments")
            blocks[int(index)] = moments
        return blocks

    def add(self, index: int, moments: Moments) -> None:
        """Keep a block; the file is written when the last save is long enough ago."""
        self._fresh |= self.blocks.get(index) != moments  # a last block may have been shorter
        self.blocks[index] = moments
        if time.monotonic() > self._next:
            self.save()

    def save(self) -> None:
        """Write what is new."""
        if not self._fresh:
            return
        start = time.monotonic()
        blocks = {str(i): [m.count, list(m.mean), list(m.deviations)] for i, m in sorted(self.blocks.items())}
        with atomic_write(self.path) as file:
            file.write(sealed({"identity": self.identity, "blocks": blocks}))
        now = time.monotonic()
        # the file grows with the run: saving must stay a small part of its time
        self._next, self._fresh = now + max(_SAVE_EVERY, 20 * (now - start)), False


@functools.cache
def source_digest() -> str:
    """Hash of every source file of the two floors that results come from."""
    # from this file, not from the packages: beside a folder called `sims` those have no file
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for floor in ("theory", "sims"):
        for path in sorted((root / floor).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()

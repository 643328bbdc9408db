"""Real weights: the optimal scale of a tensor, every format, and the verdict: snap or cut?"""

from sims.weights.judge import (
    CUT,
    EITHER,
    LOSSLESS,
    MIN_SIZE,
    SNAP,
    Table,
    TensorRow,
    Total,
    analyse,
    load,
    report,
    zoo_checkpoint,
)

__all__ = [
    "CUT",
    "EITHER",
    "LOSSLESS",
    "MIN_SIZE",
    "SNAP",
    "Table",
    "TensorRow",
    "Total",
    "analyse",
    "load",
    "report",
    "zoo_checkpoint",
]

"""Real weights: the optimal scale of a tensor, every format, and the verdict: snap or cut?"""

from sims.weights.allocation import Allocation, allocate
from sims.weights.judge import (
    analyse,
    growing_report,
    growing_table,
    report,
)
from sims.weights.layers import layer_named, layers_of, picked
from sims.weights.network import CUT, EITHER, LOSSLESS, SNAP, Signal, Total
from sims.weights.rotation import gain_lines, rotate, unrotate
from sims.weights.select import MIN_SIZE, select
from sims.weights.sources import AT_HAND, load, opened, zoo_checkpoint
from sims.weights.table import Table, TensorRow

__all__ = [
    "AT_HAND",
    "CUT",
    "EITHER",
    "LOSSLESS",
    "MIN_SIZE",
    "SNAP",
    "Allocation",
    "Signal",
    "Table",
    "TensorRow",
    "Total",
    "allocate",
    "analyse",
    "gain_lines",
    "growing_report",
    "growing_table",
    "layer_named",
    "layers_of",
    "load",
    "opened",
    "picked",
    "report",
    "rotate",
    "select",
    "unrotate",
    "zoo_checkpoint",
]

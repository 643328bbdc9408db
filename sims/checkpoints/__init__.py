"""Weight files from anywhere, read without executing anything they hold."""

from sims.checkpoints.read import read
from sims.checkpoints.tensor import Checkpoint, widen

__all__ = ["Checkpoint", "read", "widen"]

"""Weight files from anywhere, read without executing anything they hold."""

from sims.checkpoints.read import ENDINGS, read
from sims.checkpoints.tensor import Checkpoint, widen

__all__ = ["ENDINGS", "Checkpoint", "read", "widen"]

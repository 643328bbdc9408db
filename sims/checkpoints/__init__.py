"""Weight files from anywhere, read without executing anything they hold."""

from sims.checkpoints.read import Checkpoint, read, widen

__all__ = ["Checkpoint", "read", "widen"]

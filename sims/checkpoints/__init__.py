"""Weight files from anywhere, read without executing anything they hold."""

from sims.checkpoints.elements import is_float, widen
from sims.checkpoints.read import ENDINGS, open_checkpoint, read
from sims.checkpoints.tensor import Checkpoint, Contents, Tensor, of_array

__all__ = [
    "ENDINGS",
    "Checkpoint",
    "Contents",
    "Tensor",
    "is_float",
    "of_array",
    "open_checkpoint",
    "read",
    "widen",
]

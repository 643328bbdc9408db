"""Fine-tuning of small networks: learned-step quantization against gradual magnitude pruning, many seeds at
once.

Small networks on small images test directions, mechanisms and the algorithms themselves. They do not
reproduce accuracies on ImageNet.
"""

from sims.fine_tuning.backend import NEEDED, available
from sims.fine_tuning.cells import Cell, Setting, compare, median, originals, simulate
from sims.fine_tuning.methods import METHODS, POST_TRAINING, TUNED, fine_tuned, post_training, pretrained
from sims.fine_tuning.networks import Network
from sims.fine_tuning.statistics import sign_flip_p_value
from sims.fine_tuning.training import Recipe, Trained
from sims.networks.images import Dataset, from_arrays, load

__all__ = [
    "METHODS",
    "NEEDED",
    "POST_TRAINING",
    "TUNED",
    "Cell",
    "Dataset",
    "Network",
    "Recipe",
    "Setting",
    "Trained",
    "available",
    "compare",
    "fine_tuned",
    "from_arrays",
    "load",
    "median",
    "originals",
    "post_training",
    "pretrained",
    "sign_flip_p_value",
    "simulate",
]

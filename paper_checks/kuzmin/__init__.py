"""Claims of Kuzmin et al. 2023: signal-to-noise ratios of quantization and pruning, fine-tuning, CKA."""

from paper_checks.claim import Paper
from paper_checks.kuzmin import (
    allocation,
    fine_tuning,
    formulas,
    gaussian,
    hardware,
    layers,
    orders,
    prediction,
    released,
    representation,
    rotations,
    scales,
    schedules,
    shipped,
    storage,
    weights,
)

PAPER = Paper(
    "kuzmin",
    "Kuzmin et al. 2023",
    "Pruning vs Quantization: Which is Better?",
    "NeurIPS 2023; arXiv 2307.02973",
)
CLAIMS = (
    *gaussian.CLAIMS,
    *formulas.CLAIMS,
    *hardware.CLAIMS,
    *prediction.CLAIMS,
    *shipped.CLAIMS,
    *weights.CLAIMS,
    *released.CLAIMS,
    *storage.CLAIMS,
    *representation.CLAIMS,
    *scales.CLAIMS,
    *orders.CLAIMS,
    *rotations.CLAIMS,
    *allocation.CLAIMS,
    *layers.CLAIMS,
    *schedules.CLAIMS,
    *fine_tuning.CLAIMS,
)

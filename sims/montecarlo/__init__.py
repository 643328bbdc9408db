"""Monte Carlo estimates in reproducible blocks, with intervals that hold at every number of trials."""

from sims.montecarlo.estimate import BLOCK, Estimate, Sample, mean, means, probabilities, probability, stream
from sims.montecarlo.intervals import quantile, student_half_width
from sims.montecarlo.quantiles import QuantileSequence, growing_medians

__all__ = [
    "BLOCK",
    "Estimate",
    "QuantileSequence",
    "Sample",
    "growing_medians",
    "mean",
    "means",
    "probabilities",
    "probability",
    "quantile",
    "stream",
    "student_half_width",
]

"""Weight distributions with exact partial moments."""

from theory.distributions.base import Distribution
from theory.distributions.frozen import Frozen, as_law, takes_law, takes_symmetric_law
from theory.distributions.laws import Empirical, Gaussian, Laplace, Truncated, Uniform
from theory.distributions.student_t import StudentT

__all__ = [
    "Distribution",
    "Empirical",
    "Frozen",
    "Gaussian",
    "Laplace",
    "StudentT",
    "Truncated",
    "Uniform",
    "as_law",
    "takes_law",
    "takes_symmetric_law",
]

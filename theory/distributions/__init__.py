"""Weight distributions with exact partial moments."""

from theory.distributions.base import Distribution
from theory.distributions.laws import Empirical, Gaussian, Laplace, Truncated, Uniform
from theory.distributions.student_t import StudentT

__all__ = ["Distribution", "Empirical", "Gaussian", "Laplace", "StudentT", "Truncated", "Uniform"]

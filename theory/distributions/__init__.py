"""Weight distributions with exact partial moments."""

from theory.distributions.laws import Distribution, Empirical, Gaussian, Laplace, StudentT, Truncated, Uniform

__all__ = ["Distribution", "Empirical", "Gaussian", "Laplace", "StudentT", "Truncated", "Uniform"]

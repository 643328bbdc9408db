"""Claims of Zhang & Saab 2025: path-following quantization and pruning."""

from paper_checks.claim import Paper
from paper_checks.zhang_saab import (
    alphabets,
    domination,
    laws,
    layers,
    nearest_plane,
    neighbours,
    norms,
    steps,
    tails,
)

PAPER = Paper(
    "zhang-saab",
    "Zhang & Saab 2025",
    "Unified Stochastic Framework for Neural Network Quantization and Pruning",
    "Appl. Comput. Harmon. Anal. 79, 101778; arXiv 2412.18184",
)
CLAIMS = (
    *domination.CLAIMS,
    *alphabets.CLAIMS,
    *laws.CLAIMS,
    *layers.CLAIMS,
    *nearest_plane.CLAIMS,
    *neighbours.CLAIMS,
    *norms.CLAIMS,
    *steps.CLAIMS,
    *tails.CLAIMS,
)

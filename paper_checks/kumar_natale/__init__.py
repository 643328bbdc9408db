"""Claims of Kumar & Natale 2025: number partitioning, random subset sum, strong lottery tickets."""

from paper_checks.claim import Paper
from paper_checks.kumar_natale import (
    exact_laws,
    lottery,
    lottery_products,
    lottery_size,
    partition,
    partition_discrepancy,
    subset_sum,
    subset_sum_laws,
    subset_sum_limits,
    theorems,
)

PAPER = Paper(
    "kumar-natale",
    "Kumar & Natale 2025",
    "Quantization vs Pruning: Insights from the Strong Lottery Ticket Hypothesis",
    "arXiv 2508.11020",
)
CLAIMS = (
    *lottery.CLAIMS,
    *lottery_size.CLAIMS,
    *lottery_products.CLAIMS,
    *partition.CLAIMS,
    *partition_discrepancy.CLAIMS,
    *subset_sum.CLAIMS,
    *subset_sum_laws.CLAIMS,
    *subset_sum_limits.CLAIMS,
    *theorems.CLAIMS,
    *exact_laws.CLAIMS,
)

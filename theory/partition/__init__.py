"""Number partitioning of random integers: threshold laws, moments, and exact laws on small grids."""

from theory.partition.exact import (
    min_discrepancy_distribution,
    perfect_partition_distribution,
    perfect_partition_moments,
    perfect_probability,
)
from theory.partition.laws import (
    WINDOW_CONSTANT,
    Form,
    critical_bits,
    discrepancy_scale,
    expected_perfect_partitions,
    expected_perfect_partitions_exact,
    lemma1_bounds,
    min_discrepancy_survival,
    perfect_partition_count_pmf,
    perfect_partition_probability,
    perfect_partition_variance_exact,
    second_moment,
    window_max_value,
    window_parameter,
    window_probability,
)

__all__ = [
    "WINDOW_CONSTANT",
    "Form",
    "critical_bits",
    "discrepancy_scale",
    "expected_perfect_partitions",
    "expected_perfect_partitions_exact",
    "lemma1_bounds",
    "min_discrepancy_distribution",
    "min_discrepancy_survival",
    "perfect_partition_count_pmf",
    "perfect_partition_distribution",
    "perfect_partition_moments",
    "perfect_partition_probability",
    "perfect_partition_variance_exact",
    "perfect_probability",
    "second_moment",
    "window_max_value",
    "window_parameter",
    "window_probability",
]

"""No claim vanishes: what is registered is pinned, and every module with claims is reached."""

import importlib
from pathlib import Path

import pytest

import paper_checks
from paper_checks import registry
from paper_checks.claim import Claim, at_most

ROOT = Path(paper_checks.__file__).parent
FOLDERS = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
WRITTEN = sorted(
    path for folder in FOLDERS for path in (ROOT / folder).glob("*.py") if path.stem != "__init__"
)

# Number of false versions by claim. A new claim means a new line here; a line that goes needs its reason.
TWINS = {
    "kn.collapse": 3,
    "kn.continuous": 3,
    "kn.corrected_law": 1,
    "kn.corrections": 2,
    "kn.counting": 1,
    "kn.counting_probability": 2,
    "kn.counts": 3,
    "kn.cox": 3,
    "kn.cox_range": 2,
    "kn.cox_tail": 3,
    "kn.delta_window": 2,
    "kn.discrepancy_process": 3,
    "kn.divisibility": 2,
    "kn.every_continuous": 2,
    "kn.every_target": 3,
    "kn.exact_chain": 1,
    "kn.exact_copies": 1,
    "kn.exact_partition": 1,
    "kn.exact_sizes": 1,
    "kn.exact_tickets": 3,
    "kn.exact_two_layer": 2,
    "kn.exponent": 1,
    "kn.exponential": 1,
    "kn.golden": 1,
    "kn.growth": 4,
    "kn.laguerre": 2,
    "kn.law_errors": 2,
    "kn.lemma1": 3,
    "kn.lemma2": 1,
    "kn.lemma3": 5,
    "kn.lemma4": 3,
    "kn.matched_units": 4,
    "kn.min_discrepancy": 3,
    "kn.moments": 1,
    "kn.network_success": 4,
    "kn.prefactor": 1,
    "kn.product_gap": 2,
    "kn.product_price": 1,
    "kn.product_price_limit": 2,
    "kn.reach": 1,
    "kn.real_scale": 3,
    "kn.redraws": 5,
    "kn.reduction": 2,
    "kn.saddlepoint": 3,
    "kn.saddlepoint_errors": 2,
    "kn.second_rate": 2,
    "kn.shared_products": 2,
    "kn.shared_units": 3,
    "kn.sizing": 3,
    "kn.ternary": 2,
    "kn.theorem1": 2,
    "kn.theorem2_deep": 2,
    "kn.threshold": 3,
    "kn.trivial": 1,
    "kn.uniform_exponent": 2,
    "kn.union_bound": 1,
    "kn.unique_optimum": 3,
    "kn.weight_success": 3,
    "kn.zero_thinning": 1,
    "ku.absmax_in_blocks": 2,
    "ku.allocation_exact": 1,
    "ku.allocation_gains": 2,
    "ku.allocation_slopes": 2,
    "ku.bit_operations": 2,
    "ku.block_order": 2,
    "ku.block_scales": 2,
    "ku.break_even": 2,
    "ku.cka_bias": 2,
    "ku.cka_effective_rank": 2,
    "ku.cka_invariances": 2,
    "ku.cka_matchings": 2,
    "ku.crossovers": 3,
    "ku.csr": 2,
    "ku.cubic_schedule": 2,
    "ku.decibels_per_bit": 2,
    "ku.errors_add": 1,
    "ku.errors_add_in_blocks": 1,
    "ku.flat_optimum": 2,
    "ku.gaussian_pruning": 2,
    "ku.gaussian_quantization": 2,
    "ku.gaussian_quantization_wins": 2,
    "ku.gaussian_table": 1,
    "ku.gradient_mask": 1,
    "ku.gradient_scale": 1,
    "ku.identities": 1,
    "ku.impossible_kurtosis": 2,
    "ku.kurtosis_not_sufficient": 2,
    "ku.kurtosis_predicts": 2,
    "ku.late_masks": 2,
    "ku.late_start": 2,
    "ku.layer_box": 2,
    "ku.layer_certificate": 2,
    "ku.layer_correlation": 3,
    "ku.layer_joint": 2,
    "ku.layer_masks": 3,
    "ku.layer_range": 2,
    "ku.layer_solvers": 1,
    "ku.layers_quantization_wins": 3,
    "ku.learned_steps": 1,
    "ku.low_rate": 2,
    "ku.mask_overhead": 2,
    "ku.masks_hold": 1,
    "ku.memory_bound": 2,
    "ku.more_levels": 1,
    "ku.n_of_m": 2,
    "ku.natural_zeros": 2,
    "ku.nf4_blocks": 2,
    "ku.no_crossover": 2,
    "ku.offset_worth": 2,
    "ku.one_scale": 2,
    "ku.outliers_mislead": 2,
    "ku.output_errors_add": 1,
    "ku.pooled": 2,
    "ku.positive_steps": 1,
    "ku.prune_then_round": 2,
    "ku.pruned_blocks": 2,
    "ku.pruning_error_settles": 2,
    "ku.pruning_pays": 2,
    "ku.pruning_rounding_order": 1,
    "ku.pruning_snr_rises": 2,
    "ku.rate_distortion": 1,
    "ku.real_tensors": 2,
    "ku.released_kurtosis_predicts": 2,
    "ku.released_wins": 2,
    "ku.released_wins_masked": 2,
    "ku.rotation_formats": 2,
    "ku.rotation_kills_pruning": 2,
    "ku.rotation_kurtosis": 1,
    "ku.rotation_nvfp4": 2,
    "ku.run_length": 2,
    "ku.sampled_error": 3,
    "ku.scale_fluctuates": 3,
    "ku.searched_scales": 3,
    "ku.settled_step": 1,
    "ku.sparse_float8": 2,
    "ku.step_gradient": 3,
    "ku.student_adds_little": 2,
    "ku.student_moments": 2,
    "ku.symmetric_grid": 2,
    "ku.ternary_optimum": 1,
    "ku.training_pays": 1,
    "ku.tuning_pruning_returns": 1,
    "ku.tuning_quantization_moves": 1,
    "ku.tuning_quantization_wins": 1,
    "ku.tuning_stays_closer": 1,
    "ku.water_filling": 1,
    "zs.alignment": 3,
    "zs.any_alphabet": 3,
    "zs.column_order": 2,
    "zs.covariance": 1,
    "zs.digits_accuracy": 2,
    "zs.domination": 3,
    "zs.euclidean": 3,
    "zs.every_step": 2,
    "zs.feedback_pays": 2,
    "zs.growth_with_m": 1,
    "zs.joint_convex": 2,
    "zs.lattice_reduction": 3,
    "zs.min_pivot": 1,
    "zs.nearest_plane": 1,
    "zs.nearest_plane_bound": 2,
    "zs.one_bit": 3,
    "zs.operators": 2,
    "zs.optq": 2,
    "zs.price_of_scale": 2,
    "zs.quantile_trap": 2,
    "zs.range_lemma": 1,
    "zs.real_layers": 2,
    "zs.saturation": 5,
    "zs.several_layers": 2,
    "zs.sup_norm": 3,
    "zs.superquantile": 2,
    "zs.worst_case": 3,
}


def test_the_claims_are_these():
    assert list(TWINS) == sorted(TWINS)
    assert {claim.id: len(claim.twins) for claim in registry.claims()} == TWINS


def test_every_claim_has_a_constant_or_says_why_not():
    """`factor` multiplies the constant (`snapcut check --sharpness`); a reason is a few words."""
    bare = [claim.id for claim in registry.claims() if not claim.constant]
    assert not bare, f"give these a Constant, or the reason why nothing is multiplied: {bare}"
    reasons = [claim.constant for claim in registry.claims() if isinstance(claim.constant, str)]
    assert len(reasons) <= 0.25 * len(registry.claims())


def test_every_folder_of_a_paper_is_registered():
    registered = {package.__name__ for package in registry._PACKAGES}
    assert registered == {f"paper_checks.{folder}" for folder in FOLDERS}
    for package in registry._PACKAGES:
        assert registry.PAPERS[package.PAPER.key] is package.PAPER
        assert {claim.paper for claim in package.CLAIMS} == {package.PAPER.key}


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_claim_that_is_written_is_registered(path):
    module = importlib.import_module(f"paper_checks.{path.parent.name}.{path.stem}")
    listed = list(getattr(module, "CLAIMS", ()))
    loose = [value for value in vars(module).values() if isinstance(value, Claim) and value not in listed]
    assert not loose, "a claim outside CLAIMS is never checked"
    package = importlib.import_module(f"paper_checks.{path.parent.name}")
    assert all(any(claim is other for other in package.CLAIMS) for claim in listed)


def test_no_module_beside_the_folders_has_claims():
    for path in ROOT.glob("*.py"):
        assert not hasattr(importlib.import_module(f"paper_checks.{path.stem}"), "CLAIMS")


def test_claims_that_share_run_in_one_process_and_keep_their_own_verdicts():
    def one(name, value, shares=""):
        def check(run):
            yield at_most("a number", value, 10.0)

        return Claim(name, name, "x", "", "", "", "derived", check, shares=shares)

    selected = [
        one("a", 1.0),
        one("b", 2.0, "net"),
        one("c", 3.0),
        one("d", 4.0, "net"),
        one("e", 5.0, "other"),
    ]
    names = [[claim.id for claim in task] for task in registry.together(selected)]
    assert names == [["b", "d"], ["a"], ["c"], ["e"]]  # begun last, the long task would run on alone
    judged = registry.check(selected, processes=1)
    assert [(row.outcome.claim.id, row.as_dict()["value"]) for row in judged] == list(
        zip("abcde", (1.0, 2.0, 3.0, 4.0, 5.0), strict=True)
    )


def test_what_trains_networks_is_one_task_and_comes_back_by_claim():
    tasks = registry.together(registry.claims())
    (trained,) = (task for task in tasks if len(task) > 1)
    assert trained == list(importlib.import_module("paper_checks.kuzmin.fine_tuning").CLAIMS)
    names = ["kn.golden", "kn.lemma2"]
    together = registry.fields(names, "quick", False, False, 0)
    apart = [registry.fields([name], "quick", False, False, 0)[0] for name in names]
    for several, alone in zip(together, apart, strict=True):  # each with its own measurements
        assert [one[1] for one in several] == [one[1] for one in alone]
    assert together[0][0][1] != together[1][0][1]

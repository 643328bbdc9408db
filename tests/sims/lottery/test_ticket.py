"""What a ticket says of itself, where one number too many or too few would go unnoticed."""

import itertools
import re

import numpy as np
import pytest

from sims.lottery import embed
from sims.lottery.embedding import _failures
from sims.lottery.misses import MissTable, best_misses, rare_misses, smallest_samples
from theory.lottery import expected_failures


def test_the_side_of_negative_inputs_is_verified_too():
    weights = [np.array([[3, -1], [0, 2]])]
    ticket = embed(weights, 3, 20, 1, signed_inputs=True)
    assert ticket.verify()
    block = ticket.layers[0].blocks[0]
    slot = int(np.flatnonzero(block.sides == -1)[0])
    block.words[0, slot] = 0  # weight 3 is lost for negative inputs alone
    assert (ticket.effective()[0][0] == weights[0]).all()
    assert not ticket.verify()
    assert not ticket.verify([[5, 1]])


@pytest.mark.parametrize(("signed", "weights_to_hit"), [(False, 3), (True, 6)])
def test_the_advice_counts_every_weight_and_side(tmp_path, signed, weights_to_hit):
    """Ternary: a weight fails with probability 2^-n, zeros never do."""
    weights = [np.array([[1, 0], [1, -1]])]
    tickets = (embed(weights, 1, 3, seed, signed_inputs=signed) for seed in itertools.count())
    ticket = next(ticket for ticket in tickets if ticket.failures)
    with pytest.raises(ValueError, match="incomplete") as refused:
        ticket.save(tmp_path / "t")
    probability, samples = re.search(r"probability (\S+); (\d+) samples", str(refused.value)).groups()
    assert float(probability) == pytest.approx(-np.expm1(-weights_to_hit / 8), abs=5e-4)
    assert int(samples) == next(n for n in itertools.count() if 1 - (1 - 2.0**-n) ** weights_to_hit <= 0.01)
    assert not list(tmp_path.iterdir())


def test_the_advice_counts_the_redraws(tmp_path):
    """Ternary, three weights, two rounds of two candidates: each fails with probability 2^-4."""
    weights = [np.array([[1, 0], [1, -1]])]
    tickets = (embed(weights, 1, 2, seed, retries=1) for seed in itertools.count())
    ticket = next(ticket for ticket in tickets if ticket.failures)
    with pytest.raises(ValueError, match=f"failure probability {-np.expm1(-3 / 16):.3g};"):
        ticket.save(tmp_path / "t")


def test_the_advice_is_the_fewest_samples_below_one_in_a_hundred(tmp_path):
    """Ternary, 83 weights: 83 / 2^13 = 0.0101 of them are expected to fail among thirteen candidates."""
    with pytest.raises(ValueError, match=r"; 14 samples bring it under 0\.01\)"):
        embed([np.ones((1, 83), int)], 1, 1, seed=0).save(tmp_path / "t")


def test_outputs_are_the_same_in_tiles_of_a_few_rows(monkeypatch):
    """Seven rows of 5 x 24 entries, three at a time, and the last one by itself."""
    rng = np.random.default_rng(0)
    matrix, x = rng.integers(-3, 4, (7, 5)), rng.integers(0, 50, (6, 5))
    ticket = embed([matrix], 3, 24, 5)
    monkeypatch.setattr("sims.lottery.ticket._TILE", 3 * 5 * 24)
    assert ticket.outputs(x).tolist() == (x @ matrix.T).tolist()


@pytest.mark.parametrize(("construction", "law"), [("two_layer", "product"), ("depth_plus_one", "nonzero")])
def test_no_advice_is_given_where_no_law_of_a_whole_network_is_known(tmp_path, construction, law):
    ticket = embed([[[7]]], 7, 1, 1, construction, law)
    with pytest.raises(ValueError, match=r"among samples=1; embed with more samples or with retries$"):
        ticket.save(tmp_path / "t")


@pytest.mark.parametrize("retries", [0, 2])
def test_rounds_end_after_the_retries(retries):
    ticket = embed([np.array([[127]])], 127, 1, seed=3, retries=retries)
    assert ticket.failures
    assert len(ticket.layers[0].blocks) == retries + 1


def test_a_unit_lost_in_all_copies_is_reported_by_its_best_copy():
    failed = np.zeros((2, 3, 4), bool)
    failed[0, :, :2] = True
    failed[0, 1, 1] = False  # the second copy lost one weight, the others two
    failed[1, 0] = True  # a whole copy, but others are without loss
    found = _failures(5, np.arange(8).reshape(2, 4), failed)
    assert [tuple(f) for f in found] == [(5, 0, 0, 0)]


def test_the_standard_error_of_a_table_is_binomial():
    table = MissTable(np.array([[0.0, 1.0], [0.0, 0.25]]), trials=300)
    assert table.standard_error(1, -1) == pytest.approx(np.sqrt(0.25 * 0.75 / 300))


def test_measured_sizes_are_the_fewest_too():
    """Beyond exact grids the search skips by the bits that are missing, and not over the answer."""
    weights = [np.array([[15, 1], [-15, 4]])]
    for failure in (0.3, 0.02, 1e-3):
        n, expected = smallest_samples(weights, 15, failure, seed=1, trials=4000)

        def failures(samples):
            return expected_failures(weights, best_misses(samples, 15, 4000, 1))

        assert expected == failures(n) <= failure < failures(n - 1)
    assert (best_misses(9, 15, 4000, 1) == rare_misses(9, 15, 4000, 1)).all()


@pytest.mark.parametrize(("construction", "law", "top"), [
    ("two_layer", "nonzero", 3), ("two_layer", "product", 9),
    ("depth_plus_one", "nonzero", 3), ("depth_plus_one", "product", 3),
])  # fmt: skip
def test_the_largest_weight_is_a_candidate_or_a_product_of_two(construction, law, top):
    ticket = embed([np.array([[top], [-top]])], 3, 40, 1, construction, law)
    assert ticket.verify()
    with pytest.raises(ValueError, match=rf"= {top + 1} is beyond the grid {{-{top}..{top}}} of max_value=3"):
        embed([np.array([[top + 1]])], 3, 40, 1, construction, law)

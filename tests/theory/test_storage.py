import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import storage
from theory.storage import bits_per_weight, break_even_sparsity


def test_bitmask_is_sixteenth_of_sixteen_bits():
    assert storage.mask_overhead(16) == 0.0625
    assert storage.bits_per_weight("bitmask", 0.0, 16) == 16 * (1 + storage.mask_overhead(16))


@pytest.mark.parametrize(("sparsity", "run"), [(0.5, 2), (0.9, 3), (0.97, 4)])
def test_run_length_entries_are_counted_on_a_drawn_mask(sparsity, run):
    kept = np.random.default_rng(0).random(400_000) >= sparsity
    gaps = np.diff(np.concatenate([[-1], np.flatnonzero(kept)])) - 1
    entries = len(gaps) + int((gaps // 2**run).sum())
    assert storage.run_length_bits(sparsity, run) == pytest.approx(entries / kept.size, rel=0.01)


@given(st.floats(0, 0.9999), st.integers(1, 16))
def test_no_mask_is_smaller_than_its_entropy(sparsity, bits):
    values = (1 - sparsity) * bits
    entropy = storage.bits_per_weight("entropy", sparsity, bits) - values
    assert storage.bits_per_weight("bitmask", sparsity, bits) - values >= entropy - 1e-9
    for run in range(12):  # runs, and one bit per entry that tells fillers from values
        assert storage.run_length_bits(sparsity, run) * (run + 1) >= entropy * (1 - 1e-9)


@given(st.sampled_from(["bitmask", "csr", "run-length", "entropy"]), st.floats(1.5, 12))
def test_break_even_is_where_the_sizes_meet(scheme, dense):
    sparsity = storage.break_even_sparsity(scheme, dense)
    assert storage.bits_per_weight(scheme, sparsity) == pytest.approx(dense, rel=1e-9)
    assert storage.bits_per_weight(scheme, min(sparsity * 1.001, (1 + sparsity) / 2)) < dense


def test_a_mask_alone_can_be_too_large():
    assert math.isnan(storage.break_even_sparsity("bitmask", 0.5))
    assert storage.break_even_sparsity("bitmask", 17.5) == 0
    assert storage.break_even_sparsity("entropy", 17.5) == 0


@pytest.mark.parametrize("bits", [1, 8, 12, 16, 20])
def test_break_even_with_dense_weights_of_as_many_bits(bits):
    # runs of no length make every weight an entry; the mask's entropy first outweighs the few values saved
    assert storage.break_even_sparsity("run-length", bits, bits) == 0
    with mp.workdps(30):
        excess = lambda c: -c * mp.log(c, 2) - (1 - c) * mp.log(1 - c, 2) - bits * c  # noqa: E731
        root = mp.findroot(excess, (mp.mpf(2) ** -(bits + 1), 1 - mp.mpf(2) ** -20), solver="anderson")
    assert storage.break_even_sparsity("entropy", bits, bits) == pytest.approx(float(root), rel=1e-6)


def test_group_positions_and_block_scales():
    assert storage.bits_per_weight("n:m", 0.5, 16, group=4) == 9
    assert storage.bits_per_weight("n:m", 0.75, 8, group=8) == 2 * (8 + 3) / 8
    assert storage.bits_per_weight("block", bits=4, block=64, scale_bits=16) == 4.25
    assert storage.bits_per_weight("csr", 0.9, 16, columns=512) == pytest.approx(0.1 * 25 + 32 / 512)
    for size in (3, 5, 6, 12, 1000):  # the last position decides how many bits they take
        kept, bits = 1 / size, 16 + len(f"{size - 1:b}")
        assert storage.bits_per_weight("n:m", 1 - kept, 16, group=size) == pytest.approx(kept * bits)
        csr = storage.bits_per_weight("csr", 1 - kept, 16, columns=size)
        assert csr == pytest.approx(kept * bits + 32 / size)


def test_entropy_formula():
    for p in (0.1, 0.5, 0.97):
        assert storage.binary_entropy(p) == pytest.approx(-p * math.log2(p) - (1 - p) * math.log2(1 - p))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: storage.bits_per_weight("zip"), "scheme must be one of dense, bitmask"),
        (lambda: storage.bits_per_weight("dense", 1.0), r"sparsity must lie in \[0, 1\)"),
        (lambda: storage.bits_per_weight("dense", math.nan), "sparsity must lie"),
        (lambda: storage.bits_per_weight("dense", 0, -1), "bits must be a finite number"),
        (lambda: storage.bits_per_weight("csr", 0.5, columns=0), "columns must be an integer >= 1"),
        (lambda: storage.bits_per_weight("n:m", 0.3), "keeps no whole number of every 4"),
        (lambda: storage.break_even_sparsity("dense", 4), 'scheme must be "bitmask"'),
        (lambda: storage.binary_entropy(1.5), r"p must lie in \[0, 1\]"),
    ],
)
def test_bad_input_is_one_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_sizes_fall_with_sparsity():
    for scheme in ("bitmask", "csr", "run-length", "entropy"):
        sizes = [storage.bits_per_weight(scheme, c) for c in np.linspace(0.01, 0.99, 50)]
        assert all(a >= b for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize("kept", [0.5, 1e-3, 1e-6, 1e-7, 1e-12, 2.0**-53])
def test_run_length_takes_the_best_field_at_any_sparsity(kept):
    # 1 - c^(2^r) and the minimum over r = 0..70 in 60 digits; within 6 % of the entropy where runs are long
    sparsity = 1 - kept
    with mp.workdps(60):
        c = mp.mpf(sparsity)
        best = min((1 - c) / (1 - c ** (mp.mpf(2) ** r)) * (16 + r) for r in range(71))
    assert bits_per_weight("run-length", sparsity, 16) == pytest.approx(float(best), rel=1e-12)
    assert float(best) >= bits_per_weight("entropy", sparsity, 16)
    if kept <= 1e-3:
        assert float(best) <= 1.06 * bits_per_weight("entropy", sparsity, 16)


def test_break_even_of_very_sparse_weights_exists():
    for dense in (1e-3, 1e-5, 1e-8):
        sparsity = break_even_sparsity("run-length", dense, 16)
        assert bits_per_weight("run-length", sparsity, 16) == pytest.approx(dense, rel=1e-6)


def test_weights_without_zeros_need_no_fillers():
    assert [storage.run_length_bits(0.0, r) for r in (0, 1, 5)] == [1.0] * 3
    assert storage.run_length_bits(1e-9, 0) == pytest.approx(1.0, abs=1e-12)


def test_a_mask_of_one_bit_never_pays_beside_weights_of_one_bit():
    assert math.isnan(break_even_sparsity("bitmask", 1))


def test_sizes_are_refused_from_the_first_that_is_out_of_range():
    assert bits_per_weight("dense", bits=2**53 - 1) == 2.0**53 - 1
    with pytest.raises(ValueError, match=r"from 0 to 2\*\*53"):
        bits_per_weight("dense", bits=2**53)
    for name in ("columns", "group", "block"):
        with pytest.raises(ValueError, match=f"{name} must be an integer >= 1"):
            bits_per_weight("dense", 0.5, 8, **{name: 0})


def test_the_ends_of_what_a_scheme_takes():
    assert storage.binary_entropy(1.0) == storage.binary_entropy(0.0) == 0.0
    # values of no bits: the mask alone; and a scale of none
    assert storage.bits_per_weight("dense", bits=0) == 0.0
    assert storage.bits_per_weight("bitmask", 0.5, 0) == 1.0
    assert storage.bits_per_weight("block", bits=4, scale_bits=0) == 4.0
    assert storage.bits_per_weight("dense", bits=2**53 - 1) == 2**53 - 1
    with pytest.raises(ValueError, match="bits must be a finite number from 0 to"):
        storage.bits_per_weight("dense", bits=2**53)
    # a share of decimal digits is a share; one that is 1e-8 off is none of every 4
    assert storage.bits_per_weight("n:m", 0.75 + 1e-11) == storage.bits_per_weight("n:m", 0.75) == 4.5
    for off in (1e-8, -1e-8, 0.1):
        with pytest.raises(ValueError, match="keeps no whole number of every 4 weights"):
            storage.bits_per_weight("n:m", 0.75 + off)
    with pytest.raises(ValueError, match="keeps no whole number"):
        storage.bits_per_weight("n:m", 1 - 1e-12)


def test_runs_of_no_length_make_every_weight_an_entry():
    for k in range(1, 1000):
        assert storage.run_length_bits(k / 1000, 0) == 1.0

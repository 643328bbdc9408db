"""The released figures of Kuzmin et al. came in whole: digit by digit, and counted by other means."""

import hashlib
import math

import numpy as np

from sims.weights import released

# of the table as it was read: a line of names, then model, layer and 29 figures to 5 digits a tensor
SHA256 = "8783a4fb20ad8330208e1a8efe3fb49eb3cf606302aae76ea2b7463cd61b76bd"


def test_every_digit_is_there():
    found = released.load()
    kinds = ("quantization_snr", "pruning_snr", "pruning_snr_mask", "natural_zeros")
    names = ["model", "layer", "excess_kurtosis", *(f"{kind}_{b}" for kind in kinds for b in range(2, 9))]
    values = np.column_stack(
        [found.excess_kurtosis, found.quantization, found.pruning, found.pruning_mask, found.natural_zeros]
    )
    lines = [",".join(names)]
    for model, layer, row in zip(found.model, found.layer, values, strict=True):
        lines.append(",".join([model, layer, *(f"{x:.5g}" for x in row)]))
    assert len(lines) == 1 + 2704
    assert hashlib.sha256(("\n".join(lines) + "\n").encode()).hexdigest() == SHA256


def test_wins_counted_one_by_one():
    found = released.load()
    ahead = finite = masked = 0
    for row in range(len(found.model)):
        for column in range(7):
            q, p = found.quantization[row, column], found.pruning[row, column]
            finite += math.isfinite(q) and math.isfinite(p)
            ahead += math.isfinite(p) and q > p
            masked += math.isfinite(found.pruning_mask[row, column]) and q > found.pruning_mask[row, column]
    assert (ahead, finite) == (16856, 18605)
    assert [int(x.sum()) for x in found.wins()] == [ahead, finite]
    assert [x.shape for x in (*found.wins(), *found.wins(mask=True))] == [(7,)] * 4
    assert int(found.wins(mask=True)[0].sum()) == masked == 18894


def test_an_infinite_ratio_on_either_side_is_no_win():
    """Ahead: a tie is none, and neither is what lost nothing."""
    q, p = np.array([[np.inf, 3.0, 2.0, 5.0]]), np.array([[1.0, np.inf, 2.0, 4.0]])
    name = np.array(["x"])
    ahead, finite = released.Released(name, name, np.zeros(1), q, p, p, p).wins()
    assert (ahead.tolist(), finite.tolist()) == ([0, 0, 0, 1], [0, 0, 1, 1])

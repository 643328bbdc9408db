"""Cells of a sweep over layers: what their files hold."""

import numpy as np
import pytest

from sims.layer_bounds import quantization_range
from sims.layer_bounds.cells import layer_cell


def test_a_cell_reads_kernels_as_rows_and_its_first_columns(tmp_path):
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((3, 2, 2, 3)), rng.standard_normal((9, 12))
    np.save(tmp_path / "W.npy", w)
    np.save(tmp_path / "G.npy", x.T @ x)
    np.save(tmp_path / "X.npy", x)
    for columns, source in ((12, "gram"), (5, "gram"), (5, "inputs"), (1, "inputs")):
        files = {source: str(tmp_path / f"{'G' if source == 'gram' else 'X'}.npy")}
        error, *_ = layer_cell(str(tmp_path / "W.npy"), **files, bits=2, columns=columns)
        whole = quantization_range(w.reshape(3, 12)[:, :columns], inputs=x[:, :columns], bits=2)
        assert error.measured == pytest.approx(whole.best)
    error, *_ = layer_cell(str(tmp_path / "W.npy"), **files, bits=2, columns=1, first=2, count=1)
    assert error.measured == pytest.approx(whole.rows[2].best)


def test_a_file_of_two_arrays_is_none_of_weights(tmp_path):
    np.savez(tmp_path / "W.npz", a=np.eye(2), b=np.eye(2))
    with pytest.raises(ValueError, match=r"W\.npz must hold one array, it holds 2$"):
        layer_cell(str(tmp_path / "W.npz"), gram="G.npy")

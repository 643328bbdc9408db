"""Products with stored weights against the dense product of what they stand for."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "hardware.py"  # a script, of no package
SPEC = importlib.util.spec_from_file_location("hardware_benchmark", PATH)
benchmark = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(benchmark)


@pytest.mark.parametrize("batch", [1, 3, 8, 33])
def test_every_way_to_store_gives_the_dense_product(batch):
    rng = np.random.default_rng(batch)
    w, x = rng.normal(size=(5, 128)).astype(np.float32), rng.normal(size=(batch, 128)).astype(np.float32)
    out = np.empty((batch, 5), dtype=np.float32)
    names = []
    for name, product, stands, _ in benchmark.cases(w, x, out):
        out[:] = np.nan
        product()
        expected = x.astype(np.float64) @ np.asarray(stands, dtype=np.float64).T
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-4, err_msg=name)
        names.append(name)
    assert len(names) == 13

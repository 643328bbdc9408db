import numpy as np
import pytest

from sims import weights
from sims.networks import digits
from sims.weights import prediction
from theory.distributions import StudentT


def test_student_tensors_are_recognised_and_judged_by_their_law():
    laws = {"flat": StudentT(2, 4), "heavy": StudentT(2, 300), "light": StudentT(50, 30)}
    arrays = {
        name: law.ppf((np.arange(40_000) + 0.5) / 40_000).reshape(200, 200) for name, law in laws.items()
    }
    table = weights.analyse(arrays, [2, 4])
    found = prediction.accuracy(table)
    assert found["student", 4] == found["kurtosis", 4] == found["empirical", 4] == 1
    assert {row.name: row.winner(4) for row in table.rows} == {
        "flat": "snap",
        "heavy": "cut",
        "light": "snap",
    }


def test_digits_are_predicted():
    arrays = {str(i): matrix for i, matrix in enumerate(digits.weights())}
    found = prediction.accuracy(weights.analyse(arrays, [2, 4, 8]))
    assert all(share == 1 for share in found.values())


def test_real_tensors_are_predicted_mostly():
    if (path := weights.zoo_checkpoint()) is None:
        pytest.skip("the [zoo] extra is not installed")
    arrays = weights.load(path)
    found = prediction.accuracy(weights.analyse(arrays, [2, 4]))
    assert found["kurtosis", 2] >= 0.9 and found["kurtosis", 4] >= 0.9
    assert found["student", 2] >= 0.85 and found["student", 4] >= 0.85


def test_shapes_have_their_laws():
    found = prediction.shapes(20_000)
    assert len(found) == 40 and all(values.shape == (200, 100) for values in found.values())
    normal = found["generalized normal, power 2"]  # density exp(-w^2): variance 1/2
    assert np.var(normal) == pytest.approx(0.5, rel=1e-3)
    np.testing.assert_allclose(found["generalized normal, power 1"].mean(axis=None), 0, atol=1e-12)
    assert np.mean(found["generalized normal, power 1"] ** 2) == pytest.approx(2, rel=1e-2)
    outliers = found["Gaussian, 0.1% x 12"]
    assert np.var(outliers) == pytest.approx(0.999 + 0.001 * 144, rel=0.02)
    assert np.median(np.abs(found["lognormal, sigma 0.7"])) == pytest.approx(1)


def test_constants_and_ties_have_no_prediction():
    signs = np.where(np.random.default_rng(0).random((30, 30)) < 0.5, -1.0, 1.0)
    table = weights.analyse({"constant": np.full((30, 30), 2.0), "signs": signs}, [4])
    found = prediction.accuracy(table)
    assert found["kurtosis", 4] == found["student", 4] == 1
    assert table.rows[1].peak == 1 and weights.analyse({"huge": signs * 1e200}, [4]).rows[0].peak == 1
    nothing = prediction.accuracy(weights.analyse({"constant": np.full((30, 30), 2.0)}, [4]))
    assert all(np.isnan(share) for share in nothing.values())


@pytest.mark.parametrize("value", [2.6784436477078066, 0.1, 1 / 3])
def test_two_values_have_kurtosis_1_up_to_rounding(value):
    signs = np.where(np.arange(418) < 209, -value, value).reshape(2, 209)
    found = prediction.accuracy(weights.analyse({"signs": signs, "other": signs**3 + 1e-9}, [4, 16]))
    assert found["student", 4] == 1 and np.isnan(found["student", 16])


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="kurtosis and peak must be finite and at least 1"):
        prediction.fitted_law(0.5, 3)
    with pytest.raises(ValueError, match="kurtosis and peak must be finite and at least 1"):
        prediction.fitted_law(np.nan, 3)
    with pytest.raises(ValueError, match="predictor must be"):
        prediction.predict(3, 4, 4, "guess")

import numpy as np
import pytest

from sims import digits, prediction, weights
from theory.distributions import StudentT


def test_student_tensors_are_recognised_and_judged_by_their_law():
    laws = {"flat": StudentT(2, 4), "heavy": StudentT(2, 300), "light": StudentT(50, 30)}
    arrays = {
        name: law.ppf((np.arange(40_000) + 0.5) / 40_000).reshape(200, 200) for name, law in laws.items()
    }
    table = weights.analyse(arrays, [2, 4])
    found = prediction.accuracy(arrays, table)
    assert found["student", 4] == found["kurtosis", 4] == found["empirical", 4] == 1
    assert {row.name: row.winner(4) for row in table.rows} == {
        "flat": "snap",
        "heavy": "cut",
        "light": "snap",
    }


def test_digits_are_predicted():
    arrays = {str(i): matrix for i, matrix in enumerate(digits.weights())}
    found = prediction.accuracy(arrays, weights.analyse(arrays, [2, 4, 8]))
    assert all(share == 1 for share in found.values())


def test_real_tensors_are_predicted_mostly():
    if (path := weights.zoo_checkpoint()) is None:
        pytest.skip("the [zoo] extra is not installed")
    arrays = weights.load(path)
    found = prediction.accuracy(arrays, weights.analyse(arrays, [2, 4]))
    assert found["kurtosis", 2] >= 0.9 and found["kurtosis", 4] >= 0.9
    assert found["student", 2] >= 0.85 and found["student", 4] >= 0.85


def test_bad_input_is_one_sentence():
    with pytest.raises(ValueError, match="kurtosis and peak must exceed 1"):
        prediction.fitted_law(0.5, 3)
    with pytest.raises(ValueError, match="predictor must be"):
        prediction.predict(3, 4, 4, "guess")

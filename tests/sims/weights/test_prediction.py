import math

import numpy as np
import pytest
from scipy import stats

from sims import weights
from sims.networks import digits
from sims.weights import prediction
from theory.distributions import StudentT
from theory.snr import crossover_kurtosis


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


def test_quantiles_stand_in_the_middle_of_equal_steps():
    """Of Student-t with 1 and 2 degrees of freedom they are tan(pi (u - 1/2)), sqrt(2) tan(asin(2 u - 1))."""
    shapes, steps = prediction.shapes(200), [(i + 0.5) / 200 for i in range(200)]
    cauchy = [math.tan(math.pi * (u - 0.5)) for u in steps]
    np.testing.assert_allclose(shapes["Student-t, 1 df"].ravel(), cauchy, rtol=1e-9)
    two = [math.sqrt(2) * math.tan(math.asin(2 * u - 1)) for u in steps]
    np.testing.assert_allclose(shapes["Student-t, 2 df"].ravel(), two, rtol=1e-9)
    for row in shapes["Gaussian rows, sigma 1"]:
        np.testing.assert_allclose(np.sort(row), -np.sort(row)[::-1], rtol=1e-9)


def test_every_shape_has_the_quantiles_of_its_name():
    u = (np.arange(10_000) + 0.5) / 10_000
    shapes = prediction.shapes(10_000)
    assert list(shapes) == [
        *(f"generalized normal, power {p}" for p in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1, 1.5, 2, 4)),
        *(f"lognormal, sigma {s}" for s in (0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 1.5)),
        *(f"Student-t, {df} df" for df in (1, 1.5, 2, 3, 4, 6, 10)),
        *(f"Gaussian, {share} x {width}" for share in ("0.1%", "1.0%") for width in (3, 5, 8, 12, 20, 40)),
        *(f"Gaussian rows, sigma {s}" for s in (0.5, 1, 1.5, 2)),
    ]
    for name, values in shapes.items():
        found, kind = np.sort(values, axis=None), name.split(",")[0]
        number = float(
            name.split(
                "x" if " x " in name else "power" if "power" in name else "sigma" if "sigma" in name else "t,"
            )[-1].removesuffix(" df")
        )
        assert found.size == 10_000
        if kind == "generalized normal":
            expected = stats.gennorm(number).ppf(u)
        elif kind == "lognormal":
            expected = np.concatenate([-stats.lognorm(number).ppf(u)[::-1], stats.lognorm(number).ppf(u)])[
                1::2
            ]
        elif kind == "Student-t":
            expected = stats.t(number).ppf(u)
        elif kind == "Gaussian rows":  # a scale for each row, lognormal; the rows alike
            rows = np.sort(np.std(values, axis=1))
            one = stats.norm.ppf((np.arange(100) + 0.5) / 100)
            np.testing.assert_allclose(values / values[:, -1:], np.tile(one / one[-1], (100, 1)), rtol=1e-9)
            np.testing.assert_allclose(
                rows / np.median(rows), stats.lognorm(number).ppf((np.arange(100) + 0.5) / 100), rtol=0.03
            )
            continue
        else:
            share = float(name.split()[1].removesuffix("%")) / 100
            law = (1 - share) * np.var(stats.norm.ppf(u)) + share * number**2
            assert np.mean(found**2) == pytest.approx(law, rel=0.15)
            assert np.mean(np.abs(found) > 5) == pytest.approx(
                2 * share * stats.norm.sf(5 / number), abs=1.5e-4
            )
            continue
        middle = slice(100, -100)
        np.testing.assert_allclose(
            found[middle], expected[middle], rtol=0.02, atol=0.02 * np.std(expected[middle])
        )


def test_the_largest_outlier_of_twenty_or_of_two_hundred():
    """Of n steps the last is at 1 - 1/2n: the quantiles of 0.975 and 0.9975, forty times."""
    shapes = prediction.shapes()
    for share, quantile in (("0.1%", 1.959963985), ("1.0%", 2.807033768)):
        assert np.max(shapes[f"Gaussian, {share} x 40"]) == pytest.approx(40 * quantile, rel=1e-9)


def test_a_law_of_the_grid_is_its_own_fit_and_a_peak_counts_half():
    laws, _, _ = prediction._laws()
    degrees, bounds = sorted({law.df for law in laws}), sorted({law.bound for law in laws})
    assert (len(degrees), len(bounds)) == (28, 60)
    np.testing.assert_allclose([degrees[0], degrees[-1], bounds[0], bounds[-1]], [0.5, 100, 0.3, 3000])
    places = [(math.log(law.kurtosis), math.log(law.bound / math.sqrt(law.second_moment))) for law in laws]
    rng = np.random.default_rng(1)
    for k in rng.integers(0, len(laws), 12):
        law = laws[k]
        assert prediction.fitted_law(math.exp(places[k][0]), math.exp(places[k][1])) == law
    for kurtosis, peak in zip(np.exp(rng.uniform(0.1, 5, 20)), np.exp(rng.uniform(0.1, 4, 20)), strict=True):
        away = [math.hypot(a - math.log(kurtosis), (b - math.log(peak)) / 2) for a, b in places]
        assert prediction.fitted_law(kurtosis, peak) == laws[away.index(min(away))]


def test_shares_of_right_predictions_are_counted():
    def row(name, kurtosis, quantization, pruning):
        ratios = {4: quantization}, {4: pruning}
        return weights.TensorRow(name, (9,), 9, kurtosis, 5.0, *ratios, {4: 0.0}, weights.Signal(1.0))

    rows = [
        row("a", 3.0, 9.0, 5.0),
        row("b", 3.0, 4.0, 5.0),
        row("c", 1e6, 4.0, 5.0),
        row("d", 3.0, 6.0, 5.0),
    ]
    rows += [row("tie", 3.0, 5.0, 5.0), row("nan", math.nan, 5.0, 1.0), row("inf", math.inf, 5.0, 1.0)]
    found = prediction.accuracy(weights.Table((4,), rows))
    assert found["always snap", 4] == 0.5 and found["kurtosis", 4] == 0.75 and found["empirical", 4] == 1.0
    (line,) = prediction.lines(weights.Table((4,), rows))
    assert line == {"bits": 4, **{name: found[name, 4] for name in ("always snap", "kurtosis", "student")}}
    assert prediction.predict(3.0, 1e9, 4, "always snap") == "snap"
    edge = crossover_kurtosis(4, 2)  # at the crossover itself quantization wins nothing
    assert prediction.predict(edge, 9.0, 4, "kurtosis") == "cut"


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
    for peak in (0.5, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"finite and at least 1, got 3\.0"):
            prediction.fitted_law(3.0, peak)
    for name in ("guess", "empirical", "Kurtosis", "always", ""):  # the empirical winner needs the tensor
        with pytest.raises(ValueError, match=f"predictor must be .*, got '{name}'"):
            prediction.predict(3, 4, 4, name)


@pytest.mark.parametrize(
    ("kurtosis", "peak", "right"),
    [
        (1 - 1e-9, 4.0, True),  # as rounding leaves a tensor of two values
        (4.0, 1 - 1e-9, True),
        (1 - 2e-9, 4.0, False),
        (4.0, 1 - 2e-9, False),
        (math.inf, 4.0, False),
        (4.0, math.inf, False),
    ],
)
def test_a_law_is_fitted_to_finite_numbers_of_at_least_one(kurtosis, peak, right):
    if right:
        assert prediction.fitted_law(kurtosis, peak) == prediction.fitted_law(max(kurtosis, 1), max(peak, 1))
    else:
        with pytest.raises(ValueError, match="kurtosis and peak must be finite and at least 1, got"):
            prediction.fitted_law(kurtosis, peak)

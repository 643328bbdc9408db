"""Layers and networks by every method, and the rows of one simulated setting."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from sims.montecarlo import quantile
from sims.path_following import compress
from sims.path_following.layers import PRUNERS, QUANTIZERS, compare, remarks
from sims.path_following.network import compress_network
from sims.path_following.problems import problem
from sims.path_following.quantizers import neuron_quantizer, quantizer
from sims.path_following.simulate import simulate
from sims.path_following.trials import exit_sampler
from theory.operators import NearestRounding, NearestSign, OneBit, PruneFraction, StochasticRounding
from theory.path_following.exits import exit_bound


def layer(n=12, columns=40, samples=60, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, columns)), rng.standard_normal((samples, columns))


def test_every_quantizer_obeys_its_bound_on_average():
    w, x = layer()
    totals = {name: [0.0, 0.0, 0] for name in QUANTIZERS}
    radii = 0
    for seed in range(20):
        for row in compare(w, x, bits=8, rule="max", seed=seed):
            if row.exits == 0:
                totals[row.name][0] += row.error
                totals[row.name][1] += row.bound
                totals[row.name][2] += 1
                if np.isfinite(row.largest_bound):
                    radii += 1
                    assert row.largest < row.largest_bound
    for name, (measured, bound, runs) in totals.items():
        assert runs >= 10, name
        assert 0 < measured <= bound, name
    assert radii >= 10
    # deterministic bounds hold always, here at their tightest: OPTQ's is an average away
    assert totals["OPTQ"][0] > 0.2 * totals["OPTQ"][1]


def maps_of_errors(x, order, method, scale, damping):
    """Columns B_t with X (w - q) = sum of B_t times the operator's error at step t, each followed by hand."""
    if method == "direct":
        return x[:, order]
    if method == "optq":  # what no later column can make up for, of the damped problem
        mean = np.mean([column @ column for column in x.T])
        x = np.vstack([x, np.sqrt(damping * mean) * np.eye(x.shape[1])])[:, order]
        left = []
        for t in range(x.shape[1]):
            later = x[:, t + 1 :]
            fit = later @ np.linalg.lstsq(later, x[:, t], rcond=None)[0] if later.size else 0.0
            left.append(x[:, t] - fit)
        return np.array(left).T
    x = x[:, order]
    columns = []
    for t in range(x.shape[1]):
        u = x[:, t].copy()
        for later in x.T[t + 1 :]:
            u -= later * (later @ u) / (scale * (later @ later))
        columns.append(u)
    return np.array(columns).T


@pytest.mark.parametrize("per_neuron", [False, True])
@pytest.mark.parametrize("name", QUANTIZERS)
def test_bounds_are_those_of_the_errors_followed_by_hand(name, per_neuron):
    """In the order of compression, with the scale and the damping asked for, each neuron in its own unit."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((7, 9)) @ (np.eye(9) + 0.3) * np.geomspace(0.3, 3, 9)
    w = rng.uniform(-0.8, 0.8, (4, 9))
    w[:, 4] = 1.0  # the largest comes first and is never corrected
    w *= np.array([1.0, 0.2, 3.0, 0.5])[:, None]
    scale, damping, order = 2.0, 0.2, [4, 0, 7, 2, 8, 1, 3, 6, 5]
    method, stochastic = QUANTIZERS[name]
    options = {"rule": "max", "scale": scale, "damping": damping, "per_neuron": per_neuron}
    (found,) = compare(w, x, bits=8, methods=[name], order=order, **options)
    assert found.exits == 0
    steps = np.abs(w).max(axis=1) / 127 if per_neuron else np.full(4, np.abs(w).max() / 127)
    b = maps_of_errors(x, order, method, scale, damping)
    energy = sum(float(np.sum((x @ row) ** 2)) for row in w)
    if stochastic:
        each = [step**2 / 4 * np.sum(b**2) for step in steps]
    elif method == "optq":  # orthogonal columns
        each = [(step / 2) ** 2 * np.sum(b**2) for step in steps]
    else:
        each = [(step / 2) ** 2 * 9 * np.linalg.norm(b, 2) ** 2 for step in steps]
    assert found.bound == pytest.approx(sum(each) / energy, rel=1e-6)
    errors = [np.abs(x @ (row - q)) for row, q in zip(w, found.result.weights, strict=True)]
    assert found.largest == pytest.approx(max(map(np.max, errors)), rel=1e-9)
    if stochastic and method == "path-following":
        # one failure in a hundred over all 7 outputs of all 4 neurons, both tails
        tail = 0.01 / (2 * 7 * 4)
        z = NormalDist().inv_cdf(1 - tail)
        spread = max(np.sqrt(np.sum(line**2)) for line in b) * steps.max() * np.sqrt(np.pi / 8)
        assert found.largest_bound == pytest.approx(spread * NormalDist().pdf(z) / tail, rel=1e-6)
    else:
        assert np.isnan(found.largest_bound)


def test_error_is_the_relative_output_error():
    w, x = layer()
    for row in compare(w, x, bits=4):
        q = row.result.weights
        assert row.error == pytest.approx(np.sum((x @ (w - q).T) ** 2) / np.sum((x @ w.T) ** 2), rel=1e-9)
        assert row.largest == pytest.approx(np.abs(x @ (w - q).T).max())
        levels = q / row.result.operator.step
        np.testing.assert_allclose(levels, np.rint(levels), atol=1e-9)
        assert levels.min() >= -8
        assert levels.max() <= 7


def test_every_name_is_its_method_random_or_not():
    w, x = layer(n=5, columns=12)
    rounding = {
        "RTN": "direct", "stochastic rounding": "direct", "GPFQ": "path-following", "SPFQ": "path-following",
        "OPTQ": "optq", "stochastic OPTQ": "optq",
    }  # fmt: skip
    pruning = {
        "magnitude": "direct", "path following": "path-following", "OPTQ pruning": "optq", "OBS": "obs",
        "stochastic path following": "path-following",
    }  # fmt: skip
    options = {"order": "norm", "scale": 1.5, "damping": 0.03, "seed": 7}
    found = compare(w, x, bits=3, **options) + compare(w, x, sparsity=0.25, **options)
    assert [row.name for row in found] == [*QUANTIZERS, *PRUNERS]
    assert {row.name for row in found} == {*rounding, *pruning}
    for row in found:
        random = "stochastic" in row.name or row.name == "SPFQ"
        operator = quantizer(w, 3, random) if row.name in rounding else PruneFraction(0.25, random)
        method = (rounding | pruning)[row.name]
        expected = compress(w, x, operator=operator, method=method, **options)
        np.testing.assert_array_equal(row.weights, expected.weights, row.name)
        np.testing.assert_array_equal(row.result.order, np.argsort(-np.sum(x * x, axis=0), kind="stable"))


def test_decibels_and_plain_values_of_a_row():
    w, x = layer(n=3, columns=6)
    (row,) = compare(w, x, bits=4, methods=["RTN"])
    assert row.snr == pytest.approx(-10 * np.log10(row.error), rel=1e-12)
    values = row.as_dict()
    assert (values["method"], values["error"], values["snr_db"]) == ("RTN", row.error, row.snr)
    assert values["largest_error"] == row.largest and values["largest_error_bound"] is None
    assert (values["exits"], values["sparsity"]) == (row.exits, np.mean(row.weights == 0))
    lossless = compare(np.zeros((2, 6)) + 7.0, x, bits=4, methods=["RTN"])[0]
    assert lossless.error == 0 and lossless.snr == np.inf and lossless.as_dict()["snr_db"] is None


@pytest.mark.parametrize("random", [False, True])
def test_one_bit_a_neuron_in_its_own_unit(random):
    w = np.array([[0.5, -2.0, 0.5], [0.0, 0.0, 0.0], [3.0, 3.0, -3.0]])
    operator, units = neuron_quantizer(w, 1, random)
    assert operator == (OneBit(1.0) if random else NearestSign(1.0))
    np.testing.assert_allclose(units, [2.0, 1.0, 3.0] if random else [1.0, 1.0, 3.0])
    operator, units = neuron_quantizer(w, 3, random)
    assert operator == (StochasticRounding(1.0, bits=3) if random else NearestRounding(1.0, bits=3))
    np.testing.assert_allclose(units[[1, 2]], [1.0, quantizer(w[2], 3, random).step])


def test_pruners_reach_the_sparsity_and_obs_is_best():
    w, x = layer(samples=200)
    rows = {row.name: row for row in compare(w, x, sparsity=0.5)}
    assert list(rows) == list(PRUNERS)
    for row in rows.values():
        assert row.sparsity == pytest.approx(0.5, abs=0.02)
    assert min(rows.values(), key=lambda row: row.error).name == "OBS"
    assert not remarks([rows["OBS"]])  # it has no bound, and nothing was clipped
    for own in compare(w, x, sparsity=0.5, per_neuron=True):  # no step is chosen, of a neuron or of all
        np.testing.assert_array_equal(own.weights, rows[own.name].weights)


@pytest.mark.parametrize("dead", [[], [2]])
def test_inputs_and_gram_agree(dead):
    w, x = layer()
    x[:, dead] = 0.0
    with_inputs = compare(w, x, bits=3)
    from_gram = compare(w, gram=x.T @ x, bits=3)
    for a, b in zip(with_inputs, from_gram, strict=True):
        np.testing.assert_array_equal(a.result.weights, b.result.weights)
        assert a.error == pytest.approx(b.error)


def test_quantizers():
    w = np.array([[0.2, -1.0, 0.4]])
    assert quantizer(w, 1, stochastic=True) == OneBit(1.0)
    sign = quantizer(w, 1, stochastic=False)
    assert isinstance(sign, NearestSign)
    assert sign.level == pytest.approx(1.6 / 3)
    for bits in (2, 4, 8):
        nearest, stochastic = (quantizer(w, bits, s) for s in (False, True))
        assert isinstance(stochastic, StochasticRounding)
        assert nearest.step == stochastic.step
        assert np.sum((nearest(w) - w) ** 2) <= np.sum((quantizer(w, bits, False, "max")(w) - w) ** 2)


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_the_max_rule_holds_every_weight(bits):
    for largest in np.random.default_rng(7).random(500) * 10 + 0.01:
        w = np.array([[largest, -largest / 3]])
        for stochastic in (False, True):
            operator = quantizer(w, bits, stochastic, "max")
            top = operator.step * (2 ** (bits - 1) - 1)
            assert largest <= top <= largest * (1 + 4e-16)
            _, units = neuron_quantizer(w, bits, stochastic, "max")
            assert largest / units[0] <= 2 ** (bits - 1) - 1  # as `compress` sees it
    w = np.random.default_rng(1).standard_normal((300, 4))
    rows = [compare(row, np.eye(4), bits=4, rule="max", methods=["stochastic rounding"])[0] for row in w]
    assert sum(row.exits for row in rows) == 0
    assert all(np.isfinite(row.bound) for row in rows)


@pytest.mark.parametrize("options", [{"bits": 3}, {"sparsity": 0.5}])
def test_zero_inputs_lose_nothing(options):
    for row in compare(np.array([[0.3, -0.7]]), np.zeros((5, 2)), **options):
        assert row.error == 0.0
        assert row.bound == 0.0 or np.isnan(row.bound)
        row.as_dict()


def test_a_loss_of_an_output_of_zero_is_infinite():
    # w is orthogonal to the inputs, its rounded version is not
    methods = ["RTN", "stochastic rounding"]
    rows = compare(np.array([[0.75, -0.5, -0.25]]), np.ones((1, 3)), bits=2, methods=methods, seed=4)
    assert any(row.error for row in rows)
    for row in rows:
        assert row.error == (np.inf if row.result.error.sum() > 0 else 0.0)
        assert row.as_dict()["error"] is None or row.error == 0.0


def test_a_step_per_neuron_is_the_layer_rescaled_row_by_row():
    w, x = layer(n=6)
    w *= np.geomspace(0.01, 10, 6)[:, None]
    common, own = compare(w, x, bits=4, seed=3), compare(w, x, bits=4, seed=3, per_neuron=True)
    for a, b in zip(common, own, strict=True):
        relative = b.result.error / b.result.output_energy
        assert relative.max() < 0.2  # the smallest neurons too, which one step for all rounds to nothing
        assert (a.result.error / a.result.output_energy)[0] > 0.9
    for row in own:
        levels = row.result.weights / row.result.row_scales[:, None]
        np.testing.assert_allclose(levels, np.rint(levels), atol=1e-9)
    unclipped = compare(w, x, bits=8, rule="max", per_neuron=True, methods=["stochastic OPTQ"])[0]
    assert unclipped.error < 2 * unclipped.bound


def test_no_bound_is_shown_where_phase_one_adds_an_error_of_its_own():
    w, x = layer()
    for row in compare(w, x, bits=8, rule="max", target_inputs=x + 0.1):
        assert row.exits == 0 or row.name == "stochastic OPTQ"
        assert np.isnan([row.bound, row.largest_bound]).all() and row.largest > 0


def test_a_bound_on_the_largest_error_needs_the_inputs():
    w, x = layer()
    options = {"bits": 8, "rule": "max", "methods": ["SPFQ"]}
    (row,), (seen,) = compare(w, gram=x.T @ x, **options), compare(w, x, **options)
    assert np.isnan([row.largest, row.largest_bound]).all() and np.isfinite(seen.largest_bound)
    assert row.bound == pytest.approx(seen.bound)


def test_clipping_is_spoken_of_beyond_three_percent():
    (row,) = compare(*layer(n=25), bits=8, rule="max", methods=["GPFQ"])  # 1,000 weights
    assert remarks([replace(row, exits=30)]) == []
    (note,) = remarks([replace(row, exits=31)])
    assert note.startswith("weights left the grid, GPFQ at 3 % of 1000")


def test_network_propagates_compressed_inputs():
    rng = np.random.default_rng(0)
    network = [rng.standard_normal((8, 6)), rng.standard_normal((7, 8)), rng.standard_normal((3, 7))]
    x = rng.random((50, 6))
    layers = compress_network(network, x, lambda w: NearestRounding(0.25), alignment=3)
    original = compressed = x
    for w, found in zip(network, layers, strict=True):
        outputs = original @ w.T
        assert found.error.sum() == pytest.approx(np.sum((outputs - compressed @ found.weights.T) ** 2))
        original, compressed = np.maximum(outputs, 0), np.maximum(compressed @ found.weights.T, 0)


def test_alignment_pays_in_a_network():
    rng = np.random.default_rng(1)
    network = [rng.standard_normal((16, 12)), rng.standard_normal((16, 16)), rng.standard_normal((4, 16))]
    x = rng.random((200, 12))
    last = [
        compress_network(network, x, lambda w: quantizer(w, 3, False), alignment=alignment)[-1].error.sum()
        for alignment in (0, 1, "least-squares")
    ]
    assert last[1] < last[0]
    assert last[2] < last[0]


def test_exit_frequency_stays_below_its_bound():
    inputs, weights = problem(24, 16, spread=0.5)
    operator = OneBit(1.0)
    for scale in (30.0, 60.0, 120.0):
        left = exit_sampler(weights, inputs, operator, scale)(np.random.default_rng(0), 4000)
        assert left.mean() <= exit_bound(weights, inputs, scale, operator)[0]


def test_simulated_rows_stand_below_their_bounds():
    for operator, scale in ((StochasticRounding(0.25), 1.0), (OneBit(1.0), 400.0)):
        rows = simulate(operator, columns=32, samples=16, scale=scale, trials=2000)
        bounds = [row for row in rows if row.source.startswith("bound") and row.theory > 0]
        assert len(bounds) >= 6
        assert all(row.low <= row.theory for row in bounds)
        assert {row.trials for row in rows} == {2000}
        laws = {row.source for row in rows if row.source.startswith("law")}
        assert len(laws) == (2 if isinstance(operator, StochasticRounding) else 0)
    only = simulate(OneBit(1.0), columns=32, samples=16, scale=1.0, trials=500)
    assert [row.quantity for row in only] == ["P(v leaves the limits)"]


def test_the_law_is_called_one_only_where_weights_fill_whole_cells():
    weights = (np.arange(100_000) + 0.5) / 50_000 - 1  # uniform on [-1, 1]
    for step, exact in ((0.25, True), (1.0, True), (1.7, False), (0.3, False)):
        part = weights / step - np.floor(weights / step)
        variance = step**2 * np.mean(part * (1 - part))  # of stochastic rounding, brute force
        assert (abs(variance / (step**2 / 6) - 1) < 1e-4) == exact
        for near in (step, *([step * (1 + 1e-6), step * (1 - 1e-6)] if exact else [])):
            rows = simulate(StochasticRounding(near), columns=8, samples=4, trials=200)
            (row,) = [row for row in rows if row.source.endswith("these inputs")]
            assert row.source.startswith("law" if exact and near == step else "no law")


def test_quantile_interval_covers():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        _, low, high = quantile(np.sort(rng.random(200)), 0.9, confidence=0.9)
        hits += low <= 0.9 <= high
    assert hits >= 0.85 * 300
    assert quantile(np.sort(rng.random(10)), 0.99)[2] == np.inf


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: compare(*layer()), "either bits"),
        (lambda: compare(*layer(), bits=4, sparsity=0.5), "either bits"),
        (lambda: compare(*layer(), bits=4, methods=["OBQ"]), "unknown method 'OBQ'"),
        (lambda: compare(*layer(), bits=0), "bits must be an integer from 1 to 16"),
        (lambda: quantizer(np.zeros((2, 2)), 4, False), "not all zero"),
        (lambda: quantizer([[np.inf, 1.0]], 4, False), "weights must be finite and not all zero"),
        (lambda: quantizer(np.ones((2, 2)), 4, False, "median"), "rule must be one of"),
        (
            lambda: compress_network([np.ones((2, 3))], np.ones((4, 2)), lambda w: NearestRounding(1.0)),
            r"weights\[0\]",
        ),
        (
            lambda: compress_network([np.ones(2)], np.ones((4, 2)), lambda w: NearestRounding(1.0)),
            r"weights\[0\] must be \(fan_out, 2\), got shape \(2,\)",
        ),
        (lambda: compress(*layer(), operator=NearestRounding(1.0), row_scales=[1.0]), "row_scales"),
        (
            lambda: compress([[3.0], [0.3]], [[1.0]], operator=OneBit(1.0), row_scales=[3.0, 0.2]),
            r"1 of 2 weights lie outside the one-bit range \[-1, 1\]; a level of at least 1\.5",
        ),
        (lambda: simulate(NearestRounding(1.0)), "biased"),
        (lambda: problem(0, 4), "columns must be an integer >= 1"),
        (lambda: PruneFraction(1.0), "below 1"),
    ],
)
def test_bad_input_is_one_clear_sentence(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("method", ["RTN", "GPFQ", "SPFQ", "OPTQ"])
@pytest.mark.parametrize(("large", "small"), [(664, -664), (-700, 0), (0, 600), (900, 100)])
def test_extreme_units_change_no_ratio(method, large, small):
    """Weights of 1e200 on inputs of 1e-200: the Gram matrix vanished, and every error with it."""
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((6, 24)), rng.standard_normal((40, 24))
    (near,) = compare(w, x, bits=3, methods=[method])
    (far,) = compare(np.ldexp(w, large), np.ldexp(x, small), bits=3, methods=[method])
    assert far.error == near.error > 0 and far.snr == near.snr
    np.testing.assert_equal(far.bound, near.bound)
    np.testing.assert_array_equal(far.weights, np.ldexp(near.weights, large))
    with np.errstate(over="ignore"):
        assert far.largest == np.ldexp(near.largest, large + small)


@pytest.mark.parametrize("method", ["RTN", "GPFQ", "OPTQ"])
@pytest.mark.parametrize("exponent", [-565, 565])
def test_extreme_units_beside_a_gram_matrix_or_two_inputs(method, exponent):
    """Errors were 0, and nothing lost, or an error of overflow."""
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((6, 24)), rng.standard_normal((40, 24))
    y = x + 0.1 * rng.standard_normal(x.shape)
    far, large = np.ldexp(w, exponent), np.ldexp(x, exponent)
    options = {"bits": 3, "methods": [method]}
    for near, others in (
        (compare(w, gram=x.T @ x, **options), [compare(far, gram=x.T @ x, **options)]),
        (
            compare(w, x, target_inputs=y, **options),
            [
                compare(far, x, target_inputs=y, **options),
                compare(w, large, target_inputs=np.ldexp(y, exponent), **options),
            ],
        ),
    ):
        for (found,) in others:
            assert found.error == near[0].error > 0
            np.testing.assert_equal(found.bound, near[0].bound)
            np.testing.assert_equal(found.largest, np.ldexp(near[0].largest, exponent))


@pytest.mark.parametrize("per_neuron", [False, True])
@pytest.mark.parametrize(("of_weights", "of_inputs"), [(300, 0), (0, 300), (-565, 0), (0, -565), (-300, 310)])
def test_bounds_on_the_largest_error_have_the_units_of_the_errors(of_weights, of_inputs, per_neuron):
    """Weights times 2^a and inputs times 2^b: errors of outputs, and what bounds them, times 2^(a + b)."""
    rng = np.random.default_rng(0)
    w, x = rng.uniform(-0.5, 0.5, (6, 24)), rng.standard_normal((200, 24))
    w[:, 0] = 1.0  # the range of every neuron, so that no weight leaves it
    options = {"bits": 6, "methods": ["SPFQ"], "per_neuron": per_neuron, "rule": "max"}
    (near,) = compare(w, x, **options)
    (far,) = compare(np.ldexp(w, of_weights), np.ldexp(x, of_inputs), **options)
    assert 0 < near.largest < near.largest_bound < np.inf
    assert far.largest == np.ldexp(near.largest, of_weights + of_inputs)
    assert far.largest_bound == np.ldexp(near.largest_bound, of_weights + of_inputs)


def test_integer_weights_and_inputs():
    rng = np.random.default_rng(1)
    w, x = rng.integers(-9, 10, size=(4, 12)), rng.integers(0, 256, size=(30, 12)).astype(np.uint8)
    (found,) = compare(w, x, bits=3, methods=["GPFQ"])
    (real,) = compare(w.astype(float), x.astype(float), bits=3, methods=["GPFQ"])
    assert found.error == real.error


@pytest.mark.parametrize("exponent", [-254, -240, 205, 240, 247, 248])
def test_weights_and_inputs_whose_products_leave_double_precision(exponent):
    """|X w|^2 of both times 2^248 is 2^992 times as large, and that of 64 times 64 leaves doubles."""
    rng = np.random.default_rng(0)
    w, x = 64 * rng.standard_normal((4, 32)), 64 * rng.standard_normal((16, 32))
    plain = compare(w, x, bits=3)
    for one, other in zip(plain, compare(np.ldexp(w, exponent), np.ldexp(x, exponent), bits=3), strict=True):
        assert other.error == pytest.approx(one.error, rel=1e-6)
        assert other.largest == pytest.approx(np.ldexp(one.largest, 2 * exponent), rel=1e-6)


def test_a_comparison_aligns_as_it_is_asked_to():
    """The table's error is that of the compression whose weights were moved by so many sweeps."""
    rng = np.random.default_rng(4)
    x, w = rng.normal(size=(60, 8)), rng.normal(size=(3, 8))
    y = x + 0.4 * rng.normal(size=x.shape)
    found = []
    for alignment in (0, 1, "least-squares"):
        options = {"target_inputs": x, "alignment": alignment}
        (row,) = compare(w, y, bits=3, methods=["GPFQ"], **options)
        made = compress(w, y, operator=quantizer(w, 3, False), **options)
        wanted = np.sum((x @ w.T - y @ np.asarray(made.weights).T) ** 2) / np.sum((x @ w.T) ** 2)
        assert row.error == pytest.approx(wanted, rel=1e-9)
        found.append(row.error)
    assert len(set(found)) == 3

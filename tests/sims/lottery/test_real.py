import math
from types import SimpleNamespace

import numpy as np
import pytest

from sims import weights
from sims.lottery import embed, load, real
from sims.lottery.real import checkpoint_rows, load_network, probing_inputs, ticket_rows
from sims.networks import digits
from sims.networks.images import from_arrays
from sims.weights.scales import integer_codes


@pytest.mark.parametrize("construction", ["two_layer", "depth_plus_one"])
def test_digits_ticket_is_the_quantized_network_on_every_test_image(tmp_path, construction):
    path = tmp_path / "ticket.safetensors"
    (row,) = ticket_rows(bits=[4], construction=construction, out=path)
    assert row["identical outputs"] == "450 of 450" and row["verified for all inputs"]
    assert row["ticket accuracy"] == row["quantized accuracy"] > 0.95
    assert 0 < row["failure probability"] <= 0.01
    again = load(path, [integer_codes(w, 4, "symmetric")[0] for w in digits.weights()])
    assert again.verify()
    assert again.drawn_parameters == row["drawn parameters"]


def test_too_few_samples_name_the_probability_and_the_number_that_would_do(tmp_path):
    with pytest.raises(ValueError, match=r"samples=12 is too few: \d+ weights .* 26 samples bring it under"):
        ticket_rows(bits=[8], samples=12, out=tmp_path / "t")
    with pytest.raises(ValueError, match=r"fails with probability (0\.\d+|1);"):
        ticket_rows(bits=[2], samples=8, out=tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_a_file_of_matrices_gets_a_ticket_with_both_sides(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "net.npz"
    np.savez(path, first=rng.normal(size=(6, 5)), second=rng.normal(size=(3, 6)), bias=np.zeros(3))
    (row,) = ticket_rows(path, bits=[3])
    count = len(probing_inputs(5, 0))
    assert row["identical outputs"] == f"{count} of {count}" and row["float accuracy"] is None


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"a": np.ones((3, 2)), "b": np.ones((2, 2))}, "'b' reads 2 inputs, but the matrix before it has 3"),
        ({"a": np.ones((3, 2)), "b": np.array([0.0, 1.0, 0.0])}, "is a bias"),
        ({"a": np.ones((3, 2, 1, 1))}, "is no matrix"),
        ({"a": np.zeros((3, 2, 1, 1))}, "is no matrix"),
        ({"a": np.zeros(3)}, "holds no matrix"),
    ],
)
def test_files_that_are_no_relu_networks_get_one_sentence(tmp_path, arrays, words):
    np.savez(tmp_path / "n.npz", **arrays)
    with pytest.raises(ValueError, match=words):
        load_network(tmp_path / "n.npz")


def test_other_activations_are_refused(tmp_path):
    np.savez(tmp_path / "n.npz", a=np.ones((2, 2)))
    with pytest.raises(ValueError, match="activation='gelu' is not supported"):
        ticket_rows(tmp_path / "n.npz", bits=[2], activation="gelu")
    with pytest.raises(ValueError, match="bits names 2 widths"):
        ticket_rows(bits=[2, 3], out=tmp_path / "t")


def test_checkpoint_layer_by_layer(tmp_path):
    rng = np.random.default_rng(1)
    path = tmp_path / "c.npz"
    np.savez(
        path, conv=rng.normal(size=(16, 4, 3, 3)), bias=rng.normal(size=300), fc=rng.normal(size=(10, 64))
    )
    rows = checkpoint_rows(path, samples=11)
    assert [r["tensor"] for r in rows] == ["conv", "fc", "all"]
    assert rows[-1]["weights"] == 16 * 36 + 640 and rows[-1]["verified"]
    assert 0 < rows[-1]["failures"] < 3 * rows[-1]["predicted failures"]
    with pytest.raises(ValueError, match="holds no tensor"):
        checkpoint_rows(path, least=10**6)


@pytest.mark.skipif(weights.zoo_checkpoint() is None, reason="the zoo extra is not installed")
def test_efficientnet_lite0_layer_by_layer():
    rows = checkpoint_rows(weights.zoo_checkpoint())
    total = rows[-1]
    assert len(rows) == 51 and total["weights"] == 4_608_992
    assert total["verified"]
    assert abs(total["failures"] / total["predicted failures"] - 1) < 0.1


def test_rows_count_both_sides_of_the_first_layer(tmp_path):
    """Ternary weights fail with probability 2^-n each; a file's inputs may be negative."""
    rng = np.random.default_rng(3)
    matrices = [rng.normal(size=(6, 5)), rng.normal(size=(3, 6))]
    np.savez(tmp_path / "net.npz", *matrices)
    (row,) = ticket_rows(tmp_path / "net.npz", bits=[2], samples=14, seed=2)
    targets = [integer_codes(w, 2, "symmetric")[0] for w in matrices]
    hits = sum(map(np.count_nonzero, targets)) + np.count_nonzero(targets[0])
    assert row["failure probability"] == pytest.approx(1 - (1 - 2**-14) ** hits, rel=1e-10)
    assert (row["bits"], row["samples"]) == (2, 14)
    ticket = embed(targets, 1, 14, 2, signed_inputs=True)
    assert row["drawn parameters"] == ticket.drawn_parameters
    assert row["drawn per weight"] == pytest.approx(ticket.drawn_parameters / 48)
    assert row["kept parameters"] == ticket.kept_parameters
    assert row["kept per weight"] == pytest.approx(ticket.kept_parameters / 48)
    for samples, retries in ((5, 0), (2, 1)):  # a redraw is a fresh try
        chance = 1 - (1 - 2.0 ** -(samples * (1 + retries))) ** hits
        with pytest.raises(ValueError, match=f"the network fails with probability {chance:.3g};"):
            ticket_rows(tmp_path / "net.npz", bits=[2], samples=samples, seed=2, retries=retries)


def test_redraws_lower_the_failure_probability_that_a_row_names(tmp_path):
    """Where samples are left open three redraws follow: a ternary weight fails with 2^-4n."""
    np.savez(tmp_path / "net.npz", np.array([[1.0, -1.0], [1.0, 0.0]]))  # three weights, two sides each
    (row,) = ticket_rows(tmp_path / "net.npz", bits=[2])
    assert row["samples"] == 10  # 6 / 2^10 < 0.01 < 6 / 2^9
    assert row["failure probability"] == pytest.approx(6 * 2.0**-40, rel=1e-9)
    first, second = ticket_rows(tmp_path / "net.npz", bits=[2, 3])  # without a file for it, of any width
    assert first | {"s": 0} == row | {"s": 0} and second["bits"] == 3
    (row,) = ticket_rows(tmp_path / "net.npz", bits=[2], samples=11, retries=1)
    assert row["failure probability"] == pytest.approx(6 * 2.0**-22, rel=1e-5)


def test_the_failure_probability_of_copies_is_that_of_tickets(tmp_path):
    """Ternary, one hidden unit, inputs of both signs: tickets of a thousand seeds."""
    np.savez(tmp_path / "net.npz", first=np.array([[1.0, -1.0]]), second=np.array([[1.0], [1.0]]))
    targets = [np.array([[1, -1]]), np.array([[1], [1]])]
    failed = sum(
        bool(embed(targets, 1, 4, seed, "depth_plus_one", signed_inputs=True).failures)
        for seed in range(1000)
    )
    # four copies, each good when four sums of four candidates are hit; then two weights choose among the good
    good = (1 - 2**-4) ** 4
    chance = 1 - sum(math.comb(4, k) * good**k * (1 - good) ** (4 - k) * (1 - 2.0**-k) ** 2 for k in range(5))
    assert abs(failed - 1000 * chance) < 4 * np.sqrt(1000 * chance * (1 - chance))
    seed = next(
        s for s in range(99) if not embed(targets, 1, 4, s, "depth_plus_one", signed_inputs=True).failures
    )
    (row,) = ticket_rows(tmp_path / "net.npz", bits=[2], samples=4, seed=seed, construction="depth_plus_one")
    assert row["failure probability"] == pytest.approx(chance, rel=1e-9)


def test_copies_choose_among_the_good_ones_alone_so_that_more_samples_are_needed(tmp_path):
    """The first layer has many inputs: many a copy is lost, and 8 samples a weight no longer do."""
    first = np.where(np.arange(30) % 3, 1.0, -1.0)[None, :]
    np.savez(tmp_path / "net.npz", first=first, second=np.ones((60, 1)))

    def chance(n):
        good = (1 - 2.0**-n) ** 60
        shares = [math.comb(n, k) * good**k * (1 - good) ** (n - k) for k in range(n + 1)]
        return 1 - sum(share * (1 - 2.0**-k) ** 60 for k, share in enumerate(shares))

    (two,) = ticket_rows(tmp_path / "net.npz", bits=[2], failure=0.5)
    (deep,) = ticket_rows(tmp_path / "net.npz", bits=[2], failure=0.5, construction="depth_plus_one")
    assert two["samples"] == 8 and deep["samples"] == 9  # 120 / 2^8 < 0.5 < 120 / 2^7
    assert chance(9) <= 0.5 < chance(8)
    assert deep["failure probability"] == pytest.approx(chance(9), rel=1e-9)


def test_failed_weights_of_a_checkpoint_are_drawn_again_as_often_as_asked(tmp_path):
    array = np.random.default_rng(4).normal(size=(3, 90))
    np.savez(tmp_path / "c.npz", a=array)
    codes, failures = integer_codes(array, 2, "symmetric")[0], []
    for retries in (0, 1, 4):
        row, _ = checkpoint_rows(tmp_path / "c.npz", bits=2, samples=4, seed=3, retries=retries)
        ticket = embed([codes], 1, 4, 3, signed_inputs=True, retries=retries)
        assert row["drawn parameters"] == ticket.drawn_parameters
        failures.append(row["failures"])
        lost = 1 - (1 - 2.0 ** (-4 * (1 + retries))) ** 2  # each redraw is a fresh try, on either side
        assert row["predicted failures"] == pytest.approx(np.count_nonzero(codes) * lost, rel=1e-9)
    assert failures[0] > failures[1] > failures[2]


@pytest.mark.parametrize("signed", [False, True])
def test_a_checkpoint_predicts_a_failure_for_every_side(tmp_path, monkeypatch, signed):
    array = np.random.default_rng(4).normal(size=(20, 13))
    np.savez(tmp_path / "c.npz", a=array, b=array[:, :12], small=array[:1])
    clock = SimpleNamespace(perf_counter=iter([8.0, 8.5, 20.0, 21.0]).__next__)
    monkeypatch.setattr(real, "time", clock)
    rows = checkpoint_rows(tmp_path / "c.npz", bits=2, samples=6, seed=3, signed_inputs=signed, least=240)
    assert [row["seconds"] for row in rows] == [0.5, 1.0, 1.5]
    assert [row["tensor"] for row in rows] == ["a", "b", "all"]
    for seed, (row, matrix) in enumerate(zip(rows, (array, array[:, :12]), strict=False), start=3):
        codes = integer_codes(matrix, 2, "symmetric")[0]
        lost = 1 - (1 - 2**-6) ** (1 + signed)  # a weight fails with either side, and counts once
        assert row["predicted failures"] == pytest.approx(np.count_nonzero(codes) * lost, rel=1e-12)
        ticket = embed([codes], 1, 6, seed, signed_inputs=signed)  # every tensor has a network of its own
        assert (row["failures"], row["kept parameters"]) == (len(ticket.failures), ticket.kept_parameters)
    for key in ("weights", "drawn parameters", "kept parameters", "failures", "predicted failures"):
        assert rows[2][key] == pytest.approx(rows[0][key] + rows[1][key])


def test_probing_inputs_hold_the_extremes():
    rows = probing_inputs(3, seed=1, size=7, count=5)
    assert rows[:4].tolist() == [[0, 0, 0], [7, 7, 7], [-7, -7, -7], [7, -7, 7]]
    np.testing.assert_array_equal(rows[4:10], 7 * np.concatenate([np.eye(3), -np.eye(3)]))
    assert rows.shape == (15, 3) and np.abs(rows[10:]).max() <= 7
    wide = probing_inputs(70, seed=1, size=7, count=5)[4:-5]  # of many inputs the first 64 alone
    np.testing.assert_array_equal(wide, 7 * np.concatenate([np.eye(70)[:64], -np.eye(70)[:64]]))
    assert {-7, 7} <= set(probing_inputs(2, seed=0, size=7, count=300)[8:].ravel().tolist())


def test_a_network_of_a_file_on_test_images(tmp_path):
    """Weights on a 3-bit grid in single precision: the ticket has them exactly, and so their accuracy."""
    codes = [integer_codes(w, 3, "symmetric")[0] for w in digits.weights()]
    np.savez(
        tmp_path / "w.npz",
        **{f"layer{i}": np.float32(0.037) * c.astype(np.float32) for i, c in enumerate(codes)},
    )
    (row,) = ticket_rows(tmp_path / "w.npz", [3], data="digits")
    expected = digits.load().accuracy([c.astype(float) for c in codes])
    assert row["float accuracy"] == row["quantized accuracy"] == row["ticket accuracy"] == expected
    assert row["identical outputs"] == "450 of 450" and row["verified for all inputs"]


@pytest.mark.parametrize("levels", [16, 1000, 1020])
def test_images_become_the_integers_of_their_unit(tmp_path, monkeypatch, levels):
    """Neighbouring levels in single precision, of digits and MNIST too, differ: the brighter pixel wins."""
    k = np.arange(levels)
    pairs = np.concatenate([np.stack([k + 1, k], axis=1), np.stack([k, k + 1], axis=1)])
    data = from_arrays(pairs / levels, np.repeat([0, 1], levels), unit=1 / levels)
    monkeypatch.setattr(real.images, "load", lambda name: data)
    np.savez(tmp_path / "w.npz", layer1=np.eye(2))
    (row,) = ticket_rows(tmp_path / "w.npz", [2], data="pairs", samples=20)
    assert row["float accuracy"] == row["quantized accuracy"] == row["ticket accuracy"] == 1.0


@pytest.mark.parametrize("bits", [(2, 3), ()])
def test_a_file_takes_one_ticket(tmp_path, bits):
    with pytest.raises(ValueError, match=rf"^out='.*t' takes one ticket, but bits names {len(bits)} widths$"):
        ticket_rows(bits=bits, out=tmp_path / "t")
    assert not list(tmp_path.iterdir())


def test_images_without_a_unit_are_no_integers(tmp_path, monkeypatch):
    data = from_arrays(np.eye(2).repeat(4, axis=0), np.arange(8) % 2)
    monkeypatch.setattr(real.images, "load", lambda name: data)
    np.savez(tmp_path / "w.npz", layer1=np.eye(2))
    with pytest.raises(ValueError, match=r"data='own' has no unit .*; use digits or mnist$"):
        ticket_rows(tmp_path / "w.npz", [2], data="own", samples=20)


@pytest.mark.parametrize(("wrong", "same"), [({}, 4), ({1: 2}, 3), ({16: 3}, 3), ({1: 2, 16: 3}, 2)])
def test_outputs_are_identical_where_those_on_a_coarser_grid_are_too(tmp_path, monkeypatch, wrong, same):
    """An input whose outputs differ with or without a reduction is none of the identical ones."""
    honest = real.network_outputs

    def network_outputs(weights, inputs, divisor=1):
        found = honest(weights, inputs, divisor)
        if divisor in wrong:
            found[wrong[divisor], 0] += 1  # one output of two
        return found

    monkeypatch.setattr(real, "network_outputs", network_outputs)
    monkeypatch.setattr(real, "time", SimpleNamespace(perf_counter=iter([5.5, 7.2504]).__next__))
    np.savez(tmp_path / "w.npz", layer1=np.eye(2))
    monkeypatch.setattr(real, "probing_inputs", lambda fan_in, seed: np.eye(2, dtype=int).repeat(2, axis=0))
    (row,) = ticket_rows(tmp_path / "w.npz", [2], samples=20)
    assert row["identical outputs"] == f"{same} of 4" and row["s"] == 1.75


@pytest.mark.parametrize(
    ("shape", "data", "message"),
    [
        ((3, 5), "digits", "data='digits' has 64 features, the network reads 5"),
        ((3, 5), "cifar", "data must be one of"),
    ],
)
def test_test_images_that_do_not_fit_are_one_sentence(tmp_path, shape, data, message):
    np.savez(tmp_path / "w.npz", layer1=np.ones(shape))
    with pytest.raises(ValueError, match=message):
        ticket_rows(tmp_path / "w.npz", [3], data=data)
    with pytest.raises(ValueError, match="the digits network reads the digits, got data='mnist'"):
        ticket_rows("digits", [3], data="mnist")


@pytest.mark.parametrize(("options", "redraws"), [
    ({}, 3), ({"samples": 20}, 0), ({"construction": "depth_plus_one"}, 0),
    ({"retries": 1}, 1), ({"samples": 20, "retries": 2}, 2),
])  # fmt: skip
def test_failed_weights_are_drawn_three_times_more_where_samples_are_left_open(monkeypatch, options, redraws):
    asked = []

    def recorded(*arguments, **given):
        asked.append((given["retries"], arguments[4]))
        return embed(*arguments, **given)

    monkeypatch.setattr("sims.lottery.real.embed", recorded)
    ticket_rows(bits=[2], failure=0.1, **options)
    assert asked == [(redraws, options.get("construction", "two_layer"))]


@pytest.mark.parametrize("verdicts", [(True, True), (True, False), (False, True)])
def test_a_checkpoint_is_verified_where_every_layer_is(tmp_path, monkeypatch, verdicts):
    left = iter(verdicts)
    monkeypatch.setattr("sims.lottery.real._represented", lambda ticket: next(left))
    path = tmp_path / "w.npz"
    np.savez(path, a=np.ones((4, 64)), b=np.ones((4, 64)))
    rows = checkpoint_rows(path, bits=2, samples=9)
    assert [row["verified"] for row in rows] == [*verdicts, all(verdicts)]
